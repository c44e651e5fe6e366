"""Near-equal modes are one answer."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from forecast.core.forecast import Forecast
from forecast.model.cvae import CVAE
from forecast.model.merging import merge_modes
from forecast.training.config import load_config

RADIUS_M = 2.0


def straight(ends_m: list[float], odds: list[float], steps: int = 3) -> Forecast:
    """One agent; modes along x, which end there."""
    x = torch.tensor(ends_m, dtype=torch.float64)[:, None] * torch.arange(1, steps + 1) / steps
    positions = torch.stack([x, torch.zeros_like(x)], -1)[None]
    covariances = (0.25 * torch.eye(2, dtype=torch.float64)).expand(1, len(odds), steps, 2, 2)
    return Forecast(positions, torch.tensor([odds], dtype=torch.float64), positions[..., 0], covariances)


def scattered(seed: int, agents: int = 4, modes: int = 7, steps: int = 4) -> Forecast:
    """Modes around a few places, so that some merge and some do not."""
    rng = np.random.default_rng(seed)
    places = rng.normal(0, 5, (agents, 3, steps, 2))[:, rng.integers(0, 3, modes)]
    positions = torch.from_numpy(places + rng.normal(0, 0.5, (agents, modes, steps, 2)))
    odds = torch.from_numpy(rng.dirichlet(np.ones(modes), agents))
    half = torch.from_numpy(rng.normal(0, 1, (agents, modes, steps, 2, 2)))
    return Forecast(positions, odds, positions[..., 0], half @ half.transpose(-1, -2))


def test_what_two_share_outweighs_what_one_has() -> None:
    given = straight([0.0, 20.0, 21.0, 19.5], [0.4, 0.25, 0.2, 0.15])
    merged = merge_modes(given, RADIUS_M)
    torch.testing.assert_close(merged.probabilities, torch.tensor([[0.4, 0.6, 0.0, 0.0]], dtype=torch.float64))
    assert merged.most_likely()[0, -1, 0] == 20.0
    assert given.most_likely()[0, -1, 0] == 0.0


def test_far_modes_and_radius_0_stay_as_they_are() -> None:
    given = straight([0.0, 2.0, 10.0], [0.2, 0.3, 0.5])
    for merged in (merge_modes(given, RADIUS_M), merge_modes(straight([0.0, 0.1, 0.2], [0.2, 0.3, 0.5]), 0.0)):
        torch.testing.assert_close(merged.probabilities, given.probabilities, rtol=0, atol=0)
        torch.testing.assert_close(merged.covariances_m2, given.covariances_m2, rtol=0, atol=0)


def test_modes_that_part_on_the_way_are_two_answers() -> None:
    given = straight([6.0, 6.0], [0.5, 0.5])
    given.positions_m[0, 1, 1, 1] = RADIUS_M
    assert (merge_modes(given, RADIUS_M).probabilities > 0).all()


def reference(given: Forecast, radius_m: float) -> tuple[np.ndarray, np.ndarray]:
    """The definition, mode by mode."""
    positions, odds = given.positions_m.numpy(), given.probabilities.numpy()
    own = given.covariances_m2.numpy()
    merged, covariances = np.zeros_like(odds), own.copy()
    for agent, (paths, p) in enumerate(zip(positions, odds, strict=True)):
        far = np.array([[np.linalg.norm(a - b, axis=-1).max() for b in paths] for a in paths])
        around = [sum(q * max(0, 1 - (d / radius_m) ** 2) for q, d in zip(p, row, strict=True)) for row in far]
        takers = [max(np.flatnonzero(row < radius_m), key=lambda mode: around[mode]) for row in far]
        for taker in set(takers):
            givers = [mode for mode, its in enumerate(takers) if its == taker]
            merged[agent, taker] = p[givers].sum()
            if p[givers].sum() > 0:
                off = paths[givers] - paths[taker]
                moments = own[agent, givers] + off[..., :, None] * off[..., None, :]
                covariances[agent, taker] = np.average(moments, axis=0, weights=p[givers])
    return merged, covariances


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 2.0, 6.0]))
def test_equals_the_definition(seed: int, radius_m: float) -> None:
    scene = scattered(seed)
    merged = merge_modes(scene, radius_m)
    odds, covariances = reference(scene, radius_m)
    np.testing.assert_allclose(merged.probabilities.numpy(), odds, atol=1e-12)
    np.testing.assert_allclose(merged.covariances_m2.numpy(), covariances, atol=1e-10)
    torch.testing.assert_close(merged.positions_m, scene.positions_m, rtol=0, atol=0)


@given(st.integers(0, 2**32 - 1))
def test_turning_the_world_or_renaming_the_modes_changes_nothing(seed: int) -> None:
    scene = scattered(seed)
    merged = merge_modes(scene, RADIUS_M)
    torch.testing.assert_close(merged.probabilities.sum(1), torch.ones(len(scene), dtype=torch.float64))
    pose = torch.tensor([[120.0, -40.0, 2.0]], dtype=torch.float64).expand(len(scene), 3)
    turned = merge_modes(scene.to_world(pose), RADIUS_M)
    expected = merged.to_world(pose)
    torch.testing.assert_close(turned.probabilities, expected.probabilities)
    torch.testing.assert_close(turned.covariances_m2, expected.covariances_m2)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(scene.probabilities.shape[1]))
    names = ("positions_m", "probabilities", "headings_rad", "covariances_m2")
    renamed = merge_modes(Forecast(**{name: getattr(scene, name)[:, order] for name in names}), RADIUS_M)
    torch.testing.assert_close(renamed.probabilities, merged.probabilities[:, order])


def test_models_merge_what_they_answer_but_not_what_they_learn(made_up, small_settings) -> None:
    batch = made_up(6).whole
    models = {}
    for radius_m in (0.0, RADIUS_M):
        torch.manual_seed(0)
        models[radius_m] = CVAE(
            load_config("gain", settings={**small_settings, "model.merge_radius_m": radius_m}).model
        )
        models[radius_m].eval()
    learnt = models[RADIUS_M].mixture(batch)
    torch.testing.assert_close(learnt.probabilities, models[0.0].predict(batch).probabilities, rtol=0, atol=0)
    told = models[RADIUS_M].predict(batch)
    assert (told.probabilities == 0).any()
    torch.testing.assert_close(told.probabilities, merge_modes(learnt, RADIUS_M).probabilities, rtol=0, atol=0)


def test_a_radius_must_be_a_length() -> None:
    model = load_config("gain").model
    for radius_m in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=r"model\.merge_radius_m: expected 0 or more"):
            replace(model, merge_radius_m=radius_m)
