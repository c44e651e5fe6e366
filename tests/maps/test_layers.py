import json
import pickle
import warnings

import numpy as np
import pytest
import torch
from shapely import LineString, MultiPolygon, Polygon, to_geojson

from forecast.core.crops import CropSpec
from forecast.core.errors import DataError
from forecast.core.maps import MapSource
from forecast.data.maps.crop import Cropper
from forecast.data.maps.expansion_map import load_map
from forecast.data.maps.layers import LAYERS, Layer
from forecast.data.maps.raster_file import save_raster
from forecast.data.maps.sources import PolygonMap, from_geojson


def test_every_declared_layer_is_read(small_map):
    source = load_map(small_map)
    assert isinstance(source, MapSource)
    assert source.name == "smallville"
    assert set(source.layers) == {name for name, layer in LAYERS.items() if layer.kind != "direction"}
    for layer in source.layers:
        assert all(geometry.is_valid for geometry in source.geometries(layer))


@pytest.mark.parametrize("layer", [name for name, layer in LAYERS.items() if layer.kind != "direction"])
@pytest.mark.parametrize("engine", ["baked", "exact"])
def test_every_declared_layer_can_be_cropped(expansion, tmp_path, layer, engine):
    """What is added to the declaration is put to this test without further ado."""
    outline, line = [(0, 0), (30, 0), (30, 6), (0, 6)], [(0, 3), (30, 3)]
    kind = LAYERS[layer].kind
    if kind == "polygon":
        expansion.area(layer, outline)
    elif kind == "line":
        expansion.line(layer, line)
    else:
        straight = {"start_pose": [0, 3, 0], "end_pose": [30, 3, 0], "shape": "LSL", "radius": 99}
        expansion.tables["arcline_path_3"] = {"lane": [straight | {"segment_length": [0.0, 30.0, 0.0]}]}
    source = load_map(expansion.write(tmp_path / "one.json"))
    spec = CropSpec(((layer,),), 6.0, 6.0, 6.0, 6.0, 2.0)
    cropper = Cropper({"one": source}, ("one",), spec, engine, tmp_path)
    crop = cropper(torch.tensor([[15.0, 3.0, 0.3]], dtype=torch.float64), torch.zeros(1, dtype=torch.long))[0, 0]
    width_m = 6.0 if kind == "polygon" else LAYERS[layer].line_width_m
    # Either side may lie half a sample off, an eighth of a pixel.
    assert float(crop.sum()) / spec.px_per_m**2 * np.cos(0.3) / 12 == pytest.approx(width_m, abs=2 / 8 / spec.px_per_m)


def test_a_further_layer_is_one_entry(expansion, tmp_path, monkeypatch):
    monkeypatch.setitem(LAYERS, "speed_bump", Layer("polygon", "#123456"))
    expansion.tables["speed_bump"] = []
    expansion.area("speed_bump", [(-1, -1), (5, -1), (5, 5), (-1, 5)])
    source = load_map(expansion.write(tmp_path / "bumpy.json"))
    assert "speed_bump" in source.layers
    spec = CropSpec((("speed_bump",),), 2.0, 2.0, 2.0, 2.0, 1.0)
    cropper = Cropper({"bumpy": source}, ("bumpy",), spec, "baked", tmp_path)
    assert cropper(torch.tensor([[2.0, 2.0, 0.0]], dtype=torch.float64), torch.zeros(1, dtype=torch.long)).mean() > 0.9


def test_a_node_that_is_nowhere_is_one_line(expansion, tmp_path):
    expansion.area("lane", [(0, 0), (4, 0), (4, 4)])
    path = expansion.write(tmp_path / "nan.json")
    path.write_text(path.read_text().replace('"x": 4', '"x": NaN', 1))
    with pytest.raises(DataError, match=r"nan\.json") as caught:
        load_map(path).geometries("lane")
    assert "\n" not in str(caught.value)
    path.write_text(path.read_text().replace('"x": NaN', '"x": "here"', 1))
    with pytest.raises(DataError, match=r"nan\.json, table 'node': .*\$\[1\]\.x"):
        load_map(path).geometries("lane")


def test_holes_and_lines(small_map):
    source = load_map(small_map)
    (road,) = source.geometries("drivable_area")
    assert road.area == 100 * 20 - 10 * 10
    (divider,) = source.geometries("lane_divider")
    assert divider.equals(LineString([(0, 50), (20, 50)]))
    assert source.geometries("road_divider") == []  # a line without nodes
    assert source.geometries("stop_line") == []


def test_centre_line_follows_its_arc(small_map):
    (line,) = load_map(small_map).geometries("lane_centre")
    points = np.array(line.coords)
    assert points[0] == pytest.approx([10, 45])
    assert points[-1] == pytest.approx([20, 55])
    assert np.hypot(points[:, 0] - 10, points[:, 1] - 55) == pytest.approx(10)
    assert np.hypot(*np.diff(points, axis=0).T).max() <= 1.0


