"""What a road network consists of: junctions, curved roads of parallel lanes, and connectors through the junctions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forecast.data.synthetic.curves import Curve

Floats = NDArray[np.float64]

#: Distance that the crossings and stop lines of a junction take from the end of a road.
CROSSING_M = (1.5, 5.0)
STOP_LINE_M = (6.0, 6.6)
PARKING_STRIP_M = 2.5


@dataclass
class Lane:
    """A lane of a road, or a connector through a junction (``road`` is None).

    ``left`` and ``right`` bound it; neighbouring lanes share their bounds, successive ones their end points.
    ``main`` marks the lanes of main roads, and the connectors that lead from one stretch of them to the next;
    ``turn_rad`` is how far a connector turns, left positive.
    """

    index: int
    centre: Curve
    left: Curve
    right: Curve
    road: int | None
    junction_ahead: int | None
    limit_mps: float
    successors: list[int] = field(default_factory=list)
    predecessors: list[int] = field(default_factory=list)
    main: bool = False
    turn_rad: float = 0.0

    @property
    def is_connector(self) -> bool:
        """Whether this leads through a junction."""
        return self.road is None

    @property
    def outline_m(self) -> Floats:
        """(points, 2) corners of its polygon: along the right bound and back along the left one."""
        return np.concatenate([self.right.points_m, self.left.points_m[::-1]])


@dataclass
class TownRoad:
    """A two-way or one-way road between two junctions (or the town's edge), with lanes and parking strips.

    ``reference`` runs from junction ``start`` to junction ``end`` between the two directions of travel;
    ``left_m`` and ``right_m`` are the distances from it to the kerbs.
    """

    index: int
    start: int
    end: int
    reference: Curve
    left_m: float
    right_m: float
    forward: list[int]
    backward: list[int]
    lane_width_m: float
    parking: tuple[bool, bool]  # left, right of the reference
    main: bool = False

    @property
    def outline_m(self) -> Floats:
        """(points, 2) kerb to kerb, with the lanes' end points on the end edges."""
        left, right = self.reference.offset(self.left_m), self.reference.offset(-self.right_m)
        return np.concatenate(
            [right.points_m, self.edge_m(at_end=True)[1:-1], left.points_m[::-1], self.edge_m(at_end=False)[1:-1][::-1]]
        )

    @property
    def offsets_m(self) -> Floats:
        """Lateral offsets (lines,) of all longitudinal lines: kerbs and lane bounds, from right to left, metres."""
        right_lanes = self.right_m - (PARKING_STRIP_M if self.parking[1] else 0.0)
        count = len(self.forward) + len(self.backward)
        lines = -right_lanes + self.lane_width_m * np.arange(count + 1)
        return np.asarray(np.unique(np.round(np.concatenate([[-self.right_m], lines, [self.left_m]]), 9)))

    def edge_m(self, *, at_end: bool) -> Floats:
        """(points, 2) the end edge at one of its junctions, from right to left of the reference."""
        row = -1 if at_end else 0
        return np.stack([self.reference.offset(o).points_m[row] for o in self.offsets_m])


@dataclass
class Junction:
    """Where roads meet. ``arms`` are (road, whether the road *ends* here), counter-clockwise; some have lights."""

    index: int
    centre_m: Floats
    arms: list[tuple[int, bool]]
    outline_m: Floats | None = None
    signals: bool = False
    connectors: list[int] = field(default_factory=list)


@dataclass
class RoadNetwork:
    """Lanes, roads and junctions of one town; ``drive_right`` tells the side of the traffic."""

    lanes: list[Lane]
    roads: list[TownRoad]
    junctions: list[Junction]
    drive_right: bool
    extent_m: float
