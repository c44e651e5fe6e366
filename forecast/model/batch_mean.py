"""Means over the whole batch, wherever its parts are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed

from forecast.core.shapes import Float


class _MeanOverProcesses(torch.autograd.Function):
    """Mean of equal-sized parts; the gradient of each process' copy reaches every process' part."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        total = part.clone()
        distributed.all_reduce(total)
        return total / distributed.get_world_size()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total / distributed.get_world_size()


def batch_mean(values: Float[Tensor, "batch *rest"]) -> Float[Tensor, "*rest"]:
    """Mean over the first axis, and over all processes where training is distributed (parts of equal size).

    With DDP's averaging of gradients, a loss that is any function of this mean has the gradient that one process
    with the whole batch would give it.

    Args:
        values: (batch, …), no unit or any.

    Returns:
        (…), no unit or that of the values.
    """
    mean = values.mean(0)
    if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
        averaged: Tensor = _MeanOverProcesses.apply(mean)  # type: ignore[no-untyped-call]
        return averaged
    return mean
