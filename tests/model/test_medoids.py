"""Medoids: the modes that stand for a whole distribution."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from forecast.core.errors import ConfigError
from forecast.core.forecast import Forecast
from forecast.model.medoids import falling, medoids
from forecast.model.network_registry import make_network
from forecast.prediction.checkpoint import save_checkpoint
from forecast.prediction.predictor import Predictor
from forecast.training.config import load_config


def forecast_of(batch: int = 6, modes: int = 8, seed: int = 0) -> Forecast:
    generator = torch.Generator().manual_seed(seed)
    paths = 5 * torch.randn(batch, modes, 4, 2, generator=generator).cumsum(2)
    roots = torch.randn(batch, modes, 4, 2, 2, generator=generator)
    probabilities = (2 * torch.randn(batch, modes, generator=generator)).softmax(-1)
    return Forecast(paths, probabilities, paths[..., 0], roots @ roots.transpose(-1, -2) + torch.eye(2))


def plainly(paths: np.ndarray, weight: np.ndarray, count: int) -> list[int]:
    """The definition, in loops."""
    between = np.array([[np.linalg.norm(a - b, axis=-1).mean() for b in paths] for a in paths])
    chosen: list[int] = []
    for _ in range(count):
        costs = {
            c: sum(w * min(between[i, k] for k in [*chosen, c]) for i, w in enumerate(weight))
            for c in range(len(paths))
            if c not in chosen
        }
        chosen.append(min(costs, key=costs.__getitem__))
    return chosen


@pytest.mark.parametrize("power", [1.0, 0.5])
def test_each_lowers_the_expected_distance_most(power: float) -> None:
    given_ = forecast_of()
    answer = medoids(given_, 4, power)
    for row in range(len(given_)):
        paths, weight = given_.positions_m[row].numpy(), given_.probabilities[row].numpy() ** power
        chosen = plainly(paths, weight, 4)
        torch.testing.assert_close(answer.positions_m[row], given_.positions_m[row, chosen])
        torch.testing.assert_close(answer.headings_rad[row], given_.headings_rad[row, chosen])


def test_probabilities_sum_to_one_and_fall() -> None:
    answer = medoids(forecast_of(50), 5)
    torch.testing.assert_close(answer.probabilities.sum(1), torch.ones(50))
    assert (answer.probabilities.diff(dim=1) <= 0).all()
    torch.testing.assert_close(answer.most_likely(), answer.positions_m[:, 0])


def test_all_modes_together_keep_their_second_moments() -> None:
    given_ = forecast_of(1, 3)
    alone = medoids(given_, 1)
    off = given_.positions_m - alone.positions_m
    about = given_.covariances_m2 + off[..., :, None] * off[..., None, :]
    expected = (given_.probabilities[..., None, None, None] * about).sum(1, keepdim=True)
    torch.testing.assert_close(alone.covariances_m2, expected)


def test_as_many_as_there_are_is_an_order_of_the_same_modes() -> None:
    given_ = forecast_of(1, 5)
    answer = medoids(given_, 5)
    order = [int((given_.positions_m[0] == path).all((1, 2)).nonzero()) for path in answer.positions_m[0]]
    assert sorted(order) == list(range(5))
    torch.testing.assert_close(answer.covariances_m2[0], given_.covariances_m2[0, order])


def test_a_batch_is_the_sum_of_its_parts_and_turns_with_the_world() -> None:
    given_ = forecast_of()
    whole = medoids(given_, 3)
    part = medoids(Forecast(**{f.name: getattr(given_, f.name)[2:4] for f in fields(given_) if f.name != "frame"}), 3)
    torch.testing.assert_close(part.positions_m, whole.positions_m[2:4])
    pose = torch.tensor([[100.0, 50.0, 1.0]], dtype=torch.float64).expand(6, 3)
    turned = medoids(given_.to_world(pose), 3)
    torch.testing.assert_close(turned.positions_m, whole.to_world(pose).positions_m, rtol=0, atol=1e-4)
    torch.testing.assert_close(turned.covariances_m2, whole.to_world(pose).covariances_m2, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", [0, 9])
def test_more_than_there_are_or_none_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=rf"medoids: expected 1 to 8 of 8 modes, got {count}"):
        medoids(forecast_of(), count)


@settings(deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 7), elements=st.floats(0, 1)))
def test_falling_is_the_nearest_sequence_that_never_rises(values: np.ndarray) -> None:
    found = falling(torch.from_numpy(values)[None])[0].numpy()
    assert all(a >= b for a, b in pairwise(found))
    np.testing.assert_allclose(found, pooled(values), atol=1e-12)


def pooled(values: np.ndarray) -> list[float]:
    """Pool adjacent violators, in a loop."""
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([float(value)])
        while len(blocks) > 1 and np.mean(blocks[-2]) < np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    return [float(np.mean(block)) for block in blocks for _ in block]


def test_any_weights_can_answer_with_medoids(tmp_path, made_up, small_settings) -> None:
    torch.manual_seed(0)
    network = make_network(load_config("gain", settings=small_settings).model)
    save_checkpoint(tmp_path / "best.safetensors", network, {})
    batch = made_up(8).whole
    plain, chosen = (Predictor.load(tmp_path, medoids=count) for count in (None, 2))
    with torch.no_grad():
        expected = medoids(plain.model.mixture(batch), 2, 0.5)
    torch.testing.assert_close(chosen.predict(batch).positions_m, expected.positions_m)
    torch.testing.assert_close(chosen.predict(batch).probabilities, expected.probabilities)
    assert plain.predict(batch).positions_m.shape[1] == 4
    with pytest.raises(ConfigError, match=r"model\.medoids: expected 0 to model\.modes, 4, got 5"):
        Predictor.load(tmp_path, medoids=5)
