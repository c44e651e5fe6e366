"""The recurrence whose gradient is written by hand, against the same in plain operations."""

from dataclasses import fields

import pytest
import torch

from forecast.model import scan as module
from forecast.model.decoder import Decoder
from forecast.model.recurrence import Recurrence, sample, unrolled
from forecast.model.scan import scan

AGENTS, MODES, SIZE, STEPS = 5, 3, 4, 4
NAMES = [field.name for field in fields(Recurrence)]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Recurrence:
    monkeypatch.setattr(module, "_BYTES_ON_CPU", 2 * MODES * 8)  # blocks of 2, 2 and 1 agents
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "gates": (AGENTS, 3 * SIZE), "mode_gates": (MODES, 3 * SIZE), "state": (AGENTS, SIZE),
        "mode_state": (MODES, SIZE), "control": (AGENTS, 2), "recurrent": (3 * SIZE, SIZE),
        "recurrent_bias": (3 * SIZE,), "feedback": (3 * SIZE, 2), "head": (5, SIZE), "head_bias": (5,),
    }  # fmt: skip
    drawn = {n: torch.randn(s, generator=generator, dtype=torch.float64, requires_grad=True) for n, s in shapes.items()}
    return Recurrence(**drawn)


def noise_of(*, drawn: bool) -> torch.Tensor | None:
    return torch.randn(STEPS, 2, AGENTS, MODES, dtype=torch.float64) if drawn else None


@pytest.mark.parametrize("drawn", [True, False])
def test_outputs_and_gradients_are_those_of_the_plain_loop(given: Recurrence, drawn: bool) -> None:
    noise = noise_of(drawn=drawn)
    found, expected = scan(given, noise, STEPS), unrolled(given, noise, STEPS)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
    inputs = [getattr(given, name) for name in NAMES]
    upstream = torch.randn_like(expected)
    pairs = zip(
        NAMES,
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
        strict=True,
    )
    for name, one, other in pairs:
        assert other.any(), name
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10, msg=name)


@pytest.mark.parametrize("drawn", [True, False])
def test_gradients_are_those_of_finite_differences(given: Recurrence, drawn: bool) -> None:
    noise = noise_of(drawn=drawn)
    inputs = tuple(getattr(given, name) for name in NAMES)
    assert torch.autograd.gradcheck(lambda *parts: scan(Recurrence(*parts), noise, STEPS), inputs)


def test_no_gradient_where_sigma_or_correlation_is_at_its_bound(given: Recurrence) -> None:
    with torch.no_grad():
        given.head_bias[2:] = torch.tensor([60.0, -60.0, 60.0])
    noise = noise_of(drawn=True)
    inputs = [getattr(given, name) for name in NAMES]
    found, expected = (torch.autograd.grad(run(given, noise, 2).sum(), inputs) for run in (scan, unrolled))
    for name, one, other in zip(NAMES, found, expected, strict=True):
        torch.testing.assert_close(one, other, msg=name)


def test_a_second_derivative_is_refused_rather_than_wrong(given: Recurrence) -> None:
    (first,) = torch.autograd.grad(scan(given, None, STEPS).square().sum(), given.state, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_half_precision_gives_nearly_the_same_gradient() -> None:
    torch.manual_seed(0)
    decoder, encoding, present = Decoder(5, 12, 32, 6), torch.randn(40, 12), torch.randn(40, 8)
    noise, gradients = torch.randn(6, 2, 40, 5), []
    for low in (False, True):
        decoder.zero_grad()
        with torch.autocast("cpu", enabled=low):
            controls = decoder(encoding, present, noise)
            (controls.yaw_rate.cumsum(0).square().mean() + controls.acceleration_sigma.mean()).backward()
        assert controls.yaw_rate.dtype == torch.float32
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in decoder.parameters()]))
    assert 0 < (gradients[0] - gradients[1]).norm() < 0.02 * gradients[0].norm()


def test_a_draw_has_the_moments_of_its_gaussian() -> None:
    torch.manual_seed(0)
    output = torch.tensor([1.0, -2.0, 0.3, -0.4, 0.8], dtype=torch.float64)[:, None].expand(-1, 400_000)
    drawn = sample(output, torch.randn(2, 400_000, dtype=torch.float64))
    sigma, correlation = output[2:4, 0].exp(), output[4, 0].tanh()
    torch.testing.assert_close(drawn.mean(1), output[:2, 0], atol=0.01, rtol=0)
    torch.testing.assert_close(drawn.std(1), sigma, atol=0.01, rtol=0)
    torch.testing.assert_close(torch.corrcoef(drawn)[0, 1], correlation, atol=0.01, rtol=0)
