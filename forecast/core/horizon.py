"""How far back a forecaster looks, how far ahead it answers, and in which steps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Horizon:
    """The time axis of a forecast; nuScenes prediction is the default: 2 s back and 6 s ahead at 2 Hz.

    Attributes:
        step_s: seconds between steps.
        history_steps: *past* steps; a history tensor has ``history_steps + 1`` rows, the last one the present.
        future_steps: steps ahead, the first one at ``step_s``.
    """

    step_s: float = 0.5
    history_steps: int = 4
    future_steps: int = 12

    def __post_init__(self) -> None:
        if not self.step_s > 0 or self.history_steps < 0 or self.future_steps < 1:
            raise ValueError(f"expected step_s > 0, history_steps >= 0 and future_steps >= 1, got {self}")

    @property
    def history_rows(self) -> int:
        """Rows of a history tensor: the past steps and the present one."""
        return self.history_steps + 1

    @property
    def future_s(self) -> float:
        """Seconds from time 0 to the last step."""
        return self.step_s * self.future_steps


NUSCENES_HORIZON = Horizon()
