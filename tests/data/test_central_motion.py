"""Rates as published: what they read of the future, and that nobody can miss it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from forecast.core.errors import ConfigError, SubmissionError
from forecast.core.rows import ForecastRows
from forecast.data.central_motion import central_motion
from forecast.data.dataset import AgentDataset
from forecast.eval.forecasts import read_forecasts, write_forecasts
from forecast.eval.formats.submission_json import write_submission
from forecast.model.network_registry import make_network
from forecast.model.query.query_config import QueryConfig
from forecast.prediction.checkpoint import save_checkpoint
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.predictor import predict
from forecast.scoring.dataset_scores import score_submission
from tests.data.test_dataset import change_future, forecasts, sample_of


def test_rates_of_a_parabola_are_exact_within_it(traffic: Any) -> None:
    tracks = forecasts(traffic.write()).dataset.tracks
    motion = central_motion(tracks)
    track = tracks.track_tokens.tolist().index("steady")
    rows = slice(tracks.first_row[track], tracks.first_row[track + 1])
    k = np.arange(rows.stop - rows.start)
    # x = 2 k, y = 0.01 k², half a second a step.
    np.testing.assert_allclose(motion[rows, 0], 4.0)
    np.testing.assert_allclose(motion[rows, 1][1:-1], 0.04 * k[1:-1])
    np.testing.assert_allclose(motion[rows, 3][2:-2], 0.08)
    np.testing.assert_allclose(motion[rows, 1][0], 0.02)


def test_a_track_that_was_seen_once_has_no_rates_and_a_gap_ends_a_run(hand_written: Any, straight_path: Any) -> None:
    hand_written.scene("scene-0103", 12)
    hand_written.agent("once", {3: (0.0, 0.0, 0.0)})
    hand_written.agent("gap", {k: (float(k), 0.0, 0.0) for k in (0, 1, 2, 8, 9)})
    tracks = forecasts(hand_written.write()).dataset.tracks
    motion = central_motion(tracks)
    names = tracks.track_tokens[tracks.row_track]
    assert np.isnan(motion[names == "once"]).all()
    np.testing.assert_allclose(motion[names == "gap", 0], 2.0)


@pytest.mark.parametrize(("last", "changes"), [(9, True), (10, True), (11, False)])
def test_a_second_of_the_future_is_in_the_input_and_no_more(traffic: Any, last: int, changes: bool) -> None:
    root = traffic.write()
    was = {
        kind: sample_of(forecasts(root, features=kind), "steady_scene-0103/9") for kind in ("causal", "as_published")
    }
    change_future(root, last, "perturb")
    now = {kind: sample_of(forecasts(root, features=kind), "steady_scene-0103/9") for kind in was}
    assert torch.equal(now["causal"].history, was["causal"].history)
    assert torch.equal(now["as_published"].history, was["as_published"].history) != changes
    assert torch.equal(now["as_published"].history[..., :2], was["as_published"].history[..., :2])


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    config = QueryConfig(uses_map=False, uses_neighbours=False, size=16, features="as_published")
    save_checkpoint(tmp_path / "leaky.safetensors", make_network(config), {})
    return tmp_path / "leaky.safetensors"


def test_every_report_says_so_and_no_file_leaves_it_out(traffic: Any, weights: Path, tmp_path: Path) -> None:
    root = traffic.write()
    found = predict(weights, root, "v1.0-mini", "mini_val", dense=True)
    for name in ("forecasts.json", "forecasts.csv"):
        with pytest.raises(SubmissionError, match=r"not written: only nested \.parquet has a place .* not causal: "):
            write_forecasts(tmp_path / name, found)
        assert not (tmp_path / name).exists()
    with pytest.raises(SubmissionError, match="not causal: "):
        write_submission(tmp_path / "forecasts.json", found)
    file = tmp_path / "forecasts.parquet"
    write_forecasts(file, found)
    assert read_forecasts(file).remark == found.remark
    dataset = AgentDataset(root, "v1.0-mini", "mini_val").dataset
    report = score_submission(file, dataset, "mini_val", allow_missing=True, population="dense")
    [line] = [line for line in report.scores[0].warnings if line.startswith("not causal: ")]
    assert "up to 1 s of the future" in line


def test_causal_forecasts_have_no_remark(traffic: Any) -> None:
    assert QueryConfig().remark == ""
    assert isinstance(ForecastRows(["a"], [0.0], [1.0], np.zeros((1, 1, 1, 2)), [[1.0]]).remark, str)


def test_nothing_live_is_forecast_with_it(weights: Path) -> None:
    with pytest.raises(ConfigError, match="read up to 1 s of the future, which a live scene does not have"):
        Forecaster.load(weights)
