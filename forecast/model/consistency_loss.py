"""The loss that asks a forecast to foresee the next one of the same agent."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from forecast.core.batch import AgentBatch
from forecast.core.frames import rotate
from forecast.core.shapes import Bool, Float, Int64

#: Issues this much off a whole step are still paired, in steps.
_TOLERANCE_STEPS = 0.25


@dataclass(frozen=True)
class SameAgents:
    """Forecasts of the same agents, one step apart, in one batch.

    Attributes:
        earlier, later: (pairs,) places in the batch.
    """

    earlier: Int64[Tensor, "pairs"]
    later: Int64[Tensor, "pairs"]

    def __len__(self) -> int:
        return len(self.earlier)


def successive_in(batch: AgentBatch, step_s: float) -> SameAgents:
    """Find the agents of a batch that stand in it at two successive key frames.

    Args:
        batch: with tracks' tokens and times; without them nothing is found.
        step_s: seconds between key frames.
    """
    first, second = [], []
    if batch.time_s is not None:
        issued: dict[str, list[tuple[float, int]]] = {}
        for place, (track, time_s) in enumerate(zip(batch.track_tokens, batch.time_s.tolist(), strict=False)):
            issued.setdefault(track, []).append((time_s, place))
        for issues in issued.values():
            issues.sort()
            for (before_s, before), (after_s, after) in pairwise(issues):
                if abs(after_s - before_s - step_s) <= _TOLERANCE_STEPS * step_s:
                    first.append(before)
                    second.append(after)
    device = batch.history.device
    return SameAgents(torch.tensor(first, dtype=torch.int64, device=device), torch.tensor(second, device=device).long())


def consistency_loss(
    positions_m: Float[Tensor, "batch modes steps 2"],
    log_probabilities: Float[Tensor, "batch modes"],
    batch: AgentBatch,
    pairs: SameAgents,
    *,
    mirrored: Bool[Tensor, "batch"] | None = None,
    probability_weight: float = 1.0,
) -> Float[Tensor, ""]:
    """How badly earlier forecasts foresee the later ones of the same agents, at the times that both speak of.

    The later forecast knows more, so it is the target and gets no gradient: each of its modes is matched with the
    nearest mode of the earlier forecast, which comes nearer and becomes likelier, by how probable the later mode is:
    ``mean Σ_k q_k (d_k − w log p_k)`` with d_k the mean distance from later mode k to its match, p_k the match's
    probability. Least where the earlier forecast holds the later ones at the odds with which they come, as a rational
    forecaster's does; a forecaster that repeats itself gains nothing, since its later forecasts are left alone.

    Args:
        positions_m: of all modes, agent frames.
        log_probabilities: of the modes, nats.
        batch: where the agents are in the world.
        pairs: who is compared with whom; the result is 0 where there are none.
        mirrored: agents whose left and right are swapped, both of a pair or neither; None for none.
        probability_weight: w, metres a nat.

    Returns:
        Scalar, metres.
    """
    if not len(pairs) or positions_m.shape[2] < 2:
        return positions_m.sum() * 0.0
    seen = positions_m
    if mirrored is not None:
        sign = torch.where(mirrored, -1.0, 1.0).to(seen.dtype)
        seen = torch.stack([seen[..., 0], seen[..., 1] * sign[:, None, None]], -1)
    earlier = seen[pairs.earlier][:, :, 1:]
    later = _in_the_earlier_frame(seen[pairs.later][:, :, :-1].detach(), batch.pose_world, pairs)
    apart_m = (earlier[:, None] - later[:, :, None]).norm(dim=-1).mean(-1)
    nearest = apart_m.argmin(2, keepdim=True)
    distance_m = apart_m.gather(2, nearest)[..., 0]
    chosen = log_probabilities[pairs.earlier].gather(1, nearest[..., 0])
    share = log_probabilities[pairs.later].detach().exp()
    loss: Tensor = (share * (distance_m - probability_weight * chosen)).sum(1).mean()
    return loss


def _in_the_earlier_frame(positions_m: Tensor, pose_world: Tensor, pairs: SameAgents) -> Tensor:
    """(pairs, modes, steps, 2) from the later agent frames to the earlier ones, metres."""
    before, after = pose_world[pairs.earlier], pose_world[pairs.later]
    # Differences of world coordinates in float64: they are kilometres.
    moved = rotate(after[:, :2] - before[:, :2], -before[:, 2]).to(positions_m.dtype)
    turned = (after[:, 2] - before[:, 2]).to(positions_m.dtype)
    return rotate(positions_m, turned[:, None, None]) + moved[:, None, None]
