"""What before_after.py asks one checkout from inside, through names that stay: the command line and the forecaster.

PYTHONPATH=CHECKOUT python before_after_probe.py train STEPS.json BATCHES.npz [ARGUMENTS OF forecast train]
PYTHONPATH=CHECKOUT python before_after_probe.py answers WEIGHTS MAP.json OUT.npz
PYTHONPATH=CHECKOUT python before_after_probe.py metrics OUT.npz
PYTHONPATH=CHECKOUT python before_after_probe.py onnx MODEL.onnx OUT.npz
PYTHONPATH=CHECKOUT python before_after_probe.py speed latency|crops MAP.json
PYTHONPATH=CHECKOUT python before_after_probe.py speed scoring [ARGUMENTS OF forecast score]
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

#: Arrays of a forecaster's answer.
ANSWERED = (
    "lead_s positions_m headings_rad covariances_m2 probabilities most_likely pose_world silent_s size_m"
).split()
TRAINED_BATCHES, CHECKED_BATCHES, KEPT_BATCHES = 8, 2, 2


def train(steps_file: str, batches_file: str, *arguments: str) -> None:
    """Run ``forecast train`` for a few batches; note each step's loss and time, and what the first steps are given."""
    import pytorch_lightning as pl

    from forecast.cli.main import main

    losses: list[float] = []
    times_s: list[float] = []
    kept: dict[str, np.ndarray] = {}

    class Steps(pl.Callback):
        """Lightning tells it of every step."""

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
            if len(losses) < KEPT_BATCHES:
                kept.update({f"{len(losses)}.{name}": array for name, array in _arrays(batch).items()})

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            losses.append(float(outputs["loss"]))
            times_s.append(time.process_time())

    original = pl.Trainer.__init__

    def few_batches(self: Any, *given: Any, **named: Any) -> None:
        named["callbacks"] = [*(named.get("callbacks") or []), Steps()]
        original(self, *given, **named, limit_train_batches=TRAINED_BATCHES, limit_val_batches=CHECKED_BATCHES)

    pl.Trainer.__init__ = few_batches  # type: ignore[method-assign]
    code = main(["train", *arguments])
    if code:
        raise SystemExit(code)
    steps_s = [after - before for before, after in pairwise(times_s)]
    Path(steps_file).write_text(json.dumps({"losses": losses}))
    Path(steps_file).with_suffix(".time").write_text(json.dumps(statistics.median(steps_s)))
    np.savez(batches_file, **kept)


def _arrays(batch: Any) -> dict[str, np.ndarray]:
    """Tensors and names of a batch, by the names of its fields."""
    found = {}
    for field in dataclasses.fields(batch):
        value = getattr(batch, field.name)
        if hasattr(value, "numpy"):
            found[field.name] = value.detach().cpu().numpy()
        elif field.name == "map_names":
            found[field.name] = np.array(value, dtype=str)
    return found


def road(points_m: np.ndarray) -> np.ndarray:
    """(points, 2) metres, world → (points, 3): road, road divider, lane divider of a road in waves."""
    aside_m = np.abs(points_m[:, 1] - 20 * np.sin(points_m[:, 0] / 60))
    return np.stack([aside_m < 6, np.zeros(len(aside_m)), aside_m < 0.3], 1)


def middle_of(map_file: str) -> np.ndarray:
    """(2,) metres: the mean of all nodes of a map expansion."""
    nodes = json.loads(Path(map_file).read_text(encoding="utf-8"))["node"]
    return np.array([[node["x"], node["y"]] for node in nodes]).mean(0)


def _scene(agents: int, seed: int, map_name: str | None, middle: np.ndarray, time_s: float = 10.0) -> Any:
    """Agents of three types within 60 m of a place, at uneven times, some with gaps, some silent."""
    from forecast.prediction.scene import AgentTrack, Scene

    random = np.random.default_rng(seed)
    tracks = []
    for number in range(agents):
        rows = int(random.integers(1, 9))
        times = np.sort(time_s - random.uniform(0, 4, rows))
        if random.random() < 0.8:
            times[-1] = time_s
        speed, heading = random.uniform(0, 12), random.uniform(-np.pi, np.pi)
        start = middle + random.uniform(-60, 60, 2)
        along = start + speed * (times - time_s)[:, None] * np.array([np.cos(heading), np.sin(heading)])
        kind = ("vehicle", "pedestrian", "other")[int(random.integers(0, 3))]
        pose = np.concatenate([along, np.full((rows, 1), heading)], 1)
        tracks.append(AgentTrack(f"agent-{number}", kind, time_s=times, pose_world=pose))
    return Scene.of(time_s, tracks, map_name)


