"""Bake a map once, forecast on the file ever after. Usage: map_from_raster.py GEOJSON RASTER [WEIGHTS]"""

import sys

from forecast.data.maps.raster_file import save_raster
from forecast.data.maps.sources import from_geojson
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.scene import AgentTrack, Scene

forecaster = Forecaster.load(sys.argv[3] if sys.argv[3:] else "town")
save_raster(sys.argv[2], from_geojson(sys.argv[1]), forecaster.config.crop)  # once, on any machine
forecaster.maps.add("city", sys.argv[2])  # or Forecaster.load(weights, {"city": path})
car = AgentTrack("car", "vehicle", time_s=[0.0, 0.5, 1.0], pose_world=[(20, -3, 0), (24, -3, 0), (28, -3, 0)])
answer = forecaster.forecast(Scene.of(1.0, [car], "city"))
print("after 6 s most likely at", answer.most_likely_m()[0, -1].round(1), "of modes:", answer.probabilities.shape[1])
