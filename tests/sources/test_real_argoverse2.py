"""The two real scenarios at ``ARGOVERSE2_DATAROOT``, against a reading of their files that shares no code with ours."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from forecast.cli.main import main
from forecast.core.agents import AgentType
from forecast.data.cache import Dataset, open_dataset
from forecast.data.dataset import AgentDataset


@pytest.fixture(scope="session")
def dataset(real_argoverse: Path) -> Dataset:
    return open_dataset(real_argoverse)


def rows_of(root: Path, scenario: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(next(root.glob(f"**/scenario_{scenario}.parquet"))).to_pylist()
    return found


def map_of(root: Path, scenario: str) -> dict[str, Any]:
    text = next(root.glob(f"**/log_map_archive_{scenario}.json")).read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def shoelace_m2(points: list[dict[str, float]]) -> float:
    pairs = zip(points, points[1:] + points[:1], strict=True)
    return abs(sum(a["x"] * b["y"] - b["x"] * a["y"] for a, b in pairs)) / 2


def test_every_row_that_is_kept_is_the_files(dataset: Dataset, real_argoverse: Path) -> None:
    tracks = dataset.tracks
    kept = 0
    for scenario in tracks.scene_names.tolist():
        for row in rows_of(real_argoverse, scenario):
            if row["timestep"] % 5 != 4:
                continue
            at = dataset.locate(f"{scenario}:{row['track_id']}", f"{scenario}:t{row['timestep']}")
            assert tracks.row_position_m[at].tolist() == [row["position_x"], row["position_y"]]
            assert tracks.row_heading_rad[at] == row["heading"]
            kept += 1
    assert kept == len(tracks.row_sample) > 800


def test_truth_is_every_row(dataset: Dataset, real_argoverse: Path) -> None:
    truth = dataset.truth()
    found = Counter(truth.track.tolist())
    for scenario in dataset.tracks.scene_names.tolist():
        rows = rows_of(real_argoverse, scenario)
        assert {f"{scenario}:{row['track_id']}" for row in rows} <= found.keys()
        assert sum(count for name, count in found.items() if name.startswith(scenario)) == len(rows)


def test_agents_that_are_asked_for(dataset: Dataset, real_argoverse: Path) -> None:
    focal, scored = dataset.samples("all"), dataset.samples("all_scored")
    expected_focal, expected_scored = [], set()
    for scenario in dataset.tracks.scene_names.tolist():
        rows = rows_of(real_argoverse, scenario)
        expected_focal.append(f"{scenario}:{rows[0]['focal_track_id']}")
        expected_scored |= {
            f"{scenario}:{row['track_id']}" for row in rows if row["object_category"] >= 2 and row["timestep"] == 49
        }
    assert focal.track_tokens(dataset.tracks) == expected_focal
    assert set(scored.track_tokens(dataset.tracks)) == expected_scored


def test_velocities_are_those_of_the_files_half_a_step_back(dataset: Dataset, real_argoverse: Path) -> None:
    """The files' own velocities are those of a smoother; a difference over 0.5 s lags behind by a quarter second."""
    tracks = dataset.tracks
    apart = []
    for scenario in tracks.scene_names.tolist():
        for row in rows_of(real_argoverse, scenario):
            # At both ends of a scenario the smoother draws positions together.
            if row["object_type"] == "vehicle" and row["timestep"] % 5 == 4 and 20 < row["timestep"] < 100:
                at = dataset.locate(f"{scenario}:{row['track_id']}", f"{scenario}:t{row['timestep']}")
                ours = dataset.columns.row_motion[at, :2]
                if np.isfinite(ours).all():
                    apart.append(math.hypot(*(ours - (row["velocity_x"], row["velocity_y"]))))
    assert len(apart) > 300
    assert np.median(apart) < 0.3
    assert tracks.track_types[tracks.track_tokens.tolist().index(f"{tracks.scene_names[0]}:AV")] == AgentType.VEHICLE


def test_layers_have_the_areas_and_counts_of_the_files(dataset: Dataset, real_argoverse: Path) -> None:
    for scenario in dataset.map_names:
        ours, theirs = dataset.load_map(scenario), map_of(real_argoverse, scenario)
        lanes = [lane for lane in theirs["lane_segments"].values() if lane["lane_type"] in ("VEHICLE", "BUS")]

        def area(layer: str, source: Any = ours) -> float:
            return float(shapely.area(source.geometries(layer)).sum())

        roads = sum(shoelace_m2(one["area_boundary"]) for one in theirs["drivable_areas"].values())
        assert area("drivable_area") == pytest.approx(roads, rel=1e-9)
        for layer, crossing in (("lane", False), ("lane_connector", True)):
            held = [lane for lane in lanes if lane["is_intersection"] == crossing]
            outline = [shoelace_m2(one["left_lane_boundary"] + one["right_lane_boundary"][::-1]) for one in held]
            assert len(ours.geometries(layer)) >= len(held) > 0
            assert area(layer) == pytest.approx(sum(outline), rel=1e-3)
        stripes = [
            max(shoelace_m2(one["edge1"] + one["edge2"]), shoelace_m2(one["edge1"] + one["edge2"][::-1]))
            for one in theirs["pedestrian_crossings"].values()
        ]
        assert area("ped_crossing") == pytest.approx(sum(stripes), rel=1e-9)
        assert len(ours.geometries("lane_centre")) == len(lanes)
        yellow = {
            frozenset((point["x"], point["y"]) for point in lane[f"{side}_lane_boundary"])
            for lane in theirs["lane_segments"].values()
            for side in ("left", "right")
            if "YELLOW" in lane[f"{side}_lane_mark_type"]
        }
        assert {frozenset(line.coords) for line in ours.geometries("road_divider")} == yellow


