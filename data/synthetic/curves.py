"""Planar curves as polylines: smooth joins of continuous curvature, offsets, arc length. World frame, metres."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A directed polyline that stands for a smooth curve.

    Attributes:
        points_m: (points, 2) world, metres.
        headings_rad: (points,) direction of the smooth curve at the points, unwrapped.
    """

    points_m: Floats
    headings_rad: Floats

    @classmethod
    def through(cls, points_m: Floats) -> Curve:
        """The polyline itself: headings (points,) are those of its pieces, rad, of (points, 2) metres."""
        steps = np.diff(points_m, axis=0)
        heading = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
        return cls(points_m, np.concatenate([heading, heading[-1:]]))

    @cached_property
    def arc_m(self) -> Floats:
        """(points,) arc length from the start."""
        steps = np.hypot(*np.diff(self.points_m, axis=0).T)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def length_m(self) -> float:
        """Length of the whole curve."""
        return float(self.arc_m[-1])

    @cached_property
    def curvature_per_m(self) -> Floats:
        """(points,) signed curvature, left positive, by central differences of the heading."""
        return np.asarray(np.gradient(self.headings_rad, self.arc_m))

    def at(self, arc_m: Floats | float) -> tuple[Floats, Floats]:
        """Positions (..., 2) and headings (...) at arc lengths; clamped to the ends."""
        x, y = (np.interp(arc_m, self.arc_m, self.points_m[:, axis]) for axis in (0, 1))
        return np.stack([x, y], axis=-1), np.interp(arc_m, self.arc_m, self.headings_rad)

    def offset(self, left_m: float) -> Curve:
        """The parallel curve ``left_m`` to the left (negative: to the right), point by point."""
        normals = np.stack([-np.sin(self.headings_rad), np.cos(self.headings_rad)], axis=1)
        return Curve(self.points_m + left_m * normals, self.headings_rad)

    def reversed(self) -> Curve:
        """The same curve, driven the other way."""
        return Curve(self.points_m[::-1], self.headings_rad[::-1] + np.pi)

    def part(self, start_m: float, end_m: float, spacing_m: float = 2.0) -> Curve:
        """The piece between two arc lengths."""
        count = max(2, int(np.ceil((end_m - start_m) / spacing_m)) + 1)
        return Curve(*self.at(np.linspace(start_m, end_m, count)))


def smooth_join(
    start_m: Floats, start_rad: float, end_m: Floats, end_rad: float, *, spacing_m: float = 2.0, reach: float = 1.0
) -> Curve:
    """Join two poses by a quintic whose curvature is continuous and 0 at both ends, sampled evenly.

    Args:
        start_m, end_m: (2,) metres.
        start_rad, end_rad: directions of travel there, radians.
        spacing_m: between points of the curve.
        reach: length of the end tangents relative to that of the curve; larger bends later and more.
    """
    chord = float(np.hypot(*(end_m - start_m)))
    turn = abs((end_rad - start_rad + np.pi) % (2 * np.pi) - np.pi)
    # The length of an arc over this chord; the parameter then runs at about constant speed.
    scale = reach * chord * (1.0 if turn < 1e-6 else turn / (2 * np.sin(min(turn, 2.8) / 2)))
    tangents = [scale * np.array([np.cos(a), np.sin(a)]) for a in (start_rad, end_rad)]
    u = np.linspace(0, 1, 129)[:, None]
    h1 = u - 6 * u**3 + 8 * u**4 - 3 * u**5
    h2 = -4 * u**3 + 7 * u**4 - 3 * u**5
    blend = 10 * u**3 - 15 * u**4 + 6 * u**5
    d1 = 1 - 18 * u**2 + 32 * u**3 - 15 * u**4
    d2 = -12 * u**2 + 28 * u**3 - 15 * u**4
    slope = 30 * u**2 - 60 * u**3 + 30 * u**4
    points = start_m + blend * (end_m - start_m) + h1 * tangents[0] + h2 * tangents[1]
    velocity = slope * (end_m - start_m) + d1 * tangents[0] + d2 * tangents[1]
    fine = Curve(points, np.unwrap(np.arctan2(velocity[:, 1], velocity[:, 0])))
    even = fine.part(0.0, fine.length_m, spacing_m)
    exact = even.points_m.copy()
    exact[0], exact[-1] = start_m, end_m
    return Curve(exact, even.headings_rad)
