"""Draws agents as boxes with a faded past, in the frame of one of them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.core.crops import CropSpec
from forecast.core.tracks import Tracks

Colour = tuple[int, int, int]

#: RGB at the present; the past fades towards black.
TARGET_COLOUR: Colour = (255, 0, 0)
COLOURS: dict[int, Colour] = {
    AgentType.VEHICLE: (255, 255, 0),
    AgentType.CYCLIST: (255, 255, 0),
    AgentType.PEDESTRIAN: (255, 153, 51),
    AgentType.OTHER: (204, 0, 204),
}
_BY_TYPE = np.array([COLOURS[kind] for kind in sorted(COLOURS)], np.float64)
_DARKEST = 0.4
_FRACTION_BITS = 4
_CORNERS = np.array([(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)])


def box_corners(
    position_m: NDArray[np.float64], heading_rad: NDArray[np.float64], size_m: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Corners of oriented boxes.

    Args:
        position_m: (boxes, 2) centres.
        heading_rad: (boxes,).
        size_m: (boxes, 2) length and width.

    Returns:
        (boxes, 4, 2), in the frame of the positions.
    """
    offsets = _CORNERS * size_m[:, None]
    cos, sin = np.cos(heading_rad)[:, None], np.sin(heading_rad)[:, None]
    x, y = offsets[..., 0], offsets[..., 1]
    corners: NDArray[np.float64] = np.stack([cos * x - sin * y, sin * x + cos * y], -1) + position_m[:, None]
    return corners


class AgentPainter:
    """Draws all agents around a target that are seen at the same key frame, with their past."""

    def __init__(self, tracks: Tracks, spec: CropSpec, *, history_s: float = 2.0, ego: bool = True) -> None:
        """Index the tracks.

        Args:
            tracks: all observations.
            spec: extent and resolution of the image.
            history_s: how far back boxes are drawn.
            ego: draw the ego vehicle too.
        """
        self._tracks, self._spec, self._history_us = tracks, spec, round(history_s * 1e6)
        self._row_track = tracks.row_track
        by_sample = np.argsort(tracks.row_sample, kind="stable")
        if not ego:
            is_ego = tracks.track_categories == "vehicle.ego"
            by_sample = by_sample[~is_ego[self._row_track[by_sample]]]
        self._by_sample = by_sample
        self._sample_begins = np.searchsorted(tracks.row_sample[by_sample], np.arange(len(tracks.sample_tokens) + 1))

    def __call__(self, row: int, image: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Draw (height, width, 3) RGB; rows grow forward and columns grow left.

        Args:
            row: observation of the target, an index into the rows of the tracks. Nothing later is looked at.
            image: what to draw on; black by default.
        """
        rows, fade = self._boxes(row)
        tracks, spec = self._tracks, self._spec
        corners = box_corners(tracks.row_position_m[rows], tracks.row_heading_rad[rows], tracks.row_size_m[rows])
        heading = tracks.row_heading_rad[row]
        world_from_agent = np.array([[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]])
        ahead_left = (corners - tracks.row_position_m[row]) @ world_from_agent
        column_row = (ahead_left[..., ::-1] + (spec.right_m, spec.behind_m)) * spec.px_per_m
        fixed = np.rint((column_row - 0.5) * (1 << _FRACTION_BITS)).astype(np.int32)
        if image is None:
            image = np.zeros((spec.height_px, spec.width_px, 3), np.uint8)
        limit = np.array([spec.width_px, spec.height_px])
        seen = ((column_row.max(1) > 0) & (column_row.min(1) < limit)).all(1)
        for corners_px, colour in zip(fixed[seen], self._colours(row, rows[seen], fade[seen]), strict=True):
            cv2.fillConvexPoly(image, corners_px, colour, cv2.LINE_8, _FRACTION_BITS)
        return image

    def _colours(self, target: int, rows: NDArray[np.int64], fade: NDArray[np.float64]) -> list[list[float]]:
        """Colour of each box."""
        track = self._row_track[rows]
        colours = _BY_TYPE[self._tracks.track_types[track]]
        colours[track == self._row_track[target]] = TARGET_COLOUR
        faded: list[list[float]] = (colours * fade[:, None]).tolist()
        return faded

    def _boxes(self, row: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows of all boxes to draw, agent by agent and oldest first, and the brightness of each."""
        tracks = self._tracks
        sample = tracks.row_sample[row]
        present = self._by_sample[self._sample_begins[sample] : self._sample_begins[sample + 1]]
        since_us = tracks.sample_time_us[sample] - self._history_us
        # The target is drawn last: nothing covers it.
        present = np.append(present[present != row], row)
        scene = tracks.sample_scene == tracks.sample_scene[sample]
        steps = int((scene[:sample] & (tracks.sample_time_us[:sample] >= since_us)).sum())
        candidates = present[:, None] + np.arange(-steps, 1)
        valid = candidates >= tracks.first_row[self._row_track[present]][:, None]
        valid &= tracks.sample_time_us[tracks.row_sample[candidates.clip(0)]] >= since_us
        count = valid.sum(1, keepdims=True)
        age = np.arange(steps, -1, -1) / np.maximum(count - 1, 1)
        return candidates[valid], (1 - (1 - _DARKEST) * age)[valid]
