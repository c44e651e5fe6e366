"""The query network: what it reads, where it looks, and how its futures come about."""

from dataclasses import replace

import pytest
import torch

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.horizon import Horizon
from forecast.model.query.futures import FutureHead, Start
from forecast.model.query.map_tokens import read_at
from forecast.model.query.query_config import QueryConfig
from forecast.model.query.query_network import QueryNetwork
from forecast.model.trunks.trunk_config import TrunkConfig

CROP = CropSpec(ahead_m=8.0, behind_m=4.0, left_m=4.0, right_m=4.0, px_per_m=1.0)


def small(**settings: object) -> QueryNetwork:
    torch.manual_seed(0)
    given = {"size": 16, "heads": 2, "modes": 5, "medoids": 3, "crop": CROP, "trunk": TrunkConfig(width=8)}
    return QueryNetwork(QueryConfig(**{**given, **settings})).eval()


@pytest.fixture
def batch(made_up) -> AgentBatch:
    return made_up(12).whole


def test_an_image_is_read_where_its_pixels_are() -> None:
    image = torch.rand(2, 3, CROP.height_px, CROP.width_px)
    rows, columns = torch.arange(CROP.height_px), torch.arange(CROP.width_px)
    x = -CROP.behind_m + (rows + 0.5) / CROP.px_per_m
    y = -CROP.right_m + (columns + 0.5) / CROP.px_per_m
    points = torch.stack(torch.meshgrid(x, y, indexing="ij"), -1).expand(2, -1, -1, -1)
    torch.testing.assert_close(read_at(image, points, CROP), image.permute(0, 2, 3, 1))
    far = torch.tensor([[[CROP.ahead_m + 2, 0.0], [0.0, CROP.left_m + 2]]]).expand(2, -1, -1)
    assert (read_at(image, far, CROP) == 0).all()


def test_a_future_that_says_nothing_goes_straight_on() -> None:
    head = FutureHead(8, Horizon())
    for parameter in head.parameters():
        torch.nn.init.zeros_(parameter)
    start = Start(torch.tensor([0.0, 1.0]), torch.tensor([10.0, 0.0]))
    futures = head(torch.randn(2, 3, 8), start)
    times_s = 0.5 * torch.arange(1, 13)
    torch.testing.assert_close(futures.positions_m[0, 0], torch.stack([10 * times_s, 0 * times_s], -1))
    torch.testing.assert_close(futures.positions_m[1], torch.zeros(3, 12, 2))
    sigma_m = futures.gaussians().xx[0, 0].sqrt()
    torch.testing.assert_close(sigma_m, 0.1 + 0.5 * times_s, rtol=1e-4, atol=1e-4)


def test_where_the_modes_look_sums_to_one_over_what_is_there(batch: AgentBatch) -> None:
    network = small()
    batch = replace(batch, neighbours_valid=batch.neighbours_valid & (torch.arange(3) < 2)[:, None])
    looked = network.attention(batch)
    rows, columns = network.map.grid
    assert (rows, columns) == (1, 1)
    assert looked.cells.shape == (12, 5, rows, columns)
    parts = looked.nothing + looked.own + looked.neighbours.sum(2) + looked.cells.sum((2, 3))
    torch.testing.assert_close(parts, torch.ones(12, 5))
    absent = ~batch.neighbours_valid.any(2)
    assert absent.any()
    assert (looked.neighbours.transpose(1, 2)[absent] == 0).all()


def test_without_context_a_mode_looks_at_the_agent_or_nothing(batch: AgentBatch) -> None:
    looked = small(uses_map=False, uses_neighbours=False).attention(batch)
    assert (looked.neighbours.shape[2], looked.cells.shape[2:]) == (0, (0, 0))
    torch.testing.assert_close(looked.nothing + looked.own, torch.ones(12, 5))


@pytest.mark.parametrize("part", ["crop", "neighbours"])
def test_context_changes_the_answer_and_nulled_context_does_not(batch: AgentBatch, part: str) -> None:
    network = small()
    other = replace(batch, **{part: getattr(batch, part).flip(0)})
    assert not torch.equal(network.predict(other).positions_m, network.predict(batch).positions_m)
    nulled = [network.predict(b, null_context=True).positions_m for b in (batch, other)]
    assert torch.equal(*nulled)


def test_the_pass_without_context_in_training_is_that_with_nulled_context(batch: AgentBatch) -> None:
    network = small()
    without = network(batch, without_context=True)[1]
    nulled = network.mixture(batch, null_context=True)
    torch.testing.assert_close(without.prior_logits.softmax(-1), nulled.probabilities)
    distance = (nulled.positions_m - batch.future[:, None]).norm(dim=-1)
    expected = distance.mean(-1) + 0.25 * distance[..., -1]
    assert batch.future_valid.all()
    torch.testing.assert_close(without.distances_m, expected)


def test_it_has_as_many_earlier_stages_as_refinements(batch: AgentBatch) -> None:
    for count in (0, 1, 2):
        assert len(small(refinements=count)(batch)[0].earlier) == count
    alone = small(uses_map=False)
    assert alone(batch)[0].earlier == ()


def test_a_crop_of_another_shape_or_none_is_told(batch: AgentBatch) -> None:
    with pytest.raises(ValueError, match="this model reads the map"):
        small()(replace(batch, crop=None))
    with pytest.raises(ValueError, match="map crop: expected"):
        small()(replace(batch, crop=batch.crop[:, :, :4]))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"heads": 3}, r"model\.heads: 3 do not divide model\.size 16"),
        ({"dropout": 1.0}, r"model\.dropout: expected a probability"),
        ({"medoids": 6}, r"model\.medoids: expected 0 to model\.modes, 5, got 6"),
    ],
)
def test_sizes_that_do_not_fit_are_told(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        small(**settings)
