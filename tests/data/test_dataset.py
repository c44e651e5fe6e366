"""Batches against a plain loop over hand-written tracks; no input knows the future."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from forecast.core.agents import AgentType
from forecast.core.batch import AgentBatch
from forecast.core.errors import DataError
from forecast.core.horizon import Horizon
from forecast.data.dataset import AgentDataset, as_is
from forecast.data.windows import NeighbourRule

INPUTS = (
    "history",
    "history_valid",
    "target_type",
    "size_m",
    "neighbours",
    "neighbours_valid",
    "neighbour_types",
    "pose_world",
    "map_index",
)
EVERYONE = (AgentType.VEHICLE, AgentType.PEDESTRIAN, AgentType.CYCLIST)


def forecasts(root: Path, **options: Any) -> AgentDataset:
    return AgentDataset(root, "v1.0-mini", "mini_val", **{"dense": True, **options})


def sample_of(data: AgentDataset, token: str) -> AgentBatch:
    tokens = data.samples.tokens(data.dataset.tracks)
    return data[tokens.index(token)]


def inputs_equal(one: AgentBatch, other: AgentBatch) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in INPUTS)


def test_steady_agent_in_closed_form(traffic: Any) -> None:
    batch = sample_of(forecasts(traffic.write()), "steady_scene-0103/9")
    x0, y0, heading = 18.0, 0.81, 0.09
    assert batch.pose_world[0].tolist() == pytest.approx([x0, y0, heading], abs=1e-12)
    cos, sin = math.cos(-heading), math.sin(-heading)
    for row, k in enumerate(range(5, 10)):
        dx, dy = 2.0 * k - x0, 0.01 * k * k - y0
        vx, vy = 2.0 / 0.5, 0.01 * (2 * k - 1) / 0.5
        ax, ay = 0.0, 0.02 / 0.25
        turn = [cos * dx - sin * dy, sin * dx + cos * dy, cos * vx - sin * vy, sin * vx + cos * vy]
        expected = [*turn, cos * ax - sin * ay, sin * ax + cos * ay, 0.01 * (k - 9), 0.02]
        assert batch.history[0, row].tolist() == pytest.approx(expected, abs=2e-6)
    assert batch.history_valid.all()
    assert batch.future_valid[0].tolist() == [True] * 10 + [False] * 2
    assert (batch.future[0, 10:] == 0).all()
    assert batch.size_m.tolist() == [[4.0, 2.0]]


@pytest.mark.parametrize(
    ("token", "history", "future"),
    [
        ("late_scene-0103/9", [0, 0, 0, 1, 1], [1] * 10 + [0] * 2),
        ("vanishing_scene-0103/8", [1] * 5, [1] + [0] * 11),
        ("interrupted_scene-0103/8", [1, 1, 0, 0, 1], [1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0]),
        ("standing_scene-0103/1", [0, 0, 0, 1, 1], [1] * 12),
    ],
)
def test_only_what_was_seen_is_valid(traffic: Any, token: str, history: list[int], future: list[int]) -> None:
    batch = sample_of(forecasts(traffic.write()), token)
    assert batch.history_valid[0].int().tolist() == history
    assert batch.future_valid[0].int().tolist() == future
    assert (batch.history[0][~batch.history_valid[0]] == 0).all()


def test_first_observation_has_no_rates(traffic: Any) -> None:
    batch = sample_of(forecasts(traffic.write()), "late_scene-0103/9")
    assert (batch.history[0, 3, 2:6] == 0).all(), "nothing earlier to take a velocity from"
    assert batch.history[0, 4, 2] == pytest.approx(4.0)
    assert (batch.history[0, 4, 4:6] == 0).all(), "no earlier velocity to take an acceleration from"


def test_an_agent_seen_once_is_a_present_alone(traffic: Any) -> None:
    """The challenge may list one; it is nobody's dense target, because nothing says how it moves."""
    traffic.challenge["scene-0103"] = ["once_scene-0103/7"]
    root = traffic.write()
    batch = forecasts(root, dense=False)[0]
    assert batch.history_valid[0].tolist() == [False] * 4 + [True]
    assert (batch.history == 0).all()
    assert not batch.future_valid.any()
    assert batch.neighbours_valid.any()
    dense = forecasts(root)
    assert not any(token.startswith("once") for token in dense.samples.tokens(dense.dataset.tracks))


