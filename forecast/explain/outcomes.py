"""What of a forecast an explanation is about: the mean path, the most likely path, or the manoeuvre."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.batch import AgentBatch
from forecast.core.forecast import Forecast
from forecast.core.horizon import NUSCENES_HORIZON
from forecast.core.shapes import Float64
from forecast.eval.strata import STRAIGHT_DEG, manoeuvres

if TYPE_CHECKING:
    Floats = NDArray[np.float64]

#: Of :func:`manoeuvre_probabilities`, in this order: those of :mod:`forecast.eval.strata`, where who goes straight and
#: has come to a halt at the end is told from who drives on.
MANOEUVRES = ("stationary", "straight", "left", "right", "U-turn", "stops")
#: Slower than this over the last step is a halt, m/s.
HALT_MPS = 1.0


def mean_path(forecast: Forecast) -> Float64[NDArray[Any], "batch numbers"]:
    """The mean of the modes by their probabilities, metres, step by step (x, y); it does not jump when modes swap."""
    path = (forecast.positions_m.double() * forecast.probabilities.double()[..., None, None]).sum(1)
    found: Floats = path.flatten(1).cpu().numpy()
    return found


def likely_path(forecast: Forecast) -> Float64[NDArray[Any], "batch numbers"]:
    """The most likely mode, metres, step by step (x, y)."""
    found: Floats = forecast.most_likely().double().flatten(1).cpu().numpy()
    return found


def true_paths_m(batch: AgentBatch) -> Float64[NDArray[Any], "batch steps 2"]:
    """What happened, agent frame, metres; NaN where unknown."""
    return np.where(batch.future_valid.numpy()[..., None], batch.future.double().numpy(), np.nan)


def manoeuvre_of(paths_m: Float64[NDArray[Any], "paths steps 2"], step_s: float) -> NDArray[np.str_]:
    """(paths,) which of :data:`MANOEUVRES` each path is, ``unknown`` where it is not finite.

    Args:
        paths_m: agent frame, the first step one ``step_s`` after time 0.
        step_s: seconds.
    """
    labels = manoeuvres(np.zeros((len(paths_m), 3)), paths_m)
    before = paths_m[:, -2] if paths_m.shape[1] > 1 else np.zeros_like(paths_m[:, -1])
    halted = np.linalg.norm(paths_m[:, -1] - before, axis=-1) < HALT_MPS * step_s
    halted &= ~np.isin(labels, ("stationary", "unknown"))
    # Who stands has no direction of travel: where he stands says where he went.
    bearing_deg = np.degrees(np.arctan2(paths_m[:, -1, 1], paths_m[:, -1, 0]))
    where = np.select([np.abs(bearing_deg) < STRAIGHT_DEG, bearing_deg > 0], ["stops", "left"], "right")
    return np.where(halted, where, labels)


def manoeuvre_probabilities(forecast: Forecast) -> Float64[NDArray[Any], "batch manoeuvres"]:
    """Probability of each of :data:`MANOEUVRES`: that of the modes whose path is one; steps are nuScenes'."""
    modes = forecast.positions_m.double().cpu().numpy()
    probabilities = forecast.probabilities.double().cpu().numpy()
    labels = manoeuvre_of(modes.reshape(-1, *modes.shape[2:]), NUSCENES_HORIZON.step_s)
    is_one = labels.reshape(probabilities.shape)[..., None] == np.array(MANOEUVRES)
    found: Floats = (probabilities[..., None] * is_one).sum(1)
    return found


Outcome = Callable[[Forecast], NDArray[np.float64]]
OUTCOMES: dict[str, Outcome] = {
    "mean path": mean_path,
    "likely path": likely_path,
    "manoeuvre": manoeuvre_probabilities,
}
