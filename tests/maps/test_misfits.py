"""Maps that are not what is asked for: named otherwise, in degrees, of lines, with gaps, oddly versioned."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import torch
from shapely import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box

from forecast.core.crops import CropSpec
from forecast.core.errors import DataError
from forecast.data.maps.bake import bake_for
from forecast.data.maps.crop import Cropper
from forecast.data.maps.expansion_map import load_map
from forecast.data.maps.layers import near_layer
from forecast.data.maps.raster_file import save_raster
from forecast.data.maps.sources import PolygonMap, from_geojson, is_geojson, open_map
from forecast.prediction.scene_maps import SceneMaps
from forecast.scoring.road_rules import open_road

SPEC = CropSpec((("drivable_area", "lane"), ("walkway",)), 16.0, 8.0, 8.0, 8.0, 2.0)
ROAD = box(-20, -8, 40, 8)
CPU = torch.device("cpu")


def warned(make: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make()
    return [str(one.message) for one in caught]


def geojson(folder: Path, features: list[Any], name: str = "m.geojson", **top: object) -> Path:
    path = folder / name
    path.write_text(json.dumps({"type": "FeatureCollection", **top, "features": features}))
    return path


def feature(geometry: Any, layer: object = "drivable_area") -> dict[str, Any]:
    told = None if geometry is None else json.loads(shapely.to_geojson(geometry))
    return {"type": "Feature", "properties": {"layer": layer}, "geometry": told}


def one_line(caught: pytest.ExceptionInfo[DataError]) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Names


@pytest.mark.parametrize("name", ["driveable_area", "Drivable_Area", "drivable-area", "DRIVABLE AREA", "drivable"])
def test_a_layer_named_otherwise_is_refused_everywhere(name: str, tmp_path: Path) -> None:
    source = PolygonMap("m", {name: [ROAD]})
    path = geojson(tmp_path, [feature(ROAD, name)])
    for refuse in (
        lambda: SceneMaps({"m": source}, SPEC, CPU),
        lambda: SceneMaps({"m": path}, SPEC, CPU),
        lambda: SceneMaps({"m": from_geojson(path)}, SPEC, CPU),
        lambda: save_raster(tmp_path / "m.raster", source, SPEC),
        lambda: open_road(path),
    ):
        with pytest.raises(DataError) as caught:
            refuse()
        assert f"did you mean 'drivable_area' by '{name}'?" in one_line(caught)
    assert not (tmp_path / "m.raster").exists()


def test_a_map_without_anything_that_is_read_is_refused() -> None:
    for layers in ({}, {"roads": [ROAD]}, {"stop_line": [ROAD]}):
        with pytest.raises(DataError, match="holds none of the layers that are read"):
            SceneMaps({"m": PolygonMap("m", layers)}, SPEC, CPU)


def test_what_a_map_lacks_is_told_in_one_line() -> None:
    (line,) = warned(lambda: SceneMaps({"m": PolygonMap("m", {"drivable_area": [ROAD], "Walkway": [ROAD]})}, SPEC, CPU))
    assert line == (
        "map m: nothing in lane, walkway, which is read and stays blank; did you mean 'walkway' by 'Walkway'?"
    )
    (line,) = warned(
        lambda: SceneMaps({"m": PolygonMap("m", {"drivable_area": [], "lane": [], "walkway": []})}, SPEC, CPU)
    )
    assert "nothing in drivable_area, lane, walkway" in line
    whole = PolygonMap("m", dict.fromkeys(("drivable_area", "lane", "walkway"), ROAD))
    assert not warned(lambda: SceneMaps({"m": whole}, SPEC, CPU))


def test_a_data_set_may_have_a_blank_map_and_says_so(tmp_path: Path) -> None:
    cropper = Cropper({"m": PolygonMap("m", {"roads": [ROAD]})}, ("m",), SPEC, cache=tmp_path)
    pose = torch.zeros((1, 3), dtype=torch.float64), torch.zeros(1, dtype=torch.long)
    (line,) = warned(lambda: cropper(*pose))
    assert "nothing in drivable_area, lane, walkway" in line


def test_near_names() -> None:
    known = ["lane", "lane_centre", "ped_crossing"]
    assert near_layer("Lane-Center", known) == "lane_centre"
    assert near_layer("lanes", known) == "lane"
    for far in ("line", "roads", "bus_stop"):
        assert near_layer(far, known) is None


def test_a_table_named_otherwise_is_told(expansion: Any, tmp_path: Path) -> None:
    expansion.area("drivable_area", [(0, 0), (9, 0), (9, 9)])
    expansion.tables["driveable_area"] = expansion.tables.pop("drivable_area")
    path = expansion.write(tmp_path / "m.json")
    with (
        pytest.raises(DataError, match="no layer drivable_area"),
        pytest.warns(UserWarning, match="did you mean 'drivable_area' by 'driveable_area'"),
    ):
        open_road(path)


def test_a_raster_for_other_channels_is_refused() -> None:
    source = PolygonMap("m", {"drivable_area": [ROAD], "walkway": [ROAD]})
    many = CropSpec(tuple(("drivable_area",) for _ in range(4)), 16.0, 8.0, 8.0, 8.0, 2.0)
    for spec in (many, CropSpec(SPEC.channels, 16.0, 8.0, 8.0, 8.0, 1.0)):
        with pytest.raises(DataError, match="bake the map again"):
            SceneMaps({"m": bake_for(source, spec)}, SPEC, CPU)


# Degrees, lines, points


@pytest.mark.parametrize(
    "crs",
    [
        {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},
        {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4326"}},
        {"type": "name", "properties": {"name": "EPSG:4258"}},
        {"type": "EPSG", "properties": {"code": 4326}},
        "EPSG:4326",
    ],
)
def test_a_map_that_says_it_is_in_degrees_is_refused(crs: object, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="are degrees") as caught:
        open_road(geojson(tmp_path, [feature(box(5, 45, 15, 55))], crs=crs))
    assert "m.geojson" in one_line(caught)


def test_a_projected_crs_is_taken_and_web_mercator_told(tmp_path: Path) -> None:
    for code, count in (("25832", 0), ("32648", 0), ("3857", 1)):
        crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{code}"}}
        assert len(warned(from_geojson(geojson(tmp_path, [feature(ROAD)], crs=crs))._all)) == count


def test_a_map_of_the_size_of_degrees_is_refused(tmp_path: Path, expansion: Any) -> None:
    small = box(103.78, 1.29, 103.80, 1.31)
    expansion.area("drivable_area", list(small.exterior.coords))
    for refuse in (
        lambda: PolygonMap("m", {"drivable_area": [small]}),
        lambda: open_road(geojson(tmp_path, [feature(small)])),
        lambda: open_road(expansion.write(tmp_path / "m.json")),
    ):
        with pytest.raises(DataError, match="these are degrees; expected metres"):
            refuse()
    PolygonMap("m", {"drivable_area": [box(-2, -2, 2, 2)]})  # small, but metres


@pytest.mark.parametrize(
    "shape", [LineString([(0, 0), (9, 0)]), LineString([(0, 0), (9, 0), (9, 9), (0, 0)]), Point(0, 0)], ids=str
)
def test_lines_and_points_are_no_area(shape: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"m\.geojson, feature 1: layer drivable_area is made of areas") as caught:
        open_road(geojson(tmp_path, [feature(ROAD), feature(shape)]))
    one_line(caught)
    with pytest.raises(DataError, match="map m, layer drivable_area, geometry 0: layer"):
        PolygonMap("m", {"drivable_area": [shape]})


def test_areas_are_no_centre_lines() -> None:
    with pytest.raises(DataError, match="made of lines in driving direction"):
        PolygonMap("m", {"lane_centre": [ROAD]})


def test_what_comes_with_an_area_is_left_out_and_told() -> None:
    mixed = GeometryCollection([ROAD, LineString([(0, 0), (9, 0)]), Point(0, 0)])
    (line,) = warned(lambda: PolygonMap("m", {"drivable_area": [mixed], "poi": [Point(3, 3), ROAD]}))
    assert line == (
        "map m: left out 3 geometries (1 LineString in drivable_area, 1 Point in drivable_area, 1 Point in poi)"
    )


# What people hold


class Series(list):  # type: ignore[type-arg]
    """As a GeoSeries and a GeoDataFrame give theirs."""

    @property
    def geometry(self) -> Series:
        return self


@pytest.mark.parametrize(
    "given",
    [
        ROAD,
        MultiPolygon([ROAD]),
        (ROAD,),
        np.array([ROAD, None], dtype=object),
        Series([None, ROAD, math.nan]),
        iter([ROAD, Polygon()]),
        GeometryCollection([MultiPolygon([ROAD])]),
        shapely.force_3d(ROAD, 7.0),
    ],
)
@pytest.mark.filterwarnings("ignore:map m. left out")
def test_geometries_in_any_form(given: Any) -> None:
    (found,) = PolygonMap("m", {"drivable_area": given}).geometries("drivable_area")
    assert found.equals(ROAD)
    assert not found.has_z


def test_missing_geometries_are_counted_once() -> None:
    layers = {"lane": [None, ROAD, None], "walkway": [None]}
    assert warned(lambda: PolygonMap("m", layers)) == [
        "map m: left out 3 geometries (2 without geometry in lane, 1 without geometry in walkway)"
    ]


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ({"lane": "POLYGON ((0 0, 1 0, 1 1, 0 0))"}, "expected shapely geometries, found str"),
        ({"lane": {"type": "Polygon"}}, "expected shapely geometries, found dict"),
        ({"lane": 3}, "expected shapely geometries, found int"),
        ({"lane": None}, "expected shapely geometries, found NoneType"),
        ({"lane": [ROAD, (0, 1)]}, "layer lane, geometry 1: expected a shapely geometry, found tuple"),
        ({3: [ROAD]}, "expected the names of layers"),
        ([ROAD], "expected {layer: [geometries]}, found list"),
    ],
)
def test_what_is_no_geometry_is_one_line(layers: Any, said: str) -> None:
    with pytest.raises(DataError) as caught:
        PolygonMap("m", layers)
    assert said in one_line(caught)


# Files


def test_null_geometries_are_left_out_of_geojson(tmp_path: Path) -> None:
    nothing = {"type": "Feature", "properties": None, "geometry": None}
    path = geojson(tmp_path, [feature(ROAD), feature(None), nothing])
    (line,) = warned(from_geojson(path)._all)
    assert line == "map m: left out 2 geometries (1 without geometry in drivable_area, 1 without geometry in None)"
    assert len(from_geojson(path).geometries("drivable_area")) == 1


def test_geojson_is_known_by_what_it_holds(tmp_path: Path, small_map: Path) -> None:
    path = geojson(tmp_path, [feature(ROAD)], "m.json")
    assert open_road(path).rule == "exact"
    assert SceneMaps({"m": path}, CropSpec((("drivable_area",),)), CPU).names == ("m",)
    with pytest.raises(DataError, match="is GeoJSON"):
        load_map(path).geometries("lane")
    assert not is_geojson(small_map)
    assert open_road(small_map).rule == "devkit"
    assert open_map(small_map).geometries("drivable_area")


def test_a_single_feature_is_a_map_and_a_bare_geometry_is_none(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps(feature(ROAD)))
    assert len(open_map(path).geometries("drivable_area")) == 1
    for content in (shapely.to_geojson(ROAD), "[]", "3", '{"type": "FeatureCollection"}', "[" * 100_000):
        path.with_suffix(".geojson").write_text(content)
        with pytest.raises(DataError, match="no GeoJSON FeatureCollection") as caught:
            open_road(path.with_suffix(".geojson"))
        assert len(one_line(caught)) < 400


@pytest.mark.parametrize("version", ["1.3", "1.10", "2.0", "v1.3", "1.3.1", 1.3])
def test_versions_are_numbers(version: object, expansion: Any, tmp_path: Path) -> None:
    expansion.tables["version"] = version
    assert load_map(expansion.write(tmp_path / "m.json")).layers


@pytest.mark.parametrize(
    ("version", "said"),
    [("1.2", "of map version 1.2"), ("0.9", "of map version 0.9"), (1.0, "of map version 1.0"), ("latest", "'latest'")],
)
def test_odd_versions_are_one_line(version: object, said: str, expansion: Any, tmp_path: Path) -> None:
    expansion.tables["version"] = version
    with pytest.raises(DataError) as caught:
        _ = load_map(expansion.write(tmp_path / "m.json")).layers
    assert said in one_line(caught)


def piece(**other: object) -> dict[str, object]:
    plain = {"start_pose": [0, 3, 0], "end_pose": [9, 3, 0], "shape": "LSL", "radius": 99}
    return {**plain, "segment_length": [0.0, 9.0, 0.0], **other}


@pytest.mark.parametrize("pieces", [[], [piece(segment_length=[0, 0, 0])], [piece(segment_length=[0, 1e-5, 0])]])
def test_centre_lines_without_a_length_are_left_out(pieces: list[Any], expansion: Any, tmp_path: Path) -> None:
    expansion.tables["arcline_path_3"] = {"none": pieces, "lane": [piece(radius=0)]}
    source = load_map(expansion.write(tmp_path / "m.json"))
    (line,) = warned(source._all)
    assert line == "map m: left out 1 geometry (1 without a length in lane_centre)"
    assert len(source.geometries("lane_centre")) == 1
    spec = CropSpec((("lane_direction_ahead",), ("lane_direction_left",)), 8.0, 8.0, 8.0, 8.0, 2.0)
    pose = torch.zeros((1, 3), dtype=torch.float64)
    assert SceneMaps({"m": source}, spec, CPU).crops("m", pose)[0, 0].max() > 0.9


@pytest.mark.parametrize(
    "wrong",
    [
        {"radius": 0, "segment_length": [3, 0, 0]},
        {"radius": -5, "segment_length": [3, 0, 0]},
        {"shape": "LXL"},
        {"shape": "LS"},
        {"start_pose": [0, 3]},
        {"segment_length": [0, -1, 0]},
        {"segment_length": [0, 1e300, 0]},
    ],
)
def test_centre_lines_that_make_no_sense_are_one_line(wrong: dict[str, object], expansion: Any, tmp_path: Path) -> None:
    expansion.tables["arcline_path_3"] = {"lane-7": [piece(**wrong)]}
    with pytest.raises(DataError, match=r"m\.json, arcline_path_3 lane-7: ") as caught:
        load_map(expansion.write(tmp_path / "m.json")).geometries("lane_centre")
    one_line(caught)


def test_lines_of_one_point_have_no_direction() -> None:
    point = LineString([(1, 1), (1, 1)])
    source = PolygonMap("m", {"lane_centre": [point, LineString([(-8, 0), (8, 0), (8, 0)])]})
    spec = CropSpec((("lane_direction_ahead",), ("lane_direction_left",)), 8.0, 8.0, 8.0, 8.0, 2.0)
    crops = SceneMaps({"m": source}, spec, CPU).crops("m", torch.zeros((1, 3), dtype=torch.float64))
    assert not crops[0, 1].any()


@pytest.mark.parametrize(
    "shapes",
    [
        [shapely.box(0, 0, 3e4, 3e4)],
        [shapely.box(0, 0, 1e9, 1e9)],
        [shapely.box(0, 0, 100, 100), shapely.box(2e5, 0, 2e5 + 100, 100)],
        [shapely.box(x, x % 9e3, x + 20_000, x % 9e3 + 20_000) for x in (0, 5_000)],
    ],
)
def test_a_map_too_large_to_be_one_in_metres_is_refused_at_once(shapes: list[shapely.Geometry]) -> None:
    source = PolygonMap("wide", {"drivable_area": shapes})
    with pytest.raises(DataError, match=r"map wide: spans .* km, .* expected metres; cut the map") as refused:
        bake_for(source, CropSpec())
    assert "\n" not in str(refused.value)


def test_a_long_road_is_baked() -> None:
    road = shapely.box(0, 0, 20_000, 10)
    assert bake_for(PolygonMap("road", {"drivable_area": [road]}), CropSpec(px_per_m=0.5)).tiles.any()
