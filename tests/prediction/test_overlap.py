"""Overlap of most likely modes, against shapely's rotated rectangles."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import affinity

from forecast.prediction.scene_forecast import SceneForecast

STEPS = 12


def answer_of(pose: np.ndarray, path_m: np.ndarray, heading: np.ndarray, size_m: np.ndarray) -> SceneForecast:
    """One mode each."""
    agents = len(path_m)
    return SceneForecast(
        time_s=0.0,
        lead_s=0.5 * np.arange(1, STEPS + 1),
        agent_ids=tuple(range(agents)),
        positions_m=path_m[:, None],
        headings_rad=heading[:, None],
        covariances_m2=np.zeros((agents, 1, STEPS, 2, 2)),
        probabilities=np.ones((agents, 1)),
        most_likely=np.zeros(agents, np.int64),
        pose_world=pose,
        silent_s=np.zeros(agents),
        size_m=size_m,
    )


def box(x: float, y: float, heading: float, size: np.ndarray) -> shapely.Polygon:
    upright = shapely.box(-size[0] / 2, -size[1] / 2, size[0] / 2, size[1] / 2)
    return affinity.translate(affinity.rotate(upright, heading, (0, 0), use_radians=True), x, y)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_shapely_finds(seed: int) -> None:
    random = np.random.default_rng(seed)
    agents = 25
    start = random.uniform(-40, 40, (agents, 2))
    velocity = random.uniform(-6, 6, (agents, 1, 2))
    path = start[:, None] + velocity * 0.5 * np.arange(1, STEPS + 1)[None, :, None]
    heading = random.uniform(-3, 3, (agents, STEPS))
    size = random.uniform(0.5, 5, (agents, 2))
    pose = np.c_[start, random.uniform(-3, 3, agents)]
    expected = np.zeros(agents, bool)
    for i in range(agents):
        for j in range(i):
            if box(*pose[i], size[i]).intersection(box(*pose[j], size[j])).area > 0:
                continue
            meets = [
                box(*path[i, k], heading[i, k], size[i]).intersection(box(*path[j, k], heading[j, k], size[j])).area > 0
                for k in range(STEPS)
            ]
            if any(meets):
                expected[i] = expected[j] = True
    assert 0 < expected.sum() < agents
    found = answer_of(pose, path, heading, size)
    np.testing.assert_array_equal(found.overlapping(), expected)
    assert found.overlap_rate() == pytest.approx(expected.mean())


def test_cars_in_lanes_of_their_own_do_not_overlap_and_one_that_turns_in_does() -> None:
    time = 0.5 * np.arange(1, STEPS + 1)
    path = np.stack([np.stack([10 * time, 0 * time + 3.5 * lane], 1) for lane in range(3)])
    pose = np.array([[0, 0, 0], [0, 3.5, 0], [0, 7.0, 0]])
    size = np.tile([4.6, 1.9], (3, 1))
    assert answer_of(pose, path, np.zeros((3, STEPS)), size).overlap_rate() == 0
    path[1, :, 1] -= np.minimum(time, 3.5)
    assert answer_of(pose, path, np.zeros((3, STEPS)), size).overlapping().tolist() == [True, True, False]
