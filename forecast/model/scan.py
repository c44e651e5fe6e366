"""The decoder's recurrence with its gradient by hand.

Left to autograd, the loop spends more time on copies, broadcast gradients and fresh memory than on matrix products.
Here a block of agents goes through all steps before the next block begins, so that it stays in the processor's cache,
and the gradient of what is the same at every step is summed in place. The equations and their names are those of
:mod:`forecast.model.recurrence`; rows stand last here, so that what belongs to one gate is one piece of memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from forecast.core.shapes import Float
from forecast.model.recurrence import CORRELATION_BOUND, LOG_SIGMA_BOUND, Recurrence, sample

#: Bytes of one number of all rows of a block on a processor; on other devices all rows are one block.
_BYTES_ON_CPU = 4096
#: Columns behind the state in what enters a step: two controls, a one for the bias, and a zero to make it even.
_EXTRA = 4
_NAMES = tuple(field.name for field in fields(Recurrence))


def scan(
    given: Recurrence, noise: Float[Tensor, "draws 2 agents modes"] | None, steps: int
) -> Float[Tensor, "steps 5 agents modes"]:
    """The same as :func:`~forecast.model.recurrence.unrolled`; gradients cannot be differentiated again.

    Under autocast the states and gates are of its type; outputs, draws and sums of gradients stay as precise as the
    weights.

    Args:
        given: weights and beginnings.
        noise: (draws, 2, agents, modes) standard normal, a draw for each step at least; None to feed back the means.
        steps: how many.

    Returns:
        (steps, 5, agents, modes) of every step: means of yaw rate (rad/s) and acceleration (m/s²), the logarithms of
        their standard deviations, and their correlation before its tanh.
    """
    device, dtype = given.recurrent.device.type, given.recurrent.dtype
    low = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else dtype
    with torch.autocast(device, enabled=False):
        given = given.of_one_type()
        parts = [getattr(given, name) for name in _NAMES]
        outputs: Tensor = _Scan.apply(noise, steps, low, *parts)  # type: ignore[no-untyped-call]
    return outputs


class _Scan(torch.autograd.Function):
    """Forward and backward over blocks of agents; states and gates are of the type ``low``."""

    @staticmethod
    def forward(ctx: Any, noise: Tensor | None, steps: int, low: torch.dtype, *parts: Tensor) -> Tensor:
        given = Recurrence(*parts)
        agents, modes = len(given.gates), len(given.mode_gates)
        outputs = given.gates.new_empty(steps, len(given.head), agents, modes)
        saved: list[Tensor] = []
        weights = _Weights.of(given, low)
        for block in _blocks(agents, modes, low, given.gates.device):
            saved += _forward_block(weights, block, _part(noise, block), outputs)
        ctx.save_for_backward(outputs, noise, *parts, *saved)
        ctx.low = low
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        outputs, noise, *rest = ctx.saved_tensors
        given, saved = Recurrence(*rest[: len(_NAMES)]), rest[len(_NAMES) :]
        weights, totals = _Weights.of(given, ctx.low), _Totals(given)
        agents, modes = outputs.shape[2:]
        for number, block in enumerate(_blocks(agents, modes, ctx.low, outputs.device)):
            entered, gates = saved[2 * number : 2 * number + 2]
            drawn = _Drawn(outputs[:, :, block].flatten(2), _part(noise, block))
            _backward_block(weights, totals, block, entered, gates, drawn, gradients[0][:, :, block].flatten(2))
        return None, None, None, *totals.gradients()


def _blocks(agents: int, modes: int, low: torch.dtype, device: torch.device) -> Iterator[slice]:
    size = max(1, _BYTES_ON_CPU // (modes * low.itemsize)) if device.type == "cpu" else agents
    for first in range(0, agents, size):
        yield slice(first, min(first + size, agents))


def _part(noise: Tensor | None, block: slice) -> Tensor | None:
    return None if noise is None else noise[:, :, block].flatten(2)


@dataclass(frozen=True)
class _Weights:
    """What a step multiplies by.

    Attributes:
        given: as given.
        step: (3H, H + 4) for ``[h ; u ; 1 ; 0]``: to reset and update gate from all, to m from state and bias.
        new: (H, 2), from the control to the new state.
    """

    given: Recurrence
    step: Tensor
    new: Tensor

    @classmethod
    def of(cls, given: Recurrence, low: torch.dtype) -> _Weights:
        size = given.recurrent.shape[1]
        step = given.recurrent.new_zeros(3 * size, size + _EXTRA, dtype=low)
        step[:, :size] = given.recurrent
        step[: 2 * size, size : size + 2] = given.feedback[: 2 * size]
        step[:, size + 2] = given.recurrent_bias
        return cls(given, step, given.feedback[2 * size :].to(low))


def _shares(of_agent: Tensor, of_mode: Tensor) -> Tensor:
    """The sum of every agent's (agents, n) and every mode's (modes, n) share, (n, rows)."""
    return (of_agent[:, None] + of_mode).flatten(0, 1).T


def _forward_block(weights: _Weights, block: slice, noise: Tensor | None, outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Fill ``outputs[:, :, block]``.

    Returns:
        What entered each step and the next, (steps + 1, H + 4, rows), and the gates r, s, m, n, (steps, 4H, rows).
    """
    given = weights.given
    steps, size = len(outputs), given.state.shape[1]
    constant = _shares(given.gates[block], given.mode_gates).to(weights.step.dtype).contiguous()
    rows = constant.shape[1]
    entered = constant.new_empty(steps + 1, size + _EXTRA, rows)
    entered[:, size + 2], entered[:, size + 3] = 1, 0
    entered[0, :size] = _shares(given.state[block], given.mode_state)
    entered[0, size : size + 2] = given.control[block].T.repeat_interleave(len(given.mode_gates), 1)
    gates = constant.new_empty(steps, 4 * size, rows)
    filled = outputs[:, :, block]
    tanh = _tanh_ if constant.dtype == torch.bfloat16 else torch.tanh_
    for step in range(steps):
        state, control, after = entered[step, :size], entered[step, size : size + 2], entered[step + 1]
        both, hidden, new = gates[step, : 2 * size], gates[step, 2 * size : 3 * size], gates[step, 3 * size :]
        torch.mm(weights.step, entered[step], out=gates[step, : 3 * size])
        both.add_(constant[: 2 * size]).sigmoid_()
        torch.addmm(constant[2 * size :], weights.new, control, out=new)
        tanh(new.addcmul_(both[:size], hidden))
        torch.lerp(new, state, both[size:], out=after[:size])
        output = torch.addmm(given.head_bias[:, None], given.head, after[:size].to(given.head.dtype))
        filled[step] = output.view(-1, *filled.shape[2:])
        after[size : size + 2] = output[:2] if noise is None else sample(output, noise[step])
    return entered, gates


