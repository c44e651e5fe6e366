"""Networks and objectives on nuScenes' own splits: learnt on `train`, chosen on `train_val`, reported on `val`.

    python benchmarks/networks.py run --dataroot DIR --out RUNS --cell query:map:30:0 [--cell query_cab:map:30:0 …]
    python benchmarks/networks.py table
    python benchmarks/networks.py page      # writes docs/results/data/networks.json, which results_pages.py renders

A cell is a row, what it reads (`map`: the map and the own past; `all`: neighbours and ego too), epochs and a seed. It
is trained, resumed where it was cut off, and scored on `val` once; weights stay in RUNS, which lies outside the
checkout, and the cell's figures go into benchmarks/figures/networks. ``table`` prints what is there, as Markdown.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from judged import Judge

from forecast.core.files import written_whole
from forecast.data.maps.layers import DIRECTION
from forecast.model.query.query_config import QUERY_CROP
from forecast.training.config import as_dict, load_config
from forecast.training.schema import TrainingConfig

FIGURES = Path(__file__).parent / "figures" / "networks"
PAGE = Path(__file__).parents[1] / "docs" / "results" / "data" / "networks.json"
_TRUNKS = {
    "patch": {"model.trunk.kind": "patch", "model.trunk.depth": 2},
    "vit": {"model.trunk.kind": "vit", "model.trunk.depth": 2, "model.trunk.patch_px": 8},
    "vit_pairs": {
        "model.trunk.kind": "vit", "model.trunk.depth": 2, "model.trunk.patch_px": 8, "model.trunk.parallel": True,
    },
}  # fmt: skip
#: Row → a configuration and what differs from it.
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "query": ("query", {}),
    "query_no_context": ("query", {"model.uses_map": False, "model.uses_neighbours": False}),
    "query_cab": ("query_cab", {}),
    "query_gain": ("query_gain", {}),
    "query_reweight": ("query", {"objective.name": "reweight", "objective.without_context": "twin"}),
    # Controls: masked passes without the divergence; two corrections; mirrored training.
    "query_masked": ("query_cab", {"objective.divergence_weight": 0.0}),
    "query_two_refinements": ("query", {"model.refinements": 2}),
    "query_mirrored": ("query", {"data.mirror": 0.5}),
    # Lanes and their direction beside the raster.
    "query_lanes": (
        "query",
        {"model.crop.channels": [*map(list, QUERY_CROP.channels), ["lane"], *map(list, DIRECTION)]},
    ),
    **{f"query_{name}": ("query", differs) for name, differs in _TRUNKS.items()},
    "gain": ("gain", {}),
    "cab": ("cab", {}),
    "trajectron": ("trajectron", {}),
}
_READS = {"map": {"model.uses_neighbours": False}, "all": {}}
_DISTANCES = ("real", "nulled", "swapped")


@dataclass(frozen=True)
class Cell:
    """One training and its scores."""

    row: str
    reads: str
    epochs: int
    seed: int

    @classmethod
    def parse(cls, text: str) -> Cell:
        parts = text.split(":")
        if len(parts) != 4 or parts[0] not in ROWS or parts[1] not in _READS:
            raise SystemExit(
                f"--cell {text}: expected ROW:READS:EPOCHS:SEED, a row of {', '.join(ROWS)}; "
                f"reads {' or '.join(_READS)}"
            )
        return cls(parts[0], parts[1], int(parts[2]), int(parts[3]))

    @property
    def name(self) -> str:
        return f"{self.row}-{self.reads}-{self.epochs}-seed{self.seed}"

    def config(self, dataroot: Path, version: str) -> TrainingConfig:
        base, differs = ROWS[self.row]
        run = {"run.epochs": self.epochs, "run.seed": self.seed}
        data = {"data.dataroot": str(dataroot), "data.version": version}
        return load_config(base, settings=_READS[self.reads] | differs | run | data)


def run_cell(cell: Cell, args: argparse.Namespace) -> dict[str, Any]:
    """Train, forecast, score, unless that has been done."""
    from forecast.prediction.predictor import predict
    from forecast.training.run import train

    done = FIGURES / f"{cell.name}.json"
    if done.is_file():
        return dict(json.loads(done.read_text(encoding="utf-8")))
    config = cell.config(args.dataroot, args.version)
    run = train(config, args.out / cell.name, resume=True)
    judge = Judge(args.dataroot, args.version, args.split, args.out / "forecasts", args.out / "reports", "challenge")
    report = judge.finished(cell.name)
    if report is None:
        report = judge.score(cell.name, predict(run, args.dataroot, args.version, args.split))
    told = {
        "cell": cell.name,
        "figures": figures(report),
        "fde_ml_m": distances(run, args),
        "training": training_record(run),
        "config": as_dict(replace(config, data=replace(config.data, dataroot=""))),
        "data": report["dataset"],
    }
    FIGURES.mkdir(parents=True, exist_ok=True)
    with written_whole(done) as temporary:
        temporary.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return told


#: Column → where it stands in a report.
COLUMNS: dict[str, tuple[str, ...]] = {
    "minADE_1, m": ("metrics", "min_ade_1"),
    "minFDE_1, m": ("metrics", "min_fde_1"),
    "minADE_5, m": ("metrics", "min_ade_5"),
    "minADE_10, m": ("metrics", "min_ade_10"),
    "miss (5)": ("metrics", "miss_rate_5_2m"),
    "OffR-ML": ("metrics", "off_road_ml"),
    "D, m": ("temporal", "dispersion_m"),
    "C(1 m), s": ("temporal", "convergence_s", "1.0"),
    "hardest 1 %, m": ("hardest", "min_fde_1", "1"),
    "2 %, m": ("hardest", "min_fde_1", "2"),
    "3 %, m": ("hardest", "min_fde_1", "3"),
    "Brier-minFDE_5, m": ("metrics", "brier_min_fde_5"),
}


def figures(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the tables hold of a report, with intervals."""
    from forecast.report.figures import at

    return {name: at(report, place) for name, place in COLUMNS.items()}


