"""The contract of networks and objectives, over whatever is registered."""

import pytest
import torch
from network_contract import check_learning, check_network

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.model.cvae_config import MapEncoderConfig
from forecast.model.network_protocol import Network
from forecast.model.network_registry import make_network, network_class, network_names
from forecast.model.objective_registry import OBJECTIVES
from forecast.model.trunks.trunk_config import TrunkConfig

CROP = CropSpec(ahead_m=8.0, behind_m=4.0, left_m=4.0, right_m=4.0, px_per_m=1.0)
#: What makes a network small where its defaults do not fit a crop of 12 × 8 pixels.
SMALL = {
    "cvae": {"decoder_size": 16, "map_encoder": MapEncoderConfig((4,), (3,), (2,))},
    "query": {"size": 16, "heads": 2, "medoids": 3, "trunk": TrunkConfig(width=8)},
}


def small(name: str) -> Network:
    torch.manual_seed(0)
    return make_network(network_class(name).config_class(modes=5, crop=CROP, **SMALL.get(name, {})))


@pytest.fixture
def batch(made_up) -> AgentBatch:
    return made_up(12).whole


@pytest.mark.parametrize("name", network_names())
def test_a_network_keeps_the_contract(name: str, batch: AgentBatch) -> None:
    check_network(small(name), batch)


@pytest.mark.parametrize("kind", ["conv", "patch", "vit"])
@pytest.mark.parametrize("name", ["cvae", "query"])
def test_every_trunk_serves_every_network(name: str, kind: str, batch: AgentBatch) -> None:
    trunk = TrunkConfig(kind, width=8, heads=2)
    given = {"trunk": trunk} if name == "query" else {"map_encoder": MapEncoderConfig(trunk=trunk)}
    torch.manual_seed(0)
    config = network_class(name).config_class(**{"modes": 5, "crop": CROP, **SMALL[name], **given})
    check_network(make_network(config), batch)


@pytest.mark.parametrize("name", network_names())
def test_a_network_learns_by_every_objective(name: str, batch: AgentBatch) -> None:
    check_learning(small(name), batch)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_constants_of_an_objective_name_it(name: str) -> None:
    assert OBJECTIVES[name].constants().name == name
    assert OBJECTIVES[name].constants.__doc__
