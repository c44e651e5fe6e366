"""Attribution: a mask of ones changes nothing, what is ignored has an index of exactly 0, what decides comes first."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from forecast.core.agents import AgentType
from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.forecast import Forecast
from forecast.explain.attribution import AttributionSettings, attribute, input_shares, refined, told
from forecast.explain.input_groups import cells, each_neighbour, each_step, layers, quarters
from forecast.explain.masked_scene import MaskedScene
from forecast.explain.null_inputs import MAP_NULLS, coasting, jittered, null_map
from forecast.explain.outcomes import MANOEUVRES, OUTCOMES, manoeuvre_probabilities
from forecast.model.network_config import NetworkConfig
from forecast.model.network_registry import make_network
from forecast.model.query.query_config import QueryConfig
from forecast.model.trunks.trunk_config import TrunkConfig
from forecast.prediction.model_names import OwnPredictor

SPEC = CropSpec(ahead_m=20.0, behind_m=4.0, left_m=8.0, right_m=8.0, px_per_m=1.0)
SMALL = {"size": 16, "heads": 2, "modes": 5, "medoids": 3, "crop": SPEC, "trunk": TrunkConfig(width=8)}


@pytest.fixture
def batch(made_up) -> AgentBatch:
    """One agent that brakes, whose neighbours are all there, on a noisy map."""
    one = made_up(3, crop_shape=SPEC.shape).batch([1])
    crop = torch.rand(one.crop.shape, generator=torch.Generator().manual_seed(4))
    history = one.history.clone()
    history[:, :-1, 0] -= torch.tensor([4.0, 2.0, 1.0, 0.5])
    history[:, :, 4] = -2.0
    there = torch.ones_like(one.neighbours_valid)
    return replace(one, history=history, crop=crop, neighbours_valid=there, neighbour_types=torch.zeros(1, 3).long())


def ahead(metres: torch.Tensor) -> Forecast:
    """One mode a row, which ends so far ahead."""
    steps = torch.arange(1, 13) / 12
    path = torch.stack([metres[:, None] * steps, torch.zeros(len(metres), 12)], -1)
    return Forecast(path[:, None], torch.ones(len(metres), 1))


def model(function) -> OwnPredictor:
    function.config = NetworkConfig(crop=SPEC)
    return OwnPredictor(function, "a function")


def groups_of(batch: AgentBatch) -> list:
    return cells(SPEC) + each_neighbour(batch) + each_step(batch, 0.5)


@pytest.mark.parametrize("null", MAP_NULLS)
def test_ones_change_nothing_and_zeros_leave_what_stands_in(batch: AgentBatch, null) -> None:
    groups = groups_of(batch)
    scene = MaskedScene(batch, groups, SPEC, null, 0.5)
    found = scene.batch(torch.tensor([[1.0], [0.0]]).expand(2, len(groups)))
    for name, tensor in batch.tensors().items():
        assert torch.equal(found[:1].tensors()[name], tensor), name
    gone = found[1:]
    assert torch.equal(gone.crop, null_map(batch.crop, SPEC, null))
    assert torch.equal(gone.history, coasting(batch.history, batch.history_valid, 0.5))
    assert not gone.neighbours_valid.any()
    assert (gone.neighbour_types == AgentType.PADDING).all()
    assert torch.equal(gone.future, batch.future)


@pytest.mark.parametrize("shape", [(8, 5), (1, 1), (24, 16), (7, 3)])
def test_cells_and_their_quarters_cover_the_crop_once(shape: tuple[int, int]) -> None:
    found = cells(SPEC, *shape)
    for groups in (found, [part for cell in found for part in quarters(cell, SPEC)]):
        covered = np.zeros((SPEC.height_px, SPEC.width_px), int)
        for group in groups:
            first, end, right, left = group.box_px
            covered[first:end, right:left] += 1
        assert (covered == 1).all()


def test_more_cells_than_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        cells(SPEC, 25, 5)


def test_bounds_are_those_of_the_crop() -> None:
    bounds = np.array([cell.bounds_m(SPEC) for cell in cells(SPEC)])
    assert bounds[:, 0].min() == -SPEC.behind_m
    assert bounds[:, 1].max() == SPEC.ahead_m
    assert bounds[:, 2].min() == -SPEC.right_m
    assert bounds[:, 3].max() == SPEC.left_m


def test_a_straight_road_keeps_what_is_behind_and_the_cross_section() -> None:
    crop = torch.zeros(1, *SPEC.shape)
    crop[:, 0, :, 6:10] = 1  # the road that is driven on, which ends 6 m ahead, where another crosses it
    crop[:, 0, 10:] = 0
    crop[:, 0, 10:13] = 1
    crop[:, 0, :2, :] = 0.5
    made = null_map(crop, SPEC, "straight")
    assert torch.equal(made[:, :, :4], crop[:, :, :4])
    assert (made[:, 0, 4:, 6:10] == 1).all()
    assert (made[:, 0, 4:, :6] == 0).all()


def test_coasting_is_straight_back_at_the_present_velocity(batch: AgentBatch) -> None:
    made = coasting(batch.history, batch.history_valid, 0.5)[0]
    velocity = batch.history[0, -1, 2:4]
    torch.testing.assert_close(made[:, :2], torch.arange(-4, 1)[:, None] * 0.5 * velocity)
    assert (made[:, 4:] == 0).all()


def test_jitter_moves_all_that_is_tracked_together(batch: AgentBatch) -> None:
    moved = jittered(batch, torch.Generator().manual_seed(1))
    away = (moved.history - batch.history)[..., :2].norm(dim=-1)
    assert (away > 0).all()
    assert away.max() < 1.0
    between = [one.neighbours[0, :, :, :2] - one.history[0, -1, :2] for one in (batch, moved)]
    torch.testing.assert_close(between[0].norm(dim=-1), between[1].norm(dim=-1))
    assert torch.equal(moved.crop, batch.crop)


@pytest.mark.parametrize("null", MAP_NULLS)
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_network_without_context_has_no_map_and_no_neighbours(batch: AgentBatch, outcome: str, null) -> None:
    torch.manual_seed(0)
    network = make_network(QueryConfig(**SMALL).without_context()).eval()
    found = attribute(_Of(network), batch, groups_of(batch), AttributionSettings(outcome, null, draws=8))
    context = [place for place, group in enumerate(found.groups) if group.kind != "history"]
    # Where no manoeuvre changes nothing varies, and all is undefined.
    none = np.nan if outcome == "manoeuvre" else 0.0
    np.testing.assert_equal(found.indices.total[context], none)
    np.testing.assert_equal(found.indices.first[context], none)
    assert outcome == "manoeuvre" or found.indices.total.max() > 0
    shares = input_shares(_Of(network), batch, null)
    assert shares["travelled_m"]["map"] == shares["travelled_m"]["neighbours"] == 0.0


class _Of:
    """A network as a predictor."""

    device = torch.device("cpu")

    def __init__(self, network) -> None:
        self.config, self._network = network.config, network

    def predict(self, batch: AgentBatch, *, null_context: bool = False) -> Forecast:
        return self._network.predict(batch)


def test_the_cell_that_is_read_has_it_all(batch: AgentBatch) -> None:
    found = attribute(model(lambda given: ahead(given.crop[:, 1, 13:15, 7:9].mean((1, 2)))), batch, groups_of(batch))
    best = found.ranked()[0]
    first, end, right, left = found.groups[best].box_px
    assert first <= 13
    assert end >= 15
    assert right <= 7
    assert left >= 9
    assert found.indices.total[best] == pytest.approx(1.0, abs=0.15)
    assert np.delete(found.indices.total, best).max() == 0
    assert found.noise == 0


def test_cells_that_matter_are_cut(batch: AgentBatch) -> None:
    one_pixel = model(lambda given: ahead(given.crop[:, 0, 20, 12]))
    found = attribute(one_pixel, batch, cells(SPEC, 3, 2))
    again = refined(one_pixel, batch, found, 1)
    assert len(again.groups) == 6 + 3
    first, end, right, left = again.groups[again.ranked()[0]].box_px
    assert (end - first, left - right) == (4, 4)
    assert first <= 20 < end
    assert right <= 12 < left
    assert again.forecasts == 64 * (6 + 3) + 64 * (9 + 3)


def test_a_layer_a_neighbour_and_a_step(batch: AgentBatch) -> None:
    """The forecast is a sum of three things of known weights, so the shares are known."""

    def function(given: AgentBatch) -> Forecast:
        layer = given.crop[:, 2].mean((1, 2)) * 4
        other = given.neighbours_valid[:, 1, -1].float() * 3
        return ahead(layer + other + given.history[:, 1, 0])

    groups = layers(SPEC) + each_neighbour(batch) + each_step(batch, 0.5)
    found = attribute(model(function), batch, groups, AttributionSettings(draws=1024))
    step_m = float(batch.history[0, 1, 0] - coasting(batch.history, batch.history_valid, 0.5)[0, 1, 0])
    parts = {2: (4 * float(batch.crop[0, 2].mean())) ** 2 / 12, 4: 9 / 4, 7: step_m**2 / 12}
    for place, total in enumerate(found.indices.total):
        assert total == pytest.approx(parts.get(place, 0.0) / sum(parts.values()), abs=0.02), groups[place].name


def test_the_same_seed_gives_the_same_figures(batch: AgentBatch) -> None:
    torch.manual_seed(0)
    network = _Of(make_network(QueryConfig(**SMALL)).eval())
    first, second = (
        told(attribute(network, batch, groups_of(batch), AttributionSettings(draws=8)), network) for _ in range(2)
    )
    assert first == second
    assert first["forecasts"] == 8 * (len(groups_of(batch)) + 3)


def test_what_moves_nothing_is_undefined_and_said_so(batch: AgentBatch) -> None:
    still = model(lambda given: ahead(torch.ones(len(given))))
    found = told(attribute(still, batch, groups_of(batch), AttributionSettings(draws=8)), still)
    assert found["noise"] is None
    assert all(group["total"] is None for group in found["groups"])


def test_shares_of_the_inputs_are_exact(batch: AgentBatch) -> None:
    """f = m · n + 2 h, of what is there: each gets half of a product, and all of what it adds alone."""

    def function(given: AgentBatch) -> Forecast:
        map_there = (given.crop.flatten(1).abs().sum(1) > 0).float()
        others = given.neighbours_valid.flatten(1).any(1).float()
        past = (given.history[:, 0, 0] - coasting(given.history, given.history_valid, 0.5)[:, 0, 0]).abs() > 1e-6
        return ahead((map_there * others + 2 * past.float()) * 12 / 11)

    shares = input_shares(model(function), batch)
    assert shares["travelled_m"] == pytest.approx({"history": 2.0, "map": 0.5, "neighbours": 0.5}, abs=1e-5)
    assert set(shares) == {"travelled_m", "fde_m"}


def test_manoeuvres_share_the_probability() -> None:
    steps = torch.arange(1, 13) * 0.5
    straight, still = torch.stack([8 * steps, 0 * steps], -1), torch.zeros(12, 2)
    angle = steps / 6 * np.pi / 2
    left = 30 * torch.stack([angle.sin(), 1 - angle.cos()], -1)
    right = left * torch.tensor([1.0, -1.0])
    forecast = Forecast(
        torch.stack([straight, still, left, right, straight])[None], torch.tensor([[0.1, 0.2, 0.3, 0.25, 0.15]])
    )
    found = dict(zip(MANOEUVRES, manoeuvre_probabilities(forecast)[0], strict=True))
    assert found == pytest.approx(
        {"stationary": 0.2, "straight": 0.25, "left": 0.3, "right": 0.25, "U-turn": 0.0, "stops": 0.0}
    )
