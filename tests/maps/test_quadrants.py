"""A map means the same wherever it lies: in all four quadrants, about the origin, at UTM coordinates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from numpy.typing import NDArray

from forecast.core.crops import CropSpec
from forecast.data.maps.crop import Cropper
from forecast.data.maps.sources import PolygonMap, from_geojson
from forecast.eval.drivable import DrivableArea
from forecast.eval.offroad import off_road, off_road_exact
from forecast.prediction.scene_maps import SceneMaps

#: An L of road and an island in it, about its own middle.
ROAD = shapely.union_all([shapely.box(-60, -8, 60, 8), shapely.box(-60, -8, -44, 70)]) - shapely.box(20, -2, 24, 2)
SPEC = CropSpec((("drivable_area",),), 20.0, 10.0, 12.0, 12.0, 2.0)
PLACES = [(100.0, 100.0), (-100.0, 100.0), (-100.0, -100.0), (100.0, -100.0), (0.0, 0.0), (-7.0, 33.0)]
FAR = [(512_000.0, 5_403_000.0), (-4_000_000.0, -250_000.0)]


def at(place: tuple[float, float], name: str = "m") -> PolygonMap:
    return PolygonMap(name, {"drivable_area": [shapely.transform(ROAD, lambda points: points + place)]})


def poses(place: tuple[float, float]) -> torch.Tensor:
    around = torch.tensor([[0.0, 0, 0.3], [-50, 40, 1.7], [55, 5, -2.0], [22, 0, 3.1]], dtype=torch.float64)
    return around + torch.tensor([*place, 0.0], dtype=torch.float64)


def modes(place: tuple[float, float]) -> NDArray[np.float64]:
    random = np.random.default_rng(3)
    # Not on whole decimetres, where the raster's cells meet.
    start = np.stack([random.integers(-580, 580, 300), random.integers(-70, 70, 300)], -1)[:, None, None] / 10 + 0.05
    step = random.uniform(-1, 1, (300, 1, 1, 2)).round(1)
    return start + np.arange(12)[:, None] * step + np.array(place)


@pytest.mark.parametrize("engine", ["baked", "exact"])
@pytest.mark.parametrize("place", [*PLACES, *FAR])
def test_crops_do_not_depend_on_the_place(place: tuple[float, float], engine: str, tmp_path: Path) -> None:
    def crops(where: tuple[float, float]) -> NDArray[np.float32]:
        cropper = Cropper({"m": at(where)}, ("m",), SPEC, engine, tmp_path)  # type: ignore[arg-type]
        return cropper(poses(where), torch.zeros(4, dtype=torch.long)).numpy()

    expected, found = crops(PLACES[0]), crops(place)
    # But for half a sample at edges, and at the seams of tiles, which lie elsewhere.
    assert np.abs(expected - found).mean() < 6e-3
    assert 0.2 < found.mean() < 0.9


@pytest.mark.parametrize("place", [*PLACES, *FAR])
def test_forecasters_see_the_same_everywhere(place: tuple[float, float]) -> None:
    maps = SceneMaps({"m": at(place)}, SPEC, torch.device("cpu"))
    expected = SceneMaps({"m": at(PLACES[0])}, SPEC, torch.device("cpu")).crops("m", poses(PLACES[0]))
    assert float((maps.crops("m", poses(place)) - expected).abs().mean()) < 2e-3
    assert not maps.notes("m", poses(place)[:, :2].numpy())
    assert "4 of 4 agents are beyond" in maps.notes("m", poses(place)[:, :2].numpy() + 5_000)[0]


@pytest.mark.parametrize("place", [*PLACES, *FAR])
def test_both_off_road_rules_do_not_depend_on_the_place(place: tuple[float, float]) -> None:
    expected = off_road_exact(modes(PLACES[0]), at(PLACES[0]).geometries("drivable_area"))[0]
    assert 0.1 < expected.mean() < 0.9
    source = at(place)
    np.testing.assert_array_equal(off_road_exact(modes(place), source.geometries("drivable_area"))[0], expected)
    of_raster = off_road(modes(place), DrivableArea.of(source))[0]
    np.testing.assert_array_equal(of_raster, off_road(modes(PLACES[0]), DrivableArea.of(at(PLACES[0])))[0])
    assert (of_raster != expected).mean() < 0.05


def test_a_city_of_a_known_name_may_lie_elsewhere() -> None:
    area = DrivableArea.of(at((-4000.0, -4000.0), "boston-seaport"))
    assert not off_road(np.full((1, 1, 12, 2), -4000.0), area)[0].any()


@pytest.mark.parametrize("place", [*PLACES, *FAR])
def test_geojson_of_any_place_is_in_metres(place: tuple[float, float], tmp_path: Path) -> None:
    (road,) = at(place).geometries("drivable_area")
    feature = {"type": "Feature", "properties": {"layer": "lane"}, "geometry": json.loads(shapely.to_geojson(road))}
    (tmp_path / "m.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert from_geojson(tmp_path / "m.geojson").geometries("lane")[0].equals(road)
