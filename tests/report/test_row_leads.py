"""Rows of forecasts on a data set: their own leads and lost digits are refused or told, not scored without a word."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecast.core.errors import DataWarning, SubmissionError
from forecast.core.rows import ForecastRows
from forecast.eval.forecasts import read_forecasts, write_forecasts
from forecast.eval.formats.read_notes import Digits
from forecast.eval.formats.submission_json import write_submission
from forecast.pictures.agent_forecasts import open_forecasts
from forecast.scoring.dataset_join import read_for_dataset
from forecast.scoring.key_frame_leads import refuse_straying


def rows_of(town: Any, folder: Path) -> ForecastRows:
    write_forecasts(folder / "f.parquet", town.forecasts())
    return read_forecasts(folder / "f.parquet")


def with_leads(rows: ForecastRows, change: Any) -> ForecastRows:
    return replace(rows, row_lead_s=change(rows.own_lead_s.copy()))


CHANGES = {
    "twice as long": lambda own: own * 2,
    "a step late": lambda own: own + 0.5,
    "jitter": lambda own: own + np.where(np.arange(12) % 2, 0.1, -0.1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_leads_that_stray_from_the_key_frames_are_refused(town: Any, tmp_path: Path, change: Any) -> None:
    path = tmp_path / "g.parquet"
    write_forecasts(path, with_leads(rows_of(town, tmp_path), change))
    with pytest.raises(SubmissionError, match=r"g\.parquet: row \d+ .* its key frame .*--truth") as caught:
        read_for_dataset(path, town.dataset)
    assert "\n" not in str(caught.value)
    with pytest.raises(SubmissionError, match="its key frame"):
        open_forecasts(path, town.dataset)
    rows = read_forecasts(path)
    rows = replace(rows, sample_tokens=["s"] * len(rows))
    with pytest.raises(SubmissionError, match=r"a submission has its points at multiples of 0\.5 s"):
        write_submission(tmp_path / "s.json", rows)


def test_leads_of_real_key_frames_are_taken(town: Any, tmp_path: Path) -> None:
    """Key frames that drift by more than a tenth of a step are still the n-th key frames."""
    rows, tracks = rows_of(town, tmp_path), town.dataset.tracks
    number = np.arange(len(tracks.sample_time_us)) - np.searchsorted(tracks.sample_scene, tracks.sample_scene)
    drifting = replace(tracks, sample_time_us=tracks.sample_time_us + 30_000 * number)
    at = {round(time * 1e-6, 3): sample for sample, time in enumerate(tracks.sample_time_us.tolist())}
    samples = np.array([at[round(time, 3)] for time in rows.issue_time_s.tolist()])
    moved = with_leads(rows, lambda own: own * 1.06)
    refuse_straying(moved, drifting, samples, "f")
    with pytest.raises(SubmissionError, match="f: row"):
        refuse_straying(moved, tracks, samples, "f")


def rounded(given: ForecastRows, through: Any) -> ForecastRows:
    return replace(given, positions_m=given.positions_m.astype(through).astype(np.float64))


@pytest.mark.parametrize("form", ["json", "parquet", "csv"])
@pytest.mark.parametrize("through", [np.float16, np.int64])
def test_lost_digits_are_told(town: Any, tmp_path: Path, form: str, through: Any) -> None:
    path, given = tmp_path / f"f.{form}", rounded(town.forecasts(), through)
    if form == "json":
        write_submission(path, given)
    else:
        write_forecasts(path, given)
    warnings: list[str] = []
    read_for_dataset(path, town.dataset, warnings)
    assert len(warnings) == 1
    assert "steps by" in warnings[0]
    with pytest.warns(DataWarning, match="steps by"):
        open_forecasts(path, town.dataset)


def test_the_report_says_it(town: Any, tmp_path: Path) -> None:
    from forecast.cli.main import main

    write_submission(tmp_path / "f.json", rounded(town.forecasts(), np.float16))
    out = tmp_path / "r.json"
    assert main(["score", str(tmp_path / "f.json"), *town.arguments, "--out", str(out)]) == 0
    assert any("steps by" in line for line in json.loads(out.read_text())["warnings"])


def test_float16_positions_are_told_by_their_values() -> None:
    digits = Digits()
    digits.see(np.random.default_rng(0).uniform(600, 900, (100, 2)).astype(np.float16).astype(np.float64), ["double"])
    assert "more digits than float16" in digits.warning("f")
    digits.see(np.array([600.1]), ["double"])
    assert digits.warning("f") == ""
    coarse = Digits()
    coarse.see(np.arange(0, 1000, 2.5), ["double"])
    assert coarse.warning("f") == ""
