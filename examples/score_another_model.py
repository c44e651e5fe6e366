"""Score another model's output: plain arrays in, numbers with counts and intervals out, no nuScenes needed."""

import numpy as np

from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.bootstrap import bootstrap_mean
from forecast.eval.consistency import convergence_to_range, dispersion
from forecast.eval.displacement import displacements
from forecast.eval.matching import truth_for

LEADS_S = 0.5 * np.arange(1, 13)


def recorded_tracks(random: np.random.Generator) -> TruthRows:
    """Thirty cars on gentle curves, seen at 2 Hz for 20 s; put your own log here."""
    time = 0.5 * np.arange(40)
    heading = random.uniform(0, 6.3, (30, 1)) + random.normal(0, 0.05, (30, 1)) * time
    steps = 0.5 * random.uniform(3, 12, (30, 1, 1)) * np.stack([np.cos(heading), np.sin(heading)], -1)
    positions = random.uniform(300, 1500, (30, 1, 2)) + np.cumsum(steps, 1)
    names = np.array([f"car-{number:02d}" for number in range(30)])
    return TruthRows(np.repeat(names, 40), np.tile(time, 30), positions.reshape(-1, 2))


def your_model(truth: TruthRows, random: np.random.Generator) -> ForecastRows:
    """Constant velocity with a slower and a faster mode, from each car's last two positions; put your model here."""
    positions = truth.positions_m.reshape(30, 40, 2)
    velocity = np.diff(positions, axis=1) / 0.5
    present, names = positions[:, 1:], truth.track.reshape(30, 40)[:, 1:]
    factors = np.array([1.0, 0.8, 1.2])[:, None, None]
    modes = present[:, :, None, None] + factors * LEADS_S[:, None] * velocity[:, :, None, None]
    probabilities = random.dirichlet([8, 2, 2], 30 * 39)
    times = truth.time_s.reshape(30, 40)[:, 1:]
    return ForecastRows(names.ravel(), times.ravel(), LEADS_S, modes.reshape(-1, 3, 12, 2), probabilities)


def main() -> None:
    """Print accuracy and temporal consistency."""
    random = np.random.default_rng(0)
    truth = recorded_tracks(random)
    forecasts = your_model(truth, random)
    found = displacements(forecasts.positions_m, forecasts.probabilities, *truth_for(forecasts, truth))
    for name, items in {"minADE_1": found.min_ade_k(1), "minFDE_3": found.min_fde_k(3)}.items():
        interval = bootstrap_mean(items, clusters=forecasts.track)
        print(f"{name} {interval.value:.2f} m [{interval.low:.2f}, {interval.high:.2f}] over {interval.count}")
    spread = dispersion(forecasts, truth)
    print(f"dispersion {spread.mean.value:.2f} m over {spread.mean.count} points, coverage {spread.coverage:.0%}")
    for tau, scores in convergence_to_range(forecasts, truth).items():
        print(f"convergence to {tau:g} m: {scores.mean.value:.2f} s")


if __name__ == "__main__":
    main()
