"""The pair of a network and its twin without context."""

from dataclasses import replace

import pytest
import torch

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.model.cvae_config import CVAEConfig, MapEncoderConfig
from forecast.model.objectives.gain import Gain
from forecast.model.objectives.plain import Plain
from forecast.training.pair import TrainingPair

CONFIG = CVAEConfig(
    modes=5,
    decoder_size=16,
    crop=CropSpec(ahead_m=8.0, behind_m=4.0, left_m=4.0, right_m=4.0, px_per_m=1.0),
    map_encoder=MapEncoderConfig((4,), (3,), (2,)),
)


@pytest.fixture
def batch(made_up) -> AgentBatch:
    return made_up(12).whole


def pair_of(objective, config: CVAEConfig = CONFIG) -> TrainingPair:
    torch.manual_seed(0)
    return TrainingPair(config, objective).double()


def test_a_twin_leaves_the_network_with_context_alone(batch: AgentBatch) -> None:
    pair, plain = pair_of(Gain()), pair_of(Plain())
    torch.manual_seed(1)
    passes = pair(batch)
    torch.manual_seed(1)
    alone, nothing = plain(batch)
    assert nothing is None
    torch.testing.assert_close(passes[0].step_log_likelihoods, alone.step_log_likelihoods, rtol=0, atol=0)
    passes[1].step_log_likelihoods.sum().backward()
    touched = {name.split(".")[0] for name, p in pair.named_parameters() if p.grad is not None and p.grad.any()}
    assert touched == {"twin"}


def test_a_twin_reads_the_past_alone(batch: AgentBatch) -> None:
    pair = pair_of(Gain()).eval()
    without = replace(batch, crop=None, neighbours_valid=torch.zeros_like(batch.neighbours_valid))
    mixtures = pair.mixtures(batch)
    torch.testing.assert_close(mixtures["without"].positions_m, pair.twin.mixture(without).positions_m, rtol=0, atol=0)
    assert not torch.equal(mixtures["without"].positions_m, mixtures["with"].positions_m)


def test_a_shared_pass_without_context_is_the_networks_own(batch: AgentBatch) -> None:
    pair = pair_of(Gain(without_context="shared")).eval()
    assert pair.twin is None
    nulled = pair.network.mixture(batch, null_context=True)
    torch.testing.assert_close(pair.mixtures(batch)["without"].positions_m, nulled.positions_m, rtol=0, atol=0)


def test_who_has_not_learnt_to_do_without_context_is_not_asked(batch: AgentBatch) -> None:
    assert set(pair_of(Plain()).eval().mixtures(batch)) == {"with"}


def test_a_twin_normalises_its_history_too() -> None:
    pair = pair_of(Gain(), replace(CONFIG, normalised_history=True))
    assert [name for name in pair.state_dict() if "norm" in name] == [
        f"{network}.history.norm.{parameter}" for network in ("network", "twin") for parameter in ("weight", "bias")
    ]
