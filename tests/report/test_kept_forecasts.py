"""What a model knows is kept: forecasts of a split as rows, with covariances, score as the model itself would."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from forecast.cli.main import main
from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows
from forecast.data.dataset import AgentDataset
from forecast.data.map_crops import crop_adder
from forecast.eval.forecasts import read_forecasts, write_forecasts
from forecast.eval.formats.submission_json import read_submission, write_submission
from forecast.model.mixture import joint_nll
from forecast.prediction.key_frame_future import key_frame_future
from forecast.prediction.predictor import Predictor, predict, world_forecast
from forecast.scoring.dataset_join import read_for_dataset

VERSION, SPLIT = "v1.0-mini", "mini_val"


@pytest.fixture(scope="module")
def kept(town: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model's forecasts of the split in every form."""
    folder = tmp_path_factory.mktemp("kept")
    for ending in ("json", "parquet", "csv"):
        assert main(["predict", "--checkpoint", "town", *town.arguments, "--out", str(folder / f"f.{ending}")]) == 0
    return folder


def metrics(path: Path, *arguments: str) -> dict[str, Any]:
    out = path.with_suffix(".report.json")
    assert main(["score", str(path), *arguments, "--out", str(out)]) == 0
    report: dict[str, Any] = json.loads(out.read_text())
    return report["metrics"]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_rows_score_as_the_submission_does_and_have_a_likelihood(town: Any, kept: Path, ending: str) -> None:
    plain = metrics(kept / "f.json", *town.arguments)
    rows = metrics(kept / f"f.{ending}", *town.arguments)
    for name, figure in plain.items():
        assert rows[name]["count"] == figure["count"]
        if figure["value"] is not None:
            assert rows[name]["value"] == pytest.approx(figure["value"], abs=1e-9), name
    assert {"nll_nats", "ade_f_m", "fde_f_m"} <= rows.keys() - plain.keys()


def test_the_likelihood_is_that_of_the_model_itself(town: Any, kept: Path) -> None:
    predictor = Predictor.load("town")
    data = AgentDataset.of(town.dataset, town.dataset.samples(SPLIT))
    batch = data.batch(range(len(data)))
    add_crops = crop_adder(town.dataset, predictor.model.config.crop)
    forecast = world_forecast(predictor, batch, add_crops)
    future = torch.from_numpy(key_frame_future(town.dataset.tracks, data.samples.rows, 12))
    known = future.isfinite().all(-1)
    expected = joint_nll(forecast, future.nan_to_num(), known)[known.any(1)].mean().item()
    assert metrics(kept / "f.parquet", *town.arguments)["nll_nats"]["value"] == pytest.approx(expected, rel=1e-6)


def test_rows_are_on_the_clock_of_the_key_frames(town: Any, kept: Path, tmp_path: Path) -> None:
    """So that they score on rows of truth, too."""
    assert main(["prepare", *town.arguments[:4], "--truth", str(tmp_path / "truth.parquet")]) == 0
    on_rows = metrics(kept / "f.parquet", "--truth", str(tmp_path / "truth.parquet"))
    on_data = metrics(kept / "f.parquet", *town.arguments)
    for name in ("min_ade_1", "min_fde_5", "nll_nats"):
        assert on_rows[name]["count"] == on_data[name]["count"]
        assert on_rows[name]["value"] == pytest.approx(on_data[name]["value"], rel=1e-6)


def test_what_predict_gives_is_what_the_file_holds(town: Any, kept: Path) -> None:
    given = predict("town", town.root, VERSION, SPLIT)
    found = read_for_dataset(kept / "f.parquet", town.dataset)
    assert found.track.tolist() == given.track.tolist()
    assert found.sample_tokens.tolist() == given.sample_tokens.tolist()
    assert found.covariances_m2 is not None
    assert given.covariances_m2 is not None
    for one, other in (
        (found.positions_m, given.positions_m),
        (found.probabilities, given.probabilities),
        (found.covariances_m2, given.covariances_m2),
    ):
        assert np.array_equal(one, other, equal_nan=True)
    assert np.array_equal(given.covariances_m2, given.covariances_m2.swapaxes(-1, -2))
    assert read_submission(kept / "f.json").covariances_m2 is None


