"""What the true driver of the junction world does in an edited scene: it is driven again by the world's own rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.core.shapes import Float64
from forecast.data.synthetic.curves import Curve
from forecast.data.synthetic.driven_again import drive_all, drive_before
from forecast.data.synthetic.junction_plots import ARC_AT_0_M, PAST, Plot
from forecast.explain.arms import Arm
from forecast.explain.map_edits import bent_points
from forecast.explain.outcomes import MANOEUVRES, manoeuvre_of
from forecast.explain.scene_editor import Knob, SceneEditor

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DrivenAgain:
    """The true driver in an edited scene.

    Attributes:
        probabilities: (manoeuvres,) in the order of :data:`~forecast.explain.outcomes.MANOEUVRES`.
        paths_m: (outcomes, steps, 2) mean futures, agent frame.
        odds: (outcomes,) of the paths.
    """

    probabilities: Float64[Floats, "manoeuvres"]
    paths_m: Float64[Floats, "outcomes steps 2"]
    odds: Float64[Floats, "outcomes"]


def driven_again(plot: Plot, editor: SceneEditor, changes: Sequence[tuple[Knob, float]]) -> DrivenAgain | None:
    """Drive a plot of the junction world again with some changes.

    Args:
        plot: that the scene shows.
        editor: of the scene, for where its arms and neighbours are.
        changes: knobs and their amounts.

    Returns:
        None where the world has no rule for a change: the own past, another cross-section, new arms.
    """
    amounts: dict[tuple[str, str], float] = {}
    arms = {arm.name: arm for arm in editor.arms}
    for knob, amount in changes:
        if knob.region not in arms and not knob.region.startswith("neighbour:"):
            return None
        amounts[knob.region, knob.verb] = amount
    speed = float(np.linalg.norm(np.diff(plot.poses[0, PAST - 1 : PAST + 1, :2], axis=0))) / 0.5
    if plot.case == "history" and changes:
        return None
    if plot.case == "neighbour":
        if any(not knob.region.startswith("neighbour:") for knob, _ in changes):
            return None
        poses, odds = drive_before(_neighbour(editor, changes, plot), speed, plot.paths[0])[None], np.ones(1)
    else:
        paths, reach = _roads(plot, arms, amounts)
        poses, odds = drive_all(paths, plot.probabilities.tolist(), speed, reach)
    futures = poses[:, PAST + 1 :, :2]
    of_path = manoeuvre_of(futures, 0.5)
    shares = np.array([odds[of_path == manoeuvre].sum() for manoeuvre in MANOEUVRES])
    return DrivenAgain(shares, futures, odds)


def _roads(plot: Plot, arms: dict[str, Arm], amounts: dict[tuple[str, str], float]) -> tuple[list[Curve], list[float]]:
    """The paths of a plot with their arms bent, and how far each can be driven."""
    paths, reach = [], []
    for path in plot.paths:
        arm = _arm_of(path, arms, plot.paths)
        if arm is None:
            paths.append(path)
            reach.append(np.inf)
            continue
        bend = np.radians(amounts.get((arm.name, "bend"), 0.0))
        paths.append(_bent(path, arm, float(bend)) if bend else path)
        reach.append(float(np.hypot(*arm.fork_m)) if amounts.get((arm.name, "close")) else np.inf)
    return paths, reach


def _arm_of(path: Curve, arms: dict[str, Arm], paths: Sequence[Curve]) -> Arm | None:
    """The arm that a path leads through: the one whose far end is nearer to it than to the plot's other paths."""
    best, nearest = None, np.inf
    for arm in arms.values():
        end = arm.far_end_m
        away = [float(np.linalg.norm(other.points_m - end, axis=1).min()) for other in paths]
        mine = float(np.linalg.norm(path.points_m - end, axis=1).min())
        if mine <= min(away) + 1e-6 and mine < nearest:
            best, nearest = arm, mine
    return best if nearest < 6.0 else None


def _bent(path: Curve, arm: Arm, angle_rad: float) -> Curve:
    """A path with what lies after the fork turned as the map is."""
    after = path.arc_m >= ARC_AT_0_M + float(np.hypot(*arm.fork_m))
    points = np.where(after[:, None], bent_points(path.points_m, arm.fork_m, angle_rad), path.points_m)
    return Curve.through(points)


def _neighbour(editor: SceneEditor, changes: Sequence[tuple[Knob, float]], plot: Plot) -> tuple[float, ...]:
    """x, y, vx, vy of the plot's one neighbour after the changes; far away where it is gone or out of sight."""
    if not editor.slots:
        return tuple(_present(plot.neighbour_poses[0]).tolist())
    edited, slot = editor.changed(changes), editor.slots[0]
    if not edited.neighbours_valid[0, slot, -1]:
        return -1e3, 0.0, 0.0, 0.0
    return tuple(edited.neighbours[0, slot, -1, :4].tolist())


def _present(poses: Floats) -> Floats:
    return np.concatenate([poses[PAST, :2], (poses[PAST, :2] - poses[PAST - 1, :2]) / 0.5])
