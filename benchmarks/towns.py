"""Five models and the physics baselines on towns they have not seen, and on nuScenes mini.

python benchmarks/towns.py run --out DIR --cell towns/cab/0 [--cell towns/trajectron/1 …] [--mini DATAROOT]
python benchmarks/towns.py table --out DIR

A cell is what it learns from, a model and a seed. It learns from ``towns`` (120 scenes), from ``mini`` (nuScenes
mini_train, from scratch) or from ``towns+mini`` (the same, starting from the weights of the cell on towns). The first
is judged on another town's unseen scenes and, where ``--mini`` says where nuScenes lies, on mini_train, of which it has
not seen anything; all are judged on mini_val. Finished cells are kept in DIR, an interrupted training goes on after its
last whole epoch. ``table`` prints what is there.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from compared import MODELS as COMPARED
from compared import compared
from judged import Document, Judge

from forecast.core.errors import ForecastError
from forecast.data.synthetic.town_writer import write_town
from forecast.prediction.checkpoint import load_checkpoint
from forecast.prediction.predictor import predict
from forecast.report.figures import at
from forecast.training.config import load_config
from forecast.training.run import train
from forecast.training.schema import TrainingConfig

BASE = Path(__file__).with_name("towns.yaml")
MODELS: dict[str, dict[str, Any]] = {
    **{name: compared(name) for name in COMPARED},
    "gain, modes alone": compared("gain", objective_weighted_probabilities=False),
    "trajectron, normalised history": compared("trajectron", model_normalised_history=True),
}
#: Equal budgets: passes over the training set, and the rate, of each thing to learn from.
BUDGETS: dict[str, dict[str, Any]] = {
    "towns": {"run.epochs": 8},
    "mini": {"run.epochs": 16, "optimiser.learning_rate": 1e-3, "optimiser.map_learning_rate": 1e-3},
    "towns+mini": {"run.epochs": 8, "optimiser.learning_rate": 5e-4, "optimiser.map_learning_rate": 5e-4},
}
#: Scenes and seed of the towns to learn from and to be judged on.
TOWNS = {"learn": (120, 1), "judge": (80, 1001)}
VERSION = "v1.0-trainval"
PHYSICS = ("constant_velocity_heading", "constant_speed_yaw_rate", "physics_oracle")
#: Heading → where it stands in report.json.
COLUMNS: dict[str, tuple[str, ...]] = {
    "ADE-ML, m": ("metrics", "min_ade_1"),
    "FDE-ML, m": ("metrics", "min_fde_1"),
    "minADE_5": ("metrics", "min_ade_5"),
    "minADE_10": ("metrics", "min_ade_10"),
    "miss rate (5)": ("metrics", "miss_rate_5_2m"),
    "OffR-ML": ("metrics", "off_road_ml"),
    "D rms, m": ("temporal", "dispersion_rms_m"),
    "C(0.2 m), s": ("temporal", "convergence_s", "0.2"),
    "C(1 m)": ("temporal", "convergence_s", "1.0"),
    "C(5 m)": ("temporal", "convergence_s", "5.0"),
}
#: Heading → forecasts beside a cell's own, with near-equal modes left unmerged or the context nulled, and what of them.
BESIDE = {
    "FDE-ML unmerged, m": ("unmerged", "FDE-ML, m"),
    "minADE_5 unmerged": ("unmerged", "minADE_5"),
    "FDE-ML context nulled, m": ("nulled", "FDE-ML, m"),
}


@dataclass(frozen=True)
class Cell:
    """One training."""

    source: str
    model: str
    seed: int

    @classmethod
    def parse(cls, text: str) -> Cell:
        source, model, seed = text.split("/")
        if source not in BUDGETS or model not in MODELS:
            raise SystemExit(f"--cell {text}: expected one of {', '.join(BUDGETS)} / {', '.join(MODELS)} / a seed")
        return cls(source, model, int(seed))

    def __str__(self) -> str:
        return f"{self.source}-{self.model}-{self.seed}"

    def config(self, out: Path, mini: Path | None) -> TrainingConfig:
        """Of the training."""
        settings = {**MODELS[self.model], **BUDGETS[self.source], "run.seed": self.seed}
        if self.source == "towns":
            settings |= {"data.dataroot": str(out / "learn"), "data.version": VERSION}
        else:
            if mini is None:
                raise SystemExit(f"--cell {self.source}/{self.model}: say where nuScenes mini lies, --mini DATAROOT")
            settings |= {"data.dataroot": str(mini), "data.version": "v1.0-mini"}
            settings |= {"data.train_split": "mini_train", "data.val_split": "mini_val"}
        if self.source == "towns+mini":
            settings["run.start_from"] = str(out / "runs" / f"towns-{self.model}-{self.seed}")
        return load_config(BASE, settings=settings)


def run(args: argparse.Namespace) -> None:
    """Run what is not finished."""
    for name, (scenes, seed) in TOWNS.items():
        if not (args.out / name).is_dir():
            write_town(args.out / name, scenes=scenes, seed=seed, version=VERSION)
    judges = {"town": _judge(args.out, "town", args.out / "judge", VERSION, "val")}
    if args.mini is not None:
        for split in ("mini_train", "mini_val"):
            judges[split] = _judge(args.out, split, args.mini, "v1.0-mini", split)
    for judge in judges.values():
        judge.physics(PHYSICS)
    for cell in map(Cell.parse, args.cell):
        config, folder = cell.config(args.out, args.mini), args.out / "runs" / str(cell)
        asked = judges if cell.source == "towns" else {"mini_val": judges["mini_val"]}
        due = {name: judge for name, judge in asked.items() if judge.finished(str(cell)) is None}
        if due:
            train(config, folder, resume=True, progress=False)
        # The last weights: choosing by validation would favour those whose validation resembles the test.
        weights = folder / "last.safetensors"
        for name, judge in due.items():
            where = judge.dataroot, judge.version, judge.split
            if load_checkpoint(weights).has_without_context:
                judge.score(f"{cell} nulled", predict(weights, *where, dense=True, null_context=True))
            judge.score(f"{cell} unmerged", predict(weights, *where, dense=True, merge_radius_m=0.0))
            report = judge.score(str(cell), predict(weights, *where, dense=True))  # the last, for it says "finished"
            print(f"{cell} on {name}: {_figure(report, 'FDE-ML, m'):.2f} m", flush=True)


def _judge(out: Path, name: str, dataroot: Path, version: str, split: str) -> Judge:
    return Judge(dataroot, version, split, out / "forecasts" / name, out / "reports" / name)


def _figure(report: Document, column: str) -> float:
    return float(at(report, COLUMNS[column])["value"])


def print_tables(out: Path) -> None:
    """What is there, as Markdown: means over seeds ± their standard deviation."""
    for world in sorted((out / "reports").iterdir()):
        rows: dict[str, list[Path]] = {name: [world / f"{name}.json"] for name in PHYSICS}
        for source in BUDGETS:
            for model in MODELS:
                prefix = f"{source}-{model}-"
                found = sorted(world.glob(f"{prefix}[0-9]*.json"))
                rows[f"{source}: {model}"] = [path for path in found if " " not in path.stem.removeprefix(prefix)]
        reports = {
            name: [json.loads(p.read_text(encoding="utf-8")) for p in paths] for name, paths in rows.items() if paths
        }
        first = next(iter(reports.values()))[0]
        count, points = first["metrics"]["min_ade_1"]["count"], first["coverage"]["points_used"]
        print(f"\n## {world.name}: {count} agent-samples, {points} points of D and C\n")
        print("| model (seeds) | " + " | ".join([*COLUMNS, *BESIDE]) + " |")
        print("|---|" + "---:|" * (len(COLUMNS) + len(BESIDE)))
        for name, ours in reports.items():
            cells = [_spread([_figure(report, column) for report in ours]) for column in COLUMNS]
            for variant, column in BESIDE.values():
                files = [path.with_name(f"{path.stem} {variant}.json") for path in rows[name] if name not in PHYSICS]
                files = [file for file in files if file.is_file()]  # not all have learnt to do without context
                cells.append(_spread([_figure(json.loads(file.read_text(encoding="utf-8")), column) for file in files]))
            print(f"| {name} ({len(ours)}) | " + " | ".join(cells) + " |")
        print("\nError of the most likely mode at a horizon, m:\n")
        leads = [entry["horizon_s"] for entry in first["error_by_horizon_m"]][1::2]
        print("| model (seeds) | " + " | ".join(f"{lead:g} s" for lead in leads) + " |")
        print("|---|" + "---:|" * len(leads))
        for name, ours in reports.items():
            errors = np.array([[entry["value"] for entry in report["error_by_horizon_m"][1::2]] for report in ours])
            print(f"| {name} ({len(ours)}) | " + " | ".join(_spread(list(column)) for column in errors.T) + " |")


def _spread(values: list[float]) -> str:
    if not values:
        return "–"
    text = f"{np.mean(values):.2f}"
    return f"{text} ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--out", type=Path, required=True, help="folder of towns, runs and reports")
    parser.add_argument("--cell", action="append", default=[], metavar="SOURCE/MODEL/SEED")
    parser.add_argument("--mini", type=Path, metavar="DATAROOT", help="folder of nuScenes v1.0-mini")
    args = parser.parse_args()
    try:
        print_tables(args.out) if args.what == "table" else run(args)
    except ForecastError as mistake:
        raise SystemExit(f"towns.py: {mistake}") from None


if __name__ == "__main__":
    main()
