"""Which places are on the road, fast enough for every cycle: cells of 0.1 m of the drivable area."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.core.maps import MapSource
from forecast.eval.drivable import PX_PER_M, DrivableArea
from forecast.stack.drive_monitor import OnRoad


def on_road_of(source: MapSource) -> OnRoad:
    """A function of (places, 2) metres in the world.

    Args:
        source: a map with a layer ``drivable_area``.
    """
    area = DrivableArea.of(source)

    def on_road(places_m: NDArray[np.float64]) -> NDArray[np.bool_]:
        with np.errstate(invalid="ignore"):  # NaN is no cell of the map
            cells = np.floor((places_m - area.origin_m) * PX_PER_M).astype(np.int64)
        return area.contains(cells[:, 0], cells[:, 1])

    return on_road
