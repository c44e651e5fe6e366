"""What a forecaster is given: a batch of target agents with all that is known at time 0, and the truth after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from forecast.core.agents import STATE_CHANNELS
from forecast.core.shapes import Bool, Float, Float64, Int64, Shaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

_SHAPES = {
    "history": "batch history channels",
    "history_valid": "batch history",
    "target_type": "batch",
    "size_m": "batch two",
    "neighbours": "batch neighbours history channels",
    "neighbours_valid": "batch neighbours history",
    "neighbour_types": "batch neighbours",
    "pose_world": "batch three",
    "map_index": "batch",
    "future": "batch future two",
    "future_valid": "batch future",
}
_OPTIONAL = ("time_s", "crop")
_KNOWN = {"channels": len(STATE_CHANNELS), "two": 2, "three": 3}


@dataclass(frozen=True)
class AgentBatch:
    """A batch of agent-samples. Everything but ``future`` and ``future_valid`` is known at time 0.

    The agent frame is that of each target at time 0; invalid entries are 0 and flagged False. State channels
    are those of :data:`forecast.core.agents.STATE_CHANNELS`; velocities, accelerations and yaw rates are
    *backward* differences over real time stamps, 0 where there is nothing earlier to take them from.

    Attributes:
        history: (batch, history, channels) float32, agent frame, oldest first, last row the present.
        history_valid: (batch, history) bool; the last column is always True.
        target_type: (batch,) int64, :class:`~forecast.core.agents.AgentType`.
        size_m: (batch, 2) float32 length and width.
        neighbours: (batch, neighbours, history, channels) float32, agent frame of the target.
        neighbours_valid: (batch, neighbours, history) bool.
        neighbour_types: (batch, neighbours) int64, ``PADDING`` in empty slots.
        pose_world: (batch, 3) float64 x, y, heading of the target at time 0.
        map_index: (batch,) int64 index into ``map_names``.
        future: (batch, future, 2) float32 positions, agent frame; zeros where unknown.
        future_valid: (batch, future) bool.
        map_names: names of the maps that ``map_index`` refers to.
        track_tokens: of each target's track, one per agent; may be empty.
        sample_tokens: of the key frame that is each target's time 0, one per agent; may be empty.
        time_s: (batch,) float64 absolute time of each target's time 0; None where it is not known.
        crop: (batch, channels, height, width) float32 in 0…1 (directions: −1…1) or uint8 0/1, or None until made (see
            :class:`~forecast.core.crops.CropSpec` for its axes).
    """

    history: Float[torch.Tensor, "batch history channels"]
    history_valid: Bool[torch.Tensor, "batch history"]
    target_type: Int64[torch.Tensor, "batch"]
    size_m: Float[torch.Tensor, "batch 2"]
    neighbours: Float[torch.Tensor, "batch neighbours history channels"]
    neighbours_valid: Bool[torch.Tensor, "batch neighbours history"]
    neighbour_types: Int64[torch.Tensor, "batch neighbours"]
    pose_world: Float[torch.Tensor, "batch 3"]
    map_index: Int64[torch.Tensor, "batch"]
    future: Float[torch.Tensor, "batch steps 2"]
    future_valid: Bool[torch.Tensor, "batch steps"]
    map_names: tuple[str, ...] = ()
    track_tokens: tuple[str, ...] = ()
    sample_tokens: tuple[str, ...] = ()
    time_s: Float64[torch.Tensor, "batch"] | None = None
    crop: Shaped[torch.Tensor, "batch layers height width"] | None = None

    def __post_init__(self) -> None:
        sizes = dict(_KNOWN)
        for name, axes in _SHAPES.items():
            shape = tuple(getattr(self, name).shape)
            expected = tuple(sizes.get(axis) for axis in axes.split())
            if len(shape) != len(expected) or any(
                want not in (None, got) for want, got in zip(expected, shape, strict=True)
            ):
                raise ValueError(f"AgentBatch.{name}: expected shape ({axes}) = {expected}, got {shape}")
            sizes.update(zip(axes.split(), shape, strict=True))
        if self.time_s is not None and tuple(self.time_s.shape) != (len(self),):
            raise ValueError(
                f"AgentBatch.time_s: expected shape (batch) = ({len(self)},), got {tuple(self.time_s.shape)}"
            )

    def __len__(self) -> int:
        return int(self.history.shape[0])

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> AgentBatch:
        tensors: dict[str, Any] = {name: change(getattr(self, name)) for name in _SHAPES}
        for name in _OPTIONAL:
            given = getattr(self, name)
            tensors[name] = None if given is None else change(given)
        return replace(self, **tensors)

    def anonymous(self) -> AgentBatch:
        """The same without tokens and times: what a changed or repeated agent is made of."""
        return replace(self, track_tokens=(), sample_tokens=(), time_s=None)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> AgentBatch:
        """Move all tensors to a device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> AgentBatch:
        """Pin all tensors, as torch's loaders ask for."""
        return self._map(lambda tensor: tensor.pin_memory())

    def __getitem__(self, index: torch.Tensor | slice) -> AgentBatch:
        """Take some agents: a slice, an index tensor or a boolean mask."""
        part = self._map(lambda tensor: tensor[index])
        if not self.track_tokens:
            return part
        import torch

        kept = torch.arange(len(self))[index.cpu() if isinstance(index, torch.Tensor) else index].tolist()
        return replace(
            part,
            track_tokens=tuple(self.track_tokens[i] for i in kept),
            sample_tokens=tuple(self.sample_tokens[i] for i in kept),
        )

    def blocks(self, agents: int = 256) -> Iterator[AgentBatch]:
        """The batch in parts of at most so many agents, in order."""
        return (self[first : first + agents] for first in range(0, len(self), agents))

    def tensors(self) -> dict[str, torch.Tensor]:
        """What networks read, and the truth, by name, (batch, …) in metres, seconds and radians.

        Without ``crop`` where there is none, and without ``time_s``, which no network reads.
        """
        named = {name: getattr(self, name) for name in _SHAPES}
        return named if self.crop is None else {**named, "crop": self.crop}
