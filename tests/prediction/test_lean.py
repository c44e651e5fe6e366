"""What a driving stack installs: torch, NumPy, shapely and safetensors, and nothing else."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely

import forecast
from forecast.data.maps.raster_file import save_raster
from forecast.data.maps.sources import PolygonMap
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.scene import Scene

LEAN = ("torch", "numpy", "shapely", "safetensors")
#: Askew, so that hardly any edge lies on those of cells.
ROADS = [[(7, 120), (203, 263), (197, 276), (0, 131)], [(80, 290), (121, 103), (133, 107), (91, 294)]]

DRIVE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import numpy as np, shapely
from forecast.data.maps.raster_file import save_raster
from forecast.data.maps.sources import PolygonMap, from_geojson
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.scene import Scene
from forecast.prediction.stream import Observation

given = np.load(sys.argv[2] + "/scene.npz")
roads = [shapely.Polygon(road) for road in json.load(open(sys.argv[2] + "/roads.json"))]
source = PolygonMap("m", {"drivable_area": roads})
shape = json.loads(shapely.to_geojson(roads[0]))
feature = {"type": "Feature", "properties": {"layer": "drivable_area"}, "geometry": shape}
open(sys.argv[2] + "/m.geojson", "w").write(json.dumps({"type": "FeatureCollection", "features": [feature]}))
function = lambda points: np.stack([abs(points[:, 1] - 200) < 6] + 2 * [points[:, 0] > 1e9], 1).astype(float)
forecaster = Forecaster.load(sys.argv[2] + "/small.safetensors", {
    "raster": sys.argv[2] + "/m.raster", "polygons": source,
    "geojson": from_geojson(sys.argv[2] + "/m.geojson"), "function": function})
save_raster(sys.argv[2] + "/lean.raster", source, forecaster.config.crop)
answers = {}
for name in forecaster.maps.names:
    scene = Scene(50.0, range(6), given["types"], given["size_m"], given["row_agent"], given["row_time_s"],
                  given["row_pose_world"], name)
    answers[name] = forecaster.forecast(scene).positions_m
answer = forecaster.update([Observation("a", "vehicle", 1.0, (100, 200, 0))], 1.0, "polygons")
assert len(answer) == 1 and answer.overlap_rate() == 0
np.savez(sys.argv[2] + "/answers.npz", **answers)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def requirements(names: tuple[str, ...]) -> set[str]:
    """Distributions and all that they themselves need and have."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        try:
            needed = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        if name not in found:
            found.add(name)
            waiting += [re.match(r"[\w.-]+", line)[0] for line in needed if "extra ==" not in line]  # type: ignore[index]
    return found


def environment(folder: Path) -> Path:
    """A folder of packages with links to those four, to what torch itself needs, and to this package."""
    folder.mkdir()
    for name in requirements(LEAN):
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            link = folder / top
            if not link.exists():
                link.symlink_to(distribution.locate_file(top))
    (folder / "forecast").symlink_to(Path(forecast.__file__).parent)
    return folder


@pytest.fixture(scope="module")
def askew() -> PolygonMap:
    return PolygonMap("m", {"drivable_area": [shapely.Polygon(road) for road in ROADS]})


@pytest.fixture(scope="module")
def lean(
    tmp_path_factory: pytest.TempPathFactory, weights: Path, askew: PolygonMap, traffic: Callable[..., Scene]
) -> tuple[dict[str, np.ndarray], list[str], Path]:
    """Answers, and the names of all modules, of a drive with nothing else installed."""
    work = tmp_path_factory.mktemp("lean")
    scene = traffic(6)
    columns = ("size_m", "row_agent", "row_time_s", "row_pose_world")
    np.savez(work / "scene.npz", types=scene.agent_types, **{name: getattr(scene, name) for name in columns})
    (work / "small.safetensors").write_bytes(weights.read_bytes())
    (work / "roads.json").write_text(json.dumps(ROADS))
    save_raster(work / "m.raster", askew, Forecaster.load(weights).config.crop)
    place = environment(work / "packages")
    # Without site-packages, user's or environment variables'.
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", DRIVE, str(place), str(work)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    with np.load(work / "answers.npz") as answers:
        return dict(answers), json.loads(run.stdout), work


def test_a_drive_needs_nothing_else(lean: tuple[dict[str, np.ndarray], list[str], Path]) -> None:
    answers, modules, _ = lean
    assert set(answers) == {"raster", "polygons", "geojson", "function"}
    unwanted = {"pytorch_lightning", "nuscenes", "matplotlib", "pandas", "scipy", "cv2", "pyarrow", "msgspec", "rich"}
    assert not unwanted & set(modules)


def test_it_says_what_a_full_installation_says(
    lean: tuple[dict[str, np.ndarray], list[str], Path],
    weights: Path,
    traffic: Callable[..., Scene],
) -> None:
    answers, _, work = lean
    maps = {"raster": work / "m.raster", "own": work / "lean.raster"}
    forecaster = Forecaster.load(weights, maps)
    said = {name: forecaster.forecast(traffic(6, map_name=name)).positions_m for name in maps}
    # The raster decides: whichever painter is at hand, the crops of a file are the same.
    np.testing.assert_allclose(answers["raster"], said["raster"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(answers["polygons"], said["own"], rtol=0, atol=1e-4)