def test_absent_modes_and_samples_come_back(town: Any, tmp_path: Path) -> None:
    given = town.forecasts(modes=4)
    given.positions_m[::2, 3], given.probabilities[::2, 3] = np.nan, np.nan
    given = replace(given, samples_m=given.positions_m[:, :2] + 1.0)
    write_forecasts(tmp_path / "f.parquet", given)
    found = read_for_dataset(tmp_path / "f.parquet", town.dataset)
    assert found.samples_m is not None
    assert given.samples_m is not None
    assert np.array_equal(found.positions_m, given.positions_m, equal_nan=True)
    assert np.array_equal(found.samples_m, given.samples_m)
    assert "ade_f_m" in metrics(tmp_path / "f.parquet", *town.arguments)


@pytest.mark.parametrize("form", ["json", "parquet", "csv"])
def test_baselines_in_every_form(town: Any, tmp_path: Path, form: str) -> None:
    assert main(["baselines", *town.arguments, "--out", str(tmp_path), "--format", form]) == 0
    found = {path.name for path in tmp_path.iterdir()}
    assert f"constant_velocity_heading.{form}" in found
    assert len(found) == 5
    assert metrics(tmp_path / f"physics_oracle.{form}", *town.arguments, "--allow-missing")["min_ade_1"]["count"]


def test_another_ending_is_refused_before_any_work(refused: Callable[[list[str]], str], tmp_path: Path) -> None:
    nowhere = ["--dataroot", "/nowhere", "--version", VERSION, "--split", SPLIT]
    for name in ("f.txt", "f", "f.json.gz"):
        said = refused(["predict", "--checkpoint", "nothing", *nowhere, "--out", str(tmp_path / name)])
        assert "expected a name that ends in .json" in said
        assert ".parquet or .csv" in said


def test_names_that_lie_about_the_form_are_refused(town: Any, tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match=r"f\.parquet: a submission is JSON"):
        write_submission(tmp_path / "f.parquet", town.forecasts())
    with pytest.raises(SubmissionError, match=r"f\.xlsx: a file of rows ends in \.parquet or \.csv; found '\.xlsx'"):
        write_forecasts(tmp_path / "f.xlsx", town.forecasts())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: replace(rows, lead_s=rows.lead_s / 5), r"leads of 0\.1 to 1\.2 s, 12 of them"),
        (
            lambda rows: replace(rows, issue_time_s=rows.issue_time_s + 0.2),
            "was not seen at issue_time_s .* nearest is",
        ),
        (lambda rows: replace(rows, issue_time_s=rows.issue_time_s - rows.issue_time_s[0]), "was not seen at"),
        (lambda rows: replace(rows, track=np.char.add("x", rows.track)), "row 0: no annotated instance 'x"),
        (
            lambda rows: replace(rows, positions_m=np.where(np.arange(12)[:, None] > 8, np.nan, rows.positions_m)),
            "finite",
        ),
    ],
)
def test_rows_that_are_not_of_the_data_set(town: Any, tmp_path: Path, change: Any, said: str) -> None:
    write_forecasts(tmp_path / "f.parquet", town.forecasts())
    write_forecasts(tmp_path / "g.parquet", change(read_forecasts(tmp_path / "f.parquet")))
    with pytest.raises(SubmissionError, match=said) as caught:
        read_for_dataset(tmp_path / "g.parquet", town.dataset)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "g.parquet") in str(caught.value)


def test_two_forecasts_of_one_key_frame(town: Any, tmp_path: Path) -> None:
    rows = read_rows(town, tmp_path)
    again = replace(rows, issue_time_s=rows.issue_time_s + 0.01)
    write_forecasts(tmp_path / "g.parquet", [rows, again])
    with pytest.raises(SubmissionError, match="2 entries for"):
        read_for_dataset(tmp_path / "g.parquet", town.dataset)


def read_rows(town: Any, folder: Path) -> Any:
    given: ForecastRows = town.forecasts()
    write_forecasts(folder / "f.parquet", given)
    return read_forecasts(folder / "f.parquet")