def _tanh_(x: Tensor) -> Tensor:
    """``torch.tanh_`` by the logistic function: one and a half times as fast in bf16."""
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)


class _Totals:
    """Sums of the gradients over blocks and steps."""

    def __init__(self, given: Recurrence) -> None:
        self.size = size = given.recurrent.shape[1]
        self.step = given.recurrent.new_zeros(3 * size, size + _EXTRA)
        self.new = given.recurrent.new_zeros(size, 2)
        self.parts = {
            name: torch.zeros_like(getattr(given, name), memory_format=torch.contiguous_format)
            for name in ("gates", "mode_gates", "state", "mode_state", "control", "head", "head_bias")
        }

    def add_shares(self, name: str, block: slice, gradient: Tensor) -> None:
        """Of the sum of an agent's and a mode's share, (n, rows)."""
        modes = self.parts[f"mode_{name}"]
        gradient = gradient.view(len(gradient), -1, len(modes))
        self.parts[name][block] = gradient.sum(2).T
        modes += gradient.sum(1).T

    def gradients(self) -> list[Tensor]:
        """In the order of :class:`Recurrence`."""
        size, step = self.size, self.step
        feedback = torch.cat([step[: 2 * size, size : size + 2], self.new])
        made = {"recurrent": step[:, :size], "recurrent_bias": step[:, size + 2], "feedback": feedback}
        return [{**self.parts, **made}[name] for name in _NAMES]


