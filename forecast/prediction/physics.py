"""Physics baselines by the nuScenes devkit's rules (``nuscenes.prediction.models.physics``), for all agents at once.

World frame, float64. The devkit's rules: speed is the unsigned length of the backward difference, always along
the annotated heading; acceleration is the difference of two speeds; turning models step forward with the heading at the
start of each step. Whatever cannot be known (no earlier annotation, or one more than 1.5 s back) is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.core.frames import wrap_angle
from forecast.core.horizon import NUSCENES_HORIZON, Horizon
from forecast.core.rows import ForecastRows
from forecast.core.tracks import Tracks
from forecast.data.clock import check_step
from forecast.prediction.key_frame_future import key_frame_future

Floats = NDArray[np.float64]

#: Two annotations further apart than this say nothing about a rate; the devkit's ``max_time_diff``.
MAX_GAP_S = 1.5


@dataclass(frozen=True)
class Kinematics:
    """State of agents at time 0, world frame: all (agents,) float64 but ``position_m``, (agents, 2)."""

    position_m: Floats
    heading_rad: Floats
    speed_mps: Floats
    acceleration_mps2: Floats
    yaw_rate_radps: Floats

    @property
    def direction(self) -> Floats:
        """(agents, 2) vectors along the heading, world frame, of length 1, no unit."""
        return _unit(self.heading_rad)


def kinematics(tracks: Tracks, rows: NDArray[np.int64]) -> Kinematics:
    """Read the agents' kinematics from their present and past annotations.

    Args:
        tracks: the data set.
        rows: (agents,) each target's observation at time 0.
    """
    speed, yaw_rate, elapsed_s = _backward_rates(tracks)
    acceleration = np.full_like(speed, np.nan)
    acceleration[1:] = np.diff(speed) / elapsed_s[1:]
    return Kinematics(
        tracks.row_position_m[rows],
        tracks.row_heading_rad[rows],
        np.nan_to_num(speed[rows]),
        np.nan_to_num(acceleration[rows]),
        np.nan_to_num(yaw_rate[rows]),
    )


def _backward_rates(tracks: Tracks) -> tuple[Floats, Floats, Floats]:
    """Speed, yaw rate and seconds since the previous annotation, (rows,) each; NaN where there is none in reach."""
    rows = len(tracks.row_sample)
    speed, yaw_rate, elapsed_s = (np.full(rows, np.nan) for _ in range(3))
    track = tracks.row_track
    between_s = np.diff(tracks.row_time_us) * 1e-6
    usable = (track[1:] == track[:-1]) & (between_s <= MAX_GAP_S)
    elapsed_s[1:] = np.where(usable, between_s, np.nan)
    speed[1:] = np.linalg.norm(np.diff(tracks.row_position_m, axis=0), axis=1) / elapsed_s[1:]
    yaw_rate[1:] = wrap_angle(np.diff(tracks.row_heading_rad)) / elapsed_s[1:]
    return speed, yaw_rate, elapsed_s


def _unit(heading_rad: Floats) -> Floats:
    return np.stack([np.cos(heading_rad), np.sin(heading_rad)], -1)


def constant_velocity_heading(now: Kinematics, horizon: Horizon = NUSCENES_HORIZON) -> Floats:
    """Straight on along the heading at the present speed; (agents, steps, 2) metres, world frame."""
    return _straight(now, np.zeros_like(now.acceleration_mps2), horizon)


def constant_acceleration_heading(now: Kinematics, horizon: Horizon = NUSCENES_HORIZON) -> Floats:
    """Straight on along the heading at the present acceleration, backwards at last if braking.

    Returns:
        (agents, steps, 2) metres, world frame.
    """
    return _straight(now, now.acceleration_mps2, horizon)


def constant_speed_yaw_rate(now: Kinematics, horizon: Horizon = NUSCENES_HORIZON) -> Floats:
    """Turning on at the present speed and yaw rate; (agents, steps, 2) metres, world frame."""
    return _turning(now, np.zeros_like(now.acceleration_mps2), horizon)


def constant_acceleration_yaw_rate(now: Kinematics, horizon: Horizon = NUSCENES_HORIZON) -> Floats:
    """Turning on at the present acceleration and yaw rate; (agents, steps, 2) metres, world frame."""
    return _turning(now, now.acceleration_mps2, horizon)


def _straight(now: Kinematics, acceleration_mps2: Floats, horizon: Horizon) -> Floats:
    time_s = horizon.step_s * np.arange(1, horizon.future_steps + 1)
    distance_m = now.speed_mps[:, None] * time_s + 0.5 * acceleration_mps2[:, None] * time_s**2
    path_m: Floats = now.position_m[:, None] + distance_m[..., None] * now.direction[:, None]
    return path_m


def _turning(now: Kinematics, acceleration_mps2: Floats, horizon: Horizon) -> Floats:
    elapsed_s = horizon.step_s * np.arange(horizon.future_steps)
    speed_mps = now.speed_mps[:, None] + acceleration_mps2[:, None] * elapsed_s
    heading_rad = now.heading_rad[:, None] + now.yaw_rate_radps[:, None] * elapsed_s
    steps_m = (horizon.step_s * speed_mps)[..., None] * _unit(heading_rad)
    path_m: Floats = now.position_m[:, None] + np.cumsum(steps_m, axis=1)
    return path_m


#: Name → model. The order matters to the oracle alone: among equals it takes the first, as the devkit does.
PHYSICS_MODELS: dict[str, Callable[[Kinematics, Horizon], Floats]] = {
    "constant_acceleration_heading": constant_acceleration_heading,
    "constant_acceleration_yaw_rate": constant_acceleration_yaw_rate,
    "constant_speed_yaw_rate": constant_speed_yaw_rate,
    "constant_velocity_heading": constant_velocity_heading,
}
ORACLE = "physics_oracle"


def oracle_choice(paths_m: Floats, truth_m: Floats) -> NDArray[np.int64]:
    """Which path lies closest to the truth by the Frobenius norm over whatever steps are annotated.

    Args:
        paths_m: (agents, paths, steps, 2).
        truth_m: (agents, steps, 2), NaN where not annotated.

    Returns:
        (agents,) index of the path, the first among equals; −1 where no step is annotated.
    """
    error_m2 = np.nansum((paths_m - truth_m[:, None]) ** 2, axis=(-1, -2))
    unknown = np.isnan(truth_m).any(-1).all(-1)
    return np.where(unknown, -1, error_m2.argmin(-1))


def physics_forecasts(
    tracks: Tracks, rows: NDArray[np.int64], horizon: Horizon = NUSCENES_HORIZON, where: str = ""
) -> dict[str, ForecastRows]:
    """Forecast agents with the four physics models and the oracle over them.

    Args:
        tracks: the data set.
        rows: (agents,) each target's observation at time 0.
        horizon: what to forecast; key frames are ``step_s`` apart.
        where: the data set's folder, for messages.

    Returns:
        Name → forecasts of one mode each. The oracle, which looks at the future, omits agents with none annotated.

    Raises:
        DataError: key frames are not ``step_s`` apart.
    """
    check_step(tracks, horizon, where, rows)
    now = kinematics(tracks, rows)
    paths = {name: model(now, horizon) for name, model in PHYSICS_MODELS.items()}
    stacked = np.stack(list(paths.values()), 1)
    choice = oracle_choice(stacked, key_frame_future(tracks, rows, horizon.future_steps))
    known = np.flatnonzero(choice >= 0)
    forecasts = {name: _rows(tracks, rows, path, horizon) for name, path in paths.items()}
    return forecasts | {ORACLE: _rows(tracks, rows[known], stacked[known, choice[known]], horizon)}


def _rows(tracks: Tracks, rows: NDArray[np.int64], path_m: Floats, horizon: Horizon) -> ForecastRows:
    samples = tracks.row_sample[rows]
    return ForecastRows.at_key_frames(
        tracks.track_tokens[tracks.track_of(rows)],
        tracks.sample_tokens[samples],
        path_m[:, None],
        np.ones((len(rows), 1)),
        issue_time_s=tracks.sample_time_us[samples] * 1e-6,
        step_s=horizon.step_s,
    )
