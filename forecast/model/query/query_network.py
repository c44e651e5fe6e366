"""The query network: a few attention layers over tokens of the agent, its neighbours and the map.

``docs/networks.md`` holds what it is made of, where that comes from, and what it reaches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecast.core.batch import AgentBatch
from forecast.core.forecast import Forecast
from forecast.core.shapes import Float
from forecast.model.branch import Branch, Stage
from forecast.model.mixture import log_density
from forecast.model.mode_attention import ModeAttention
from forecast.model.network_protocol import Network
from forecast.model.query.agent_tokens import AgentTokens
from forecast.model.query.decoder_layer import DecoderLayer
from forecast.model.query.futures import FutureHead, Futures, Start
from forecast.model.query.map_tokens import MapTokens, MapView
from forecast.model.query.query_config import QueryConfig
from forecast.model.query.refinement import Refinement
from forecast.model.unicycle import initial_motion


@dataclass(frozen=True)
class _Scene:
    """What the queries may look at.

    Attributes:
        target: (batch, size) the agent's own token.
        tokens: (batch, tokens, size): a null token, the target's, the neighbours', the map's.
        there: (batch, tokens) bool; None for all.
        view: the map; None where there is none.
        start: motion at time 0.
    """

    target: Tensor
    tokens: Tensor
    there: Tensor | None
    view: MapView | None
    start: Start


class QueryNetwork(Network):
    """One query a mode. Each looks at all tokens, then at the others, and says a future, which the map corrects.

    Without map there is nothing to correct by, and without any context what is left is a perceptron of the past.

    Args:
        config: sizes and switches.
    """

    config_class = QueryConfig
    config: QueryConfig

    def __init__(self, config: QueryConfig) -> None:
        super().__init__(config)
        size, rows, drop = config.size, config.horizon.history_rows, config.dropout
        self.target = AgentTokens(rows, size)
        self.neighbours = AgentTokens(rows, size) if config.uses_neighbours else None
        self.map = MapTokens(config.trunk, config.crop, size) if config.uses_map else None
        self.nothing = nn.Parameter(0.02 * torch.randn(size))
        self.modes = nn.Parameter(torch.randn(config.modes, size))
        self.layers = nn.ModuleList(DecoderLayer(size, config.heads, drop) for _ in range(config.layers))
        self.head = FutureHead(size, config.horizon)
        self.refinements = nn.ModuleList(
            Refinement(config) for _ in range(config.refinements if config.uses_map else 0)
        )

    def forward(self, batch: AgentBatch, *, without_context: bool = False) -> tuple[Branch, Branch | None]:
        """See :meth:`Network.forward`; the pass without context trains neither encoder, as CAB's does not."""
        scene = self._scene(batch)
        seen = self._branch(self._futures(scene), batch)
        if not without_context:
            return seen, None
        return seen, self._branch(self._futures(self._nulled(scene, scene.target.detach())), batch)

    def mixture(self, batch: AgentBatch, *, null_context: bool = False) -> Forecast:
        """See :meth:`Network.mixture`."""
        scene = self._own(batch) if null_context else self._scene(batch)
        futures = self._futures(scene)[-1]
        motion = futures.gaussians()
        return Forecast(
            positions_m=futures.positions_m,
            probabilities=futures.logits.softmax(-1),
            headings_rad=futures.heading,
            covariances_m2=torch.stack([motion.xx, motion.xy, motion.xy, motion.yy], -1).view(*motion.x.shape, 2, 2),
        )

    def attention(self, batch: AgentBatch) -> ModeAttention:
        """See :meth:`Network.attention`; of the last layer."""
        scene = self._scene(batch)
        last = self.layers[-1]
        assert isinstance(last, DecoderLayer)
        looked = last.weights(self._queries(scene, self.layers[:-1]), scene.tokens, scene.there).mean(1)
        slots = 0 if self.neighbours is None else batch.neighbour_types.shape[1]
        cells = looked[..., 2 + slots :].reshape(*looked.shape[:2], *((0, 0) if self.map is None else self.map.grid))
        return ModeAttention(looked[..., 0], looked[..., 1], looked[..., 2 : 2 + slots], cells)

    def encoding(self, batch: AgentBatch) -> Float[Tensor, "batch size"]:
        """See :meth:`Network.encoding`: the mean of the queries that futures are said from, without a unit."""
        return self._queries(self._scene(batch), self.layers).mean(1)

    def map_tokens(
        self, crop: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch rows columns size"] | None:
        """See :meth:`Network.map_tokens`."""
        return None if self.map is None else self.map(crop).tokens.unflatten(1, self.map.grid)

    def attention_parameters(self) -> set[str]:
        """See :meth:`Network.attention_parameters`."""
        heads = {name for name, layer in self.named_modules() if isinstance(layer, FutureHead)}
        others = {"modes", "nothing", "map.position"}
        return super().attention_parameters() | {
            name
            for name, _ in self.named_parameters()
            if name in others or any(name.startswith(f"{head}.") for head in heads)
        }

    def map_parameters(self) -> list[nn.Parameter]:
        """Of what reads the map."""
        return [] if self.map is None else list(self.map.parameters())

    def _own(self, batch: AgentBatch) -> _Scene:
        """The agent's own past alone."""
        target = self.target(batch.history, batch.history_valid, batch.target_type)
        # In the precision of the parameters, also where layers compute in half.
        start = Start(*initial_motion(batch.history[:, -1].to(self.modes.dtype), self.config.heading_speed_mps))
        return self._nulled(_Scene(target, target, None, None, start), target)

    def _nulled(self, scene: _Scene, target: Tensor) -> _Scene:
        tokens = torch.stack([self.nothing.expand_as(target), target], 1)
        return _Scene(target, tokens, None, None, scene.start)

    def _scene(self, batch: AgentBatch) -> _Scene:
        own = self._own(batch)
        tokens, there, view = [own.tokens], None, None
        if self.neighbours is not None:
            shape = batch.neighbour_types.shape
            states, valid = batch.neighbours.flatten(0, 1), batch.neighbours_valid.flatten(0, 1)
            others = self.neighbours(states, valid, batch.neighbour_types.flatten())
            tokens.append(others.view(*shape, self.config.size))
            there = batch.neighbours_valid.any(2)
        if self.map is not None:
            if batch.crop is None:
                raise ValueError("this model reads the map: the batch needs crops (AgentBatch.crop)")
            view = self.map(batch.crop)
            tokens.append(view.tokens)
        seen = torch.cat(tokens, 1)
        if there is not None:
            # All but the slots of neighbours are always there.
            before, after = own.tokens.shape[1], 0 if view is None else view.tokens.shape[1]
            there = functional.pad(there, (before, after), value=True)
        return _Scene(own.target, seen, there, view, own.start)

    def _queries(self, scene: _Scene, layers: Iterable[nn.Module]) -> Tensor:
        """(batch, modes, size) after some layers."""
        queries = self.modes + scene.target[:, None]
        for layer in layers:
            queries = layer(queries, scene.tokens, scene.there)
        return queries

    def _futures(self, scene: _Scene) -> list[Futures]:
        """The futures of each stage, the last one the best."""
        queries = self._queries(scene, self.layers)
        stages = [self.head(queries, scene.start)]
        for refinement in self.refinements:
            queries, futures = refinement(queries, stages[-1], scene.start, scene.view)
            stages.append(futures)
        return stages

    def _branch(self, stages: list[Futures], batch: AgentBatch) -> Branch:
        last, x, y = stages[-1], *batch.future[:, None].to(stages[-1].logits.dtype).unbind(-1)
        return Branch(
            last.logits,
            None,
            log_density(last.gaussians(), x, y),
            distances_m=self._distances_m(last, batch),
            positions_m=last.positions_m,
            earlier=tuple(Stage(stage.logits, self._distances_m(stage, batch)) for stage in stages[:-1]),
        )

    def _distances_m(self, futures: Futures, batch: AgentBatch) -> Tensor:
        """(batch, modes) mean distance from the truth, and the last one at its weight."""
        error = (futures.positions_m - batch.future[:, None].to(futures.logits.dtype)).norm(dim=-1)
        counted = batch.future_valid.to(error.dtype)[:, None]
        mean = (error * counted).sum(-1) / counted.sum(-1).clamp(min=1)
        distances: Tensor = mean + self.config.final_weight * error[..., -1] * counted[..., -1]
        return distances
