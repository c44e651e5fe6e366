"""A new city, from a model of another one: what is gained there, and what is forgotten elsewhere.

    python benchmarks/continual.py run --dataroot DIR --out RUNS --cell adapters:0:0 [--cell low:adapters:5:0 …]
    python benchmarks/continual.py side --dataroot DIR --out RUNS --seed 0
    python benchmarks/continual.py page     # writes docs/results/data/cities.json, which results_pages.py renders

Districts come one after another, in one of three orders; after each the model is scored on `val` of all of them. A cell
is a row, an order and a seed (`ROW:ORDER:SEED`), or a point of the low-data curve: from the first district to the
second by so many of its scenes (`low:ROW:SCENES:SEED`; 0 for all). Each stage is a run in RUNS, resumed where it was
cut off; its last weights count, so that nothing is chosen on `val`. Errors of each agent stay in RUNS, the cell's
figures go into benchmarks/figures/continual. ``side`` asks how much of what is lost between districts is the side of
the road.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from continual_scores import Errors, errors_at, paired, summary
from continual_tables import page

from forecast.core.json_files import write_json
from forecast.data.cache import open_dataset
from forecast.data.prepared import Dataset
from forecast.model.cities.city_network import CityNetwork
from forecast.prediction.checkpoint import load_checkpoint
from forecast.training.adapting import adapting_config
from forecast.training.config import load_config
from forecast.training.run import train

FIGURES = Path(__file__).parent / "figures" / "continual"
PAGE = Path(__file__).parents[1] / "docs" / "results" / "data" / "cities.json"
BOSTON, NORTH, QUEENS, VILLAGE = (
    "boston-seaport", "singapore-onenorth", "singapore-queenstown", "singapore-hollandvillage",
)  # fmt: skip
ORDERS = (
    (BOSTON, NORTH, QUEENS, VILLAGE),
    (NORTH, VILLAGE, QUEENS, BOSTON),
    (VILLAGE, BOSTON, NORTH, QUEENS),
)
#: Epochs of a model that begins with random weights, and of one that goes on.
_FIRST_EPOCHS, _EPOCHS = 10, 10
#: Few scenes make short epochs: there are more of them, of smaller batches.
_FEW_EPOCHS, _FEW_BATCH, _FEW = 30, 64, 20
#: Row → how a stage changes the model of the stage before; None: a model of its own.
ROWS: dict[str, Mapping[str, Any] | None] = {
    "naive": {"method": "full", "shared": True},
    "replay": {"method": "full", "shared": True},
    "attention_shared": {"method": "attention", "shared": True},
    "adapters": {"method": "adapters"},
    "attention": {"method": "attention"},
    "full": {"method": "full"},
    "alone": None,
    "joint": None,
}


@dataclass(frozen=True)
class Cell:
    """Stages of one row, on one order, or a point of the low-data curve."""

    row: str
    order: int
    seed: int
    scenes: int | None = None

    @classmethod
    def parse(cls, text: str) -> Cell:
        parts = text.split(":")
        low = parts[0] == "low"
        parts = parts[1:] if low else parts
        if len(parts) != 3 or parts[0] not in ROWS or not all(part.isdigit() for part in parts[1:]):
            raise SystemExit(f"--cell {text}: expected ROW:ORDER:SEED or low:ROW:SCENES:SEED; rows: {', '.join(ROWS)}")
        number, seed = int(parts[1]), int(parts[2])
        if not low and number >= len(ORDERS):
            raise SystemExit(f"--cell {text}: there are orders 0 to {len(ORDERS) - 1}")
        return cls(parts[0], 0, seed, number) if low else cls(parts[0], number, seed)

    @property
    def name(self) -> str:
        what = f"order{self.order}" if self.scenes is None else f"low{self.scenes}"
        return f"{self.row}-{what}-seed{self.seed}"

    @property
    def stages(self) -> tuple[str, ...]:
        """Districts in the order in which they come."""
        order = ORDERS[self.order]
        return order if self.scenes is None else order[:2]


def run_cell(cell: Cell, args: argparse.Namespace) -> dict[str, Any]:
    """Train the stages and score each, unless that has been done."""
    done = args.figures / f"{cell.name}.json"
    if done.is_file():
        return dict(json.loads(done.read_text(encoding="utf-8")))
    dataset = open_dataset(args.dataroot, args.version)
    told: list[dict[str, Any]] = []
    found: dict[str, Errors] = {}
    before: Path | None = None
    for number in range(len(cell.stages)):
        run, seconds = _stage(cell, number, before, dataset, args)
        found = _scored(run, dataset, cell, number, args)
        told.append({"learnt": cell.stages[number], "seconds": seconds, **_size(run), "val": summary(found)})
        before = run
    result = {"cell": cell.name, "row": cell.row, "seed": cell.seed, "order": cell.order, "scenes": cell.scenes}
    result |= {"districts": list(ORDERS[cell.order]), "stages": told, "data": dataset.fingerprint}
    result["against_naive"] = _against_naive(cell, found, args)
    write_json(done, result, indent=1)
    return result


def _stage(
    cell: Cell, number: int, before: Path | None, dataset: Dataset, args: argparse.Namespace
) -> tuple[Path, float | None]:
    """The run of a stage, and how long it trained, where it did so now."""
    order, first = cell.stages, number == 0
    how = ROWS[cell.row]
    name = f"base-{order[0]}-seed{cell.seed}" if first else f"{cell.name}-stage{number}"
    run: Path = args.out / name
    last = run / "last.safetensors"
    settings: dict[str, dict[str, Any]] = {
        "data": {
            "dataroot": str(args.dataroot),
            "version": args.version,
            "locations": list(order[: number + 1]) if cell.row == "joint" else [order[number]],
        },
        "run": {"seed": cell.seed, "epochs": _FIRST_EPOCHS if first or how is None else _EPOCHS},
    }
    view = dataset.at(settings["data"]["locations"])
    # Nothing is chosen by it: where a district has no scenes to validate on, its own ones are looked at.
    settings["data"]["val_split"] = "train_val" if "train_val" in view.splits else "train"
    if not first and cell.scenes:
        settings["data"]["scenes"] = cell.scenes
        if cell.scenes <= _FEW:
            settings["run"] |= {"epochs": _FEW_EPOCHS, "batch_size": _FEW_BATCH}
    if not first and cell.row == "replay":
        settings["data"]["rehearsal"] = list(order[:number])
    if first or how is None:
        flat = {f"{section}.{key}": value for section, given in settings.items() for key, value in given.items()}
        config = load_config("query", settings={"model.uses_neighbours": False, **flat})
    else:
        assert before is not None
        settings["adapt"] = dict(how)
        settings["run"]["start_from"] = str(before)
        config = adapting_config(load_checkpoint(before), settings)
    began = time.perf_counter()
    finished = last.is_file() and load_checkpoint(last).notes["epoch"] == config.run.epochs
    if not finished:
        train(config, run, resume=True, progress=args.progress)
    return last, None if finished else round(time.perf_counter() - began, 1)


def _scored(last: Path, dataset: Dataset, cell: Cell, number: int, args: argparse.Namespace) -> dict[str, Errors]:
    """Errors on all districts after a stage, kept beside the weights."""
    model = load_checkpoint(last).model
    found = {district: errors_at(model, dataset, "val", district) for district in ORDERS[0]}
    kept = args.out / "errors"
    kept.mkdir(parents=True, exist_ok=True)
    name = f"{cell.name}-stage{number}"
    np.savez(kept / f"{name}.npz", **{key: value for d, e in found.items() for key, value in e.arrays(d).items()})
    return found


def _against_naive(cell: Cell, found: dict[str, Errors], args: argparse.Namespace) -> dict[str, Any] | None:
    """Differences of a low-data cell from naive fine-tuning with the same scenes, which comes first."""
    naive = args.out / "errors" / f"{Cell('naive', 0, cell.seed, cell.scenes).name}-stage1.npz"
    if cell.scenes is None or cell.row == "naive" or not naive.is_file():
        return None
    with np.load(naive) as kept:
        return {name: paired(found[name], Errors.of(kept, name)) for name in cell.stages}


def _size(last: Path) -> dict[str, int]:
    """Parameters of the base, and of all cities."""
    model = load_checkpoint(last).model
    base = model.base if isinstance(model, CityNetwork) else model
    count = sum(p.numel() for p in base.parameters())
    return {"parameters": count, "of_cities": sum(p.numel() for p in model.parameters()) - count}


def _run(args: argparse.Namespace) -> None:
    for cell in map(Cell.parse, args.cell):
        print(json.dumps(run_cell(cell, args)["stages"][-1]["val"]), flush=True)


def _side(args: argparse.Namespace) -> None:
    """The first district's model on the others, as they are and in the mirror, beside a model of all of them."""
    dataset = open_dataset(args.dataroot, args.version)
    order = ORDERS[0]
    base = load_checkpoint(args.out / f"base-{order[0]}-seed{args.seed}" / "last.safetensors").model
    joint = load_checkpoint(args.out / f"joint-order0-seed{args.seed}-stage3" / "last.safetensors").model
    told = {}
    for district in order:
        plain, mirrored = (errors_at(base, dataset, "val", district, mirror=mirror) for mirror in (False, True))
        known = errors_at(joint, dataset, "val", district)
        told[district] = {
            "model of the first": summary({district: plain})[district],
            "the same in the mirror": summary({district: mirrored})[district],
            "model of all": summary({district: known})[district],
            "mirror minus plain": paired(mirrored, plain),
            "model of all minus plain": paired(known, plain),
        }
    cell = {"cell": "side", "seed": args.seed, "districts": told}
    write_json(args.figures / f"side-seed{args.seed}.json", cell, indent=1)
    print(json.dumps(told, indent=1))


def _page(args: argparse.Namespace) -> None:
    cells = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(args.figures.glob("*.json"))]
    write_json(PAGE, page(cells), indent=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, do in (("run", _run), ("side", _side), ("page", _page)):
        command = commands.add_parser(name)
        command.set_defaults(do=do)
        command.add_argument("--figures", type=Path, default=FIGURES, help="of finished cells (default: %(default)s)")
        if name == "page":
            continue
        command.add_argument("--dataroot", type=Path, required=True)
        command.add_argument("--version", default="v1.0-trainval")
        command.add_argument("--out", type=Path, required=True, help="folder of the weights, outside the checkout")
        if name == "run":
            command.add_argument("--cell", action="append", required=True, metavar="ROW:ORDER:SEED")
            command.add_argument("--progress", action="store_true", help="print a line an epoch")
        else:
            command.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    do_it: Callable[[argparse.Namespace], None] = args.do
    do_it(args)


if __name__ == "__main__":
    main()
