"""Cities: they begin as the base, leave it and each other alone to the last bit, and are chosen by the map's name."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

from forecast.core.batch import AgentBatch
from forecast.core.errors import CheckpointError, ConfigError
from forecast.model.cities.city_network import CityNetwork
from forecast.model.cities.city_part import CityPart
from forecast.model.cities.city_record import CityRecord
from forecast.model.network_protocol import Network
from forecast.model.network_registry import make_network
from forecast.prediction.checkpoint import load_checkpoint, save_checkpoint
from forecast.prediction.predictor import Predictor
from forecast.training.config import load_config

ONE, TWO = CityRecord("one", ("singapore-onenorth",), "adapters", 2), CityRecord("two", ("a", "b"), "full")


@pytest.fixture(params=["query", "gain"])
def base(request, small_settings, small_query_settings) -> Network:
    torch.manual_seed(0)
    settings = small_query_settings if request.param == "query" else small_settings
    return make_network(load_config(request.param, settings=settings).model).eval()


def moved(network: CityNetwork, name: str, seed: int = 1) -> CityNetwork:
    """A city that has learnt something."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parts[name].parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return network.eval()


def on_maps(batch: AgentBatch, *names: str) -> AgentBatch:
    return replace(batch, map_names=names, map_index=torch.arange(len(batch)) % len(names))


def same(one, other) -> bool:
    return all(torch.equal(getattr(one, n), getattr(other, n)) for n in ("positions_m", "probabilities"))


@pytest.mark.parametrize("method", ["adapters", "attention", "full"])
def test_a_city_starts_as_the_base(base: Network, made_up, method: str) -> None:
    batch = on_maps(made_up(12).whole, "here")
    if method == "attention" and base.config.network == "cvae":
        with pytest.raises(ValueError, match="'cvae' has no attention"):
            CityNetwork(base, [CityRecord("new", ("here",), "attention")])
        return
    network = CityNetwork(base, [CityRecord("new", ("here",), method)]).eval()
    assert network.cities_of(batch).tolist() == [0] * 12
    with torch.no_grad():
        assert same(network.predict(batch), base.predict(batch))
        network.learn("new")
        torch.manual_seed(3)
        ours = network.train()(batch)[0]
        torch.manual_seed(3)
        theirs = base.train()(batch)[0]
    torch.testing.assert_close(ours.step_log_likelihoods, theirs.step_log_likelihoods, rtol=1e-4, atol=1e-4)


def test_it_says_where_it_looks_if_its_base_can(base: Network, made_up) -> None:
    batch = on_maps(made_up(6).whole, "singapore-onenorth", "b")
    network = CityNetwork(base, [ONE, TWO]).eval()
    assert base.tells_attention == (base.config.network == "query")
    for asked in (base, network):
        assert asked.tells_attention == base.tells_attention == (asked.attention(batch) is not None)


def test_five_cities_answer_each_by_itself_and_leave_the_base_alone(base: Network, made_up) -> None:
    names = ["boston-seaport", "singapore-onenorth", "a", "b", "c", "d", "e"]
    batch = on_maps(made_up(21).whole, *names)
    before = copy.deepcopy(base)
    network = CityNetwork(base, [ONE, TWO])
    for k, name in enumerate("cde"):
        network.add(CityRecord(f"city {name}", (name,), "adapters", 1 + k))
    for k, record in enumerate(network.records):
        moved(network, record.name, seed=k)
    with torch.no_grad():
        answer, expected = network.predict(batch), before.predict(batch)
        for place, name in enumerate(names):
            rows = batch.map_index == place
            owner = next((r.name for r in network.records if name in r.locations), None)
            alone = expected if owner is None else network.network_of(owner).predict(batch)
            assert torch.equal(answer.positions_m[rows], alone.positions_m[rows]), name
            assert torch.equal(answer.probabilities[rows], alone.probabilities[rows]), name
            assert torch.equal(alone.positions_m[rows], expected.positions_m[rows]) == (owner is None), name
        # Of one city the batch is answered as by its network alone, and of none as by the base.
        assert same(network.predict(on_maps(batch, "boston-seaport")), before.predict(batch))
        assert same(network.predict(replace(batch, map_names=())), before.predict(batch))
        assert same(network.predict(replace(batch, map_index=batch.map_index - 99)), before.predict(batch))


def test_training_a_city_changes_it_alone(base: Network, made_up) -> None:
    network = CityNetwork(base, [ONE, TWO])
    network.learn("two")
    assert {name for name, p in network.named_parameters() if p.requires_grad} == {
        name for name, _ in network.named_parameters() if name.startswith("parts.two.")
    }
    assert {id(p) for p in network.map_parameters()} <= {id(p) for p in network.parts["two"].parameters()}
    assert network.map_parameters()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=1e-2)
    batch = on_maps(made_up(12).whole, "a")
    for _ in range(2):
        optimiser.zero_grad()
        network.train()(batch)[0].step_log_likelihoods.mean().neg().backward()
        optimiser.step()
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed
    assert all(name.startswith("parts.two.") for name in changed)


def test_an_adapter_is_the_product_of_its_factors(base: Network) -> None:
    """W + B A, of every matrix and convolution by a plain loop, and of a tenth of the parameters or so."""
    network = moved(CityNetwork(base, [ONE]), "one")
    part, own = network.parts["one"], dict(network.network_of("one").named_parameters())
    assert isinstance(part, CityPart)
    for name, parameter in base.named_parameters():
        key = name.replace(".", "/")
        if parameter.ndim > 1:
            update = sum(torch.outer(b, a) for b, a in zip(part.rows[key].T, part.columns[key], strict=True)).view_as(
                parameter
            )
            assert torch.linalg.matrix_rank(update.flatten(1)) <= 2
        else:
            update = part.added[key]
        torch.testing.assert_close(own[name], parameter + update)


