"""Counterfactuals on the junction world: are they found, and does the true driver agree?

    python benchmarks/counterfactuals.py run --context DIR --cell balanced/query/0 [--agents 200]

DIR is the ``--out`` of ``benchmarks/context.py``; the cell's model is asked on a world that it never saw. Where the map
or a vehicle decides, another manoeuvre is looked for by changes of the road's arms or of the vehicle. Each scene
that is found is driven again by the world's own driver. Figures go into benchmarks/figures/counterfactuals.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from context import Cell
from context_models import model_and_world, unseen_plots

from forecast.core.json_files import write_json
from forecast.core.progress import progress
from forecast.data.synthetic.junction_plots import Plot
from forecast.explain.flip_search import Counterfactual, counterfactual, likeliest_manoeuvre
from forecast.explain.outcomes import MANOEUVRES, manoeuvre_probabilities
from forecast.explain.scene_editor import SceneEditor
from forecast.explain.validity import faults
from forecast.explain.world_truth import driven_again
from forecast.prediction.predictor import Predictor

FIGURES = Path(__file__).parent / "figures" / "counterfactuals"
CASES = ("map", "draw", "neighbour")
#: What is wanted in place of what is forecast where nothing else is thought possible.
WANTED = {"left": "straight", "right": "straight", "straight": "left"}
POSSIBLE = 0.05


def run(args: argparse.Namespace) -> None:
    """Look for counterfactuals and write what was found."""
    cell = Cell.parse(args.cell)
    model, world = model_and_world(cell, args.context)
    began, rows = time.perf_counter(), []
    chosen = unseen_plots(cell, CASES, args.agents, len(world))
    for row, plot in progress(chosen, "editing", total=args.agents * len(CASES)):
        batch = world.of(np.array([row])).batch([0])
        rows.append(asked(model, SceneEditor(batch, model.config.crop, 0.5), plot, row))
    told = {
        "cell": args.cell, "agents_a_case": args.agents, "seconds": round(time.perf_counter() - began, 1),
        "threads": torch.get_num_threads(),
        "found": {case: summary([row for row in rows if row["case"] == case]) for case in CASES},
    }  # fmt: skip
    out = args.figures / f"{args.cell.replace('/', '-')}.json"
    write_json(out, told, indent=1)
    print(json.dumps(told, indent=1, ensure_ascii=False))


def asked(model: Predictor, editor: SceneEditor, plot: Plot, row: int) -> dict[str, Any]:
    """One target: what was wanted, whether it was found, and what the true driver says."""
    with torch.inference_mode():
        chances = manoeuvre_probabilities(model.predict(editor.batch))[0]
    before = likeliest_manoeuvre(chances)
    of_map = plot.case != "neighbour"
    regions = [region for region in editor.regions if (region.endswith("arm") if of_map else ":" in region)]
    told: dict[str, Any] = {"row": row, "case": plot.case, "before": before}
    if not regions:
        return told | {"asked": False}
    others = np.where(np.arange(len(MANOEUVRES)) == MANOEUVRES.index(before), 0.0, chances)
    if not of_map:
        wanted = "straight" if before == "stops" else "stops"
    elif others.max() >= POSSIBLE:
        wanted = likeliest_manoeuvre(others)
    else:
        wanted = WANTED.get(before, "straight")
    found = counterfactual(model, editor, regions, wanted)
    told |= {"asked": True, "wanted": wanted, "found": found.found, "size": found.size, "reached": found.reached}
    if found.found:
        told |= _judged(editor, plot, found)
    return told


def _judged(editor: SceneEditor, plot: Plot, found: Counterfactual) -> dict[str, Any]:
    after = editor.changed(found.changes)
    truth = driven_again(plot, editor, found.changes)
    assert truth is not None
    changes = [(knob.verb, round(amount, 2)) for knob, amount in found.changes]
    return {
        "possible": not faults(editor.batch, after, editor.spec)[0],
        "regions": len({knob.region for knob, _ in found.changes}),
        "changes": changes,
        "true": likeliest_manoeuvre(truth.probabilities),
        # Of two that are as probable, either is right.
        "agrees": bool(truth.probabilities[MANOEUVRES.index(found.wanted)] >= truth.probabilities.max() - 1e-9),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rates over the targets of a case, and those with which the true driver does not agree."""
    tried = [row for row in rows if row["asked"]]
    flipped = [row for row in tried if row["found"]]
    shortcuts = [row for row in flipped if not row["agrees"]]
    kinds = Counter("+".join(sorted({verb for verb, _ in row["changes"]})) for row in flipped)
    wrong = Counter("+".join(sorted({verb for verb, _ in row["changes"]})) for row in shortcuts)
    return {
        "targets": len(rows), "asked": len(tried), "found": len(flipped),
        "flip_rate": len(flipped) / max(len(tried), 1),
        "possible": sum(row["possible"] for row in flipped) / max(len(flipped), 1),
        "agreement": 1 - len(shortcuts) / max(len(flipped), 1),
        "median_size": float(np.median([row["size"] for row in flipped])) if flipped else None,
        "by_change": {kind: [count, count - wrong[kind]] for kind, count in kinds.most_common()},
        "shortcuts": [
            {key: row[key] for key in ("row", "before", "wanted", "changes", "true")} for row in shortcuts[:20]
        ],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run",))
    parser.add_argument("--context", type=Path, required=True, metavar="DIR", help="the --out of benchmarks/context.py")
    parser.add_argument("--cell", default="balanced/query/0", help="whose model (default: %(default)s)")
    parser.add_argument("--agents", type=int, default=200, help="a case (default: %(default)s)")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="default: %(default)s")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
