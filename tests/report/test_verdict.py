"""The words on top of the report's page: nothing that the intervals do not support."""

from __future__ import annotations

import pytest
from made_report import Figure, body, document, pair

from forecast.report.verdict import verdict

SURE, UNSURE, STEADIER = (2.0, 1.5, 2.5), (0.3, -0.2, 0.8), (0.5, 0.1, 0.9)


def two_files(difference: Figure, spread: Figure = STEADIER, *, tracks: int = 80, points: int = 900, other="b"):
    """File a, and another one that is worse by so much."""
    bodies = [
        body("a", min_fde_1=(5.0, 4.0, 6.0), dispersion_m=(1.5, 1.0, 2.0), points=points),
        body(other, min_fde_1=(5.0 + difference[0], 5.0, 9.0), dispersion_m=(1.5 + spread[0], 1.0, 3.0), points=points),
    ]
    pairs = [pair("a", other, min_fde_1=difference, dispersion_m=spread, tracks=tracks, points=points)]
    return document(bodies, pairs)


def test_who_is_surely_ahead_is_named_with_the_difference_and_its_interval():
    said = verdict(two_files(SURE))
    assert "By minFDE_1 and D, a is surely ahead of b: 5.00 m and 1.50 m." in said[0]
    assert "b is 2.00 m (1.50 to 2.50) and 0.50 m (0.10 to 0.90) worse." in said[0]
    assert any("leaves out 0" in line for line in said)


def test_whichever_file_a_pair_names_first():
    turned = two_files(SURE)
    turned["reports"].reverse()
    turned["comparisons"] = [pair("b", "a", min_fde_1=(-2.0, -2.5, -1.5), dispersion_m=(-0.5, -0.9, -0.1))]
    assert verdict(turned) == verdict(two_files(SURE))


def test_who_is_not_surely_ahead_is_not_called_so():
    said = " ".join(verdict(two_files(UNSURE, (0.1, -0.1, 0.3))))
    assert "a has the best values, 5.00 m and 1.50 m, but is not surely ahead of b" in said
    assert "0.30 m (−0.20 to 0.80)" in said
    assert "is surely ahead" not in said


@pytest.mark.parametrize("difference", [(2.0, None, None), (2.0, 0.0, 4.0)])
def test_without_an_interval_that_leaves_out_0_nothing_is_sure(difference):
    assert "is surely ahead" not in " ".join(verdict(two_files(difference, (0.5, None, None))))


def test_few_tracks_or_points_make_nothing_sure():
    said = " ".join(verdict(two_files(SURE, tracks=6)))
    assert "6 tracks only" in said
    assert "is surely ahead" not in said
    said = " ".join(verdict(two_files(SURE, points=9)))
    assert "a is surely ahead of b: 5.00 m." in said
    assert "D and C rest on 9 target points, too few" in said


def test_metrics_that_disagree_are_told_apart():
    said = verdict(two_files(SURE, (-0.5, -0.9, -0.1)))
    assert said[0].startswith("By minFDE_1, a is surely ahead of b")
    assert said[1].startswith("By D, b is surely ahead of a")


def test_files_behind_constant_velocity_are_said_to_be():
    name = "constant_velocity_heading"
    worse = " ".join(verdict(two_files((-2.0, -2.5, -1.5), other=name)))
    assert f"By minFDE_1, {name} is surely ahead of a" in worse
    assert "Beside constant velocity, by minFDE_1: surely worse: a (+2.00 m)." in worse
    assert "surely better: a (−2.00 m)" in " ".join(verdict(two_files(SURE, other=name)))
    assert "not surely different: a (−0.30 m)" in " ".join(verdict(two_files(UNSURE, other=name)))


def test_some_surely_behind_and_some_not():
    bodies = [body("a"), body("b"), body("c")]
    pairs = [pair("a", "b", min_fde_1=UNSURE), pair("a", "c", min_fde_1=SURE), pair("b", "c", min_fde_1=SURE)]
    said = verdict(document(bodies, pairs))
    assert "but is not surely ahead of b" in said[0]
    assert "It is surely ahead of c." in said[0]


def test_the_oracle_does_not_compete():
    bodies = [body("a"), body("b"), body("physics_oracle")]
    pairs = [
        pair("a", "b", min_fde_1=SURE),
        pair("a", "physics_oracle", min_fde_1=(-4.0, -5.0, -3.0)),
        pair("b", "physics_oracle", min_fde_1=(-6.0, -7.0, -5.0)),
    ]
    said = verdict(document(bodies, pairs))
    assert said[0].startswith("By minFDE_1, a is surely ahead of b")
    assert any("looks at the truth" in line for line in said)


def test_files_of_other_leads_are_not_ranked():
    said = " ".join(verdict(document([body("a"), body("b")], [{"first": "a", "second": "b", "metrics": {}}])))
    assert "cannot be ranked" in said
    assert "is surely ahead" not in said


def test_one_file_alone_is_told_and_not_judged():
    (said,) = verdict(document([body("a", min_fde_1=(5.0, 4.0, 6.0))]))
    assert "a ends 5.00 m (95 % interval 4.00 to 6.00) from the truth, 6 s ahead," in said
    assert "does not say whether this is good" in said
    (said,) = verdict(document([body("a", min_fde_1=(float("nan"), None, None), points=0)]))
    assert "no forecast could be scored" in said
