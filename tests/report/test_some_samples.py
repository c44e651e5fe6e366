"""Files in which some tracks alone have samples, or that name tracks in another form, score as any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forecast.cli.main import main
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import write_forecasts, write_truth
from forecast.eval.formats import forecast_file as files

LEAD_S = np.array([0.5, 1.0, 1.5])


def rows_of(seed: int = 0, sampled: int = 1, tracks: int = 3) -> ForecastRows:
    random = np.random.default_rng(seed)
    track = np.repeat([str(number + 1) for number in range(tracks)], 4)
    issue_s = np.tile(0.5 * np.arange(4), tracks)
    positions = random.normal(0, 1, (len(track), 2, 3, 2)) + (issue_s[:, None] + LEAD_S)[:, None, :, None]
    samples = random.normal(0, 1, (len(track), 5, 3, 2))
    samples[track != str(sampled)] = np.nan
    return ForecastRows(track, issue_s, LEAD_S, positions, np.tile([0.7, 0.3], (len(track), 1)), None, samples)


def truth_of(tracks: int = 3) -> TruthRows:
    time_s = 0.5 * np.arange(8)
    track = np.repeat([str(number + 1) for number in range(tracks)], 8)
    return TruthRows(track, np.tile(time_s, tracks), np.tile(np.stack([time_s, time_s], -1), (tracks, 1)))


def scored(folder: Path, *paths: Path) -> dict[str, Any]:
    out = folder / "r.json"
    assert main(["score", *map(str, paths), "--truth", str(folder / "t.parquet"), "--out", str(out)]) == 0
    report: dict[str, Any] = json.loads(out.read_text())
    return report


@pytest.mark.parametrize("sampled", [1, 3])
@pytest.mark.parametrize(("name", "flat"), [("f.parquet", True), ("f.parquet", False), ("f.csv", True)])
def test_samples_of_some_tracks_whatever_the_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, flat: bool, sampled: int
) -> None:
    write_forecasts(tmp_path / name, rows_of(sampled=sampled), flat=flat)
    write_truth(tmp_path / "t.parquet", truth_of())
    whole = scored(tmp_path, tmp_path / name)
    assert whole["metrics"]["ade_f_m"]["count"] > 0
    monkeypatch.setattr(files, "CHUNK_ROWS", 7)
    monkeypatch.setattr(files, "NESTED_CHUNK_ROWS", 3)
    streamed = scored(tmp_path, tmp_path / name)
    for key, figure in whole["metrics"].items():
        assert streamed["metrics"][key]["count"] == figure["count"], key
        assert streamed["metrics"][key]["value"] == pytest.approx(figure["value"], rel=1e-12), key


def test_tracks_named_in_other_forms_are_paired(tmp_path: Path) -> None:
    write_truth(tmp_path / "t.parquet", truth_of())
    write_forecasts(tmp_path / "a.parquet", rows_of(0), flat=True)
    table = pq.read_table(tmp_path / "a.parquet")
    decimal = pa.array([f"{name}.0" for name in table.column("track").to_pylist()])
    pq.write_table(table.set_column(0, "track", decimal), tmp_path / "b.parquet")
    write_forecasts(tmp_path / "c.parquet", rows_of(1), flat=True)
    report = scored(tmp_path, tmp_path / "b.parquet", tmp_path / "c.parquet")
    assert report["comparisons"]
