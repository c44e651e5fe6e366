"""The recurrence of the decoder: a GRU whose Gaussian outputs over controls are fed back.

One step; ``h`` is the state, ``u`` the control fed back, ``c`` the part that is the same at every step::

    r = σ(c_r + h·W_r + b_r + u·V_r)        s = σ(c_s + h·W_s + b_s + u·V_s)
    m = h·W_m + b_m                         n = tanh(c_n + u·V_n + r·m)
    h' = n + s·(h − n)                      o = h'·W_o + b_o
    u' = (o₀, o₁), or a reparametrised draw from the Gaussian that o describes
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from forecast.core.shapes import Float
from forecast.model.mixture import MIN_DECORRELATION

LOG_SIGMA_BOUND = 10.0
CORRELATION_BOUND = (1 - MIN_DECORRELATION) ** 0.5


@dataclass(frozen=True)
class Recurrence:
    """Weights and beginnings; H is the size of the state, gates come in the order reset, update, new.

    Attributes:
        gates: (agents, 3H) an agent's constant share of the gates; ``mode_gates`` (modes, 3H) that of a mode.
        state: (agents, H) an agent's share of the first state; ``mode_state`` (modes, H) that of a mode.
        control: (agents, 2) fed into the first step.
        recurrent: (3H, H); ``recurrent_bias`` (3H,).
        feedback: (3H, 2), from the control fed back to the gates.
        head: (5, H); ``head_bias`` (5,): mean (2), log σ (2), correlation before its tanh.
    """

    gates: Float[Tensor, "agents gates"]
    mode_gates: Float[Tensor, "modes gates"]
    state: Float[Tensor, "agents hidden"]
    mode_state: Float[Tensor, "modes hidden"]
    control: Float[Tensor, "agents 2"]
    recurrent: Float[Tensor, "gates hidden"]
    recurrent_bias: Float[Tensor, "gates"]
    feedback: Float[Tensor, "gates 2"]
    head: Float[Tensor, "5 hidden"]
    head_bias: Float[Tensor, "5"]

    def of_one_type(self) -> Recurrence:
        """The same with all parts of the type of the weights; autocast leaves a mixture."""
        return Recurrence(*(getattr(self, part.name).to(self.recurrent.dtype) for part in fields(self)))


def sample(output: Float[Tensor, "5 *rows"], noise: Float[Tensor, "2 *rows"]) -> Float[Tensor, "2 *rows"]:
    """A reparametrised draw from the Gaussian over controls that outputs of the head describe.

    Args:
        output: (5, …) means of yaw rate, rad/s, and acceleration, m/s²; logarithms of their standard deviations; their
            raw correlation.
        noise: (2, …) standard normal draws, no unit.

    Returns:
        (2, …) yaw rate, rad/s, and acceleration, m/s².
    """
    sigma = output[2:4].clamp(-LOG_SIGMA_BOUND, LOG_SIGMA_BOUND).exp()
    correlation = output[4].tanh().clamp(-CORRELATION_BOUND, CORRELATION_BOUND)
    tilted = correlation * noise[0] + (1 - correlation**2).sqrt() * noise[1]
    return output[:2] + sigma * torch.stack([noise[0], tilted])


def unrolled(
    given: Recurrence, noise: Float[Tensor, "draws 2 agents modes"] | None, steps: int
) -> Float[Tensor, "steps 5 agents modes"]:
    """Run all steps of all modes of all agents, in plain operations that autograd, compilers and exporters follow.

    Args:
        given: see there.
        noise: (steps, 2, agents, modes) standard normal draws, or None to feed back the means.
        steps: how many.

    Returns:
        (steps, 5, agents, modes) outputs of the head (rad/s, m/s², …: :func:`sample`), of the type of the
        weights: autocast is left out here.
    """
    device = given.recurrent.device.type
    if torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False):
            return unrolled(given.of_one_type(), noise, steps)
    modes, size = len(given.mode_gates), given.recurrent.shape[1]
    constant = (given.gates[:, None] + given.mode_gates).flatten(0, 1)
    # Reset and update add both their products: one product of [h ; u] makes them with half the reading and writing.
    for_both = (constant[:, : 2 * size] + given.recurrent_bias[: 2 * size]).contiguous()
    for_new, new_bias = constant[:, 2 * size :].contiguous(), given.recurrent_bias[2 * size :]
    to_both = torch.cat([given.recurrent[: 2 * size], given.feedback[: 2 * size]], 1).T
    from_state, from_control = given.recurrent[2 * size :].T, given.feedback[2 * size :].T
    state = (given.state[:, None] + given.mode_state).flatten(0, 1)
    control = given.control.repeat_interleave(modes, 0)
    outputs = []
    for step in range(steps):
        reset, update = torch.sigmoid(torch.addmm(for_both, torch.cat([state, control], 1), to_both)).chunk(2, 1)
        new_h = torch.addmm(new_bias, state, from_state)
        new = torch.tanh(torch.addmm(for_new, control, from_control) + reset * new_h)
        state = torch.lerp(new, state, update)
        output = torch.addmm(given.head_bias[:, None], given.head, state.T)
        outputs.append(output)
        control = (output[:2] if noise is None else sample(output, noise[step].flatten(1))).T
    return torch.stack(outputs).view(steps, len(given.head), -1, modes)
