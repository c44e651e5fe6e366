"""Constants that change while training runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from forecast.model.own_loss import Annealed


@dataclass(frozen=True)
class Sigmoid:
    """A smooth step from one value to another.

    Attributes:
        start: value long before.
        finish: value long after.
        centre: when it is half-way, in the schedule's unit.
        width: scale of the logistic, in the schedule's unit.

    >>> Sigmoid(0.0, 100.0, 400.0, 100.0).at(400.0)
    50.0
    """

    start: float
    finish: float
    centre: float
    width: float

    def __post_init__(self) -> None:
        if not self.width > 0:
            raise ValueError(f"a schedule's width must be positive, got {self.width}")

    def at(self, when: float) -> float:
        """Value at a time in the schedule's own unit."""
        # By tanh, which a narrow step does not make overflow.
        return self.start + (self.finish - self.start) * (1 + math.tanh((when - self.centre) / self.width / 2)) / 2


def rising_cosine(step: int, total: int, warmup: float, end: float = 0.0) -> float:
    """Factor of a learning rate: it rises in a straight line, while half a cosine takes it down.

    Args:
        step: from 0 on.
        total: steps of the run.
        warmup: share of the run over which it rises.
        end: factor at the end of the cosine.
    """
    half_wave = 0.5 * (1 + math.cos(math.pi * min(step / max(total, 1), 1.0)))
    return rising(step, total, warmup) * (end + (1 - end) * half_wave)


def rising(step: int, total: int, warmup: float) -> float:
    """Factor of a learning rate that rises from 0 over a share of a run."""
    return min(1.0, (step + 1) / (warmup * total)) if warmup * total > 1 else 1.0


@dataclass(frozen=True)
class SchedulesConfig:
    """How α and the bound of the logits grow.

    Attributes:
        unit: whether centre and width are fractions of the whole run or (as published) counts of optimiser steps.
        alpha: weight of the KL between posterior and prior.
        logit_bound: of the centred logits; it also bounds the divergence that CAB maximises. Null for no bound.
    """

    unit: Literal["fraction", "steps"] = "fraction"
    alpha: Sigmoid = field(default_factory=lambda: Sigmoid(0.0, 100.0, 0.2, 0.05))
    logit_bound: Sigmoid | None = field(default_factory=lambda: Sigmoid(0.05, 5.0, 0.15, 0.03))

    def at(self, step: int, total_steps: int) -> Annealed:
        """Values at an optimiser step, 0 … ``total_steps``."""
        when = step / max(total_steps, 1) if self.unit == "fraction" else float(step)
        return Annealed(self.alpha.at(when), None if self.logit_bound is None else self.logit_bound.at(when))
