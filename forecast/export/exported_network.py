"""The network as the exported file sees it: named tensors in, named tensors out, nothing around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from forecast.core.agents import STATE_CHANNELS, AgentType
from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.forecast import Forecast
from forecast.model.network_config import NetworkConfig
from forecast.model.network_protocol import Network


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of the exported network.

    Attributes:
        axes: names of its axes, outermost first; an axis of fixed length is written ``name=length``.
        dtype: NumPy's name.
        about: what it holds, with units and frame.
    """

    axes: tuple[str, ...]
    dtype: str
    about: str


def input_specs(config: NetworkConfig) -> dict[str, TensorSpec]:
    """What the network of a configuration reads, in the order of the file's inputs."""
    rows, channels = f"history={config.horizon.history_rows}", f"channels={len(STATE_CHANNELS)}"
    specs = {
        "history": TensorSpec(
            ("batch", rows, channels), "float32", "states of the target, agent frame, oldest first; invalid rows are 0"
        ),
        "history_valid": TensorSpec(("batch", rows), "bool", "which rows were seen; the last one is always true"),
    }
    if config.uses_neighbours:
        specs |= {
            "neighbours": TensorSpec(
                ("batch", "neighbours", rows, channels), "float32", "states of the others, frame of the target"
            ),
            "neighbours_valid": TensorSpec(("batch", "neighbours", rows), "bool", "which of these rows were seen"),
            "neighbour_types": TensorSpec(("batch", "neighbours"), "int64", "agent types; -1 in empty slots"),
        }
    if config.uses_map:
        layers, height, width = config.crop.shape
        specs["crop"] = TensorSpec(
            ("batch", f"layers={layers}", f"height={height}", f"width={width}"),
            "float32",
            "map around the target, 0…1 (directions of traffic −1…1): rows grow forward, columns grow left",
        )
    return specs


def output_specs(config: NetworkConfig) -> dict[str, TensorSpec]:
    """What the network answers, in the order of the file's outputs."""
    modes, steps = f"modes={config.answered_modes}", f"steps={config.horizon.future_steps}"
    lead = ("batch", modes, steps)
    return {
        "positions_m": TensorSpec((*lead, "xy=2"), "float32", "agent frame, metres; step 0 is one step ahead"),
        "probabilities": TensorSpec(("batch", modes), "float32", "of the modes, summing to 1; 0 where merged"),
        "headings_rad": TensorSpec(lead, "float32", "direction of travel, agent frame, not wrapped"),
        "covariances_m2": TensorSpec((*lead, "xy=2", "xy=2"), "float32", "of the positions, m², agent frame"),
    }


