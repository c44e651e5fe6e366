"""The unicycle against numerical integration, automatic differentiation and a sequential covariance filter."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from forecast.model.unicycle import Controls, initial_motion, integrate

STEP_S = 0.5


def controls_of(mean: torch.Tensor, sigma: float = 0.3, correlation: float = 0.4) -> Controls:
    ones = torch.ones_like(mean[:, 0])
    return Controls(mean[:, 0], mean[:, 1], sigma * ones, 2 * sigma * ones, correlation * ones)


@pytest.mark.parametrize("yaw_rate", [-1.0, -0.2, -1e-9, 0.0, 1e-9, 1e-3, 0.5, 1.0])
def test_positions_agree_with_numerical_integration(yaw_rate: float) -> None:
    mean = torch.tensor([[yaw_rate, 1.5], [-yaw_rate, -2.0], [yaw_rate / 3, 0.3]], dtype=torch.float64)
    motion = integrate(controls_of(mean), torch.tensor(0.3).double(), torch.tensor(12.0).double(), STEP_S)
    state = np.array([0.0, 0.0, 0.3, 12.0])
    for step, (w, a) in enumerate(mean.tolist()):
        state = solve_ivp(
            lambda _, s, w=w, a=a: [s[3] * np.cos(s[2]), s[3] * np.sin(s[2]), w, a],
            (0, STEP_S),
            state,
            rtol=1e-12,
            atol=1e-12,
        ).y[:, -1]
        found = [motion.x[step].item(), motion.y[step].item(), motion.heading[step].item()]
        np.testing.assert_allclose(found, state[:3], atol=1e-6)


@pytest.mark.parametrize("yaw_rate", [-0.7, 0.0, 1e-6, 0.7])
def test_covariances_agree_with_carrying_the_jacobian_of_the_positions(yaw_rate: float) -> None:
    mean = torch.full((6, 2), yaw_rate, dtype=torch.float64)
    mean[:, 1] = torch.linspace(-1, 1, 6)
    heading, speed = torch.tensor(0.4).double(), torch.tensor(8.0).double()
    motion = integrate(controls_of(mean), heading, speed, STEP_S)

    def positions(flat: torch.Tensor) -> torch.Tensor:
        moved = integrate(controls_of(flat.view(6, 2)), heading, speed, STEP_S)
        return torch.stack([moved.x, moved.y], 1)

    jacobian = torch.autograd.functional.jacobian(positions, mean.flatten())
    one = torch.tensor([[0.09, 0.4 * 0.18], [0.4 * 0.18, 0.36]], dtype=torch.float64)
    expected = jacobian @ torch.block_diag(*[one] * 6) @ jacobian.transpose(1, 2)
    found = torch.stack([motion.xx, motion.xy, motion.xy, motion.yy], -1).view(6, 2, 2)
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-6)


def test_value_and_derivatives_are_smooth_through_yaw_rate_zero() -> None:
    def outputs(mean: torch.Tensor) -> torch.Tensor:
        moved = integrate(controls_of(mean), torch.tensor(0.2).double(), torch.tensor(5.0).double(), STEP_S)
        return torch.stack([moved.x, moved.y, moved.xx, moved.xy, moved.yy])

    for yaw_rate in (0.0, 1e-8, 0.01):
        mean = torch.tensor([[yaw_rate, 0.5], [0.0, -0.5]], dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(outputs, (mean,))
        assert torch.autograd.gradgradcheck(outputs, (mean,), atol=1e-4)


def test_the_lateral_variance_of_a_straight_run_grows() -> None:
    motion = integrate(controls_of(torch.zeros(12, 2)), torch.tensor(0.0), torch.tensor(10.0), STEP_S)
    assert (motion.yy.diff() > 0).all()
    assert motion.yy[0] > 0


def test_below_the_stated_speed_the_annotated_heading_counts() -> None:
    present = torch.zeros(3, 8)
    present[:, 2:4] = torch.tensor([[0.0, 5.0], [-0.5, 0.1], [0.5, 0.0]])
    heading, speed = initial_motion(present, 1.0)
    torch.testing.assert_close(heading, torch.tensor([torch.pi / 2, 0.0, 0.0]))
    torch.testing.assert_close(speed, torch.tensor([5.0, -0.5, 0.5]))
