"""The pages on own data sets and own layers, done: from outside of the package, through the commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from forecast.cli.main import main
from forecast.core.errors import DataError, DataWarning
from forecast.data.cache import open_dataset
from forecast.data.source_registry import source_named, source_names

PAGES = Path(__file__).parents[2] / "docs" / "extend"


def example(page: str, language: str) -> str:
    """The first block of code of a page in a language."""
    found = re.search(rf"```{language}\n(.*?)```", (PAGES / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of the page, installed as a package of its own."""
    place = tmp_path / "site-packages"
    (place / "csv_source-1.0.dist-info").mkdir(parents=True)
    (place / "csv_source-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: csv-source\nVersion: 1.0\n"
    )
    declared = example("data-set.md", "toml")
    group = re.search(r'entry-points\."(.*?)"', declared)
    entry = re.search(r'(\w+) = "(.*?)"', declared)
    assert group is not None
    assert entry is not None
    (place / "csv_source-1.0.dist-info" / "entry_points.txt").write_text(f"[{group[1]}]\n{entry[1]} = {entry[2]}\n")
    (place / "csv_source.py").write_text(example("data-set.md", "python"), encoding="utf-8")
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.delitem(sys.modules, "csv_source", raising=False)


@pytest.fixture
def drives(tmp_path: Path) -> Path:
    root = tmp_path / "drives"
    root.mkdir()
    lines = ["scene,time_s,track,category,x_m,y_m,heading_rad,length_m,width_m"]
    lines += [
        f"{scene},{100 + 0.5 * k},{name},{kind},{speed * 0.5 * k},{y},0,4.5,1.9"
        for scene in ("morning", "evening")
        for name, kind, speed, y in (("a", "car", 8.0, 0.0), ("b", "car", 5.0, 4.0), ("c", "pedestrian", 1.0, 8.0))
        for k in range(20)
    ]
    (root / "tracks.csv").write_text("\n".join(lines) + "\n")
    road = {"type": "Polygon", "coordinates": [[[-20, -6], [200, -6], [200, 6], [-20, 6], [-20, -6]]]}
    feature = {"type": "Feature", "geometry": road, "properties": {"layer": "drivable_area"}}
    (root / "map.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return root


@pytest.mark.usefixtures("own_package")
@pytest.mark.filterwarnings("ignore:map map. nothing in")
def test_a_data_set_from_outside_goes_through_the_commands(
    drives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "csv" in source_names()
    where = ["--dataroot", str(drives)]
    assert main(["prepare", *where, "--truth", str(tmp_path / "truth.csv")]) == 0
    assert "csv: 2 scenes on map, 40 key frames, 6 tracks, 120 observations" in capsys.readouterr().out
    made, report = str(tmp_path / "f.parquet"), tmp_path / "report.json"
    assert main(["predict", *where, "--split", "all", "--checkpoint", "town", "--out", made]) == 0
    assert "6 forecasts" in capsys.readouterr().out
    assert main(["score", made, *where, "--split", "all", "--out", str(report)]) == 0
    found = json.loads(report.read_text())
    assert found["dataset"]["version"] == "csv"
    assert found["metrics"]["min_fde_1"]["count"] == 6
    assert found["metrics"]["off_road_rate"]["count"] == 6
    seen = ["--sample", "morning:a_morning:102000000", "--out", str(tmp_path / "seen.png")]
    assert main(["inspect", *where, *seen]) == 0
    by_frame = ["--agent", "morning:a", "--frame", "4", "--out", str(tmp_path / "again.png")]
    assert main(["inspect", *where, *by_frame]) == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "seen.png").read_bytes()
    assert main(["inspect", *where, "--agent", "morning:a", "--frame", "20", "--out", str(tmp_path / "no.png")]) == 2
    assert "key frames 0 to 19" in capsys.readouterr().err
    assert main(["inspect", *where, "--agent", "morning:a", "--out", str(tmp_path / "no.png")]) == 2
    assert "name one agent at one moment" in capsys.readouterr().err


SMALL = "--config trajectron --model.decoder_size 8 --model.modes 3 --run.epochs 1 --run.accelerator cpu".split()


@pytest.mark.usefixtures("own_package")
def test_a_data_set_from_outside_is_trained_on(drives: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(["train", "--dataroot", str(drives), *SMALL, "--out", str(run)]) == 0
    assert (run / "best.safetensors").is_file()
    assert "version: csv" in (run / "config.yaml").read_text()
    longer = ["--config", str(run / "config.yaml"), "--run.epochs", "2", "--source", "csv"]
    assert main(["train", *longer, "--out", str(run), "--resume"]) == 0
    assert len((run / "metrics.csv").read_text().splitlines()) == 3


def test_a_data_set_without_default_splits(
    own_package: None, drives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site-packages"
    _replace(site, ', default_splits=("all", "all")', "")
    _replace(site, '"csv 1"', '"csv 2"')  # another reader, another cache
    train = ["train", "--dataroot", str(drives), *SMALL, "--out", str(tmp_path / "run")]
    assert main([*train, "--data.val_split", "all"]) == 2
    told = capsys.readouterr().err
    assert "names no default splits; give data.train_split (it holds all)" in told
    assert main([*train, "--data.train_split", "all", "--data.val_split", "all"]) == 0


@pytest.mark.usefixtures("own_package")
def test_two_kinds_that_recognise_a_folder(drives: Path, twin: object) -> None:
    twin("one").write(drives)  # type: ignore[operator]
    with pytest.raises(DataError, match=r"looks like 2 kinds of data set \(argoverse2, csv\); name one with --source"):
        open_dataset(drives)
    assert open_dataset(drives, source="csv").version == "csv"
    assert open_dataset(drives, source="argoverse2").version == "argoverse2"


def test_a_folder_that_nobody_recognises(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no data set of a known kind; expected one of argoverse2: .*; nuscenes: "):
        open_dataset(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no such kind of data set; did you mean 'nuscenes'\?"):
        source_named("nuscene")


def test_a_layer_from_outside_is_drawn() -> None:
    page = (PAGES / "map-layer.md").read_text(encoding="utf-8")
    said = re.search(r"```\n(.*?)```", page[page.index("print(") :].partition("```")[2], re.DOTALL)
    assert said is not None
    # In a process of its own: a layer that is declared is declared for all.
    run = subprocess.run(
        [sys.executable, "-c", example("map-layer.md", "python")], capture_output=True, text=True, check=True
    )
    assert run.stdout == said[1]


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("import nowhere_at_all", "cannot be loaded (ModuleNotFoundError"),
        ("raise SystemExit('no')", "cannot be loaded (SystemExit: no"),
        ("CSV = 3", "has no name, holds, recognises, open"),
        ("", "cannot be loaded (AttributeError"),
    ],
)
def test_a_broken_package_is_told_and_harms_nobody(
    own_package: None, drives: Path, tmp_path: Path, code: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "site-packages"
    entry = (place / "csv_source-1.0.dist-info" / "entry_points.txt").read_text()
    (place / "csv_source.py").write_text(code + "\n", encoding="utf-8")
    (place / "csv_source-1.0.dist-info" / "entry_points.txt").write_text(re.sub(r":\w+", ":CSV", entry))
    town = tmp_path / "town"
    assert main(["town", "--out", str(town), "--scenes", "2"]) == 0
    capsys.readouterr()
    with pytest.warns(DataWarning, match="left out: the kind of data set"):
        assert open_dataset(town, cache=tmp_path / "cache").version == "v1.0-mini"
    assert main(["list", "sources"]) == 0
    listed = capsys.readouterr().out
    assert fault in listed
    assert "nuscenes" in listed


def _replace(site: Path, old: str, new: str, file: str = "csv_source.py") -> None:
    path = site / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_kind_that_fails_on_a_folder_harms_no_other(own_package: None, argoverse: Path, tmp_path: Path) -> None:
    _replace(tmp_path / "site-packages", 'return (dataroot / "tracks.csv").is_file()', "return 1 / 0")
    with pytest.warns(DataWarning, match=r"kind of data set 'csv' fails on .* \(ZeroDivisionError"):
        assert open_dataset(argoverse).version == "argoverse2"


def test_a_kind_under_a_name_of_this_package_is_told_and_not_used(
    own_package: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _replace(tmp_path / "site-packages" / "csv_source-1.0.dist-info", "csv =", "nuscenes =", "entry_points.txt")
    with pytest.warns(UserWarning, match=r"'nuscenes = csv_source:CSV' in the group 'forecast\.sources' is not used"):
        assert source_names() == ("argoverse2", "nuscenes")
    with pytest.warns(UserWarning, match="is not used"):
        assert main(["list", "sources"]) == 0
    assert "nuscenes    v1.0-" in capsys.readouterr().out