def training_record(run: Path) -> dict[str, Any]:
    """Seconds and agents a second, the epoch that was chosen, and how `train_val` went."""
    import csv

    with (run / "metrics.csv").open(encoding="utf-8") as file:
        rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    best = min(rows, key=lambda row: row["val/fde_ml"])
    return {
        "chosen_epoch": int(best["epoch"]),
        "agents_per_s": round(sum(row["agents_per_s"] for row in rows) / len(rows), 1),
        "train_val_fde_ml_m": [round(row["val/fde_ml"], 3) for row in rows],
    }


def distances(run: Path, args: argparse.Namespace) -> dict[str, float]:
    """FDE of the most likely mode with the map, with context nulled, and with another scene's map, metres."""
    from forecast.data.cache import open_dataset
    from forecast.data.dataset import AgentDataset
    from forecast.data.map_crops import crop_adder
    from forecast.prediction.checkpoint import load_checkpoint

    model = load_checkpoint(run).model
    crop = model.config.map_crop
    if crop is None:
        return {}
    dataset = open_dataset(args.dataroot, args.version)
    source = AgentDataset.of(dataset, dataset.samples(args.split), horizon=model.config.horizon)
    add_crops = crop_adder(dataset, crop)
    found: dict[str, list[torch.Tensor]] = {name: [] for name in _DISTANCES}
    # Neighbours in the list are of one scene: half the list away lies another scene.
    for first in range(0, len(source), 256):
        rows = list(range(first, min(first + 256, len(source))))
        batch = add_crops(source.batch(rows))
        other = add_crops(source.batch([(row + len(source) // 2) % len(source) for row in rows]))
        with torch.no_grad():
            answers = {
                "real": model.predict(batch),
                "nulled": model.predict(batch, null_context=True),
                "swapped": model.predict(replace(batch, crop=other.crop)),
            }
        for name, answer in answers.items():
            error = (answer.most_likely() - batch.future).norm(dim=-1)
            found[name].append(error[batch.future_valid[:, -1], -1])
    return {name: round(float(torch.cat(parts).mean()), 3) for name, parts in found.items()}


def table(cells: Sequence[Mapping[str, Any]]) -> str:
    """All cells that are finished, as Markdown."""
    heads = [*COLUMNS, "FDE nulled, m", "swapped, m", "agents/s"]
    lines = ["| cell | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    lines += ["| " + " | ".join([*_scores(cell, _figure), _speed(cell)]) + " |" for cell in cells]
    return "\n".join(lines)


def page(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The page of results, for results_pages.py."""
    import forecast

    heads = [*COLUMNS, "FDE nulled, m", "FDE swapped, m", "chosen epoch", "agents/s"]
    rows = [[*_scores(cell, _interval), str(cell["training"]["chosen_epoch"]), _speed(cell)] for cell in cells]
    units = [name.rpartition(", ") for name in heads]
    return {
        "title": "Networks on nuScenes' own splits",
        "version": forecast.__version__,
        "data": "real (nuScenes v1.0-trainval, copy without sensor readings)",
        "intro": [
            "Trained on the challenge's `train` (32,186 agent-samples), chosen on `train_val` (8,560), scored on `val` "
            "(9,041) once a cell. A cell is named ROW-READS-EPOCHS-seedN: `map` reads the map and the agent's own past "
            "alone, `all` neighbours and the ego vehicle too.",
            "**The data are a reconstruction.** 45 % of the key frames have their original time stamps, the others are "
            "interpolated. There are no pedestrians, two-wheelers or parked cars. Who is a neighbour depends faintly "
            "on the future, so figures with neighbours stand beside those without.",
        ],
        "tables": [
            {
                "title": "Cells that are finished",
                "command": "python benchmarks/networks.py run --dataroot DIR --out RUNS --cell CELL",
                "columns": [{"name": "cell", "unit": None}]
                + [{"name": name or unit, "unit": unit if name else None} for name, _, unit in units],
                "rows": rows,
                "notes": [
                    "In brackets the 95 % interval over tracks. *Nulled*: the same weights without map and neighbours; "
                    "*swapped*: with the map of another scene. Agents a second of training are with one thread, on two "
                    "cores that did other work beside it: they say what the budget was, not how fast training can be."
                ],
            }
        ],
        "notes": ["Weights trained on nuScenes are not distributed: the data set's licence is non-commercial."],
    }


def _scores(cell: Mapping[str, Any], shown: Callable[[Mapping[str, Any] | None], str]) -> list[str]:
    """Name and scores of a cell, as text."""
    beside = [_number(cell["fde_ml_m"].get(name)) for name in ("nulled", "swapped")]
    return [cell["cell"], *(shown(cell["figures"][name]) for name in COLUMNS), *beside]


def _speed(cell: Mapping[str, Any]) -> str:
    return f"{cell['training']['agents_per_s']:.0f}"


def _interval(found: Mapping[str, Any] | None) -> str:
    text = _figure(found)
    if found is None or found.get("ci_low") is None:
        return text
    return f"{text} ({_number(found['ci_low'])}, {_number(found['ci_high'])})"


def _figure(found: Mapping[str, Any] | None) -> str:
    return _number(None if found is None else found["value"])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="train and score cells that are not finished")
    run.add_argument("--dataroot", type=Path, required=True)
    run.add_argument("--version", default="v1.0-trainval")
    run.add_argument("--split", default="val")
    run.add_argument("--out", type=Path, required=True, help="folder of the weights, outside the checkout")
    run.add_argument("--cell", action="append", required=True, metavar="ROW:READS:EPOCHS:SEED")
    run.set_defaults(do=_run)
    commands.add_parser("table", help="print the finished cells").set_defaults(do=_table)
    commands.add_parser("page", help="write the page of results").set_defaults(do=_page)
    args = parser.parse_args()
    do: Callable[[argparse.Namespace], None] = args.do
    do(args)


def _run(args: argparse.Namespace) -> None:
    for cell in map(Cell.parse, args.cell):
        print(table([run_cell(cell, args)]), flush=True)


def _table(args: argparse.Namespace) -> None:
    print(table(_finished()))


def _page(args: argparse.Namespace) -> None:
    with written_whole(PAGE) as temporary:
        temporary.write_text(json.dumps(page(_finished()), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _finished() -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FIGURES.glob("*.json"))]


if __name__ == "__main__":
    main()
