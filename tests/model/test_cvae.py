"""What must hold of the whole model whatever its weights are."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.forecast import Forecast
from forecast.model.config import MapEncoderConfig, ModelConfig
from forecast.model.cvae import CVAE
from forecast.model.decoder import Decoder
from forecast.model.history import suffix_start
from forecast.model.neighbours import edge_weights
from forecast.model.objectives import Annealed, ObjectiveConfig, objective_terms

CONFIG = ModelConfig(
    modes=5,
    decoder_size=16,
    crop=CropSpec(ahead_m=8.0, behind_m=4.0, left_m=4.0, right_m=4.0, px_per_m=1.0),
    map_encoder=MapEncoderConfig((4,), (3,), (2,)),
)
CONTEXT = ("neighbours.", "map.")


@pytest.fixture
def batch(made_up) -> AgentBatch:
    return made_up(12).whole


def model_of(config: ModelConfig = CONFIG, seed: int = 0) -> CVAE:
    torch.manual_seed(seed)
    return CVAE(config).double()


def gradients(model: CVAE) -> dict[str, torch.Tensor]:
    return {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in model.named_parameters()}


def test_the_blind_branch_never_trains_the_encoders(batch: AgentBatch) -> None:
    model = model_of()
    blind = model(batch, blind=True)[1]
    (
        blind.prior_logits.square().sum() + blind.posterior_logits.square().sum() + blind.step_log_likelihoods.sum()
    ).backward()
    for name, gradient in gradients(model).items():
        if name.startswith((*CONTEXT, "history.")):
            assert not gradient.any(), name
        elif name.startswith(("latent.", "decoder.", "future.", "heading_correction.")):
            assert gradient.any(), name


def test_a_blind_network_of_its_own_leaves_the_sighted_one_alone(batch: AgentBatch) -> None:
    model, plain = model_of(replace(CONFIG, own_blind=True)), model_of()
    torch.manual_seed(1)
    branches = model(batch, blind=True)
    torch.manual_seed(1)
    alone = plain(batch, blind=False)[0]
    torch.testing.assert_close(branches[0].step_log_likelihoods, alone.step_log_likelihoods, rtol=0, atol=0)
    branches[1].step_log_likelihoods.sum().backward()
    touched = {name.split(".")[0] for name, gradient in gradients(model).items() if gradient.any()}
    assert touched == {"blind"}

    without = replace(batch, crop=None, neighbours_valid=torch.zeros_like(batch.neighbours_valid))
    nulled, seen = (model.eval().predict(given, null_context=null) for given, null in ((batch, True), (without, True)))
    torch.testing.assert_close(nulled.positions_m, seen.positions_m, rtol=0, atol=0)
    assert not torch.equal(nulled.positions_m, model.predict(batch).positions_m)


def test_without_weights_on_the_blind_branch_training_is_the_plain_backbones(batch: AgentBatch) -> None:
    models = model_of(), model_of()
    settings = (
        ObjectiveConfig("divergence", without_context_weight=0.0, divergence_weight=0.0),
        ObjectiveConfig("plain"),
    )
    for model, objective in zip(models, settings, strict=True):
        optimiser = torch.optim.Adam(model.parameters(), 3e-3)
        for step in range(20):
            torch.manual_seed(step)
            branches = model(batch, blind=objective.needs_blind)
            loss = objective_terms(*branches, batch.future_valid, objective, Annealed(float(step), 1.0)).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    for (name, one), other in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10, msg=name)


def test_in_evaluation_nulled_context_is_the_blind_branch(batch: AgentBatch) -> None:
    model = model_of().eval()
    nothing = replace(
        batch,
        neighbour_types=torch.full_like(batch.neighbour_types, -1),
        neighbours_valid=torch.zeros_like(batch.neighbours_valid),
        crop=torch.full_like(batch.crop, 0.5),
    )
    _, blind = model(batch, blind=True)
    nulled, _ = model(nothing, blind=False)
    for field in ("prior_logits", "posterior_logits", "step_log_likelihoods"):
        torch.testing.assert_close(getattr(nulled, field), getattr(blind, field))
    one, other = model.predict(nothing), model.predict(batch, null_context=True)
    torch.testing.assert_close(one.positions_m, other.positions_m)
    torch.testing.assert_close(one.probabilities, other.probabilities)


@pytest.mark.parametrize("encoder", ["summed", "pooled"])
def test_without_neighbours_their_code_is_exactly_zero_even_in_training(batch: AgentBatch, encoder: str) -> None:
    model = model_of(replace(CONFIG, neighbour_encoder=encoder)).train()
    alone = replace(batch, neighbour_types=torch.full_like(batch.neighbour_types, -1))
    assert not model.encode(alone)[0][:, : CONFIG.encoding_size].any()
    far = replace(batch, neighbours=batch.neighbours + 1000)
    assert not model.encode(far)[0][:, : CONFIG.encoding_size].any()
    assert model.encode(batch)[0][:, : CONFIG.encoding_size].any()


def same(one: Forecast, other: Forecast, rows: slice = slice(None)) -> None:
    for field in ("positions_m", "probabilities", "headings_rad", "covariances_m2"):
        torch.testing.assert_close(getattr(one, field), getattr(other, field)[rows])


@pytest.mark.parametrize("encoder", ["summed", "pooled"])
def test_a_batch_is_the_sum_of_its_parts_and_neighbours_have_no_order(batch: AgentBatch, encoder: str) -> None:
    model = model_of(replace(CONFIG, neighbour_encoder=encoder)).eval()
    whole = model.predict(batch)
    same(model.predict(batch[4:7]), whole, slice(4, 7))
    turned = replace(
        batch,
        neighbours=batch.neighbours.flip(1),
        neighbours_valid=batch.neighbours_valid.flip(1),
        neighbour_types=batch.neighbour_types.flip(1),
    )
    same(model.predict(turned), whole)


@pytest.mark.parametrize("encoder", ["summed", "pooled"])
def test_nothing_after_time_0_and_nothing_invalid_is_read(batch: AgentBatch, encoder: str) -> None:
    model = model_of(replace(CONFIG, neighbour_encoder=encoder)).eval()
    valid = batch.history_valid.clone()
    valid[:6, 1] = False
    batch = replace(batch, history_valid=valid)
    whole = model.predict(batch)
    history = batch.history.clone()
    history[:6, :2] = 99.0  # row 1 is unknown, row 0 lies before the gap
    absent = ~batch.neighbours_valid[..., None]
    spoilt = replace(
        batch,
        history=history,
        neighbours=torch.where(absent, 77.0, batch.neighbours),
        future=batch.future + 50,
        future_valid=~batch.future_valid,
    )
    same(model.predict(spoilt), whole)


def test_the_decoder_is_a_gru_on_the_whole_input() -> None:
    torch.manual_seed(0)
    decoder = Decoder(3, 6, 8, 4).double()
    encoding, present = torch.randn(2, 6).double(), torch.randn(2, 8).double()
    found = decoder(encoding, present, None)
    z = functional.one_hot(torch.arange(3), 3).double().repeat(2, 1)
    both = torch.cat([z, encoding.repeat_interleave(3, 0)], 1)
    state, control = decoder.first_state(both), decoder.first_control(present).repeat_interleave(3, 0)
    for step in range(4):
        state = decoder.cell(torch.cat([both, control], 1), state)
        control = decoder.mean(state)
        torch.testing.assert_close(found.yaw_rate[step].flatten(), control[:, 0])
        torch.testing.assert_close(found.acceleration[step].flatten(), control[:, 1])
        torch.testing.assert_close(found.yaw_rate_sigma[step].flatten(), decoder.log_sigma(state)[:, 0].exp())


def test_the_unbroken_past_and_the_ramp_of_edges() -> None:
    valid = torch.tensor([[1, 1, 1], [0, 1, 1], [1, 0, 1], [0, 0, 0]], dtype=torch.bool)
    assert suffix_start(valid).tolist() == [0, 1, 2, 3]
    neighbours, history = torch.zeros(1, 3, 5, 8), torch.zeros(1, 5, 8)
    neighbours[0, 1, :3, 0] = 31.0  # near for two steps
    neighbours[0, 2, -1, 0] = 31.0  # gone at time 0
    assert edge_weights(neighbours, torch.ones(1, 3, 5, dtype=torch.bool), history, 30.0).tolist() == [[1.0, 0.5, 0.0]]


def test_a_normalised_history_is_the_layer_norm_of_the_plain_one(batch: AgentBatch) -> None:
    model, plain = model_of(replace(CONFIG, normalised_history=True)).eval(), model_of().eval()
    assert not [name for name in plain.state_dict() if "norm" in name]
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if "norm" not in name})
    size = CONFIG.encoding_size
    (ours, _), (theirs, _) = model.encode(batch), plain.encode(batch)
    past = slice(size, 2 * size)  # e = [neighbours ; history ; map]
    torch.testing.assert_close(ours[:, past], functional.layer_norm(theirs[:, past], (size,), eps=1e-2))
    assert 3 < ours[:, past].std() / theirs[:, past].std() < 10
    torch.testing.assert_close(ours[:, :size], theirs[:, :size], rtol=0, atol=0)
    torch.testing.assert_close(ours[:, 2 * size :], theirs[:, 2 * size :], rtol=0, atol=0)


def test_a_blind_network_of_its_own_normalises_its_history_too() -> None:
    model = model_of(replace(CONFIG, normalised_history=True, own_blind=True))
    assert [name for name in model.state_dict() if "norm" in name] == [
        f"{network}.norm.{parameter}" for network in ("history", "blind.history") for parameter in ("weight", "bias")
    ]


def test_the_blind_model_reads_neither_map_nor_neighbours(batch: AgentBatch) -> None:
    model = model_of(replace(CONFIG, uses_map=False, uses_neighbours=False)).eval()
    other = replace(batch, crop=None, neighbours=batch.neighbours + 3)
    same(model.predict(other), model.predict(batch))
    with pytest.raises(ValueError, match="needs crops"):
        model_of().predict(replace(batch, crop=None))
