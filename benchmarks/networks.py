"""Networks and objectives on nuScenes' own splits: learnt on `train`, chosen on `train_val`, reported on `val`.

    python benchmarks/networks.py run --dataroot DIR --out RUNS --cell query:map:30:0 [--cell query_cab:map:30:0 …]
    python benchmarks/networks.py pairs --dataroot DIR --out RUNS
    python benchmarks/networks.py table
    python benchmarks/networks.py page      # writes docs/results/data/networks.json, which results_pages.py renders

A cell is a row, what it reads (`map`: the map and the own past; `all`: neighbours and ego too), epochs and a seed. It
is trained, resumed where it was cut off, and scored on `val` once; weights stay in RUNS, which lies outside the
checkout, and the cell's figures go into benchmarks/figures/networks. ``pairs`` compares rows agent by agent where the
forecasts of both lie in RUNS. ``table`` prints what is there, as Markdown.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from compared import compared
from judged import Judge
from networks_pairs import difference, pairs_of
from networks_tables import by_stratum, figures, page, table

from forecast.core.json_files import write_json
from forecast.data.maps.layers import DIRECTION
from forecast.model.query.query_config import QUERY_CROP
from forecast.training.config import as_dict, load_config
from forecast.training.schema import TrainingConfig

FIGURES = Path(__file__).parent / "figures" / "networks"
PAIRS = Path(__file__).parent / "figures" / "networks_pairs.json"
PAGE = Path(__file__).parents[1] / "docs" / "results" / "data" / "networks.json"
_TRUNKS = {
    "patch": {"model.trunk.kind": "patch", "model.trunk.depth": 2},
    "vit": {"model.trunk.kind": "vit", "model.trunk.depth": 2, "model.trunk.patch_px": 8},
    "vit_pairs": {
        "model.trunk.kind": "vit", "model.trunk.depth": 2, "model.trunk.patch_px": 8, "model.trunk.parallel": True,
    },
}  # fmt: skip
_SLOWER = {"optimiser.learning_rate": 2e-3}
_UNCLIPPED = {"objective.lower_clip": None}
_AS_PUBLISHED = {"model.features": "as_published"}
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
    # Forecasts are asked to foresee those of the next key frame.
    "query_consistent": ("query", {"consistency.weight": 1.0}),
    # Lanes and their direction beside the raster.
    "query_lanes": (
        "query",
        {"model.crop.channels": [*map(list, QUERY_CROP.channels), ["lane"], *map(list, DIRECTION)]},
    ),
    **{f"query_{name}": ("query", differs) for name, differs in _TRUNKS.items()},
    # The CVAE in our settings; in those of the paper's code, which trains the plain backbone without the lower clip and
    # at another rate; and with rates as published, which hold a second of the future.
    **{name: (name, {}) for name in ("no_context", "trajectron", "reweight", "rubiz", "cab", "gain", "cab_paper")},
    "trajectron_paper": ("cab_paper", compared("trajectron") | _SLOWER | _UNCLIPPED),
    "trajectron_as_published": ("cab_paper", compared("trajectron") | _SLOWER | _UNCLIPPED | _AS_PUBLISHED),
    "cab_as_published": ("cab_paper", _AS_PUBLISHED),
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

    done = args.figures / f"{cell.name}.json"
    if done.is_file():
        return dict(json.loads(done.read_text(encoding="utf-8")))
    config = cell.config(args.dataroot, args.version)
    run = train(config, args.out / cell.name, resume=True)
    kept = args.out / "forecasts", args.out / "reports"
    judge = Judge(args.dataroot, args.version, args.split, *kept, "challenge", ".parquet")
    report = judge.finished(cell.name)
    if report is None:
        report = judge.score(cell.name, predict(run, args.dataroot, args.version, args.split))
    told = {
        "cell": cell.name,
        "figures": figures(report),
        "min_fde_1_by": by_stratum(report),
        "fde_ml_m": distances(run, args),
        "training": training_record(run),
        "config": as_dict(replace(config, data=replace(config.data, dataroot=""))),
        "data": report["dataset"],
    }
    write_json(done, told, indent=1)
    return told


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
    source = AgentDataset.read_by(model.config, dataset, dataset.samples(args.split))
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="train and score cells that are not finished")
    run.add_argument("--dataroot", type=Path, required=True)
    run.add_argument("--version", default="v1.0-trainval")
    run.add_argument("--split", default="val")
    run.add_argument("--out", type=Path, required=True, help="folder of the weights, outside the checkout")
    run.add_argument("--figures", type=Path, default=FIGURES, help="of finished cells (default: %(default)s)")
    run.add_argument("--cell", action="append", required=True, metavar="ROW:READS:EPOCHS:SEED")
    run.set_defaults(do=_run)
    pairs = commands.add_parser("pairs", help="compare rows whose forecasts are there, agent by agent")
    pairs.add_argument("--dataroot", type=Path, required=True)
    pairs.add_argument("--version", default="v1.0-trainval")
    pairs.add_argument("--split", default="val")
    pairs.add_argument("--out", type=Path, required=True, help="folder of the weights and forecasts")
    pairs.set_defaults(do=_pairs)
    commands.add_parser("table", help="print the finished cells").set_defaults(do=_table)
    commands.add_parser("page", help="write the page of results").set_defaults(do=_page)
    args = parser.parse_args()
    do: Callable[[argparse.Namespace], None] = args.do
    do(args)


def _run(args: argparse.Namespace) -> None:
    for cell in map(Cell.parse, args.cell):
        print(table([run_cell(cell, args)]), flush=True)


def _pairs(args: argparse.Namespace) -> None:
    from forecast.data.cache import open_dataset

    dataset = open_dataset(args.dataroot, args.version)
    found = {(pair["first"], pair["second"]): pair for pair in _compared()}
    for first, second in pairs_of(sorted((args.out / "forecasts").glob("*.parquet"))):
        found[first.stem, second.stem] = difference(first, second, dataset, args.split)
        print(json.dumps(found[first.stem, second.stem]), flush=True)
    write_json(PAIRS, [found[key] for key in sorted(found)], indent=1)


def _table(args: argparse.Namespace) -> None:
    print(table(_finished()))


def _page(args: argparse.Namespace) -> None:
    write_json(PAGE, page(_finished(), _compared()), indent=1)


def _finished() -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FIGURES.glob("*.json"))]


def _compared() -> list[dict[str, Any]]:
    return json.loads(PAIRS.read_text(encoding="utf-8")) if PAIRS.is_file() else []


if __name__ == "__main__":
    main()
