"""The product's accuracy metrics against the devkit's ``compute_metrics``, over many random submissions.

The devkit's own helper, metrics and aggregation are used, on a town and on real data; submissions go through files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecast.core.rows import ForecastRows
from forecast.eval.displacement import displacements
from forecast.eval.formats.submission_json import read_submission, write_submission
from forecast.prediction.key_frame_future import key_frame_future
from forecast.prediction.physics import physics_forecasts
from forecast.scoring.dataset_join import join
from forecast.scoring.road_rules import Road, road_of

KS = list(range(1, 26))
SPLIT = "mini_val"
WORLDS = pytest.mark.parametrize("world", ["town", "nuscenes"], indirect=True)


@pytest.fixture(scope="module")
def helper_of() -> Any:
    """The devkit's helper for a data root, made once."""
    from nuscenes import NuScenes
    from nuscenes.prediction import PredictHelper

    made: dict[Path, Any] = {}

    def get(world: Any) -> Any:
        if world.root not in made:
            made[world.root] = PredictHelper(NuScenes("v1.0-mini", str(world.root), verbose=False))
        return made[world.root]

    return get


def random_submission(world: Any, seed: int, *, agents: int = 4, off_m: float = 4.0, modes: int | None = None) -> Any:
    """Some agents of the split, each with 1 to 25 modes up to ``off_m`` beside what it did; no ties in probability."""
    random = np.random.default_rng(seed)
    tracks, samples = world.dataset.tracks, world.dataset.samples(SPLIT)
    chosen = random.choice(len(samples), agents, replace=False)
    truth = key_frame_future(tracks, samples.rows[chosen], 12)
    count = np.full(agents, modes) if modes else random.integers(1, 26, agents)
    aside = random.uniform(0, off_m, (agents, count.max(), 1)) * np.linspace(0.1, 1, 12)
    turn = random.uniform(0, 6.3, (agents, count.max(), 1))
    positions = truth[:, None] + np.stack([aside * np.cos(turn), aside * np.sin(turn)], -1)
    positions += random.normal(0, 0.03, positions.shape)
    probabilities = random.dirichlet(np.ones(count.max()), agents)
    absent = np.arange(count.max()) >= count[:, None]
    positions[absent], probabilities[absent] = np.nan, np.nan
    probabilities /= np.nansum(probabilities, -1, keepdims=True)
    tokens = np.array([token.split("_") for token in samples.tokens(tracks)])[chosen]
    return ForecastRows.at_key_frames(tokens[:, 0], tokens[:, 1], positions, probabilities)


def by_devkit(path: Path, helper: Any) -> dict[str, list[float]]:
    from nuscenes.eval.prediction.compute_metrics import compute_metrics
    from nuscenes.eval.prediction.config import PredictionConfig
    from nuscenes.eval.prediction.metrics import MinADEK, MinFDEK, MissRateTopK, RowMean

    mean = [RowMean()]
    config = PredictionConfig([MinADEK(KS, mean), MinFDEK(KS, mean), MissRateTopK(KS, mean)], seconds=6)
    return {
        name: found["RowMean"] for name, found in compute_metrics(json.loads(path.read_text()), helper, config).items()
    }


def by_us(path: Path, world: Any) -> dict[str, list[float]]:
    joined = join(read_submission(path), world.dataset, SPLIT, str(path), allow_missing=True)
    found = displacements(joined.forecasts.positions_m, joined.forecasts.probabilities, joined.future_m)
    metrics = {"MinADEK": found.min_ade_k, "MinFDEK": found.min_fde_k, "MissRateTopK_2.0": found.miss_k}
    return {name: [metric(k).mean.value for k in KS] for name, metric in metrics.items()}


@WORLDS
@pytest.mark.parametrize("submissions", [100, pytest.param(2000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_submissions_score_as_the_devkit_scores_them(world, helper_of, tmp_path, submissions, record_property):
    path, worst = tmp_path / "s.json", dict.fromkeys(("MinADEK", "MinFDEK", "MissRateTopK_2.0"), 0.0)
    for seed in range(submissions):
        write_submission(path, random_submission(world, seed))
        ours, theirs = by_us(path, world), by_devkit(path, helper_of(world))
        for name in worst:
            assert np.isfinite([*ours[name], *theirs[name]]).all()
            worst[name] = max(worst[name], float(np.abs(np.subtract(ours[name], theirs[name])).max()))
    record_property("largest difference", worst)
    print(f"{submissions} submissions, largest difference: {worst}")
    assert max(worst.values()) <= 1e-6


@WORLDS
@pytest.mark.parametrize("agents", [30, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_modes_leave_the_road_as_the_devkit_says(world, helper_of, agents, request):
    if world.root.name != "town" and agents == 30:
        pytest.skip("the devkit draws all four cities, 10 s and 3.4 GB: in the slow tests")
    from nuscenes.eval.prediction.data_classes import Prediction
    from nuscenes.eval.prediction.metrics import OffRoadRate, RowMean

    helper = helper_of(world)
    metric = OffRoadRate(helper, [RowMean()])
    agents = min(agents, len(world.dataset.samples(SPLIT)))
    near = random_submission(world, 0, agents=agents, modes=25)
    physics = physics_forecasts(world.dataset.tracks, world.dataset.samples(SPLIT).rows)
    roads: dict[str, Road] = {name: road_of(world.dataset.load_map(name), "devkit") for name in world.dataset.map_names}
    judged = differ = off_road_modes = 0
    for submission in (near, *physics.values()):
        joined = join(submission, world.dataset, SPLIT, "s", allow_missing=True)
        for entry in range(len(submission)):
            modes = submission.positions_m[entry]
            ours = roads[str(joined.locations[entry])].judge(modes[None])[0][0]
            tokens = submission.track[entry].item(), submission.sample_tokens[entry].item()
            theirs = [metric(None, Prediction(*tokens, mode[None], np.ones(1)))[0] > 0 for mode in modes]
            judged, differ = judged + len(modes), differ + int((ours != theirs).sum())
            off_road_modes += int(ours.sum())
    print(f"{judged} modes, {off_road_modes} off the road, {differ} judged differently")
    assert 0.01 < off_road_modes / judged < 0.99
    assert differ <= 0.005 * judged