def test_a_standing_agent_stands(traffic: Any) -> None:
    batch = sample_of(forecasts(traffic.write()), "standing_scene-0103/9")
    assert batch.history_valid.all()
    assert batch.future_valid[0].sum() == 10
    assert (batch.history[0, :, :6] == 0).all()
    assert (batch.future == 0).all()


def test_a_gap_of_more_than_the_limit_gives_no_rate(hand_written: Any, straight_path: Any) -> None:
    hand_written.scene("scene-0103", 10)
    hand_written.agent("short", {k: p for k, p in straight_path(0, 9).items() if k not in (5, 6)})  # 1.5 s
    hand_written.agent("long", {k: p for k, p in straight_path(0, 9, y=5.0).items() if k not in (4, 5, 6)})  # 2 s
    data = forecasts(hand_written.write())
    assert sample_of(data, "short_scene-0103/7").history[0, -1, 2] == pytest.approx(4.0)
    assert sample_of(data, "long_scene-0103/7").history[0, -1, 2] == 0


def test_heading_differences_are_wrapped(traffic: Any) -> None:
    batch = sample_of(forecasts(traffic.write()), "standing_scene-0103/9")
    step = 2 * math.pi - 6.2
    assert batch.history[0, -1, 7].abs() == pytest.approx(step / 0.5, abs=1e-5)
    assert batch.history[0, :, 6].abs().max() == pytest.approx(step, abs=1e-5)


def test_real_time_stamps_count(hand_written: Any, straight_path: Any) -> None:
    hand_written.scene("scene-0103", 4, times_s=[0.0, 0.5, 0.9, 1.5])
    hand_written.agent("car", straight_path(0, 3))
    batch = sample_of(forecasts(hand_written.write()), "car_scene-0103/3")
    assert batch.history[0, 2:, 2].tolist() == pytest.approx([2 / 0.5, 2 / 0.4, 2 / 0.6], rel=1e-6)


def test_dense_targets(traffic: Any) -> None:
    root = traffic.write()
    names = {token.split("_")[0] for token in forecasts(root).samples.tokens(forecasts(root).dataset.tracks)}
    assert names == {"steady", "late", "vanishing", "interrupted", "standing"}
    counts = {kind: len(forecasts(root, types=(kind,))) for kind in EVERYONE}
    assert counts == {AgentType.VEHICLE: 19 + 11 + 9 + 16 + 19, AgentType.PEDESTRIAN: 19, AgentType.CYCLIST: 19}
    assert len(forecasts(root, types=(), ego=True)) == 19


def test_standing_targets_can_be_thinned(traffic: Any) -> None:
    dataset = forecasts(traffic.write()).dataset
    whole, tracks = dataset.samples("mini_val", dense=True), dataset.tracks
    stands = np.array([token.startswith("standing") for token in whole.tokens(tracks)])
    np.testing.assert_array_equal(dataset.samples("mini_val", dense=True, standing=0.0).rows, whole.rows[~stands])
    some = dataset.samples("mini_val", dense=True, standing=0.5)
    assert (~stands).sum() < len(some) < len(whole)
    assert set(some.rows) <= set(whole.rows)
    np.testing.assert_array_equal(some.rows, dataset.samples("mini_val", dense=True, standing=0.5).rows)


def test_challenge_keeps_the_lists_order(traffic: Any) -> None:
    data = forecasts(traffic.write(), dense=False)
    assert data.samples.tokens(data.dataset.tracks) == traffic.challenge["scene-0103"]


def test_ego_is_a_vehicle_ahead_of_its_rear_axle(traffic: Any) -> None:
    data = forecasts(traffic.write(), types=(), ego=True)
    batch = sample_of(data, "ego-scene-0103_scene-0103/9")
    assert batch.pose_world[0].tolist() == pytest.approx([22.5 + 1.385, 100.0, 0.0])
    length, width = batch.size_m[0].tolist()
    assert (length, width) == pytest.approx((2.588 + 0.839 + 0.657, 1.73)), "wheelbase and overhangs make the length"
    assert batch.history[0, -1, 2] == pytest.approx(5.0, abs=1e-5)
    assert batch.target_type.item() == AgentType.VEHICLE