def test_cities_are_kept_in_one_file_and_chosen(base: Network, made_up, tmp_path: Path) -> None:
    network = CityNetwork(base, [ONE, TWO])
    moved(network, "one"), moved(network, "two", seed=2)
    batch = on_maps(made_up(9).whole, "singapore-onenorth", "b", "elsewhere")
    save_checkpoint(tmp_path / "cities.safetensors", network, {"epoch": 1})
    again = load_checkpoint(tmp_path / "cities.safetensors")
    assert isinstance(again.model, CityNetwork)
    assert again.model.records == (ONE, TWO)
    with torch.inference_mode():
        assert same(Predictor(again).predict(batch), network.predict(batch))
        for city, expected in (("one", network.network_of("one")), ("base", base)):
            chosen = Predictor.load(tmp_path / "cities.safetensors", city=city)
            assert type(chosen.model) is type(base)
            assert same(chosen.predict(batch), expected.predict(batch))
    for city in (None, "one", "base"):
        asked = Predictor.load(tmp_path / "cities.safetensors", medoids=2, city=city).predict(batch)
        assert asked.positions_m.shape[1] == 2
    with pytest.raises(ConfigError, match="no city is called 'onn': did you mean 'one'"):
        load_checkpoint(tmp_path / "cities.safetensors", city="onn")
    save_checkpoint(tmp_path / "plain.safetensors", base, {})
    with pytest.raises(ConfigError, match="hold no cities"):
        load_checkpoint(tmp_path / "plain.safetensors", city="one")


def test_files_without_cities_are_written_as_before(base: Network, tmp_path: Path, monkeypatch) -> None:
    from safetensors import safe_open

    found = {}
    for name, network in (("plain", base), ("cities", CityNetwork(base, [ONE]))):
        save_checkpoint(tmp_path / f"{name}.safetensors", network, {})
        with safe_open(tmp_path / f"{name}.safetensors", "pt") as file:
            found[name] = file.metadata()["format_version"]
    assert found == {"plain": "3", "cities": "4"}
    monkeypatch.setattr("forecast.prediction.checkpoint.FORMAT_VERSION", 3)
    with pytest.raises(CheckpointError, match=r"format version 4.*a newer one wrote it"):
        load_checkpoint(tmp_path / "cities.safetensors")


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (CityRecord("one", ("elsewhere",), "full"), "hold the city 'one'"),
        (CityRecord("other", ("x", "singapore-onenorth"), "full"), r"'one' \(singapore-onenorth\) already"),
    ],
)
def test_two_cities_never_claim_the_same(base: Network, record: CityRecord, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        CityNetwork(base, [ONE, record])


def test_merged_weights_follow_training_and_moves(base: Network, made_up) -> None:
    batch = on_maps(made_up(6).whole, "a")
    network = moved(CityNetwork(base, [TWO]), "two")
    first = network.predict(batch)
    moved(network, "two", seed=7)
    assert not same(network.predict(batch), first)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    last = network.predict(batch)
    moved(network, "two", seed=8).load_state_dict(state)
    assert same(network.predict(batch), last)
    holder = torch.nn.Sequential(network)
    changed = {name: tensor + 0.01 for name, tensor in holder.state_dict().items()}
    holder.load_state_dict(changed)  # of a parent
    assert not same(network.predict(batch), last)
    assert network.double().network_of("two").predict(batch).positions_m.dtype == torch.float64
    with torch.inference_mode():
        network.to(torch.float64).to(torch.float32).predict(batch)
    assert not any(p.is_inference() for p in network.network_of("two").parameters())


def test_cities_are_guessed_by_what_their_scenes_look_like(base: Network, made_up, tmp_path: Path) -> None:
    """As naive Bayes with Gaussians does; no map has a name."""
    network = moved(CityNetwork(base, [CityRecord("fast", ("somewhere",), "full")]), "fast")
    batch = replace(made_up(40).whole, map_names=())
    fast = batch.history[:, -1, 2] > 6.5
    with torch.inference_mode():
        encodings = base.encoding(batch)
        network.know("base", encodings[~fast])
        network.know("fast", encodings[fast])
        save_checkpoint(tmp_path / "cities.safetensors", network, {})
        guessing = load_checkpoint(tmp_path / "cities.safetensors", city="guessed").model
        scores = []
        for seen in (encodings[~fast].double().numpy(), encodings[fast].double().numpy()):
            spread = seen.std(0, ddof=1)
            normal = scipy.stats.norm(seen.mean(0), np.maximum(spread, 0.01 * spread.max()))
            scores.append(normal.logpdf(encodings.double().numpy()).sum(1))
        guess = torch.from_numpy(scores[1] > scores[0])
        assert torch.equal(guessing.cities_of(batch) == 0, guess)
        assert (guess == fast).float().mean() > 0.7
        answer, plain = guessing.predict(batch), load_checkpoint(tmp_path / "cities.safetensors").model.predict(batch)
        assert torch.equal((answer.positions_m != plain.positions_m).flatten(1).any(1), guess)
        assert same(plain, base.predict(batch))
    blank = CityNetwork(base, [ONE])
    save_checkpoint(tmp_path / "blank.safetensors", blank, {})
    with pytest.raises(ConfigError, match="do not know what all their cities"):
        load_checkpoint(tmp_path / "blank.safetensors", city="guessed")
