"""The forecaster: what ``forecast predict`` says, whoever asks, however often, whatever is missing."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from forecast.core.errors import CheckpointError, ConfigError, DataError, SceneError
from forecast.core.tracks import Tracks
from forecast.data.agent_batches import agent_batch
from forecast.data.maps.raster_file import save_raster
from forecast.data.maps.sources import PolygonMap
from forecast.model.cvae import CVAE
from forecast.model.cvae_config import CVAEConfig
from forecast.prediction.forecaster import Forecaster
from forecast.prediction.predictor import Predictor, predict
from forecast.prediction.resample import Silence
from forecast.prediction.scene import AgentTrack, Scene
from forecast.prediction.stream import Observation

Traffic = Callable[..., Scene]
VERSION = "v1.0-mini"


def scene_at(tracks: Tracks, sample: int) -> Scene:
    """All that a log says up to one key frame."""
    scene = tracks.sample_scene[sample]
    rows = np.flatnonzero((tracks.sample_scene[tracks.row_sample] == scene) & (tracks.row_sample <= sample))
    track, agent = np.unique(tracks.row_track[rows], return_inverse=True)
    return Scene(
        time_s=tracks.sample_time_us[sample] * 1e-6,
        agent_ids=tracks.track_tokens[track].tolist(),
        agent_types=tracks.track_types[track],
        size_m=tracks.row_size_m[tracks.first_row[track]],
        row_agent=agent,
        row_time_s=tracks.row_time_us[rows] * 1e-6,
        row_pose_world=np.c_[tracks.row_position_m[rows], tracks.row_heading_rad[rows]],
        map_name=str(tracks.scene_maps[scene]),
    )


@pytest.mark.parametrize("world", ["town", "nuscenes"], indirect=True)
def test_it_says_what_forecast_predict_says(world, weights: Path) -> None:
    data, split = world.dataset, "mini_val"
    said = predict(weights, world.root, VERSION, split, dense=True)
    place = {key: n for n, key in enumerate(zip(said.track, said.sample_tokens, strict=True))}
    forecaster = Forecaster.load(weights, {name: data.load_map(name) for name in data.map_names})
    tokens = data.tracks.sample_tokens
    checked = 0
    # Every third key frame: its scenes are long enough for every length of past, and gaps.
    for sample in np.flatnonzero(np.isin(tokens, said.sample_tokens)).tolist()[::3]:
        answer = forecaster.forecast(scene_at(data.tracks, sample))
        for agent, agent_id in enumerate(answer.agent_ids):
            row = place.get((agent_id, tokens[sample]))
            if row is not None:
                np.testing.assert_allclose(answer.positions_m[agent], said.positions_m[row], rtol=0, atol=1e-4)
                np.testing.assert_allclose(answer.probabilities[agent], said.probabilities[row], rtol=0, atol=1e-5)
                checked += 1
    assert checked > 100


@pytest.mark.parametrize("world", ["town", "nuscenes"], indirect=True)
def test_it_reads_what_the_data_set_says_bit_by_bit(world, weights: Path) -> None:
    # The clock of a scene starts elsewhere than the data set's: rates must not depend on it.
    data = world.dataset
    tracks, columns = data.tracks, data.columns
    forecaster = Forecaster.load(weights, {name: data.load_map(name) for name in data.map_names})
    compared = 0
    for sample in range(5, len(tracks.sample_tokens), 19):
        rows = columns.sample_rows[columns.sample_first[sample] : columns.sample_first[sample + 1]].astype(np.int64)
        told = agent_batch(data, rows, forecaster.config.horizon, forecaster.neighbour_rule)
        scene = scene_at(tracks, sample)
        (batch,) = forecaster.batches(scene, tracks.track_tokens[columns.row_track[rows]].tolist())
        np.testing.assert_array_equal(batch.history, told.history)
        np.testing.assert_array_equal(batch.history_valid, told.history_valid)
        compared += len(rows)
    assert compared > 100


def test_shapes_frames_and_what_belongs_together(forecaster: Forecaster, traffic: Traffic) -> None:
    scene = traffic(7)
    answer = forecaster.forecast(scene)
    assert answer.agent_ids == scene.agent_ids
    assert answer.positions_m.shape == (7, 5, 12, 2)
    assert answer.positions_m.dtype == answer.covariances_m2.dtype == np.float64
    np.testing.assert_allclose(answer.lead_s, 0.5 * np.arange(1, 13))
    np.testing.assert_allclose(answer.probabilities.sum(1), 1, atol=1e-6)
    assert (answer.most_likely == answer.probabilities.argmax(1)).all()
    assert (np.linalg.eigvalsh(answer.covariances_m2) > 0).all()
    now = scene.row_pose_world[np.flatnonzero(scene.row_time_s == scene.time_s)]
    np.testing.assert_array_equal(answer.pose_world, now)
    assert (answer.silent_s == 0).all()


def test_the_whole_world_moved_and_turned_moves_and_turns_the_answer(weights: Path, traffic: Traffic) -> None:
    forecaster = Forecaster.load(weights)
    scene = traffic(6, map_name=None)
    turn, shift = 1.1, np.array([3e4, -2e4])
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.array([[cos, -sin], [sin, cos]])
    moved = replace(
        scene,
        row_pose_world=np.c_[scene.row_pose_world[:, :2] @ rotation.T + shift, scene.row_pose_world[:, 2] + turn],
    )
    one, other = forecaster.forecast(scene), forecaster.forecast(moved)
    np.testing.assert_allclose(other.positions_m, one.positions_m @ rotation.T + shift, atol=2e-3)
    np.testing.assert_allclose(other.covariances_m2, rotation @ one.covariances_m2 @ rotation.T, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(other.headings_rad, one.headings_rad + turn, atol=1e-4)


def test_nothing_after_now_is_read(forecaster: Forecaster, traffic: Traffic, equal) -> None:
    scene = traffic(9, rate_hz=10)
    later = scene.row_time_s + 0.07
    both = replace(
        scene,
        row_agent=np.r_[scene.row_agent, scene.row_agent],
        row_time_s=np.r_[scene.row_time_s, np.where(later > scene.time_s, later, scene.time_s + 1)],
        row_pose_world=np.r_[scene.row_pose_world, scene.row_pose_world + 5],
    )
    assert equal(forecaster.forecast(scene), forecaster.forecast(both))


def test_the_order_of_observations_does_not_matter(forecaster: Forecaster, traffic: Traffic, equal) -> None:
    scene = traffic(9, rate_hz=5)
    order = np.random.default_rng(1).permutation(len(scene.row_agent))
    shuffled = replace(
        scene,
        row_agent=scene.row_agent[order],
        row_time_s=scene.row_time_s[order],
        row_pose_world=scene.row_pose_world[order],
    )
    assert equal(forecaster.forecast(scene), forecaster.forecast(shuffled))


def test_neighbours_and_map_matter(forecaster: Forecaster, traffic: Traffic) -> None:
    scene = traffic(12, spread_m=15)
    whole = forecaster.forecast(scene, agents=["a3"])
    alone = forecaster.forecast(Scene.of(scene.time_s, [_track(scene, 3)], scene.map_name))
    blank = forecaster.forecast(replace(scene, map_name=None), agents=["a3"])
    assert whole.agent_ids == ("a3",)
    assert not np.allclose(whole.probabilities, alone.probabilities, atol=1e-4)
    assert not np.allclose(whole.probabilities, blank.probabilities, atol=1e-4)


def _track(scene: Scene, agent: int) -> AgentTrack:
    rows = scene.row_agent == agent
    return AgentTrack(
        scene.agent_ids[agent], int(scene.agent_types[agent]), scene.row_time_s[rows], scene.row_pose_world[rows]
    )


def test_nobody_at_all(forecaster: Forecaster) -> None:
    answer = forecaster.forecast(Scene.of(3.0, [], "crossroads"))
    assert len(answer) == 0
    assert answer.positions_m.shape == (0, 5, 12, 2)
    assert answer.covariances_m2.shape == (0, 5, 12, 2, 2)
    assert answer.overlap_rate() == 0.0


def test_an_agent_seen_once_is_forecast_as_standing_in_its_inputs(forecaster: Forecaster) -> None:
    scene = Scene.of(7.0, [AgentTrack("new", "vehicle", 7.0, (100, 200, 0.5))], "crossroads")
    (batch,) = forecaster.batches(scene)
    assert batch.history_valid.tolist() == [[False] * 4 + [True]]
    assert not batch.history.any()
    assert np.isfinite(forecaster.forecast(scene).positions_m).all()


def test_an_agent_off_the_map_sees_none(forecaster: Forecaster) -> None:
    for name in ("crossroads", None):
        scene = Scene.of(7.0, [AgentTrack("far", "vehicle", 7.0, (9e5, -9e5, 0.5))], name)
        (batch,) = forecaster.batches(scene)
        assert batch.crop is not None
        assert not batch.crop.any()
        assert np.isfinite(forecaster.forecast(scene).positions_m).all()


def test_silent_agents_are_forecast_for_a_while_and_shown_to_others_as_set(weights: Path) -> None:
    def scene_of(silent_since: float) -> Scene:
        times = np.arange(0, 4.01, 0.5)
        seen = AgentTrack("seen", "vehicle", times, np.c_[5 * times, 0 * times, 0 * times])
        before = times[times <= 4 - silent_since]
        return Scene.of(
            4.0, [seen, AgentTrack("gone", "vehicle", before, np.c_[5 * before, 0 * before + 4, 0 * before])]
        )

    forecaster = Forecaster.load(weights)
    answer = forecaster.forecast(scene_of(0.5))
    assert answer.agent_ids == ("seen", "gone")
    np.testing.assert_allclose(answer.silent_s, [0, 0.5], atol=1e-6)
    np.testing.assert_allclose(answer.pose_world[1], [20, 4, 0], atol=1e-9)
    assert forecaster.forecast(scene_of(1.5)).unanswered == ("gone",)
    (batch,) = forecaster.batches(scene_of(0.5))
    assert [(row >= 0).sum().item() for row in batch.neighbour_types] == [0, 1]
    shows = Forecaster.load(weights, silence=Silence(hold_s=2.0, shown_s=2.0))
    (batch,) = shows.batches(scene_of(1.5))
    assert [(row >= 0).sum().item() for row in batch.neighbour_types] == [1, 1]


def test_who_was_never_seen_by_now_is_named(forecaster: Forecaster) -> None:
    tracks = [AgentTrack("later", "vehicle", 9.0, (0, 0, 0)), AgentTrack("never", "vehicle", [], np.empty((0, 3)))]
    answer = forecaster.forecast(Scene.of(7.0, tracks))
    assert answer.unanswered == ("later", "never")


@pytest.mark.parametrize("agents", [1, 64, 500])
def test_scenes_of_any_size_agree_with_their_parts(forecaster: Forecaster, traffic: Traffic, agents: int) -> None:
    scene = traffic(agents, spread_m=10 * agents**0.5)
    whole = forecaster.forecast(scene)
    assert len(whole) == agents
    some = scene.agent_ids[:: max(1, agents // 5)]
    parts = forecaster.forecast(scene, agents=some)
    index = [scene.agent_ids.index(name) for name in some]
    np.testing.assert_allclose(parts.positions_m, whole.positions_m[index], rtol=0, atol=1e-4)


def test_ten_thousand_agents_are_answered(weights: Path) -> None:
    random = np.random.default_rng(0)
    place = random.uniform(0, 3000, (10_000, 2))
    agent = np.repeat(np.arange(10_000), 2)
    time = np.tile([0.0, 0.5], 10_000)
    pose = np.c_[place[agent] + time[:, None] * (3, 0), np.zeros(20_000)]
    sizes = np.ones((10_000, 2))
    scene = Scene(0.5, range(10_000), np.zeros(10_000, int), sizes, agent, time, pose)
    answer = Forecaster.load(weights).forecast(scene)
    assert answer.positions_m.shape == (10_000, 5, 12, 2)
    assert np.isfinite(answer.positions_m).all()


def test_threads_get_what_one_gets(forecaster: Forecaster, traffic: Traffic, equal) -> None:
    scenes = [traffic(5 + n, seed=n, rate_hz=(2, 10)[n % 2]) for n in range(12)]
    alone = [forecaster.forecast(scene) for scene in scenes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(forecaster.forecast, scenes * 4))
    assert all(equal(answer, alone[n % 12]) for n, answer in enumerate(together))


def test_an_unknown_map_an_unknown_agent_and_nan_are_one_line_each_and_the_loop_goes_on(
    forecaster: Forecaster, traffic: Traffic, equal
) -> None:
    scene = traffic(3)
    before = forecaster.forecast(scene)
    with pytest.raises(SceneError, match=r"no map 'cross': did you mean 'crossroads'") as unknown:
        forecaster.forecast(replace(scene, map_name="cross"))
    with pytest.raises(SceneError, match="no agent 'b7'"):
        forecaster.forecast(scene, agents=["b7"])
    pose = scene.row_pose_world.copy()
    pose[4, 1] = np.nan
    with pytest.raises(SceneError, match=r"observation 4, of agent 'a0', at .*nan.*expected finite") as nan:
        replace(scene, row_pose_world=pose)
    assert "\n" not in str(unknown.value) + str(nan.value)
    assert equal(before, forecaster.forecast(scene))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"time_s": float("nan")}, "time_s is nan"),
        ({"time_s": "now"}, "time_s: expected numbers"),
        ({"agent_ids": ("a", "a")}, "'a' is listed twice"),
        ({"agent_ids": (["a"], ["b"])}, "agent_ids: unhashable"),
        ({"row_time_s": [0.0, 1e300]}, "observation 1, of agent 'b'"),
        ({"agent_types": np.array([0, 9])}, "agent 'b': no type 9"),
        ({"agent_types": np.array([0.5, 1])}, "expected integers"),
        ({"size_m": np.array([[1.0, 1.0], [0.0, 1.0]])}, "agent 'b': size_m"),
        ({"size_m": np.ones((3, 2))}, r"size_m: expected shape \(2, 2\), found \(3, 2\)"),
        ({"row_agent": np.array([0, 2])}, "observation 1 is of agent number 2; there are 2"),
        ({"row_pose_world": [[0, 0], [1, 2]]}, "row_pose_world: expected shape"),
        ({"row_pose_world": [["x", 0, 0], [0, 0, 0]]}, "row_pose_world: expected numbers"),
        ({"row_pose_world": [[1e12, 0, 0], [0, 0, 0]]}, "expected finite"),
        ({"row_time_s": [0.0, np.inf]}, "expected finite"),
    ],
)
def test_a_scene_that_does_not_fit_together_is_refused(wrong: dict[str, object], message: str) -> None:
    sound = Scene.of(0.0, [AgentTrack("a", "vehicle", 0.0, (0, 0, 0)), AgentTrack("b", "cyclist", 0.0, (9, 0, 0))])
    with pytest.raises(SceneError, match=message) as caught:
        replace(sound, **wrong)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_an_unknown_type_by_name_is_refused() -> None:
    with pytest.raises(SceneError, match="agent 'a': no type 'car': known: cyclist, other, pedestrian, vehicle"):
        Scene.of(0.0, [AgentTrack("a", "car", 0.0, (0, 0, 0))])


def test_weights_that_are_not_there_or_damaged_are_refused_in_one_line(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(weights.read_bytes()[:-50])
    for given in (tmp_path / "cut.safetensors", tmp_path / "none.safetensors"):
        with pytest.raises(CheckpointError) as caught:
            Forecaster.load(given)
        assert "\n" not in str(caught.value)


def test_the_weights_that_come_with_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weights: Path) -> None:
    monkeypatch.setattr("forecast.prediction.checkpoint.resources.files", lambda package: tmp_path)
    with pytest.raises(CheckpointError, match=r"weights 'town': this installation comes without them"):
        Forecaster.load("town")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "town.safetensors").write_bytes(weights.read_bytes())
    assert Forecaster.load("town").config.answered_modes == 5


def test_a_map_of_no_known_form_is_refused(weights: Path) -> None:
    with pytest.raises(DataError, match="map 'm': expected the path of a baked raster or map file"):
        Forecaster.load(weights, {"m": 3})  # type: ignore[dict-item]


@pytest.mark.parametrize("device", ["gpu", "cuda:97"])
def test_a_device_that_is_not_there_is_refused_in_one_line(weights: Path, device: str) -> None:
    with pytest.raises(ConfigError, match=f"device '{device}': ") as caught:
        Forecaster.load(weights, device=device)
    with pytest.raises(ConfigError, match=f"device '{device}': "):
        Predictor.load(weights, device)
    assert "\n" not in str(caught.value)


def test_a_model_that_reads_neither_map_nor_neighbours_is_asked_the_same_way(traffic: Traffic) -> None:
    model = CVAE(CVAEConfig(uses_map=False, uses_neighbours=False, modes=3, decoder_size=8)).eval()
    blind = Forecaster(model.predict, model.config, {"crossroads": "no/such/file"})
    scene = traffic(5)
    answer = blind.forecast(scene)
    assert answer.positions_m.shape == (5, 3, 12, 2)
    alone = blind.forecast(Scene.of(scene.time_s, [_track(scene, 2)], "crossroads"))
    np.testing.assert_allclose(alone.positions_m[0], answer.positions_m[2], atol=1e-4)


def test_another_engine_answers_through_the_same_call(forecaster: Forecaster, traffic: Traffic, equal) -> None:
    class Counting:
        calls = 0

        def __call__(self, batch: object) -> object:
            self.calls += 1
            return forecaster.engine(batch)  # type: ignore[arg-type]

    engine = Counting()
    other = Forecaster(engine, forecaster.config)  # type: ignore[arg-type]
    scene = replace(traffic(4), map_name=None)
    assert equal(other.forecast(scene), forecaster.forecast(scene))
    assert engine.calls == 1


def _points(points: np.ndarray) -> np.ndarray:
    return np.stack([np.abs(points[:, 1] - 200) < 6] + [points[:, 0] > 1e9] * 2, 1).astype(float)


@pytest.fixture
def well_mapped(weights: Path, crossroads: PolygonMap, tmp_path: Path) -> Forecaster:
    """A forecaster with a map of each form."""
    forecaster = Forecaster.load(weights, {"polygons": crossroads, "function": _points})
    save_raster(tmp_path / "m.raster", crossroads, forecaster.config.crop)
    forecaster.maps.add("raster", tmp_path / "m.raster")
    return forecaster


@pytest.mark.parametrize("copied", [deepcopy, lambda forecaster: pickle.loads(pickle.dumps(forecaster))])
def test_a_copy_gives_the_same_answers_from_every_map(
    well_mapped: Forecaster, traffic: Traffic, equal, copied: Callable[[Forecaster], Forecaster]
) -> None:
    car = Observation("a", "vehicle", 1.0, (100, 200, 0), None, (5, 0))
    well_mapped.update([car], 1.0, "polygons")
    other = copied(well_mapped)
    assert other.maps.names == ("polygons", "function", "raster")
    for name in other.maps.names:
        scene = traffic(4, map_name=name)
        assert equal(other.forecast(scene), well_mapped.forecast(scene))
    assert equal(other.update([], 1.2), well_mapped.update([], 1.2))


def test_a_worker_that_is_spawned_gives_the_same_answers(forecaster: Forecaster, traffic: Traffic, equal) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        told = pool.submit(forecaster.forecast, traffic(4)).result()
    assert equal(told, forecaster.forecast(traffic(4)))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_memory_stays_flat_over_ten_thousand_cycles(forecaster: Forecaster, traffic: Traffic) -> None:
    grown = _growth(forecaster, traffic, 10_000)
    assert grown < 8e6


def test_memory_stays_flat(forecaster: Forecaster, traffic: Traffic) -> None:
    grown = _growth(forecaster, traffic, 300)
    assert grown < 8e6


def _growth(forecaster: Forecaster, traffic: Traffic, cycles: int) -> float:
    """Bytes by which the process has grown between a tenth of the cycles and the end."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("no /proc here: resident memory is not known")
    scenes = [traffic(n, seed=n) for n in (3, 8, 1, 5)]
    begin = 0
    for cycle in range(cycles):
        forecaster.forecast(scenes[cycle % 4])
        if cycle == cycles // 10:
            begin = int(statm.read_text().split()[1])
    return float(int(statm.read_text().split()[1]) - begin) * 4096


def test_the_answer_is_on_the_cpu_whatever_computes(forecaster: Forecaster, traffic: Traffic) -> None:
    assert isinstance(forecaster.forecast(traffic(2)).positions_m, np.ndarray)
    assert not torch.is_inference_mode_enabled()
