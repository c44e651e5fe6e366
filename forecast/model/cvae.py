"""The CVAE: encoders, categorical latent, decoder, dynamics, with context and, sharing them, without.

Method: *Raising context awareness in motion forecasting*, Ben-Younes et al., CVPR-W 2022 (arXiv 2109.08048), on the
backbone of Trajectron++ (arXiv 2001.03093). ``docs/method.md`` holds the equations and where this differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecast.core.batch import AgentBatch
from forecast.core.forecast import Forecast
from forecast.core.shapes import Float
from forecast.model.branch import Branch
from forecast.model.cvae_config import CVAEConfig
from forecast.model.decoder import Decoder
from forecast.model.history import HistoryEncoder, suffix_start
from forecast.model.latent import CategoricalLatent, FutureEncoder
from forecast.model.map_encoder import MapEncoder
from forecast.model.mixture import log_density
from forecast.model.neighbours import NeighbourEncoder
from forecast.model.network_protocol import Network
from forecast.model.pooled_neighbours import PooledNeighbours
from forecast.model.scaling import scaled_future, scaled_history
from forecast.model.unicycle import Motion, initial_motion, integrate


@dataclass(frozen=True)
class _Agents:
    """What both passes share: the present state, scaled, and the motion at time 0; (rows, …) each."""

    present: Tensor
    heading: Tensor
    speed: Tensor

    def repeat(self, times: int) -> _Agents:
        parts = (self.present, self.heading, self.speed)
        return _Agents(*(part.repeat(times, *[1] * (part.ndim - 1)) for part in parts))


@dataclass(frozen=True)
class _Draws:
    """Randomness of one pass in training: the prior's dropout mask and the noise on the controls fed back."""

    keep: Tensor | None
    noise: Tensor | None