def answers(weights: str, map_file: str, out: str) -> None:
    """Scenes with a map of two kinds, without one, two agents of many, and a stream of twelve cycles."""
    from forecast.prediction.forecaster import Forecaster
    from forecast.prediction.stream import Observation

    forecaster, middle = Forecaster.load(weights, {"waves": road, "polygons": map_file}), middle_of(map_file)
    kept: dict[str, np.ndarray] = {}

    def keep(name: str, answer: Any) -> None:
        for part in ANSWERED:
            kept[f"{name}.{part}"] = np.asarray(getattr(answer, part))
        kept[f"{name}.ids"] = np.array([str(agent) for agent in (*answer.agent_ids, "|", *answer.unanswered)])
        kept[f"{name}.note_count"] = np.array(len(answer.notes))

    keep("polygons", forecaster.forecast(_scene(40, 0, "polygons", middle)))
    keep("function", forecaster.forecast(_scene(40, 1, "waves", np.zeros(2))))
    keep("without_map", forecaster.forecast(_scene(20, 2, None, middle)))
    keep("two_agents", forecaster.forecast(_scene(20, 3, "polygons", middle), agents=["agent-3", "agent-7"]))
    stream, random = forecaster.stream("waves"), np.random.default_rng(4)
    place, speed = random.uniform(-50, 50, (9, 2)), random.uniform(-8, 8, (9, 2))
    for cycle in range(12):
        now = 100 + 0.25 * cycle
        seen = [
            Observation(
                number, "vehicle", now, (*(place[number] + speed[number] * now), np.arctan2(*speed[number][::-1]))
            )
            for number in range(9)
            if random.random() < 0.8
        ]
        keep(f"cycle_{cycle:02}", stream.update(seen, now))
    np.savez(out, **kept)


def metrics(out: str) -> None:
    """The torchmetrics classes, with ``valid`` and without it."""
    from forecast.eval import metrics as classes

    random = np.random.default_rng(5)
    modes_m = random.normal(size=(30, 6, 12, 2)).cumsum(2)
    probabilities, truth_m = random.dirichlet(np.ones(6), 30), random.normal(size=(30, 12, 2)).cumsum(1)
    valid = np.arange(12) < random.integers(1, 13, 30)[:, None]
    covariances = np.eye(2) * random.uniform(0.5, 2, (30, 6, 12, 1, 1))
    predicted_m = random.normal(size=(30, 12, 2))
    batches: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "MinADE": (classes.MinADE(5), (modes_m, probabilities, truth_m)),
        "MinFDE": (classes.MinFDE(1), (modes_m, probabilities, truth_m)),
        "BrierMinFDE": (classes.BrierMinFDE(5), (modes_m, probabilities, truth_m)),
        "MissRate": (classes.MissRate(5), (modes_m, probabilities, truth_m)),
        "NLL": (classes.NLL(), (modes_m, probabilities, covariances, truth_m)),
        "SampleADE": (classes.SampleADE(), (modes_m, truth_m)),
        "SampleFDE": (classes.SampleFDE(), (modes_m, truth_m)),
        "Dispersion": (classes.Dispersion(window="partial", minimum=2), (predicted_m,)),
        "ConvergenceToRange": (
            classes.ConvergenceToRange(2.0, window="partial", minimum=2),
            (predicted_m, truth_m[:, 0]),
        ),
    }
    kept = {}
    for name, (metric, batch) in batches.items():
        for kind, given in (("whole", batch), ("valid", (*batch, valid))):
            metric.reset()
            metric.update(*(np.asarray(part) for part in given))
            kept[f"{name}.{kind}"] = np.array([float(metric.compute()), metric.count])
    np.savez(out, **kept)


def onnx(model: str, out: str) -> None:
    """Outputs of an exported file for inputs that are drawn from a seed, by names and shapes that the file tells."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    random, sizes, given = np.random.default_rng(6), {}, {}
    for wanted in sorted(session.get_inputs(), key=lambda entry: entry.name):
        shape = [n if isinstance(n, int) else sizes.setdefault(n, 3 + len(sizes)) for n in wanted.shape]
        if wanted.type == "tensor(bool)":
            given[wanted.name] = np.ones(shape, bool)
        elif wanted.type == "tensor(int64)":
            given[wanted.name] = np.zeros(shape, np.int64)
        else:
            kind = np.float64 if wanted.type == "tensor(double)" else np.float32
            given[wanted.name] = random.uniform(0, 1, shape).astype(kind)
    names = [entry.name for entry in session.get_outputs()]
    np.savez(out, **dict(zip(names, session.run(names, given), strict=True)))


def _median_s(act: Any, times: int) -> float:
    act()
    found = []
    for _ in range(times):
        begin = time.process_time()
        act()
        found.append(time.process_time() - begin)
    return statistics.median(found)


def speed(what: str, *given: str) -> None:
    """Print seconds of processor time, on one thread."""
    import torch

    torch.set_num_threads(1)
    if what == "scoring":
        from forecast.cli.main import main

        def score() -> None:
            if main(["score", *given]):
                raise SystemExit("scoring failed")

        seconds = _median_s(score, 1)
    else:
        from forecast.prediction.forecaster import Forecaster

        forecaster, middle = Forecaster.load("town", {"polygons": given[0]}), middle_of(given[0])
        if what == "latency":
            scene = _scene(64, 7, "polygons", middle)
            seconds = _median_s(lambda: forecaster.forecast(scene), 9)
        else:
            poses = np.random.default_rng(8).uniform(-60, 60, (256, 3)) + np.append(middle, 0)
            seconds = _median_s(lambda: forecaster.maps.crops("polygons", torch.from_numpy(poses)), 9)
    print(f"seconds: {seconds}")


if __name__ == "__main__":
    {"train": train, "answers": answers, "metrics": metrics, "onnx": onnx, "speed": speed}[sys.argv[1]](*sys.argv[2:])
