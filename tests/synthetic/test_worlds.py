"""Synthetic worlds as folders: equal bytes, truths that come true, names and refusals."""

from __future__ import annotations

import filecmp
import json
from pathlib import Path

import numpy as np
import pytest

from forecast.core.errors import ConfigError, DataError
from forecast.data.synthetic.junctions import Truth
from forecast.data.synthetic.scene_names import scene_names
from forecast.data.synthetic.town_writer import write_town


@pytest.mark.parametrize(
    ("world", "version", "scenes", "workers"),
    [("town", "v1.0-mini", 4, 2), ("junction", "v1.0-mini", 4, 2), ("town", "v1.0-trainval", 6, 3)],
)
def test_equal_seeds_give_equal_bytes(tmp_path: Path, world: str, version: str, scenes: int, workers: int) -> None:
    for name, count in (("one", 1), ("two", workers)):
        out = tmp_path / name
        write_town(out, scenes=scenes, seed=9, version=version, world=world, workers=count, samples_per_scene=4)
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.suffix in (".json", ".png")]
    assert len(files) == 13 + 4 + 4 + 2
    assert filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", files, shallow=False)[0] == files
    if world == "junction":
        one, two = (Truth.read(tmp_path / name / "truth.npz") for name in ("one", "two"))
        np.testing.assert_array_equal(one.means_m, two.means_m)


def test_junction_truth_describes_the_tables(tmp_path: Path) -> None:
    write_town(tmp_path / "j", scenes=4, seed=1, world="junction", samples_per_scene=20)
    truth = Truth.read(tmp_path / "j" / "truth.npz")
    listed = json.loads((tmp_path / "j/maps/prediction/prediction_scenes.json").read_text())
    assert sorted(truth.tokens) == sorted(token for scene in listed.values() for token in scene)
    tables = tmp_path / "j" / "v1.0-mini"
    samples = {s["token"]: s["timestamp"] for s in json.loads((tables / "sample.json").read_text())}
    tracks: dict[str, list[tuple[int, list[float]]]] = {}
    for row in json.loads((tables / "sample_annotation.json").read_text()):
        place = samples[row["sample_token"]], row["translation"][:2]
        tracks.setdefault(row["instance_token"], []).append(place)
    residuals, pasts = [], {}
    for i, entry in enumerate(truth.tokens):
        instance, sample = entry.split("_")
        track = sorted(tracks[instance])
        now = [time for time, _ in track].index(samples[sample])
        x, y, heading = truth.pose_world[i]
        turn = np.array([[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]])
        local = (np.array([p for _, p in track]) - [x, y]) @ turn
        residuals.append((local[now + 1 :] - truth.means_m[i, truth.outcome[i]]) / truth.noise_m[:, None])
        if truth.blind_class[i] >= 0:
            pasts.setdefault(int(truth.blind_class[i]), []).append(local[: now + 1])
    assert np.std(residuals) == pytest.approx(1.0, abs=0.06)
    for same in pasts.values():
        # The same history, whatever the map, the neighbours and the future hold.
        assert np.ptp(np.stack(same), axis=0).max() < 1e-3


def test_names_and_refusals(tmp_path: Path) -> None:
    assert len(scene_names("v1.0-mini", 10)) == 10
    assert {"scene-0061", "scene-0103"} == set(scene_names("v1.0-mini", 2))
    assert len(set(scene_names("v1.0-trainval", 850))) == 850
    with pytest.raises(ConfigError, match=r"v1\.0-trainval has names for up to 850"):
        scene_names("v1.0-mini", 11)
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(DataError, match=r"holds no town\.json"):
        write_town(tmp_path)
    with pytest.raises(ConfigError, match="share maps"):
        write_town(tmp_path / "new", world="junction", shares={"maps": 1.0})
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
