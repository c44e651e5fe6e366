"""Smaller without data: exact on planted duplicates, peaks of a known density, nothing lost without hashing."""

import numpy as np
import pytest
import torch
from torch import nn

from forecast.export.compact import compact, hashed
from forecast.export.equal_units import merged_lstm
from forecast.prediction.model_names import open_model


def widened(network: nn.Sequential, times: int, seed: int = 0) -> nn.Sequential:
    """The same function with each hidden unit so many times, in any order; readers share a unit's weight unevenly."""
    generator = torch.Generator().manual_seed(seed)
    first, act, second = network
    order = torch.randperm(times * len(first.weight), generator=generator)
    code = torch.arange(len(first.weight)).repeat(times)[order]
    shares = torch.rand(len(order), generator=generator)
    shares = shares / torch.zeros(len(first.weight)).index_add_(0, code, shares)[code]
    wide = type(first), type(second)
    if isinstance(first, nn.Linear):
        one, other = nn.Linear(first.in_features, len(order)), nn.Linear(len(order), second.out_features)
    else:
        one = nn.Conv2d(first.in_channels, len(order), first.kernel_size, padding=first.padding)
        other = nn.Conv2d(len(order), second.out_channels, second.kernel_size, padding=second.padding)
    assert wide == (type(one), type(other))
    with torch.no_grad():
        one.weight.copy_(first.weight[code])
        one.bias.copy_(first.bias[code])
        other.weight.copy_(second.weight[:, code] * shares.reshape(1, -1, *[1] * (second.weight.ndim - 2)))
        other.bias.copy_(second.bias)
    return nn.Sequential(one, act, other)


@pytest.mark.parametrize(
    ("network", "inputs"),
    [
        (nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 3)), torch.randn(64, 5)),
        (
            nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.GELU(), nn.Conv2d(6, 4, 3, padding=1)),
            torch.randn(8, 2, 9, 9),
        ),
    ],
)
def test_a_network_widened_by_copies_returns_to_its_size(network: nn.Sequential, inputs: torch.Tensor) -> None:
    wide = widened(network, 4)
    found = compact(wide)
    assert (found.units, found.kept) == (4 * len(network[0].weight), len(network[0].weight))
    assert [one.shape for one in found.network.parameters()] == [one.shape for one in network.parameters()]
    torch.testing.assert_close(found.network(inputs), wide(inputs), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.network(inputs), network(inputs), atol=1e-6, rtol=1e-5)


def test_an_lstm_widened_by_copies_returns_to_its_size() -> None:
    torch.manual_seed(0)
    lstm, reader = nn.LSTM(3, 5, batch_first=True), nn.Linear(5, 2)
    code = torch.tensor([0, 1, 2, 3, 4, 3, 1, 0, 0])
    wide, wide_reader = nn.LSTM(3, 9, batch_first=True), nn.Linear(9, 2)
    share = torch.tensor([0.5, 0.5, 1.0, 0.25, 1.0, 0.75, 0.5, 0.25, 0.25])
    with torch.no_grad():
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            part = getattr(lstm, name).reshape(4, 5, -1)[:, code]
            if name == "weight_hh_l0":
                part = part[:, :, code] * share
            getattr(wide, name).copy_(part.reshape(getattr(wide, name).shape))
        wide_reader.weight.copy_(reader.weight[:, code] * share)
        wide_reader.bias.copy_(reader.bias)
    inputs = torch.randn(16, 6, 3)
    before = wide_reader(wide(inputs)[0])
    smaller = merged_lstm(wide, [wide_reader])
    assert smaller.hidden_size == 5
    torch.testing.assert_close(wide_reader(smaller(inputs)[0]), before, atol=1e-6, rtol=1e-5)


def test_without_hashing_the_shipped_weights_say_the_same() -> None:
    model = open_model("town").model.eval()
    found = compact(model)
    assert found.values == found.weights
    folded = found.network.head.layers[0]
    assert (folded.weight == 1).all()
    assert (folded.bias == 0).all()
    assert not (model.head.layers[0].weight == 1).all()  # the model itself is left as it is
    tokens = torch.randn(4, model.head.layers[1][0].in_features)
    torch.testing.assert_close(found.network.head.layers(tokens), model.head.layers(tokens), atol=1e-5, rtol=1e-4)


def test_weights_become_the_peaks_of_their_density() -> None:
    rng = np.random.default_rng(0)
    peaks = np.array([-1.0, 0.2, 0.9])
    which = rng.integers(0, 3, 6000)
    weights = peaks[which] + rng.normal(0, 0.03, 6000)
    found = hashed(weights, 0.3)
    assert len(np.unique(found)) == 3
    np.testing.assert_allclose(found, peaks[which], atol=0.03)
    assert len(np.unique(hashed(weights, 10.0))) == 1
    np.testing.assert_array_equal(hashed(np.full(5, 0.3), 1.0), np.full(5, 0.3))


def test_larger_bandwidths_leave_fewer_values() -> None:
    weights = np.random.default_rng(0).normal(size=5000)
    counts = [len(np.unique(hashed(weights, width))) for width in (0.01, 0.1, 0.5)]
    assert counts[0] > counts[1] > counts[2] >= 1
    for width in (0.01, 0.1):
        assert np.abs(hashed(weights, width) - weights).max() < 1.0


def test_equal_units_that_hashing_made_are_merged_exactly() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 200), nn.ReLU(), nn.Linear(200, 3))
    nn.init.zeros_(network[0].bias)
    found = compact(network, 0.8)
    assert found.kept < found.units == 200
    assert found.values < found.weights
    by_hand = nn.Sequential(nn.Linear(2, 200), nn.ReLU(), nn.Linear(200, 3))
    with torch.no_grad():
        for mine, given in zip(by_hand.parameters(), network.parameters(), strict=True):
            values = given.double().numpy().ravel()
            mine.copy_(torch.from_numpy(hashed(values, 0.8)).reshape(mine.shape) if given.ndim > 1 else given)
    inputs = torch.randn(32, 2)
    torch.testing.assert_close(found.network(inputs), by_hand(inputs), atol=1e-5, rtol=1e-4)
