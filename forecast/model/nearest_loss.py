"""The loss of networks whose modes learn by distance from the truth, the nearest mode alone."""

from __future__ import annotations

from torch import Tensor

from forecast.core.shapes import Bool, Float
from forecast.model.batch_mean import batch_mean
from forecast.model.branch import Stage
from forecast.model.log_branch import LogBranch, Terms
from forecast.model.objective_config import NearestConfig


def nearest_loss(branch: LogBranch, valid: Bool[Tensor, "batch steps"], config: NearestConfig) -> Terms:
    """The nearest mode comes nearer, and becomes likelier.

    ``mean d_best − log p_best + w·Σ_z p_z d_z``, the same for earlier stages at their weight, and the likelihood of the
    truth under the nearest mode of the last stage, which teaches how sure it is.

    Args:
        branch: the pass, with distances.
        valid: (batch, steps) bool, steps whose truth is known; agents without any do not count.
        config: weights.
    """
    known = valid.any(1).to(branch.steps.dtype)
    stages = _stages(branch, config)
    loss = _weighted(stages, known)
    for stage, nearest, weight in stages:
        expected = (stage.logits.exp() * stage.distances_m).sum(-1)
        choice = -stage.logits.gather(1, nearest)[:, 0]
        loss = loss + weight * batch_mean((choice + config.expected_weight * expected) * known)
    last, best, _ = stages[0]
    steps = branch.steps.gather(1, best[..., None].expand(-1, 1, branch.steps.shape[-1]))[:, 0]
    likelihood = batch_mean((steps * valid).sum(-1))
    distance = batch_mean(last.distances_m.gather(1, best)[:, 0])
    parts = {"log_likelihood": likelihood.detach(), "distance": distance.detach()}
    return Terms(loss - config.spread_weight * likelihood, parts)


def weighted_distance(branch: LogBranch, weight: Float[Tensor, "batch"], config: NearestConfig) -> Float[Tensor, ""]:
    """Mean distance of the nearest mode, earlier stages included at their weight, metres.

    Args:
        branch: a pass with distances.
        weight: (batch,) of each agent.
        config: of earlier stages.
    """
    return _weighted(_stages(branch, config), weight)


def _weighted(stages: list[tuple[Stage, Tensor, float]], weight: Tensor) -> Tensor:
    total = weight.new_zeros(())
    for stage, nearest, factor in stages:
        total = total + factor * batch_mean(weight * stage.distances_m.gather(1, nearest)[:, 0])
    return total


def _stages(branch: LogBranch, config: NearestConfig) -> list[tuple[Stage, Tensor, float]]:
    """The last stage, then the earlier ones: log-probabilities and distances, the nearest mode, the stage's weight."""
    assert branch.distances_m is not None
    weighed = [(Stage(branch.prior, branch.distances_m), 1.0)]
    weighed += [(stage, config.earlier_weight) for stage in branch.earlier]
    return [(stage, stage.distances_m.argmin(1, keepdim=True), weight) for stage, weight in weighed]