class CVAE(Network):
    """A conditional VAE with a categorical latent over futures of one agent, given its past, neighbours and map.

    Args:
        config: sizes and switches; without map and neighbours the encoding is the history's alone.
    """

    config_class = CVAEConfig
    has_posterior: ClassVar[bool] = True
    config: CVAEConfig

    def __init__(self, config: CVAEConfig) -> None:
        super().__init__(config)
        size, drop = config.encoding_size, config.dropout
        self.history = HistoryEncoder(size, drop.encoders, normalised=config.normalised_history)
        self.neighbours = _neighbour_encoder(config) if config.uses_neighbours else None
        self.map = MapEncoder(config.map_encoder, config.crop, size, drop.map) if config.uses_map else None
        self.future = FutureEncoder(config.future_size, drop.encoders)
        self.latent = CategoricalLatent(config.context_size, 4 * config.future_size, config.prior_size, config.modes)
        self.decoder = Decoder(config.modes, config.context_size, config.decoder_size, config.horizon.future_steps)
        self.heading_correction = nn.Linear(config.context_size + 1, 1)

    @property
    def dtype(self) -> torch.dtype:
        """Of the parameters, and of all that is computed."""
        return self.heading_correction.weight.dtype

    def encode(self, batch: AgentBatch) -> tuple[Float[Tensor, "batch size"], Float[Tensor, "batch size"]]:
        """Encodings with context and with the context nulled.

        Args:
            batch: agent frame, with crops where the model uses the map.

        Returns:
            ``e = [neighbours ; history ; map]`` and ``ẽ = [0 ; history ; map code of the null map]``, the latter
            detached; (batch, context size) each, no unit.

        Raises:
            ValueError: the model uses the map and the batch has no crops.
        """
        past = self._past(batch)
        return self._with_context(batch, past), self._nulled(past).detach()

    def _past(self, batch: AgentBatch) -> Tensor:
        states = scaled_history(batch.history.to(self.dtype), batch.history_valid)
        code: Tensor = self.history(states, suffix_start(batch.history_valid))
        return code

    def _with_context(self, batch: AgentBatch, past: Tensor) -> Tensor:
        parts = [past]
        if self.neighbours is not None:
            history, valid = batch.history.to(self.dtype), batch.neighbours_valid & batch.history_valid[:, None]
            states, start = scaled_history(history, batch.history_valid), suffix_start(batch.history_valid)
            others = batch.neighbours.to(self.dtype)
            parts = [self.neighbours(others, valid, batch.neighbour_types, history, states, start, past), past]
        if self.map is not None:
            if batch.crop is None:
                raise ValueError("this model reads the map: the batch needs crops (AgentBatch.crop)")
            parts.append(self.map(batch.crop))
        return torch.cat(parts, 1)

    def _nulled(self, past: Tensor) -> Tensor:
        parts = [past]
        if self.neighbours is not None:
            parts = [torch.zeros_like(past), past]
        if self.map is not None:
            parts.append(self.map.null().expand_as(past))
        return torch.cat(parts, 1)

    def _agents(self, batch: AgentBatch) -> _Agents:
        history = batch.history.to(self.dtype)
        heading, speed = initial_motion(history[:, -1], self.config.heading_speed_mps)
        return _Agents(scaled_history(history, batch.history_valid)[:, -1], heading, speed)

    def _decode(self, encoding: Tensor, agents: _Agents, noise: Tensor | None) -> Motion:
        """Decode all modes: fields (steps, rows, modes)."""
        controls = self.decoder(encoding, agents.present, noise)
        corrected = torch.cat([encoding, agents.heading[:, None]], 1)
        heading = agents.heading[:, None] + torch.tanh(self.heading_correction(corrected))
        motion = integrate(controls, heading, agents.speed[:, None], self.config.horizon.step_s)
        added = self.config.position_noise_m**2
        return Motion(motion.x, motion.y, motion.heading, motion.xx + added, motion.xy, motion.yy + added)

    def _draw(self, rows: int) -> _Draws:
        if not self.training:
            return _Draws(None, None)
        weight = self.heading_correction.weight
        keep = functional.dropout(weight.new_ones(rows, self.latent.hidden_size), self.config.dropout.prior)
        shape = (self.decoder.steps, 2, rows, self.decoder.modes)
        noise = torch.randn(shape, dtype=weight.dtype, device=weight.device) if self.config.control_noise else None
        return _Draws(keep, noise)

    def forward(self, batch: AgentBatch, *, without_context: bool = False) -> tuple[Branch, Branch | None]:
        """See :meth:`Network.forward`; the pass without context trains neither encoder (the paper's blind branch)."""
        passes = 1 + without_context
        encoding, nulled = self.encode(batch)
        agents, future = self._agents(batch), batch.future.to(self.dtype)
        future_code = self.future(scaled_future(future, batch.future_valid), agents.present)
        draws = [self._draw(len(batch)) for _ in range(passes)]
        keep, noise = _joined([d.keep for d in draws], 0), _joined([d.noise for d in draws], 2)
        encodings = torch.cat([encoding, nulled]) if without_context else encoding
        prior = self.latent.prior(encodings, keep)
        posterior = self.latent.posterior(encodings, future_code.repeat(passes, 1))
        motion = self._decode(encodings, agents.repeat(passes), noise)
        truth_x, truth_y = (c.T.repeat(1, passes)[..., None] for c in future.unbind(-1))
        likelihoods = log_density(motion, truth_x, truth_y).permute(1, 2, 0)
        positions_m = torch.stack([motion.x, motion.y], -1).permute(1, 2, 0, 3)
        said = (part.chunk(passes) for part in (prior, posterior, likelihoods, positions_m))
        parts = [Branch(p, q, steps, positions_m=where) for p, q, steps, where in zip(*said, strict=True)]
        return parts[0], parts[1] if without_context else None

    def mixture(self, batch: AgentBatch, *, null_context: bool = False) -> Forecast:
        """See :meth:`Network.mixture`: the means of the controls, and probabilities from unclamped logits."""
        past = self._past(batch)
        encoding = self._nulled(past) if null_context else self._with_context(batch, past)
        motion = self._decode(encoding, self._agents(batch), None)
        x, y, heading, xx, xy, yy = (
            getattr(motion, name).permute(1, 2, 0) for name in ("x", "y", "heading", "xx", "xy", "yy")
        )
        return Forecast(
            positions_m=torch.stack([x, y], -1),
            probabilities=self.latent.prior(encoding).softmax(-1),
            headings_rad=heading,
            covariances_m2=torch.stack([xx, xy, xy, yy], -1).view(*xx.shape, 2, 2),
        )

    def encoding(self, batch: AgentBatch) -> Float[Tensor, "batch size"]:
        """See :meth:`Network.encoding`: the code of neighbours, history and map, without a unit."""
        return self._with_context(batch, self._past(batch))

    def map_parameters(self) -> list[nn.Parameter]:
        """Of the map encoder."""
        return [] if self.map is None else list(self.map.parameters())


def _neighbour_encoder(config: CVAEConfig) -> NeighbourEncoder | PooledNeighbours:
    size, dropout = config.encoding_size, config.dropout.encoders
    if config.neighbour_encoder == "summed":
        return NeighbourEncoder(size, dropout)
    return PooledNeighbours(size, config.horizon.history_rows, dropout)


def _joined(parts: list[Tensor | None], axis: int) -> Tensor | None:
    given = [part for part in parts if part is not None]
    return torch.cat(given, axis) if given else None
