"""The examples of a driving stack run, are as short as they claim, and print what they say."""

from __future__ import annotations

import json
import os
import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
ROAD = {"type": "Polygon", "coordinates": [[[0, -6], [150, -6], [150, 6], [0, 6], [0, -6]]]}


def run(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


@pytest.mark.parametrize("form", ["polygons", "geojson", "raster", "function"])
def test_a_map_in_fifteen_lines(
    form: str, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (EXAMPLES / f"map_from_{form}.py").read_text().split('"""', 2)[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    feature = {"type": "Feature", "properties": {"layer": "drivable_area"}, "geometry": ROAD}
    (tmp_path / "c.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    files = {"geojson": [tmp_path / "c.geojson"], "raster": [tmp_path / "c.geojson", tmp_path / "c.raster"]}
    run(monkeypatch, f"map_from_{form}", *files.get(form, []), weights)
    assert re.search(r"most likely at \[.*\d.*\] of modes: 5", capsys.readouterr().out)


def test_the_pages_own_lines_run(weights: Path) -> None:
    page = EXAMPLES.parent / "docs" / "integrate.md"
    if not page.is_file():
        pytest.skip("not run from a checkout: no documents here")
    call, stream = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(call.replace('"town"', repr(str(weights))), names)
    cycles = iter([True, True, False])
    track = SimpleNamespace(id="a", time_s=1.0, x=100.0, y=-3.0, yaw=0.0, vx=8.0, vy=0.0)
    stack = {
        "tracker": SimpleNamespace(news=lambda: [track]),
        "clock": SimpleNamespace(now_s=lambda: 1.2),
        "log": SimpleNamespace(warning=pytest.fail),
    }
    names.update(stack, cycles=cycles, answer=None)
    exec(stream.replace("while driving", "while next(cycles)"), names)
    assert names["answer"].agent_ids == ("a",)  # type: ignore[attr-defined]


def _check_loop(printed: str, cycles: int, *, rates_equal: int) -> None:
    assert printed.count(f"Hz, {cycles} cycles") == 2
    largest = [float(found) for found in re.findall(r"says: (\S+) m at most", printed)]
    assert len(largest) == 2
    assert max(largest[:rates_equal]) <= 1e-4
    assert printed.count(f"left out: {cycles // 97}, ") == 2
    assert len(re.findall(r"refused: [1-9]", printed)) == 2
    # The very first cycle of a drive refuses nothing: there is no time yet to go back from.
    assert "nan" not in printed


def test_the_planning_loop_on_a_town(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "planning_loop", "--weights", weights, "--scenes", 2, "--cycles", 102, "--cache", tmp_path)
    _check_loop(capsys.readouterr().out, 102, rates_equal=2)


def test_the_planning_loop_on_nuscenes(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = os.environ.get("NUSCENES_DATAROOT")
    if not root:
        pytest.skip("NUSCENES_DATAROOT is not set: no real nuScenes data to test on")
    run(monkeypatch, "planning_loop", "--weights", weights, "--dataroot", root, "--cycles", 105, "--cache", tmp_path)
    # Key frames are 0.4 to 0.6 s apart here: at 10 Hz a step need not be one.
    _check_loop(capsys.readouterr().out, 105, rates_equal=1)
