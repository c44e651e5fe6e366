"""Score a 10 Hz stream piece by piece from a file, in the memory of a few tracks."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.consistency import successive_forecasts
from forecast.eval.forecasts import iter_forecasts, write_forecasts
from forecast.eval.metrics import ConvergenceToRange, Dispersion

TIME_S = 0.1 * np.arange(100)
LEADS_S = 0.1 * np.arange(1, 31)


def where(track: int, time_s: np.ndarray) -> np.ndarray:
    """Cars that accelerate gently; put your log here."""
    return np.stack([5 * time_s + 0.1 * track * time_s**2, 3.5 * track + 0 * time_s], -1)


def forecasts_of(track: int) -> ForecastRows:
    """Constant velocity, issued ten times a second, 3 s ahead in steps of 0.1 s."""
    velocity = np.gradient(where(track, TIME_S), TIME_S, axis=0)
    ahead = where(track, TIME_S)[:, None] + LEADS_S[:, None] * velocity[:, None]
    names = np.full(len(TIME_S), f"car-{track}")
    return ForecastRows(names, TIME_S, LEADS_S, ahead[:, None], np.ones((len(TIME_S), 1)))


def pieces() -> Iterator[ForecastRows]:
    """One piece a track, as a log would be written."""
    return (forecasts_of(track) for track in range(8))


def main() -> None:
    """Write the stream, read it back in pieces, and add the pieces' scores up."""
    tracks = [np.full(len(TIME_S), f"car-{track}") for track in range(8)]
    truth = TruthRows(
        np.concatenate(tracks), np.tile(TIME_S, 8), np.concatenate([where(track, TIME_S) for track in range(8)])
    )
    spread, reach = Dispersion(), ConvergenceToRange(1.0, step_s=0.1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stream.parquet"
        write_forecasts(path, pieces())
        for piece in iter_forecasts(path, chunk_rows=256):
            points = successive_forecasts(piece, truth, step_s=0.1, tolerance_s=0.02)
            spread.update(points.predicted_m, points.valid)
            reach.update(points.predicted_m, points.truth_m, points.valid)
    print(f"dispersion {spread.compute():.3f} m over {spread.count} points")
    print(f"convergence to 1 m {reach.compute():.2f} s over {reach.count} points")


if __name__ == "__main__":
    main()
