"""What must hold of any network, whatever its parameters are."""

from __future__ import annotations

from dataclasses import fields, replace

import torch

from forecast.core.batch import AgentBatch
from forecast.core.forecast import Forecast
from forecast.model.network_protocol import Network
from forecast.model.network_registry import make_network
from forecast.model.objective_registry import OBJECTIVES, objective_terms
from forecast.model.own_loss import Annealed


def check_network(network: Network, batch: AgentBatch) -> None:
    """All of the contract, on a batch with crops."""
    network = network.eval()
    whole = network.predict(batch)
    _shapes(network, batch, whole)
    _same(network.predict(batch[4:7]), whole, slice(4, 7))
    _same(network.predict(batch[2:3]), whole, slice(2, 3))
    _same(network.predict(_spoilt(batch)), whole)
    said = network(batch)[0].positions_m
    if said is not None:  # what consistency.weight trains
        torch.testing.assert_close(said, network.mixture(batch).positions_m, rtol=1e-4, atol=1e-4)
    alone = make_network(network.config.without_context()).eval()
    _same(alone.predict(replace(batch, crop=None)), alone.predict(batch, null_context=True))


def check_learning(network: Network, batch: AgentBatch) -> None:
    """Every objective that goes with the network has a finite loss, and a gradient for what it should train."""
    for objective in OBJECTIVES.values():
        constants = objective.constants()
        if constants.needs_posterior and not network.has_posterior:
            continue
        network = network.train()
        network.zero_grad()
        torch.manual_seed(0)
        first, second = network(batch, without_context=constants.without_context != "none")
        terms = objective_terms(first, second, batch.future_valid, constants, Annealed(1.0, 2.0))
        terms.loss.backward()
        assert torch.isfinite(terms.loss), constants.name
        assert all(not value.requires_grad for value in terms.parts.values()), constants.name
        untrained = [
            name for name, p in network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()
        ]
        assert not untrained, (constants.name, untrained)
        torch.manual_seed(0)
        again, nothing = network(batch)
        assert nothing is None
        torch.testing.assert_close(again.prior_logits, first.prior_logits, rtol=1e-4, atol=1e-5)


def _shapes(network: Network, batch: AgentBatch, forecast: Forecast) -> None:
    lead = (len(batch), network.config.answered_modes, network.config.horizon.future_steps)
    assert forecast.positions_m.shape == (*lead, 2)
    assert forecast.headings_rad.shape == lead
    assert forecast.covariances_m2.shape == (*lead, 2, 2)
    torch.testing.assert_close(forecast.probabilities.sum(1), torch.ones(len(batch)))
    assert (torch.linalg.eigvalsh(forecast.covariances_m2) > 0).all()


def _spoilt(batch: AgentBatch) -> AgentBatch:
    """Another future, and other values where nothing is valid."""
    absent = ~batch.neighbours_valid[..., None]
    return replace(
        batch,
        neighbours=torch.where(absent, 77.0, batch.neighbours),
        future=batch.future + 50,
        future_valid=~batch.future_valid,
    )


def _same(one: Forecast, other: Forecast, rows: slice = slice(None)) -> None:
    for field in fields(one):
        ours, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(ours, torch.Tensor):
            torch.testing.assert_close(ours, theirs[rows], rtol=1e-4, atol=1e-4)
