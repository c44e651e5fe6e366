"""A GRU that writes controls, all modes of all agents at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecast.core.agents import STATE_CHANNELS
from forecast.core.shapes import Float
from forecast.model.recurrence import CORRELATION_BOUND, LOG_SIGMA_BOUND, Recurrence, unrolled
from forecast.model.scan import scan
from forecast.model.unicycle import Controls


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

    def _shares(self, weight: Tensor, bias: Tensor, encoding: Tensor) -> tuple[Tensor, Tensor]:
        """``W·[z ; e] + b`` is a sum of a share of each agent, (rows, out), and of each mode, (modes, out)."""
        of_agent = encoding @ weight[:, self.modes : self.modes + encoding.shape[1]].T + bias
        return of_agent, weight[:, : self.modes].T

    def forward(
        self,
        encoding: Float[Tensor, "rows size"],
        present: Float[Tensor, "rows channels"],
        noise: Float[Tensor, "steps 2 rows modes"] | None,
    ) -> Controls:
        """Decode all modes of each row.

        Args:
            encoding: (rows, encoding_size), no unit.
            present: (rows, channels) scaled states at time 0.
            noise: (steps, 2, rows, modes) standard normal draws: the control fed back is then a sample, without
                them it is the mean.

        Returns:
            Fields (steps, rows, modes).
        """
        cell = self.cell
        heads = [self.mean, self.log_sigma, self.correlation]
        given = Recurrence(
            *self._shares(cell.weight_ih, cell.bias_ih, encoding),
            *self._shares(self.first_state.weight, self.first_state.bias, encoding),
            control=self.first_control(present),
            recurrent=cell.weight_hh,
            recurrent_bias=cell.bias_hh,
            feedback=cell.weight_ih[:, -2:],
            head=torch.cat([head.weight for head in heads]),
            head_bias=torch.cat([head.bias for head in heads]),
        )
        outputs = (scan if torch.is_grad_enabled() else unrolled)(given, noise, self.steps)
        return _controls(*outputs.unbind(1))


def _controls(
    yaw_rate: Tensor, acceleration: Tensor, log_sigma_w: Tensor, log_sigma_a: Tensor, correlation: Tensor
) -> Controls:
    return Controls(
        yaw_rate=yaw_rate,
        acceleration=acceleration,
        yaw_rate_sigma=log_sigma_w.clamp(-LOG_SIGMA_BOUND, LOG_SIGMA_BOUND).exp(),
        acceleration_sigma=log_sigma_a.clamp(-LOG_SIGMA_BOUND, LOG_SIGMA_BOUND).exp(),
        correlation=correlation.tanh().clamp(-CORRELATION_BOUND, CORRELATION_BOUND),
    )
