"""The rules by which an edited plot is driven again are those by which plots are drawn."""

import numpy as np
import pytest

from forecast.data.synthetic.curves import Curve
from forecast.data.synthetic.driven_again import drive_all, drive_before, stops_for
from forecast.data.synthetic.junction_plots import PAST, draw_plot
from forecast.data.synthetic.planted_plots import plot_of
from forecast.data.synthetic.town_writer import write_town
from forecast.explain.outcomes import manoeuvre_of


def plots(case: str, count: int):
    rng = np.random.default_rng(3)
    return [draw_plot(rng, {case: 1.0}) for _ in range(count)]


def speed_of(plot) -> float:
    return float(np.linalg.norm(plot.poses[0, PAST, :2] - plot.poses[0, PAST - 1, :2])) / 0.5


@pytest.mark.parametrize("case", ["map", "draw"])
def test_an_unchanged_road_is_driven_as_it_was(case: str) -> None:
    for plot in plots(case, 100):
        poses, odds = drive_all(plot.paths, plot.probabilities, speed_of(plot), [np.inf] * len(plot.paths))
        np.testing.assert_allclose(odds, plot.probabilities)
        np.testing.assert_allclose(poses[:, : PAST + 1], plot.poses[:, : PAST + 1], atol=1e-6)
        assert np.linalg.norm((poses - plot.poses)[..., :2], axis=-1).max() < 0.6
        after = [manoeuvre_of(one[:, PAST + 1 :, :2], 0.5).tolist() for one in (poses, plot.poses)]
        assert after[0] == after[1]


def test_an_unchanged_neighbour_is_waited_for_as_it_was() -> None:
    for plot in plots("neighbour", 300):
        other = plot.neighbour_poses[0]
        state = [*other[PAST, :2], *((other[PAST, :2] - other[PAST - 1, :2]) / 0.5)]
        np.testing.assert_allclose(drive_before(state, speed_of(plot), plot.paths[0]), plot.poses[0], atol=1e-6)


@pytest.mark.parametrize(
    ("neighbour", "stops"),
    [
        ((20.0, 0.0, 0.0, 0.0), True),  # stands in the lane
        ((20.0, 3.5, 0.0, 0.0), False),  # stands in the next one
        ((20.0, 0.0, 12.0, 0.0), False),  # drives away
        ((20.0, 15.0, 0.0, -6.0), True),  # crosses when the target comes
        ((20.0, 40.0, 0.0, -6.0), False),  # crosses when it has passed
        ((20.0, 15.0, 0.0, 6.0), False),  # has crossed
        ((-10.0, 0.0, 0.0, 0.0), False),  # is behind
    ],
)
def test_who_is_stopped_for(neighbour: tuple[float, ...], stops: bool) -> None:
    assert (stops_for(neighbour, 8.0) is not None) is stops


def straight(turn: float = 0.0) -> Curve:
    arc = np.arange(-30.0, 72.0, 0.5)
    heading = np.where(arc > 10, turn, 0.0)
    steps = 0.5 * np.stack([np.cos(heading), np.sin(heading)], 1)
    return Curve(np.cumsum(steps, 0) - [30.0, 0.0], heading)


def test_dead_ends() -> None:
    paths = [straight(), straight(0.8)]
    _, odds = drive_all(paths, [0.5, 0.5], 8.0, [15.0, np.inf])
    assert odds.tolist() == [0.0, 1.0]
    poses, odds = drive_all(paths, [0.5, 0.5], 8.0, [15.0, 12.0])
    assert odds.tolist() == [1.0, 0.0]
    assert manoeuvre_of(poses[:1, PAST + 1 :, :2], 0.5).tolist() == ["stops"]
    assert poses[0, -1, 0] == pytest.approx(15.0, abs=1.0)


def test_the_plot_of_a_target_is_found_again(tmp_path) -> None:
    world = tmp_path / "world"
    write_town(world, scenes=2, seed=3, version="v1.0-mini", world="junction", samples_per_scene=4, shares={"map": 1.0})
    with np.load(world / "truth.npz") as truth:
        for row, token in enumerate(truth["tokens"].tolist()):
            plot = plot_of(world, token)
            assert plot is not None
            np.testing.assert_allclose(
                plot.poses[:, PAST + 1 :, :2], truth["means_m"][row, : len(plot.probabilities)], atol=1e-9
            )
    assert plot_of(world, "nobody_never") is None
    (tmp_path / "town.json").write_text('{"world": "town", "seed": 3}')
    assert plot_of(tmp_path, "nobody_never") is None
