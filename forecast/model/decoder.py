"""A GRU that writes controls, all modes of all agents at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecast.core.agents import STATE_CHANNELS
from forecast.model.mixture import MIN_DECORRELATION
from forecast.model.unicycle import Controls

_LOG_SIGMA_BOUND = 10.0


class Decoder(nn.Module):
    """GRU over [z ; e ; previous control]; its outputs are Gaussians over (yaw rate, acceleration).

    z is one-hot and z and e stay the same over the steps: their part of the GRU's input is a sum of a row for the
    mode and a row for the agent, made once.

    Args:
        modes: number of values of z.
        encoding_size: numbers in e.
        size: of the GRU.
        steps: to decode.
    """

    def __init__(self, modes: int, encoding_size: int, size: int, steps: int) -> None:
        super().__init__()
        self.modes, self.steps = modes, steps
        self.cell = nn.GRUCell(modes + encoding_size + 2, size)
        self.first_state = nn.Linear(modes + encoding_size, size)
        self.first_control = nn.Linear(len(STATE_CHANNELS), 2)
        self.mean = nn.Linear(size, 2)
        self.log_sigma = nn.Linear(size, 2)
        self.correlation = nn.Linear(size, 1)

    def _of_mode_and_agent(self, weight: Tensor, bias: Tensor, encoding: Tensor) -> Tensor:
        """``W·[z ; e] + b`` for every agent and mode: (rows, modes, out)."""
        of_mode = weight[:, : self.modes].T
        of_agent = encoding @ weight[:, self.modes : self.modes + encoding.shape[1]].T + bias
        return of_agent[:, None] + of_mode

    def forward(self, encoding: Tensor, present: Tensor, noise: Tensor | None) -> Controls:
        """Decode all modes of each row.

        Args:
            encoding: (rows, encoding_size).
            present: (rows, channels) scaled states at time 0.
            noise: (steps, rows, modes, 2) standard normal draws: the control fed back is then a sample, without
                them it is the mean.

        Returns:
            Fields (steps, rows, modes).
        """
        cell = self.cell
        constant = self._of_mode_and_agent(cell.weight_ih, cell.bias_ih, encoding).flatten(0, 1)
        state = self._of_mode_and_agent(self.first_state.weight, self.first_state.bias, encoding).flatten(0, 1)
        control = self.first_control(present).repeat_interleave(self.modes, 0)
        of_control = cell.weight_ih[:, -2:].T
        heads = [self.mean, self.log_sigma, self.correlation]
        head_weight = torch.cat([head.weight for head in heads]).T
        head_bias = torch.cat([head.bias for head in heads])
        outputs = []
        for step in range(self.steps):
            state = _gru_step(torch.addmm(constant, control, of_control), cell, state)
            output = torch.addmm(head_bias, state, head_weight)
            outputs.append(output)
            control = output[:, :2] if noise is None else _sample(output, noise[step].flatten(0, 1))
        fields = torch.stack(outputs).view(self.steps, -1, self.modes, 5).unbind(-1)
        return _controls(*fields)


def _gru_step(given: Tensor, cell: nn.GRUCell, state: Tensor) -> Tensor:
    """One step of a GRU whose input's share of the gates is given, (rows, 3·size)."""
    reset_in, update_in, new_in = given.chunk(3, 1)
    reset_h, update_h, new_h = torch.addmm(cell.bias_hh, state, cell.weight_hh.T).chunk(3, 1)
    reset, update = torch.sigmoid(reset_in + reset_h), torch.sigmoid(update_in + update_h)
    new = torch.tanh(new_in + reset * new_h)
    return torch.lerp(new, state, update)


def _controls(
    yaw_rate: Tensor, acceleration: Tensor, log_sigma_w: Tensor, log_sigma_a: Tensor, correlation: Tensor
) -> Controls:
    bound = (1 - MIN_DECORRELATION) ** 0.5
    return Controls(
        yaw_rate=yaw_rate,
        acceleration=acceleration,
        yaw_rate_sigma=log_sigma_w.clamp(-_LOG_SIGMA_BOUND, _LOG_SIGMA_BOUND).exp(),
        acceleration_sigma=log_sigma_a.clamp(-_LOG_SIGMA_BOUND, _LOG_SIGMA_BOUND).exp(),
        correlation=correlation.tanh().clamp(-bound, bound),
    )


def _sample(output: Tensor, noise: Tensor) -> Tensor:
    """A reparametrised draw (rows, 2) from the Gaussian that ``output`` (rows, 5) describes."""
    given = _controls(*output.unbind(-1))
    first, second = noise.unbind(-1)
    tilted = given.correlation * first + (1 - given.correlation**2).sqrt() * second
    return torch.stack(
        [given.yaw_rate + given.yaw_rate_sigma * first, given.acceleration + given.acceleration_sigma * tilted], 1
    )
