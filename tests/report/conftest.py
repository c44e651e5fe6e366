"""A small synthetic town, its data set and forecasts of several modes for it, shared by this room's tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from forecast.cli.main import main
from forecast.core.rows import ForecastRows
from forecast.data.cache import Dataset, open_dataset
from forecast.data.synthetic.town_writer import write_town
from forecast.eval.formats.submission_json import write_submission
from forecast.prediction.key_frame_future import key_frame_future

VERSION, SPLIT = "v1.0-mini", "mini_val"


@dataclass(frozen=True)
class World:
    """A data set on disk and open, and arguments that name it on the command line."""

    dataset: Dataset
    root: Path

    @property
    def arguments(self) -> list[str]:
        return ["--dataroot", str(self.root), "--version", VERSION, "--split", SPLIT]

    @staticmethod
    def part_of(submission: ForecastRows, chosen: np.ndarray) -> ForecastRows:
        """Some entries of a submission."""
        return submission.take(chosen)

    def forecasts(self, *, modes: int = 6, dense: bool = False, seed: int = 0) -> ForecastRows:
        """Modes scattered around what really happened, growing with time; probabilities without ties."""
        tracks = self.dataset.tracks
        samples = self.dataset.samples(SPLIT, dense=dense)
        random = np.random.default_rng(seed)
        future = key_frame_future(tracks, samples.rows, 12)
        path = np.where(np.isfinite(future), future, tracks.row_position_m[samples.rows][:, None])
        spread = random.normal(0, 0.4, (len(samples), modes, 12, 2)).cumsum(2)
        tokens = np.array([token.split("_") for token in samples.tokens(tracks)])
        probabilities = random.dirichlet(np.ones(modes), len(samples))
        issue_s = tracks.sample_time_us[tracks.row_sample[samples.rows]] * 1e-6
        return ForecastRows.at_key_frames(
            tokens[:, 0], tokens[:, 1], path[:, None] + spread, probabilities, issue_time_s=issue_s
        )


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("report") / "town"
    write_town(root, scenes=4, seed=3, workers=1)
    return World(open_dataset(root, VERSION), root)


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest, town: World) -> World:
    """The town, and real data where there is any (parametrize indirectly)."""
    if getattr(request, "param", "town") == "town":
        return town
    root = os.environ.get("NUSCENES_DATAROOT")
    if not root:
        pytest.skip("NUSCENES_DATAROOT is not set: no real nuScenes data to test on")
    return World(open_dataset(root, VERSION), Path(root))


@pytest.fixture(scope="session")
def dense_file(town: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forecasts of the town at every key frame."""
    path = tmp_path_factory.mktemp("forecasts") / "dense.json"
    write_submission(path, town.forecasts(dense=True))
    return path


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[[list[str]], str]:
    """A call that must be refused as a user's mistake; answers the one line it says."""

    def call(arguments: list[str]) -> str:
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    return call
