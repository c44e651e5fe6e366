"""Forecast on a map of shapely polygons and lines. Usage: map_from_polygons.py [WEIGHTS]"""

import sys

import shapely

from forecast.data.maps.sources import PolygonMap
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.scene import AgentTrack, Scene

road = shapely.LineString([(0, 0), (80, 0), (150, 40)])
bend = PolygonMap("bend", {"drivable_area": [road.buffer(6)], "lane_divider": [road]})
forecaster = Forecaster.load(sys.argv[1] if sys.argv[1:] else "town", {"bend": bend})
car = AgentTrack("car", "vehicle", time_s=[0.0, 0.5, 1.0], pose_world=[(20, -3, 0), (24, -3, 0), (28, -3, 0)])
answer = forecaster.forecast(Scene.of(1.0, [car], "bend"))
print("after 6 s most likely at", answer.most_likely_m()[0, -1].round(1), "of modes:", answer.probabilities.shape[1])
