"""Does an attribution point at what decides? On the junction world, where the deciding arm or vehicle is known.

    python benchmarks/explain.py point --context DIR --cell balanced/query/0 [--agents 500]
    python benchmarks/explain.py faithful --context DIR --cell balanced/query/0 [--agents 60]
    python benchmarks/explain.py cost
    python benchmarks/explain.py page      # writes docs/results/data/explain.json, which results_pages.py renders

``point`` explains agents of a world that the model of a finished cell of ``benchmarks/context.py`` never saw (DIR is
its ``--out``), by Sobol indices and by three other ways. ``cost`` measures ``forecast explain`` with shipped weights on
a synthetic town, and ``faithful`` takes parts away in the order in which they are said to matter. Figures go into
benchmarks/figures/explain.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from context import Cell
from context_models import model_and_world, test_world, unseen_plots
from context_worlds import World
from explain_pointing import METHODS, Target, faithful, pointed, target_of
from explain_tables import page

from forecast.core.json_files import write_json
from forecast.core.progress import progress
from forecast.data.synthetic.junction_plots import CASES

FIGURES = Path(__file__).parent / "figures" / "explain"
PAGE = Path(__file__).parents[1] / "docs" / "results" / "data" / "explain.json"


def chosen(cell: Cell, world: World, agents: int, cases: Sequence[str]) -> list[Target]:
    """The first ``agents`` targets of each case, with what decides; not those that chose the epoch."""
    return [target_of(row, plot) for row, plot in unseen_plots(cell, cases, agents, len(world))]


def point(args: argparse.Namespace) -> None:
    """Explain all targets and write how often each way points at what decides."""
    cell = Cell.parse(args.cell)
    model, world = model_and_world(cell, args.context)
    began, cases = time.perf_counter(), args.case or list(CASES)
    rows = [
        pointed(model, world.of(np.array([target.row])).batch([0]), target, args.draws, args.method or METHODS)
        for target in progress(chosen(cell, world, args.agents, cases), "explaining", total=args.agents * len(cases))
    ]
    told = {
        "cell": args.cell, "draws": args.draws, "agents_a_case": args.agents, "methods": list(METHODS),
        "seconds": round(time.perf_counter() - began, 1), "threads": torch.get_num_threads(),
        "gap_closed": gap_closed(args.context, cell), "found": summary(rows),
    }  # fmt: skip
    out = args.figures / f"point-{args.draws}.json"
    if args.method:  # the others stay as they were
        before = json.loads(out.read_text(encoding="utf-8"))
        for kind, values in told["found"].items():
            before["found"][kind] |= values
        told = before
    _write(out, told)


def take_away(args: argparse.Namespace) -> None:
    """Deletion, insertion and the agreement of seeds, of targets as in :func:`point`."""
    cell = Cell.parse(args.cell)
    model, world = model_and_world(cell, args.context)
    asked = chosen(cell, world, args.agents, list(CASES))
    rows = [
        faithful(model, world.of(np.array([target.row])).batch([0]), target, args.draws)
        for target in progress(asked, "taking away", total=len(asked))
    ]
    told = {"cell": args.cell, "draws": args.draws, "agents_a_case": args.agents, "found": summary(rows)}
    _write(args.figures / "faithful.json", told)


def gap_closed(context: Path, cell: Cell) -> dict[str, float]:
    """Share of the way from the best forecaster without context to the best with it, by case, of FDE."""
    with (
        np.load(context / "cells" / f"{cell.key}.npz") as found,
        np.load(context / f"bounds-{test_world(cell)}.npz") as bound,
    ):
        case, fde = found["case"], found["fde_ml"]
        blind, sighted = bound["blind_fde"], bound["sighted_fde"]
    shares = {}
    for name in ("map", "neighbour", "draw"):
        of = case == name
        shares[name] = float((blind[of] - fde[of]).mean() / (blind[of] - sighted[of]).mean())
    return shares


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the targets of each kind, with 95 % intervals (normal)."""
    found: dict[str, Any] = {}
    for kind in sorted({row["kind"] for row in rows}):
        chosen = [row for row in rows if row["kind"] == kind]
        means = {}
        for key in sorted({key for row in chosen for key in row["values"]}):
            values = np.array([row["values"].get(key, np.nan) for row in chosen], dtype=float)
            values = values[np.isfinite(values)]
            if len(values):
                half = 1.96 * values.std() / np.sqrt(len(values))
                means[key] = {"mean": float(values.mean()), "half": float(half), "n": len(values)}
        found[kind] = means
    return found


def cost(args: argparse.Namespace) -> None:
    """Seconds of the default attribution of one agent with most neighbours, shipped weights, two threads."""
    from forecast.data.cache import open_dataset
    from forecast.data.dataset import AgentDataset
    from forecast.data.map_crops import crop_adder
    from forecast.data.synthetic.town_writer import write_town
    from forecast.explain.attribution import AttributionSettings, attribute
    from forecast.explain.input_groups import cells, each_neighbour, each_step
    from forecast.prediction.model_names import open_model

    torch.set_num_threads(args.threads)
    model = open_model("town")
    with tempfile.TemporaryDirectory() as folder:
        write_town(Path(folder) / "town", scenes=2, seed=3, version="v1.0-mini")
        dataset = open_dataset(Path(folder) / "town", "v1.0-mini", folder)
        source = AgentDataset.read_by(model.config, dataset, dataset.samples("mini_train"))
        every = source.batch(range(len(source)))
        busiest = int(every.neighbours_valid[..., -1].sum(1).argmax())
        batch = crop_adder(dataset, model.config.crop)(source.batch([busiest]))
    groups = cells(model.config.crop) + each_neighbour(batch) + each_step(batch, model.config.horizon.step_s)
    settings = AttributionSettings()
    attribute(model, batch, groups, AttributionSettings(draws=4))  # the first call makes what is kept
    seconds = []
    for _ in range(args.repeats):
        began = time.perf_counter()
        found = attribute(model, batch, groups, settings)
        seconds.append(time.perf_counter() - began)
    told = {
        "groups": len(groups), "neighbours": len(each_neighbour(batch)), "draws": settings.draws,
        "forecasts": found.forecasts, "threads": args.threads, "seconds": [round(one, 2) for one in seconds],
    }  # fmt: skip
    _write(args.figures / "cost.json", told)


def _write(path: Path, told: dict[str, Any]) -> None:
    write_json(path, told, indent=1)
    print(json.dumps(told, indent=1, ensure_ascii=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("point", "faithful", "cost", "page"))
    parser.add_argument("--context", type=Path, metavar="DIR", help="the --out of benchmarks/context.py")
    parser.add_argument("--cell", default="balanced/query/0", help="whose model (default: %(default)s)")
    parser.add_argument("--agents", type=int, default=500, help="a case (default: %(default)s)")
    parser.add_argument("--draws", type=int, default=32, help="default: %(default)s")
    parser.add_argument("--case", action="append", choices=CASES, help="which alone (default: all four)")
    parser.add_argument("--method", action="append", choices=METHODS, help="renew the figures of these alone")
    parser.add_argument("--threads", type=int, default=2, help="of 'cost' (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="of 'cost' (default: %(default)s)")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="default: %(default)s")
    args = parser.parse_args()
    if args.what in ("point", "faithful") and args.context is None:
        parser.error(f"{args.what}: say with --context where benchmarks/context.py wrote")
    if args.what == "page":
        page(args.figures.parent, PAGE)
    else:
        {"point": point, "faithful": take_away, "cost": cost}[args.what](args)


if __name__ == "__main__":
    main()
