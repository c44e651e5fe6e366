"""Areas drawn with NumPy alone: exact along rows, and what OpenCV draws up to its own samples."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from forecast.core.crops import CropSpec
from forecast.data.maps.bake import bake_for
from forecast.data.maps.painter import NumpyPainter, OpenCvPainter
from forecast.data.maps.pieces import Pieces
from forecast.data.maps.scanline import coverage
from forecast.data.maps.sources import PolygonMap


def drawn(area: shapely.Geometry, shape: tuple[int, int], lines: int = 4) -> np.ndarray:
    pieces = Pieces.of(area)
    return coverage(pieces.points, pieces.ends, shape, lines)


def test_a_rectangle_with_a_hole_by_hand() -> None:
    area = shapely.box(0.5, 0, 4, 3).difference(shapely.box(2, 1, 3, 2))
    np.testing.assert_array_equal(
        drawn(area, (4, 5)),
        [
            [128, 255, 255, 255, 0],
            [128, 255, 0, 255, 0],
            [128, 255, 255, 255, 0],
            [0, 0, 0, 0, 0],
        ],
    )


@pytest.mark.parametrize("seed", range(6))
def test_every_pixel_holds_the_share_of_it_that_is_covered(seed: int) -> None:
    random = np.random.default_rng(seed)
    blobs = [shapely.Point(random.uniform(-4, 24, 2)).buffer(random.uniform(1, 7), quad_segs=5) for _ in range(6)]
    area = shapely.union_all(blobs).difference(shapely.Point(10, 10).buffer(2.3))
    shape = (19, 21)
    exact = np.array([[shapely.box(c, r, c + 1, r + 1).intersection(area).area for c in range(21)] for r in range(19)])
    found = drawn(area, shape, lines=16) / 255
    assert np.abs(found - exact).max() < 0.04
    assert found.sum() == pytest.approx(exact.sum(), rel=2e-3)


def test_nothing_to_draw() -> None:
    assert not drawn(shapely.Polygon(), (3, 4)).any()


def test_both_painters_bake_the_same_map(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    roads = [shapely.LineString(random.uniform(0, 300, (4, 2))).buffer(4) for _ in range(8)]
    lines = [shapely.LineString(random.uniform(0, 300, (3, 2))) for _ in range(8)]
    source = PolygonMap("made", {"drivable_area": roads, "lane_divider": lines})
    spec = CropSpec()
    baked = []
    for painter in (OpenCvPainter, NumpyPainter):
        monkeypatch.setattr("forecast.data.maps.bake.painter", painter)
        baked.append(bake_for(source, spec))
    one, other = ((b.tiles[0][b.pages] % 6).astype(int) for b in baked)
    assert one.shape == other.shape
    # Grades of a fifth: nearly all cells agree, the others are one grade apart.
    assert (one != other).mean() < 0.02
    assert np.abs(one - other).max() <= 1
    assert one.any()
