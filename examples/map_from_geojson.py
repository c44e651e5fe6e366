"""Forecast on a GeoJSON map, metres in a plane. Usage: map_from_geojson.py FILE [WEIGHTS]"""

import sys

from forecast.data.maps.sources import from_geojson
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.scene import AgentTrack, Scene

# A FeatureCollection; the property "layer" of each feature says what it is: drivable_area, lane_divider, …
city = from_geojson(sys.argv[1], layer_property="layer")
forecaster = Forecaster.load(sys.argv[2] if sys.argv[2:] else "town", {"city": city})
car = AgentTrack("car", "vehicle", time_s=[0.0, 0.5, 1.0], pose_world=[(20, -3, 0), (24, -3, 0), (28, -3, 0)])
answer = forecaster.forecast(Scene.of(1.0, [car], "city"))
print("after 6 s most likely at", answer.most_likely_m()[0, -1].round(1), "of modes:", answer.probabilities.shape[1])