class ExportedNetwork(nn.Module):
    """A model whose ``forward`` takes and gives plain tensors in the order of the specs.

    Args:
        model: in evaluation mode.
    """

    def __init__(self, model: Network) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(input_specs(model.config))

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Forecast.

        Args:
            *tensors: (batch, …) each, metres, seconds and radians, agent frame, in the order of :func:`input_specs`.

        Returns:
            (batch, modes, …) each, metres and radians, agent frame, in the order of :func:`output_specs`.
        """
        given = dict(zip(self.names, tensors, strict=True))
        return tensors_of(self.model.predict(_as_batch(given, self.model.config)))


def tensors_of(forecast: Forecast) -> tuple[Tensor, ...]:
    """The tensors of a forecast in the order of :func:`output_specs`.

    Returns:
        Positions (batch, modes, steps, 2) metres; probabilities (batch, modes); headings (batch, modes, steps) radians;
        covariances (batch, modes, steps, 2, 2) m².
    """
    assert forecast.headings_rad is not None
    assert forecast.covariances_m2 is not None
    return forecast.positions_m, forecast.probabilities, forecast.headings_rad, forecast.covariances_m2


def _as_batch(given: dict[str, Tensor], config: NetworkConfig) -> AgentBatch:
    """A batch with these inputs; what no network reads is 0, what this network does not read is empty."""
    history = given["history"]
    batch, rows, channels = history.shape
    zeros, future = history.new_zeros, config.horizon.future_steps
    empty = {
        "neighbours": zeros(batch, 0, rows, channels),
        "neighbours_valid": zeros(batch, 0, rows, dtype=torch.bool),
        "neighbour_types": zeros(batch, 0, dtype=torch.int64),
    }
    read: dict[str, Any] = {**empty, **given}
    return AgentBatch(
        **read,
        target_type=zeros(batch, dtype=torch.int64),
        size_m=zeros(batch, 2),
        pose_world=zeros(batch, 3, dtype=torch.float64),
        map_index=zeros(batch, dtype=torch.int64),
        future=zeros(batch, future, 2),
        future_valid=zeros(batch, future, dtype=torch.bool),
    )


def example_batch(config: NetworkConfig, *, batch: int, neighbours: int, seed: int = 0) -> AgentBatch:
    """Made-up agents that drive straight on along a bent road, others that do so around them.

    They are plain on purpose: far from everything a network was trained on, rounding grows along the steps of its
    decoder, and an export would be told apart from its model where it does not matter.

    Args:
        config: of the model.
        batch, neighbours: how many agents, and how many others beside each.
        seed: everything is drawn from it.
    """
    random = torch.Generator().manual_seed(seed)
    rows = config.horizon.history_rows

    def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=random)

    valid, others_valid = uniform(batch, rows) > 0.1, uniform(batch, neighbours, rows) > 0.2
    valid[:, -1] = True
    around = uniform(batch, neighbours, 2, low=-25.0, high=25.0)
    headings = uniform(batch, neighbours, low=-torch.pi, high=torch.pi)
    types = torch.randint(int(AgentType.PADDING), int(AgentType.PEDESTRIAN) + 1, (batch, neighbours), generator=random)
    zeros = torch.zeros(batch)
    made = {
        "history": _straight(zeros[:, None].expand(-1, 2), zeros, uniform(batch, high=15.0), config, valid),
        "history_valid": valid,
        "neighbours": _straight(around, headings, uniform(batch, neighbours, high=10.0), config, others_valid),
        "neighbours_valid": others_valid,
        "neighbour_types": types,
        "crop": _bent_roads(uniform(batch, low=-0.01, high=0.01), config.crop),
    }
    return _as_batch({name: made[name] for name in input_specs(config)}, config)


def _straight(at_m: Tensor, heading_rad: Tensor, speed_mps: Tensor, config: NetworkConfig, valid: Tensor) -> Tensor:
    """States at constant speed that are at ``at_m`` now; (…, rows, channels), 0 in rows that are not valid."""
    rows = config.horizon.history_rows
    ago_s = torch.arange(1 - rows, 1) * config.horizon.step_s
    velocity = speed_mps[..., None] * torch.stack([heading_rad.cos(), heading_rad.sin()], -1)
    states = torch.zeros(*heading_rad.shape, rows, len(STATE_CHANNELS))
    states[..., 0:2] = at_m[..., None, :] + velocity[..., None, :] * ago_s[:, None]
    states[..., 2:4] = velocity[..., None, :]
    states[..., STATE_CHANNELS.index("heading")] = heading_rad[..., None]
    return states * valid[..., None]


def _bent_roads(curvature_per_m: Tensor, crop: CropSpec) -> Tensor:
    """A road of 8 m through the agent along its heading, its middle in all channels but the first."""
    layers, height, width = crop.shape
    x = (torch.arange(height) + 0.5) / crop.px_per_m - crop.behind_m
    y = (torch.arange(width) + 0.5) / crop.px_per_m - crop.right_m
    off = y - 0.5 * curvature_per_m[:, None, None] * x[:, None].square()
    middle = off.abs() < 0.5 / crop.px_per_m
    return torch.stack([off.abs() < 4.0, *[middle] * (layers - 1)], 1).float()
