"""Forecast on a map that is a function of the place. Usage: map_from_function.py [WEIGHTS]"""

import sys

import numpy as np

from forecast.prediction.forecaster import Forecaster
from forecast.prediction.scene import AgentTrack, Scene


def road(points_m: np.ndarray) -> np.ndarray:
    """(points, 2) of the world → (points, channels) shares: road, road divider, lane divider."""
    aside_m = np.abs(points_m[:, 1] - 20 * np.sin(points_m[:, 0] / 60))
    return np.stack([aside_m < 6, np.zeros(len(aside_m)), aside_m < 0.3], 1)


forecaster = Forecaster.load(sys.argv[1] if sys.argv[1:] else "town", {"waves": road})
car = AgentTrack("car", "vehicle", time_s=[0.0, 0.5, 1.0], pose_world=[(20, -3, 0), (24, -3, 0), (28, -3, 0)])
answer = forecaster.forecast(Scene.of(1.0, [car], "waves"))
print("after 6 s most likely at", answer.most_likely_m()[0, -1].round(1), "of modes:", answer.probabilities.shape[1])