def test_invalid_polygons_are_repaired_with_one_warning(expansion, tmp_path):
    bow_tie = [(0, 0), (2, 2), (2, 0), (0, 2)]
    expansion.area("lane", bow_tie)
    expansion.area("drivable_area", bow_tie)
    source = load_map(expansion.write(tmp_path / "bowtie.json"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for layer in ("lane", "drivable_area"):
            assert sum(part.area for part in source.geometries(layer)) == pytest.approx(2)
    assert [str(w.message) for w in caught] == [
        "map bowtie: repaired 2 invalid geometries (1 in drivable_area, 1 in lane)"
    ]


def test_only_the_layers_asked_for_are_read(small_map):
    whole, part = load_map(small_map), load_map(small_map, only=("drivable_area", "lane_divider"))
    assert set(part.layers) == {"drivable_area", "lane_divider"}
    for layer in part.layers:
        assert part.geometries(layer) == whole.geometries(layer)
    with pytest.raises(KeyError, match="walkway"):
        part.geometries("walkway")


def test_unread_map_can_be_pickled(small_map):
    copy = pickle.loads(pickle.dumps(load_map(small_map)))
    assert len(copy.geometries("walkway")) == 1


def test_mistakes_are_one_line(expansion, small_map, tmp_path):
    with pytest.raises(DataError, match="no map expansion at"):
        load_map(tmp_path / "nowhere.json")
    with pytest.raises(KeyError, match="did you mean 'lane'"):
        load_map(small_map).geometries("lanes")
    truncated = tmp_path / "truncated.json"
    truncated.write_text(small_map.read_text()[:-50])
    with pytest.raises(DataError, match="truncated"):
        load_map(truncated).geometries("lane")
    expansion.tables["version"] = "1.2"
    with pytest.raises(DataError, match=r"version 1\.2, expected 1\.3"):
        load_map(expansion.write(tmp_path / "old.json")).geometries("lane")


def test_dangling_references_name_the_record(expansion, tmp_path):
    expansion.tables["lane"] = [{"token": "a-lane", "polygon_token": "gone"}]
    with pytest.raises(DataError, match="lane a-lane: no polygon 'gone'"):
        load_map(expansion.write(tmp_path / "dangling.json")).geometries("lane")


def test_polygon_map_takes_collections_apart():
    squares = MultiPolygon([Polygon([(i, 0), (i + 1, 0), (i + 1, 1), (i, 1)]) for i in (0, 5)])
    source = PolygonMap("mine", {"lane": [squares]})
    assert isinstance(source, MapSource)
    assert len(source.geometries("lane")) == 2


def test_geojson(tmp_path):
    square = Polygon([(0, 0), (4, 0), (4, 4), (0, 4)])
    path = tmp_path / "town.geojson"
    feature = {"type": "Feature", "properties": {"layer": "lane"}, "geometry": json.loads(to_geojson(square))}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert from_geojson(path).geometries("lane")[0].equals(square)
    path.write_text('{"type": "FeatureCollection", "features": [{"type": "Feature"}]}')
    with pytest.raises(DataError, match="feature 0"):
        from_geojson(path).geometries("lane")
    on_a_hill = {"type": "Polygon", "coordinates": [[[0, 0, 9], [4, 0, 9], [4, 4, 9], [0, 4, 9], [0, 0, 9]]]}
    path.write_text(json.dumps({"features": [feature | {"geometry": on_a_hill}]}))
    flat = from_geojson(path).geometries("lane")[0]
    assert flat.equals(square)
    assert not flat.has_z


LANE: dict[str, object] = {"properties": {"layer": "lane"}}


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (3, "expected a list of features, got 3"),
        ([3], "feature 0: expected a geometry"),
        ([{"properties": {"layer": ["lane"]}, "geometry": {"type": "Point", "coordinates": [0, 0]}}], "got ['lane']"),
        (
            [{"properties": {"layer": "lane"}, "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1]]]}}],
            "feature 0",
        ),
        ([{"properties": {"layer": "lane"}, "geometry": {"type": "Blob", "coordinates": []}}], "feature 0"),
        ([{"properties": None, "geometry": {"type": "Point", "coordinates": [0, 0]}}], "feature 0"),
        ([{"properties": {"Layer": "lane"}, "geometry": {}}], "did you mean layer_property='Layer'?"),
        ([{"properties": {"layer": "lane"}}], "feature 0: expected a geometry"),
    ],
)
def test_geojson_of_the_wrong_shape_is_refused_in_one_line(tmp_path, features, said):
    (tmp_path / "town.geojson").write_text(json.dumps({"features": features}))
    with pytest.raises(DataError) as refused:
        from_geojson(tmp_path / "town.geojson").geometries("lane")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_coordinate_that_is_no_number_is_refused():
    for bad in (float("nan"), float("inf")):
        with pytest.raises(DataError, match="map mine: layer lane has a coordinate that is not finite"):
            PolygonMap("mine", {"lane": [Polygon([(0, 0), (4, 0), (bad, 4), (0, 4)])]})


def test_a_raster_can_be_read_by_whom_the_umask_lets(tmp_path):
    source = PolygonMap("mine", {"drivable_area": [Polygon([(0, 0), (4, 0), (4, 4), (0, 4)])]})
    spec = CropSpec(channels=(("drivable_area",),))
    save_raster(tmp_path / "m.raster", source, spec)
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "m.raster").stat().st_mode == (tmp_path / "plain").stat().st_mode
