"""Maps in every form give the same crops; what cannot be a map is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch

from forecast.core.crops import CropSpec
from forecast.core.errors import ConfigError, DataError, SceneError
from forecast.data.maps.crop import Cropper
from forecast.data.maps.raster_file import load_raster, save_raster
from forecast.data.maps.sources import PolygonMap, from_geojson
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.scene import Scene
from forecast.prediction.scene_maps import SceneMaps

SPEC = CropSpec(ahead_m=32.0, behind_m=16.0, left_m=16.0, right_m=16.0, px_per_m=1.25)
POSES = torch.tensor([[100.0, 200, 0.3], [60, 203, 3.0], [96, 270, -1.2], [1e6, 0, 0]], dtype=torch.float64)


def crops_of(given: object, poses: torch.Tensor = POSES) -> np.ndarray:
    return SceneMaps({"m": given}, SPEC, torch.device("cpu")).crops("m", poses).numpy()  # type: ignore[dict-item]


def test_polygons_are_cropped_as_a_data_set_is(crossroads: PolygonMap, tmp_path: Path) -> None:
    expected = Cropper({"crossroads": crossroads}, ("crossroads",), SPEC, cache=tmp_path)(POSES, torch.zeros(4).long())
    found = crops_of(crossroads)
    np.testing.assert_array_equal(found, expected.numpy())
    assert found[:3].any(axis=(1, 2, 3)).all()
    assert not found[3].any()


def test_a_raster_file_gives_the_same_crops(crossroads: PolygonMap, tmp_path: Path) -> None:
    save_raster(tmp_path / "c.raster", crossroads, SPEC)
    np.testing.assert_array_equal(crops_of(tmp_path / "c.raster"), crops_of(crossroads))
    np.testing.assert_array_equal(crops_of(str(tmp_path / "c.raster")), crops_of(crossroads))


def test_geojson_gives_the_same_crops(crossroads: PolygonMap, tmp_path: Path) -> None:
    features = [
        {"type": "Feature", "properties": {"layer": layer}, "geometry": json.loads(shapely.to_geojson(shape))}
        for layer in crossroads.layers
        for shape in crossroads.geometries(layer)
    ]
    (tmp_path / "c.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    np.testing.assert_array_equal(crops_of(from_geojson(tmp_path / "c.geojson")), crops_of(crossroads))


def on_the_road(points: np.ndarray) -> np.ndarray:
    x, y = points.T
    road = ((np.abs(y - 200) < 6) & (x > 0) & (x < 200)) | ((np.abs(x - 100) < 6) & (y > 100) & (y < 300))
    line = (np.abs(y - 200) < 0.3) & (x > 0) & (x < 200)
    return np.stack([road, np.zeros(len(x)), line], 1)


def test_a_function_is_asked_at_the_pixels_centres(crossroads: PolygonMap) -> None:
    asked, baked = crops_of(on_the_road), crops_of(crossroads)
    # A centre is in or out, a pixel of the other is covered by a share: they differ at edges alone.
    assert np.abs(asked[:, 0] - baked[:, 0]).mean() < 0.02
    inside = baked[:, 0] == 1
    assert asked[:, 0][inside].mean() > 0.995


def test_a_function_gives_directions_in_the_world_and_an_agent_sees_them_in_its_own_frame() -> None:
    spec = CropSpec(channels=(("drivable_area",), ("lane_direction_ahead",), ("lane_direction_left",)))
    maps = SceneMaps({"m": lambda points: np.tile([1.0, 0.6, 0.8], (len(points), 1))}, spec, torch.device("cpu"))
    heading = np.arctan2(0.8, 0.6)
    crops = maps.crops("m", torch.tensor([[5.0, 5.0, heading], [5.0, 5.0, heading - np.pi / 2]])).numpy()
    np.testing.assert_allclose(crops[0, 1:, 3, 4], [1, 0], atol=1e-6)
    np.testing.assert_allclose(crops[1, 1:, 3, 4], [0, 1], atol=1e-6)
    assert (crops[:, 0] == 1).all()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda points: points, r"gave shape \(\d+, 2\) for \d+ points; expected \(\d+, 3\)"),
        (lambda points: np.full((len(points), 3), 255), "outside 0…1"),
        (lambda points: np.full((len(points), 3), np.nan), "outside 0…1"),
    ],
)
def test_a_function_that_answers_nonsense_is_told_so(function: Callable[..., np.ndarray], message: str) -> None:
    with pytest.raises(SceneError, match=message):
        crops_of(function)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "not a whole raster file"),
        (_flip, "checksum"),
        (lambda path: path.write_text("?"), "not a whole raster file"),
        (lambda path: path.unlink(), "no such file"),
    ],
)
def test_a_damaged_raster_is_refused_in_one_line(
    damage: Callable[[Path], object], message: str, crossroads: PolygonMap, tmp_path: Path
) -> None:
    save_raster(tmp_path / "c.raster", crossroads, SPEC)
    damage(tmp_path / "c.raster")
    with pytest.raises(DataError, match=message) as caught:
        crops_of(tmp_path / "c.raster")
    assert "\n" not in str(caught.value)


def test_weights_are_no_raster(weights: Path) -> None:
    with pytest.raises(DataError, match="not a map that save_raster wrote"):
        load_raster(weights, SPEC)


def test_a_raster_baked_for_other_crops_is_refused(crossroads: PolygonMap, tmp_path: Path) -> None:
    save_raster(tmp_path / "c.raster", crossroads, CropSpec(px_per_m=2.5))
    with pytest.raises(DataError, match=r"at 5 cells/m; this model reads .* at 2.5: bake the map again"):
        crops_of(tmp_path / "c.raster")


def test_a_map_that_lacks_a_layer_of_an_unknown_name_is_refused(weights: Path) -> None:
    class Odd(PolygonMap):
        pass

    spec = CropSpec(channels=(("drivable_areas",),))
    with pytest.raises(DataError, match=r"no layer 'drivable_areas': did you mean 'drivable_area'"):
        SceneMaps({"m": Odd("m", {})}, spec, torch.device("cpu"))


def test_maps_may_be_added_while_driving(weights: Path, crossroads: PolygonMap, traffic: Callable[..., Scene]) -> None:
    forecaster = Forecaster.load(weights)
    with pytest.raises(SceneError, match="this forecaster has none"):
        forecaster.forecast(traffic(2))
    forecaster.maps.add("crossroads", crossroads)
    assert forecaster.maps.names == ("crossroads",)
    assert len(forecaster.forecast(traffic(2))) == 2


def test_agents_beyond_their_map_are_told_of(
    weights: Path, crossroads: PolygonMap, traffic: Callable[..., Scene]
) -> None:
    scene = traffic(3)
    assert Forecaster.load(weights, {"crossroads": crossroads}).forecast(scene).notes == ()
    far = {
        layer: [shapely.transform(shape, lambda points: points + 9_000) for shape in crossroads.geometries(layer)]
        for layer in crossroads.layers
    }
    forecaster = Forecaster.load(weights, {"crossroads": PolygonMap("far", far)})
    (note,) = forecaster.forecast(scene).notes
    assert note.startswith("map 'crossroads': 3 of 3 agents are beyond its edge, by up to 12,")


def test_a_map_that_shows_nothing_to_agents_within_its_bounds_is_told(
    weights: Path, crossroads: PolygonMap, traffic: Callable[..., Scene]
) -> None:
    corners = [shapely.box(-900, -900, -890, -890), shapely.box(1200, 1200, 1210, 1210)]
    forecaster = Forecaster.load(weights, {"crossroads": PolygonMap("corners", {"drivable_area": corners})})
    scene = traffic(3)
    (note,) = forecaster.forecast(scene).notes
    assert note.startswith("map 'crossroads': 3 of 3 agents see nothing of it")
    assert forecaster.forecast(replace(scene, map_name=None)).notes == ()
    blank = Forecaster.load(weights, {"crossroads": lambda points: np.zeros((len(points), 3))})
    assert "3 of 3 agents see nothing" in blank.forecast(scene).notes[0]


@pytest.mark.parametrize(
    ("ask", "error", "told"),
    [
        (lambda f: f.forecast(None), SceneError, "expected a Scene, found NoneType"),
        (lambda f: f.forecast([]), SceneError, "expected a Scene, found list"),
        (lambda f: list(f.batches("s")), SceneError, "expected a Scene, found str"),
        (lambda f: f.forecast(Scene.of(0.0, [], [])), SceneError, r"no map \[\]"),
        (lambda f: f.forecast(Scene.of(0.0, [], 3)), SceneError, "no map 3"),
        (lambda f: f.stream([]).update([], 0.0), SceneError, r"no map \[\]"),
        (lambda f: f.stream(max_tracks="s"), ConfigError, "max_tracks: expected a whole number"),
        (lambda f: f.maps.add("m", PolygonMap), DataError, "the class PolygonMap itself"),
        (lambda f: Forecaster(f.engine, f.config, "x"), DataError, "maps: expected maps by name"),
        (lambda f: Forecaster(f.engine, f.config, []), DataError, "maps: expected maps by name"),
        (lambda f: Forecaster(f.engine, f.config, silence="s"), ConfigError, "silence: expected a Silence"),
        (lambda f: Forecaster(f.engine, f.config, neighbour_rule=3), ConfigError, "expected a NeighbourRule"),
    ],
)
def test_the_wrong_kind_of_thing_is_refused_in_one_line(
    forecaster: Forecaster, ask: Callable[[Forecaster], object], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told) as refused:
        ask(forecaster)
    assert "\n" not in str(refused.value)