@dataclass(frozen=True)
class _Drawn:
    """Outputs (steps, 5, rows) of a block and the noise (steps, 2, rows) of its draws."""

    outputs: Tensor
    noise: Tensor | None

    def backward(self, step: int, of_control: Tensor) -> Tensor:
        """Gradient (5, rows) of a step's output, given that of the control (2, rows) drawn from it."""
        if self.noise is None:
            return torch.cat([of_control, of_control.new_zeros(3, of_control.shape[1])])
        log_sigma, raw = self.outputs[step, 2:4], self.outputs[step, 4].tanh()
        sigma = log_sigma.clamp(-LOG_SIGMA_BOUND, LOG_SIGMA_BOUND).exp()
        correlation = raw.clamp(-CORRELATION_BOUND, CORRELATION_BOUND)
        first, second = self.noise[step]
        rest = (1 - correlation**2).sqrt()
        scaled = torch.stack([first, correlation * first + rest * second]) * sigma
        of_log_sigma = of_control * scaled * (log_sigma.abs() <= LOG_SIGMA_BOUND)
        of_correlation = of_control[1] * sigma[1] * (first - correlation / rest * second)
        of_raw = of_correlation * (raw.abs() <= CORRELATION_BOUND) * (1 - raw**2)
        return torch.cat([of_control, of_log_sigma, of_raw[None]])


def _backward_block(
    weights: _Weights, totals: _Totals, block: slice, entered: Tensor, gates: Tensor, drawn: _Drawn, of_outputs: Tensor
) -> None:
    """Add a block's gradients to the totals, given that of its outputs (steps, 5, rows)."""
    given, size = weights.given, totals.size
    exact, low = given.head.dtype, gates.dtype
    of_state = torch.zeros_like(entered[0, :size])
    of_control = of_outputs.new_zeros(2, of_state.shape[1])
    of_constant = torch.zeros_like(gates[0, : 3 * size])
    of_gates, of_entered = torch.empty_like(gates[0]), torch.empty_like(entered[0])
    of_both, of_new = of_gates[: 2 * size], of_gates[3 * size :]
    to_head, from_step, from_new = given.head.T.to(low), weights.step.T, weights.new.T
    for step in reversed(range(len(gates))):
        of_output = of_outputs[step]
        if step + 1 < len(gates):
            of_output = of_output + drawn.backward(step, of_control)
        totals.parts["head"].addmm_(of_output, entered[step + 1, :size].T.to(exact))
        totals.parts["head_bias"] += of_output.sum(1)
        of_state.addmm_(to_head, of_output.to(low))
        _gates_backward(of_state, entered[step, :size], gates[step], of_gates)
        of_constant[: 2 * size] += of_both
        of_constant[2 * size :] += of_new
        totals.new += of_new @ entered[step, size : size + 2].T
        totals.step += of_gates[: 3 * size] @ entered[step].T
        torch.mm(from_step, of_gates[: 3 * size], out=of_entered)
        of_state.mul_(gates[step, size : 2 * size]).add_(of_entered[:size])
        of_control = torch.addmm(of_entered[size : size + 2], from_new, of_new).to(exact)
    totals.add_shares("gates", block, of_constant.to(exact))
    totals.add_shares("state", block, of_state.to(exact))
    totals.parts["control"][block] = of_control.view(2, -1, len(given.mode_gates)).sum(2).T


def _gates_backward(of_state: Tensor, state: Tensor, gates: Tensor, out: Tensor) -> None:
    """Gradients of r and s before their σ, of m, and of n before its tanh, (4H, rows), given that of the new state."""
    reset, update, hidden, new = gates.chunk(4)
    to_reset, to_update, to_hidden, to_new = out.chunk(4)
    aten = torch.ops.aten
    torch.sub(state, new, out=to_update).mul_(of_state)
    aten.sigmoid_backward.grad_input(to_update, update, grad_input=to_update)
    torch.addcmul(of_state, of_state, update, value=-1, out=to_new)
    aten.tanh_backward.grad_input(to_new, new, grad_input=to_new)
    torch.mul(to_new, reset, out=to_hidden)
    torch.mul(to_new, hidden, out=to_reset)
    aten.sigmoid_backward.grad_input(to_reset, reset, grad_input=to_reset)
