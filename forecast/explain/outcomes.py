"""What of a forecast an explanation is about: the mean path, the most likely path, or the manoeuvre."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.forecast import Forecast
from forecast.core.shapes import Float64
from forecast.eval.strata import manoeuvres

if TYPE_CHECKING:
    Floats = NDArray[np.float64]

#: Of :func:`manoeuvre_probabilities`, in this order.
MANOEUVRES = ("stationary", "straight", "left", "right", "U-turn")


def mean_path(forecast: Forecast) -> Float64[NDArray[Any], "batch numbers"]:
    """The mean of the modes by their probabilities, metres, step by step (x, y); it does not jump when modes swap."""
    path = (forecast.positions_m.double() * forecast.probabilities.double()[..., None, None]).sum(1)
    found: Floats = path.flatten(1).cpu().numpy()
    return found


def likely_path(forecast: Forecast) -> Float64[NDArray[Any], "batch numbers"]:
    """The most likely mode, metres, step by step (x, y)."""
    found: Floats = forecast.most_likely().double().flatten(1).cpu().numpy()
    return found


def manoeuvre_probabilities(forecast: Forecast) -> Float64[NDArray[Any], "batch manoeuvres"]:
    """Probability of each of :data:`MANOEUVRES`: that of the modes whose path is one (:mod:`forecast.eval.strata`)."""
    modes = forecast.positions_m.double().cpu().numpy()
    probabilities = forecast.probabilities.double().cpu().numpy()
    labels = manoeuvres(np.zeros((modes.shape[0] * modes.shape[1], 3)), modes.reshape(-1, *modes.shape[2:]))
    is_one = labels.reshape(probabilities.shape)[..., None] == np.array(MANOEUVRES)
    found: Floats = (probabilities[..., None] * is_one).sum(1)
    return found


Outcome = Callable[[Forecast], NDArray[np.float64]]
OUTCOMES: dict[str, Outcome] = {
    "mean path": mean_path,
    "likely path": likely_path,
    "manoeuvre": manoeuvre_probabilities,
}