def test_neighbours_by_a_plain_loop(traffic: Any) -> None:
    """Nearest first; all types within their radius; the barrier and the far ego are left out."""
    data = forecasts(traffic.write())
    batch = sample_of(data, "steady_scene-0103/7")
    where = {
        row["instance_token"]: row["translation"][:2]
        for row in traffic.tables["sample_annotation"]
        if row["sample_token"] == "scene-0103/7"
    }
    mine = where.pop("steady")
    reach = {"walker": 20.0, "barrier": 0.0}
    near = sorted(
        (math.dist(place, mine), name)
        for name, place in where.items()
        if math.dist(place, mine) < reach.get(name, 30.0)
    )
    found = batch.neighbours[0, :, -1, :2].norm(dim=-1)
    assert found.tolist() == pytest.approx([distance for distance, _ in near], abs=1e-5)
    kinds = {"walker": AgentType.PEDESTRIAN, "rider": AgentType.CYCLIST}
    assert batch.neighbour_types[0].tolist() == [kinds.get(name, AgentType.VEHICLE) for _, name in near]
    assert {"once", "walker", "rider", "standing"} <= {name for _, name in near}


def test_neighbour_rule(traffic: Any) -> None:
    root = traffic.write()
    capped = sample_of(forecasts(root, neighbour_rule=NeighbourRule(at_most=2)), "steady_scene-0103/7")
    whole = sample_of(forecasts(root), "steady_scene-0103/7")
    assert torch.equal(capped.neighbours, whole.neighbours[:, :2])
    with_objects = sample_of(forecasts(root, neighbour_rule=NeighbourRule(other_m=30.0)), "steady_scene-0103/7")
    assert (with_objects.neighbour_types == AgentType.OTHER).sum() == 1


