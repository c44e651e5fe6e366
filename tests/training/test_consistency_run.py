"""Training for consistency: it makes successive forecasts agree, resumes bit for bit, and is refused without pairs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from forecast.core.batch import AgentBatch
from forecast.core.errors import ConfigError, DataError
from forecast.model.consistency_loss import consistency_loss, successive_in
from forecast.prediction.checkpoint import load_checkpoint
from forecast.training import run as runs
from forecast.training.callbacks import RunFolder
from forecast.training.config import load_config


class Drives:
    """Straight drives of eight key frames each; what comes next is drawn anew at each, so that forecasts differ."""

    def __init__(self, made_up, tracks: int, seed: int = 0) -> None:
        whole = made_up(8 * tracks, seed=seed).whole
        frame, track = torch.arange(8).repeat(tracks), torch.arange(tracks).repeat_interleave(8)
        speed = whole.history[:, -1, 2].reshape(tracks, 8)[:, :1].expand(-1, 8).flatten()
        history = torch.zeros_like(whole.history)
        history[..., 0], history[..., 2] = speed[:, None] * torch.arange(-4, 1) * 0.5, speed[:, None]
        pose = torch.zeros(8 * tracks, 3, dtype=torch.float64)
        pose[:, 0], pose[:, 1] = 0.5 * frame * speed, 50.0 * track
        self.whole = replace(
            whole,
            history=history,
            pose_world=pose,
            track_tokens=tuple(f"t{k}" for k in track.tolist()),
            time_s=1e9 + 0.5 * frame.double(),
        )
        self._following = torch.where(frame < 7, torch.arange(8 * tracks) + 1, -1)

    def __len__(self) -> int:
        return len(self.whole)

    def batch(self, indices: list[int]) -> AgentBatch:
        return self.whole[torch.tensor(indices)]

    def following(self) -> torch.Tensor:
        return self._following


def disagreement(run: Path, drives: Drives) -> float:
    """The loss over all pairs of the drives, by distance and odds."""
    with torch.no_grad():
        mixture = load_checkpoint(run).model.eval().mixture(drives.whole)
    pairs = successive_in(drives.whole, 0.5)
    assert len(pairs) == 7 * len(drives) // 8
    return float(consistency_loss(mixture.positions_m, mixture.probabilities.log(), drives.whole, pairs))


def test_successive_forecasts_come_nearer_to_each_other(tmp_path: Path, made_up, small_query_settings) -> None:
    settings = small_query_settings | {"data.heading_noise_rad": 0.0, "optimiser.average_decay": None}
    found = []
    for weight in (0.0, 10.0):
        config = load_config("query", settings=settings | {"consistency.weight": weight, "run.epochs": 6})
        sources = Drives(made_up, 8), Drives(made_up, 2, seed=1)
        run = runs.train_on(config, tmp_path / str(weight), *sources, None, progress=False)
        found.append(disagreement(run, Drives(made_up, 6, seed=2)))
    assert found[1] < 0.9 * found[0]


def test_a_killed_run_resumes_to_the_same_weights_bit_for_bit(
    tmp_path: Path, made_up, small_query_settings, monkeypatch
) -> None:
    varied = {"consistency.weight": 0.5, "data.mirror": 0.5, "data.heading_noise_rad": 0.0}
    config = load_config("query", settings=small_query_settings | varied)

    def train(name: str, **more: bool) -> None:
        runs.train_on(
            config, tmp_path / name, Drives(made_up, 5), Drives(made_up, 2, seed=1), None, progress=False, **more
        )

    train("whole")
    original = RunFolder.on_train_batch_end

    def dies(self: RunFolder, trainer, *args: object) -> None:
        original(self, trainer, *args)
        if trainer.global_step == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "on_train_batch_end", dies)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train("cut")
    monkeypatch.undo()
    train("cut", resume=True)
    whole, cut = (load_file(tmp_path / run / "last.safetensors") for run in ("whole", "cut"))
    assert all(torch.equal(whole[key], cut[key]) for key in whole)
    rows = np.genfromtxt(tmp_path / "whole" / "metrics.csv", delimiter=",", names=True)
    assert np.isfinite(rows["trainconsistency"]).all()


def test_without_pairs_it_is_refused(tmp_path: Path, made_up, small_query_settings) -> None:
    config = load_config("query", settings=small_query_settings | {"consistency.weight": 0.5})
    with pytest.raises(DataError, match=r"^consistency\.weight: no two training agent-samples.* set it to 0"):
        runs.train_on(config, tmp_path / "run", made_up(20), made_up(10), None, progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("key", "value"), [("weight", -1), ("weight", float("inf")), ("probability_weight", "much")])
def test_weights_that_mean_nothing(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key):
        load_config("query", settings={f"consistency.{key}": value})
