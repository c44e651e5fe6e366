"""Scenario search on a synthetic town: how many of the first ten have what is wanted and keep all else?

    python benchmarks/search.py [--scenes 60] [--model town]

Of up to 40 agent-samples a word of --but (those that lack what is wanted), precision at 10 and at the number of right
answers that exist, where there are fewer: random, vectors of several strengths, and tags. Figures go into
benchmarks/figures/search.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from forecast.cli.search import scenarios_of
from forecast.core.json_files import write_json
from forecast.data.cache import open_dataset
from forecast.data.samples import Samples
from forecast.data.synthetic.town_writer import write_town
from forecast.explain.scenario_search import Scenarios
from forecast.explain.scenario_tags import WORDS
from forecast.prediction.predictor import Predictor

FIGURES = Path(__file__).parent / "figures" / "search.json"
STRENGTHS = (0.0, 0.5, 1.0, 1.5, 2.0)
TOP, QUERIES = 10, 40


def asked(scenarios: Scenarios, word: str) -> dict[str, Any] | None:
    """Mean precision of each way for one word; None where nothing could be found by anybody."""
    tag, value = WORDS[word]
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {}
    lacking = np.flatnonzero(scenarios.tags[tag] != value)
    for like in rng.permutation(lacking).tolist():
        right = scenarios.right(like, (tag, value))
        exist = len(set(scenarios.tracks[right].tolist()))
        if not exist:
            continue
        best = min(TOP, exist)
        ways = {"tags": scenarios.search(like, (tag, value), top=best)[0]}
        for strength in STRENGTHS:
            ways[f"vectors, {strength:g}"] = scenarios.search(
                like, (tag, value), way="vectors", strength=strength, top=best
            )[0]
        others = np.flatnonzero(scenarios.scenes != scenarios.scenes[like])
        ways["random"] = rng.choice(others, min(best, len(others)), replace=False)
        for way, answer in ways.items():
            found.setdefault(way, []).append(float(right[answer].mean()))
        if len(found["tags"]) == QUERIES:
            break
    if not found:
        return None
    return {"queries": len(found["tags"]), **{way: float(np.mean(values)) for way, values in found.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=60, help="default: %(default)s")
    parser.add_argument("--model", default="town", metavar="RUN", help="whose encoding (default: %(default)s)")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="default: %(default)s")
    args = parser.parse_args()
    model = Predictor.load(args.model)
    with tempfile.TemporaryDirectory() as folder:
        write_town(Path(folder) / "town", scenes=args.scenes, seed=77, version="v1.0-trainval")
        dataset = open_dataset(Path(folder) / "town", "v1.0-trainval", folder)
        rows = np.concatenate([dataset.samples(split).rows for split in ("train", "train_val", "val")])
        _, scenarios, _ = scenarios_of(model, dataset, Samples(rows))
    words = {word: one for word in WORDS if (one := asked(scenarios, word)) is not None}
    told = {"scenes": args.scenes, "agents": len(rows), "model": args.model, "words": words}
    write_json(args.figures, told, indent=1)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
