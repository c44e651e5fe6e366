"""Edits of a town that the weights never saw: does the forecast change where the true driver, driven again, does?

    python benchmarks/town_edits.py run --out RUNS [--model town] [--agents 300]

Each target's scene is edited in some ways; the town's own traffic is driven on from the edited scene. Figures go into
benchmarks/figures/town_edits.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forecast.core.errors import ConfigError
from forecast.core.json_files import write_json
from forecast.core.progress import progress
from forecast.data.cache import open_dataset
from forecast.data.samples import Samples
from forecast.data.synthetic.town_writer import write_town
from forecast.explain.audit.agents_of import some_of
from forecast.explain.edit_commands import Change, parse_edits
from forecast.explain.model_inputs import inputs_of
from forecast.explain.outcomes import manoeuvre_probabilities
from forecast.explain.scene_editor import SceneEditor
from forecast.explain.true_driver import TrueDriver, true_driver
from forecast.prediction.model_names import open_model
from forecast.prediction.predictor import BatchPredictor

FIGURES = Path(__file__).parent / "figures" / "town_edits.json"
SEED, SCENES, VERSION = 61, 60, "v1.0-trainval"
#: Edits beside the closing of each arm.
_SENTENCES = {
    "car ahead stops": "the car ahead stops",
    "car put ahead": "put a car 15 m ahead",
    "neighbours gone": "remove all neighbours",
}


def run(args: argparse.Namespace) -> None:
    """Edit, ask both, and write what was found."""
    folder = args.out / "town"
    if not (folder / "town.json").is_file():
        write_town(folder, scenes=SCENES, seed=SEED, version=VERSION)
    dataset, model = open_dataset(folder, VERSION), open_model(args.model, "cpu")
    began, rows = time.perf_counter(), []
    samples = some_of(dataset, "train", args.agents, 0)
    for row in progress(samples.rows.tolist(), "editing", total=len(samples)):
        editor = SceneEditor(inputs_of(model.config, dataset, Samples(np.array([row]))), model.config.crop, 0.5)
        driver = true_driver(folder, dataset, row, editor)
        assert driver is not None
        rows += asked(model, editor, driver)
    told = {
        "model": args.model, "agents": len(samples), "seconds": round(time.perf_counter() - began, 1),
        "threads": torch.get_num_threads(),
        "found": {edit: summary([row for row in rows if row["edit"] == edit]) for edit in _names()},
    }  # fmt: skip
    write_json(args.figures, told, indent=1)
    print(json.dumps(told, indent=1, ensure_ascii=False))


def _names() -> list[str]:
    return ["arm closed", *_SENTENCES]


def _edits(editor: SceneEditor) -> list[tuple[str, list[Change]]]:
    """Each arm closed, and what each sentence asks for where the scene has it."""
    found: list[tuple[str, list[Change]]] = [("arm closed", [(knob, 1.0)]) for knob in editor.closings]
    for name, sentence in _SENTENCES.items():
        try:
            found.append((name, parse_edits(sentence, editor)))
        except ConfigError:
            continue
    return found


def asked(model: BatchPredictor, editor: SceneEditor, driver: TrueDriver) -> list[dict[str, Any]]:
    """One target: how far its likeliest end and its true one move by each edit, and the manoeuvres before and after."""
    edits = _edits(editor)
    ends, chances = _forecast(model, editor, edits)
    before = driver([])
    assert before is not None
    rows = []
    for number, (name, changes) in enumerate(edits, 1):
        after = driver(changes)
        if after is None:
            continue
        rows.append({
            "edit": name,
            "model_m": float(np.linalg.norm(ends[number] - ends[0])),
            "true_m": float(np.linalg.norm(after.paths_m[0, -1] - before.paths_m[0, -1])),
            "model_flips": bool(chances[number].argmax() != chances[0].argmax()),
            "true_flips": bool(after.probabilities.argmax() != before.probabilities.argmax()),
        })  # fmt: skip
    return rows


def _forecast(
    model: BatchPredictor, editor: SceneEditor, edits: Sequence[tuple[str, list[Change]]]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Likeliest ends (edits + 1, 2) and manoeuvres' probabilities, of the scene as it is and edited."""
    ends, chances = [], []
    with torch.inference_mode():
        for changes in ([], *(changes for _, changes in edits)):
            forecast = model.predict(editor.changed(changes))
            ends.append(forecast.most_likely()[0, -1].double().numpy())
            chances.append(manoeuvre_probabilities(forecast)[0])
    return np.array(ends), np.array(chances)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How often each flips, and together."""
    model, true = (np.array([row[key] for row in rows], dtype=bool) for key in ("model_flips", "true_flips"))
    model_m, true_m = (np.array([row[key] for row in rows]) for key in ("model_m", "true_m"))
    moves = true_m > 1.0
    return {
        "asked": len(rows),
        "true_flips": float(true.mean()), "model_flips": float(model.mean()),
        "model_flips_where_true_does": _mean(model[true]), "model_flips_elsewhere": _mean(model[~true]),
        "true_moves": int(moves.sum()),
        "true_m": _mean(true_m[moves]), "model_m": _mean(model_m[moves]), "model_m_elsewhere": _mean(model_m[~moves]),
    }  # fmt: skip


def _mean(values: np.ndarray[Any, Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run",))
    parser.add_argument("--out", type=Path, required=True, help="folder of the town; outside the checkout")
    parser.add_argument("--model", default="town", help="MODEL of the command line (default: %(default)s)")
    parser.add_argument("--agents", type=int, default=300, help="default: %(default)s")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="default: %(default)s")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