def test_lanes_lie_on_the_road_and_cars_drive_in_their_direction(dataset: Dataset) -> None:
    tracks = dataset.tracks
    speed_mps = np.hypot(*dataset.columns.row_motion[:, :2].T)
    for number, scenario in enumerate(dataset.map_names):
        ours = dataset.load_map(scenario)
        road = shapely.union_all(ours.geometries("drivable_area")).buffer(0.5)
        lanes = shapely.union_all(ours.geometries("lane"))
        assert lanes.intersection(road).area > 0.97 * lanes.area
        drives = (tracks.track_scene[tracks.row_track] == number) & (speed_mps > 3)
        drives &= tracks.track_types[tracks.row_track] == AgentType.VEHICLE
        centres = list(ours.geometries("lane_centre"))
        along = []
        for row in np.flatnonzero(drives):
            place = shapely.Point(tracks.row_position_m[row])
            near = [line for line in centres if line.distance(place) < 1.0]
            for line in near[:1]:
                at = line.project(place)
                one, other = line.interpolate(max(at - 0.5, 0)), line.interpolate(at + 0.5)
                lane_rad = math.atan2(other.y - one.y, other.x - one.x)
                along.append(math.cos(lane_rad - tracks.row_heading_rad[row]))
        assert len(along) > 20
        assert np.mean(np.array(along) > 0.7) > 0.8


def test_neighbours_and_futures(dataset: Dataset) -> None:
    batch = AgentDataset.of(dataset, dataset.samples("all_scored")).batch(range(5))
    assert batch.history_valid.all()
    assert batch.future_valid.all()
    assert batch.neighbours.shape[1] >= 3
    assert set(batch.target_type.tolist()) <= {0, 1, 2}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_command(real_argoverse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--dataroot", str(real_argoverse)]
    split = [*where, "--split", "all"]
    files = {name: str(tmp_path / name) for name in ("t.parquet", "f.parquet", "d.csv", "r.json", "s.json", "p.png")}
    assert main(["prepare", *where, "--truth", files["t.parquet"]]) == 0
    assert "argoverse2: 2 scenes on" in capsys.readouterr().out
    assert main(["predict", *split, "--checkpoint", "town", "--out", files["f.parquet"]]) == 0
    assert main(["predict", *split, "--dense", "--checkpoint", "town", "--out", files["d.csv"]]) == 0
    assert main(["baselines", *split, "--out", str(tmp_path / "base")]) == 0
    assert main(["score", files["f.parquet"], *split, "--out", files["r.json"]]) == 0
    report = json.loads(Path(files["r.json"]).read_text())
    assert report["metrics"]["off_road_rate"]["count"] == 2
    rows = ["--truth", files["t.parquet"], "--out", files["s.json"]]
    assert main(["score", files["f.parquet"], *rows]) == 0
    streams = json.loads(Path(files["s.json"]).read_text())
    for key in ("min_ade_1", "min_fde_1", "min_ade_5"):
        one, other = (found["metrics"][key]["value"] for found in (report, streams))
        assert one == pytest.approx(other, abs=1e-6), "the truth at 10 Hz is the same at the leads"
    dense = ["--population", "dense", "--minimum-leads", "2", "--out", str(tmp_path / "dense.json")]
    assert main(["score", files["d.csv"], *split, *dense]) == 0
    assert main(["draw", "town", *where, "--out", files["p.png"]]) == 0
    assert Path(files["p.png"]).stat().st_size > 10_000
    focal = "0a0a2bb7-c4f4-44cd-958a-9ee15cb34aca"
    sample = f"{focal}:89320_{focal}:t49"
    assert main(["inspect", *where, "--sample", sample, "--out", str(tmp_path / "seen.png")]) == 0


def test_a_submission_is_scored_as_the_rows_that_it_was_made_of(
    real_argoverse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--dataroot", str(real_argoverse), "--split", "all_scored"]
    assert main(["baselines", *data, "--out", str(tmp_path), "--format", "parquet"]) == 0
    rows, submission = tmp_path / "constant_velocity_heading.parquet", tmp_path / "submission.parquet"
    assert main(["convert", str(rows), str(submission), "--argoverse2"]) == 0
    found = []
    for file in (rows, submission):
        assert main(["score", str(file), *data, "--out", str(tmp_path / "report.json")]) == 0
        found.append(json.loads((tmp_path / "report.json").read_text())["metrics"])
    for name, one in found[0].items():
        assert found[1][name]["value"] == pytest.approx(one["value"], abs=1e-9), name
    assert main(["convert", str(submission), str(tmp_path / "again.parquet"), *data[:2]]) == 0
    capsys.readouterr()
