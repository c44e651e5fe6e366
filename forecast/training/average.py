"""A moving average of trained weights: steadier than the last of them, and as new as they are while a run is young."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

_Tensors = Sequence[Tensor]


def moving_average(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of a module that follows it, by ``update_parameters`` after each step.

    After n steps the factor of what was is ``min(decay, (1 + n) / (10 + n))``, so that the random weights of the
    beginning are soon forgotten in short runs, too.

    Args:
        module: in training.
        decay: factor of what was, in the long run.
    """
    average = AveragedModel(module, multi_avg_fn=_mixing(decay))
    average.requires_grad_(False)
    return average


def _mixing(decay: float) -> Callable[[_Tensors, _Tensors, Tensor | int], None]:
    def mix(averaged: _Tensors, current: _Tensors, count: Tensor | int) -> None:
        steps = float(count)
        new = 1 - min(decay, (1 + steps) / (10 + steps))
        for mean, value in zip(averaged, current, strict=True):
            mean.lerp_(value, new)

    return torch.no_grad()(mix)
