"""A cache is used only if it is whole and made from exactly what the folder holds now."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecast.core.errors import DataError
from forecast.data import cache as cache_module
from forecast.data.cache import Dataset, default_cache, open_dataset
from forecast.data.nuscenes import nuscenes_source as source_module

VERSION = "v1.0-mini"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """One entry for each time that the tables are read."""
    read: list[Path] = []
    original = source_module.read_columns

    def counted(folder: Path, *reading: Any) -> Any:
        read.append(folder)
        return original(folder, *reading)

    monkeypatch.setattr(source_module, "read_columns", counted)
    return read


def positions(dataset: Dataset) -> Any:
    return np.array(dataset.tracks.row_position_m)


def test_second_start_reads_nothing(traffic: Any, place: Path, readings: list[Path]) -> None:
    root = traffic.write()
    one, other = open_dataset(root, VERSION, place), open_dataset(root, VERSION, place)
    assert len(readings) == 1
    assert one.fingerprint == other.fingerprint
    for name, array in one.columns.arrays().items():
        assert np.array_equal(array, other.columns.arrays()[name], equal_nan=array.dtype.kind == "f"), name


def test_arrays_are_mapped_and_read_only(traffic: Any, place: Path) -> None:
    positions = open_dataset(traffic.write(), VERSION, place).tracks.row_position_m
    base: Any = positions
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        positions[0] = 0


def test_equal_content_elsewhere_shares_the_cache(traffic: Any, place: Path, readings: list[Path]) -> None:
    root = traffic.write()
    one = open_dataset(root, VERSION, place)
    moved = root.rename(root.with_name("moved"))
    assert open_dataset(moved, VERSION, place).fingerprint == one.fingerprint
    assert len(readings) == 1


def test_changed_content_of_equal_size_and_time_is_noticed(traffic: Any, place: Path) -> None:
    """Only the time of the last change of any kind, which nobody can set, tells the difference."""
    root = traffic.write()
    path = root / VERSION / "sample_annotation.json"
    long_ago = 1_600_000_000_000_000_000
    os.utime(path, ns=(long_ago, long_ago))
    was = positions(open_dataset(root, VERSION, place))
    text = path.read_text()
    path.write_text(text.replace("38.0", "39.0"))
    assert len(text) == path.stat().st_size
    os.utime(path, ns=(long_ago, long_ago))
    assert not np.array_equal(positions(open_dataset(root, VERSION, place)), was)


@pytest.mark.parametrize("table", ["ego_pose", "sample", "scene", "log", "map", "attribute"])
def test_every_table_counts(traffic: Any, place: Path, table: str) -> None:
    root = traffic.write()
    was = open_dataset(root, VERSION, place).fingerprint
    with (root / VERSION / f"{table}.json").open("a") as file:
        file.write("\n")
    assert open_dataset(root, VERSION, place).fingerprint != was


def test_challenge_list_counts_also_when_it_comes_later(traffic: Any, place: Path) -> None:
    traffic.challenge, listed = None, traffic.challenge
    root = traffic.write()
    was = open_dataset(root, VERSION, place)
    with pytest.raises(DataError, match=r"prediction_scenes\.json: missing.*dense"):
        was.samples("mini_val")
    assert len(was.samples("mini_val", dense=True))
    traffic.challenge = listed
    traffic.write()
    assert len(open_dataset(root, VERSION, place).samples("mini_val")) == 3


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros((3, 2)))


@pytest.mark.parametrize("damage", [truncate, flip_bit, empty, foreign, Path.unlink])
@pytest.mark.parametrize("file", ["row_position_m.npy", "notes.json", "manifest.json"])
def test_damaged_cache_is_made_anew(
    traffic: Any, place: Path, readings: list[Path], damage: Callable[[Path], object], file: str
) -> None:
    root = traffic.write()
    dataset = open_dataset(root, VERSION, place)
    was = positions(dataset)
    damage(dataset.folder / file)
    again = open_dataset(root, VERSION, place)
    assert np.array_equal(positions(again), was)
    assert again.tracks.scene_names.tolist() == ["scene-0103"]
    assert len(readings) == 2


def test_cache_of_other_content_under_this_name_is_made_anew(traffic: Any, place: Path, readings: list[Path]) -> None:
    root = traffic.write()
    dataset = open_dataset(root, VERSION, place)
    manifest = dataset.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace(dataset.fingerprint, "0" * 64))
    open_dataset(root, VERSION, place)
    assert len(readings) == 2


def test_other_format_is_not_used(
    traffic: Any, place: Path, readings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = traffic.write()
    open_dataset(root, VERSION, place)
    monkeypatch.setattr(cache_module, "FORMAT", cache_module.FORMAT + 1)
    open_dataset(root, VERSION, place)
    assert len(readings) == 2


def test_interrupted_preparation_leaves_nothing_to_be_used(
    traffic: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = traffic.write()
    save, saved = np.save, []

    def interrupted(path: Path, *args: Any, **options: Any) -> None:
        saved.append(path)
        if len(saved) == 5:
            raise KeyboardInterrupt
        save(path, *args, **options)

    monkeypatch.setattr(np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_dataset(root, VERSION, place)
    assert [path for path in place.iterdir() if path.is_dir()] == []
    monkeypatch.undo()
    assert len(open_dataset(root, VERSION, place).tracks.scene_names) == 1


def open_and_sum(root: Path, place: Path) -> tuple[str, float]:
    dataset = open_dataset(root, VERSION, place)
    return dataset.fingerprint, float(dataset.tracks.row_position_m.sum())


def test_several_processes_at_once(traffic: Any, place: Path) -> None:
    root = traffic.write()
    code = (
        "import sys; from forecast.data.cache import open_dataset; "
        f"d = open_dataset(sys.argv[1], '{VERSION}', sys.argv[2]); print(d.fingerprint, d.tracks.row_position_m.sum())"
    )
    command = [sys.executable, "-c", code, str(root), str(place)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], answers
    assert len({out for out, _ in answers}) == 1
    assert len([path for path in place.iterdir() if path.is_dir()]) == 1


def test_forked_processes_see_the_same(traffic: Any, place: Path) -> None:
    root = traffic.write()
    expected = open_and_sum(root, place)
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        assert list(pool.map(open_and_sum, [root] * 4, [place] * 4)) == [expected] * 4


def test_place_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FORECAST_CACHE", str(tmp_path / "chosen"))
    assert default_cache() == tmp_path / "chosen"
    monkeypatch.delenv("FORECAST_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache() == tmp_path / "xdg" / "cab-forecast"


def test_the_data_root_is_never_written_to(traffic: Any, place: Path) -> None:
    root = traffic.write()
    before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
    open_dataset(root, VERSION, place)
    assert sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*")) == before


def test_unusable_place_is_one_line(traffic: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot hold the cache.*--cache or FORECAST_CACHE"):
        open_dataset(traffic.write(), VERSION, tmp_path / "file")


def test_maps(traffic: Any, place: Path) -> None:
    root = traffic.write()
    dataset = open_dataset(root, VERSION, place)
    assert dataset.map_names == ("boston-seaport",)
    assert dataset.map_file("boston-seaport") == root / "maps" / "expansion" / "boston-seaport.json"
    with pytest.raises(DataError, match="did you mean 'boston-seaport'"):
        dataset.map_file("boston-seaprot")


def test_prepare_command(traffic: Any, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from forecast.cli.main import main

    root = str(traffic.write())
    assert main(["prepare", "--dataroot", root, "--version", VERSION, "--cache", str(place)]) == 0
    assert "mini_val      1 scenes        3 challenge samples         74 dense" in capsys.readouterr().out
    assert main(["prepare", "--dataroot", root, "--version", "v1.0-mimi"]) == 2
    assert "did you mean 'v1.0-mini'?" in capsys.readouterr().err
    assert json.loads((next(place.glob("v1.0-mini-*")) / "manifest.json").read_text())["key"]


def test_opening_needs_no_torch(traffic: Any, place: Path) -> None:
    """Importing torch takes several times as long as opening all of nuScenes."""
    code = (
        "import sys; from forecast.data.cache import open_dataset; "
        f"d = open_dataset(sys.argv[1], '{VERSION}', sys.argv[2]); d.samples('mini_val', dense=True); "
        "sys.exit('torch' in sys.modules or 'nuscenes' in sys.modules)"
    )
    root = traffic.write()
    open_dataset(root, VERSION, place)
    assert subprocess.run([sys.executable, "-c", code, str(root), str(place)], timeout=120).returncode == 0