def edit(root: Path, table: str, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    path = root / "v1.0-mini" / f"{table}.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def frame_of(token: str) -> int:
    """Of a sample or of anything that belongs to one: ``scene-0103/7/cal`` is of key frame 7."""
    return int(token.split("/")[1])


def change_future(root: Path, frame: int, how: str) -> None:
    """Change all that came after a key frame: move it and its time, delete the boxes, or the key frames altogether."""

    def later(row: dict[str, Any]) -> bool:
        return frame_of(row.get("sample_token", row.get("token", ""))) > frame

    def boxes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in filter(later, rows):
            row["translation"] = [value + 7.3 for value in row["translation"]]
            row["rotation"] = [0.6, 0.0, 0.0, 0.8]
            row["size"] = [9.0, 9.0, 9.0]
            row["attribute_tokens"] = []
        return [row for row in rows if how == "perturb" or not later(row)]

    def poses(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in filter(later, rows):
            row["translation"][1] -= 80.0
        return rows

    def samples(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in filter(later, rows):
            row["timestamp"] += 70_000
        return [row for row in rows if how != "truncate" or not later(row)]

    edit(root, "sample_annotation", boxes)
    edit(root, "ego_pose", poses)
    edit(root, "sample", samples)
    if how == "truncate":
        for table in ("sample_data", "ego_pose"):
            edit(root, table, lambda rows: [row for row in rows if not later(row)])


@pytest.mark.parametrize("frame", [1, 5, 8, 14])
@pytest.mark.parametrize("how", ["perturb", "delete", "truncate"])
def test_no_input_knows_the_future(traffic: Any, frame: int, how: str) -> None:
    root = traffic.write()
    options: dict[str, Any] = {"types": EVERYONE, "ego": True}
    before = forecasts(root, **options)
    tokens = [t for t in before.samples.tokens(before.dataset.tracks) if t.endswith(f"_scene-0103/{frame}")]
    assert len(tokens) >= 5
    expected = {token: sample_of(before, token) for token in tokens}
    (root / "maps" / "prediction" / "prediction_scenes.json").unlink()  # it lists samples that will not be there
    change_future(root, frame, how)
    after = forecasts(root, **options)
    assert after.dataset.fingerprint != before.dataset.fingerprint
    changed = 0
    for token, was in expected.items():
        now = sample_of(after, token)
        assert inputs_equal(now, was), token
        changed += not torch.equal(now.future, was.future)
    assert changed >= 4, "the change must have reached the truth, or this test shows nothing"


def test_attributes_of_any_time_are_no_input(traffic: Any) -> None:
    """Annotators see the whole clip: that a car is parked says what it will do."""
    root = traffic.write()
    options: dict[str, Any] = {"types": EVERYONE, "ego": True}
    before = forecasts(root, **options)
    was = before.batch(range(len(before)))

    def parked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row | {"attribute_tokens": []} for row in rows]

    edit(root, "sample_annotation", parked)
    edit(root, "attribute", lambda rows: [*rows, {"token": "parked", "name": "vehicle.parked"}])
    after = forecasts(root, **options)
    assert not np.array_equal(after.dataset.columns.row_attribute, before.dataset.columns.row_attribute)
    now = after.batch(range(len(after)))
    assert inputs_equal(now, was)
    assert torch.equal(now.future, was.future)


def test_inputs_are_all_that_a_batch_holds(traffic: Any) -> None:
    """A field that is added to the batch must be put to these tests, too."""
    named = set(forecasts(traffic.write())[0].tensors())
    assert named == {*INPUTS, "future", "future_valid"}


def test_the_past_does_matter(traffic: Any) -> None:
    root = traffic.write()
    was = sample_of(forecasts(root), "steady_scene-0103/9")
    change_future(root, 7, "perturb")
    assert not inputs_equal(sample_of(forecasts(root), "steady_scene-0103/9"), was)


def test_an_agent_does_not_depend_on_its_batch(traffic: Any) -> None:
    data = forecasts(traffic.write(), types=EVERYONE, ego=True)
    whole = data.batch(range(len(data)))
    order = np.random.default_rng(0).permutation(len(data))
    for part in np.array_split(order, 13):
        batch = data.batch(part)
        width = batch.neighbours.shape[1]
        index = torch.from_numpy(part)
        for name, tensor in batch.tensors().items():
            expected = whole.tensors()[name][index]
            if name.startswith("neighbour"):
                expected = expected[:, :width]
            assert torch.equal(tensor, expected), name
        assert batch.track_tokens == tuple(whole.track_tokens[i] for i in part)
        assert batch.sample_tokens == tuple(whole.sample_tokens[i] for i in part)


def test_empty_batch_and_lonely_agent(hand_written: Any, straight_path: Any) -> None:
    hand_written.scene("scene-0103", 3)
    hand_written.agent("car", straight_path(0, 2))
    data = forecasts(hand_written.write())
    assert len(data.batch([])) == 0
    assert data[0].neighbours.shape[1] == 0
    with pytest.raises(IndexError):
        data[len(data)]


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_give_whole_batches(traffic: Any, workers: int) -> None:
    data = forecasts(traffic.write())
    loader = DataLoader(data, batch_size=16, collate_fn=as_is, num_workers=workers)  # type: ignore[arg-type]
    tokens = [token for batch in loader for token in batch.track_tokens]
    assert tokens == data.samples.track_tokens(data.dataset.tracks)


def test_pickling_passes_the_place_on_not_the_arrays(traffic: Any) -> None:
    data = forecasts(traffic.write())
    pickled = pickle.dumps(data.dataset)
    assert len(pickled) < 2_000
    again = pickle.loads(pickled)
    assert np.array_equal(again.tracks.row_position_m, data.dataset.tracks.row_position_m)


def test_a_horizon_of_other_steps_is_refused(traffic: Any) -> None:
    with pytest.raises(DataError, match=r"0\.50 s apart.*0\.1 s"):
        forecasts(traffic.write(), horizon=Horizon(step_s=0.1))


def test_a_mask_is_not_taken_for_indices(traffic: Any) -> None:
    with pytest.raises(TypeError, match=r"expected indices, whole numbers, got bool; of a mask take np\.flatnonzero"):
        forecasts(traffic.write()).batch(np.array([True, False]))
