"""What a forecaster answers: several possible futures of each agent, with their probabilities."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from forecast.core.frames import rotate, world_from_agent
from forecast.core.shapes import Float


@dataclass(frozen=True)
class Forecast:
    """Multimodal forecasts of a batch of agents, all in one frame.

    Attributes:
        positions_m: (batch, modes, steps, 2) metres; step 0 is one ``step_s`` after time 0.
        probabilities: (batch, modes), non-negative, summing to 1.
        headings_rad: (batch, modes, steps) or None.
        covariances_m2: (batch, modes, steps, 2, 2) of the positions, or None.
        frame: ``"agent"`` (each target's own at time 0) or ``"world"``.
    """

    positions_m: Float[torch.Tensor, "batch modes steps 2"]
    probabilities: Float[torch.Tensor, "batch modes"]
    headings_rad: Float[torch.Tensor, "batch modes steps"] | None = None
    covariances_m2: Float[torch.Tensor, "batch modes steps 2 2"] | None = None
    frame: str = "agent"

    def __post_init__(self) -> None:
        shape = tuple(self.positions_m.shape)
        if len(shape) != 4 or shape[-1] != 2:
            raise ValueError(f"Forecast.positions_m: expected (batch, modes, steps, 2), got {shape}")
        expected = {
            "probabilities": shape[:2],
            "headings_rad": shape[:3],
            "covariances_m2": (*shape[:3], 2, 2),
        }
        for name, want in expected.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != tuple(want):
                raise ValueError(f"Forecast.{name}: expected shape {tuple(want)}, got {tuple(value.shape)}")
        if self.frame not in ("agent", "world"):
            raise ValueError(f"Forecast.frame: expected 'agent' or 'world', got {self.frame!r}")

    def __len__(self) -> int:
        return int(self.positions_m.shape[0])

    def to_world(self, pose_world: Float[torch.Tensor, "batch 3"]) -> Forecast:
        """Move an agent-frame forecast into the world, in float64.

        Args:
            pose_world: (batch, 3) float64 x, y, heading of each target at time 0.

        Raises:
            ValueError: the forecast already is in the world frame.
        """
        if self.frame == "world":
            raise ValueError("this forecast already is in the world frame")
        pose = pose_world.double()[:, None, None]
        headings, covariances = self.headings_rad, self.covariances_m2
        if headings is not None:
            headings = headings.double() + pose[..., 2]
        if covariances is not None:
            # R Σ Rᵀ: rotate the columns, then the rows.
            half = rotate(covariances.double().transpose(-1, -2), pose[..., 2, None])
            covariances = rotate(half.transpose(-1, -2), pose[..., 2, None])
        return replace(
            self,
            positions_m=world_from_agent(self.positions_m.double(), pose),
            headings_rad=headings,
            covariances_m2=covariances,
            frame="world",
        )

    def most_likely(self) -> Float[torch.Tensor, "batch steps 2"]:
        """Positions of the most probable mode, (batch, steps, 2); ties go to the lower mode index."""
        # argmax on CPU and GPU does not promise the first of equals; a stable sort does.
        best = torch.argsort(self.probabilities, dim=1, descending=True, stable=True)[:, 0]
        return self.positions_m[torch.arange(len(self), device=best.device), best]
