"""Does a forecaster use its context? A study on the junction world, where the true futures are known.

python benchmarks/context.py run --out DIR --cell balanced/cab/0 [--cell map05/trajectron/1 …]
python benchmarks/context.py table --out DIR

A cell is a mixture of cases, a model and a seed: it trains on one world and is judged on another, of another seed.
Finished cells are kept in DIR under a hash of all they depend on; a cell that was begun is resumed, one that is
finished is not run again. ``table`` prints what is there, as Markdown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from compared import MODELS as COMPARED
from compared import compared
from context_scores import bounds, scores
from context_tables import print_tables
from context_worlds import World, load_world

from forecast.core.crops import CropSpec
from forecast.core.files import written_whole
from forecast.prediction.checkpoint import load_checkpoint
from forecast.training.config import as_dict, load_config
from forecast.training.run import train_on
from forecast.training.schema import TrainingConfig

BASE = Path(__file__).with_name("context.yaml")
MODELS: dict[str, dict[str, Any]] = {
    **{name: compared(name) for name in COMPARED},
    # Controls.
    "cab, λ_KL 0": compared("cab", objective_divergence_weight=0.0),
    "trajectron, entropy": compared("trajectron", objective_entropy_weight=5.0),
    # Ablations.
    "cab, λ_KL 1": compared("cab", objective_divergence_weight=1.0),
    "cab, λ_KL 20": compared("cab", objective_divergence_weight=20.0),
    "cab, no cap": compared("cab", objective_divergence_cap=None),
    "cab, free bits": compared("cab", objective_free_bits=0.07),
    "cab, lower clip": compared("cab", objective_lower_clip=-6.0, objective_soft_clip=None),
    "cab, no clip": compared("cab", objective_soft_clip=None),
    "cab, no clamp": compared("cab", schedules_logit_bound=None),
    "cab, summed neighbours": compared("cab", model_neighbour_encoder="summed"),
    "cab, joint": compared("cab", objective_joint=True),
    "trajectron, joint": compared("trajectron", objective_joint=True),
    # Not at an equal budget: how far the model without context is from its bound when it has learnt.
    "no_context, twice the epochs": compared("no_context", run_epochs=12),
    # Beyond the paper.
    "gain, modes alone": compared("gain", objective_weighted_probabilities=False),
    "gain, shared": compared("gain", objective_without_context="shared"),
    "gain, joint": compared("gain", objective_joint=True),
    **{f"{name}, normalised history": compared(name, model_normalised_history=True) for name in COMPARED},
}
#: The worlds' crops are made once, three channels, so they are not turned; batches are a quarter of the usual ones.
_QUERY = {
    "model.crop.channels": [list(layers) for layers in CropSpec().channels],
    "data.heading_noise_rad": 0.0,
    "optimiser.learning_rate": 1e-3,
    "optimiser.map_learning_rate": 1e-3,
    "run.batch_size": 64,
}
MODELS |= {name: compared(name) | _QUERY for name in ("query", "query_cab", "query_gain")}
MODELS["query, no context"] = compared("query") | _QUERY | {"model.uses_map": False, "model.uses_neighbours": False}
#: Worlds: targets, seed, shares of the cases (None for equal ones). Test worlds have seeds of their own.
WORLDS: dict[str, tuple[int, int, dict[str, float] | None]] = {
    "balanced_train": (16_000, 11, None),
    "balanced_test": (20_000, 1011, None),
    "pool_train": (16_000, 12, {"map": 0.4, "history": 0.6}),
    "pool_test": (10_000, 1012, {"map": 0.5, "history": 0.5}),
}
#: Targets of a training set that is drawn from the pool.
POOLED = 10_000
VALIDATION = 500


@dataclass(frozen=True)
class Cell:
    """One training and its test: ``balanced`` or ``mapNN`` (NN % map, the rest history), a model and a seed."""

    mixture: str
    model: str
    seed: int

    @classmethod
    def parse(cls, text: str) -> Cell:
        mixture, model, seed = text.split("/")
        if model not in MODELS:
            raise SystemExit(f"--cell {text}: no model '{model}'; there are {', '.join(MODELS)}")
        if mixture != "balanced" and not (mixture.startswith("map") and mixture[3:].isdigit()):
            raise SystemExit(f"--cell {text}: a mixture is 'balanced' or 'mapNN', NN in 1…40 %")
        return cls(mixture, model, int(seed))

    @property
    def pool(self) -> str:
        """Name of the pair of worlds."""
        return "balanced" if self.mixture == "balanced" else "pool"

    @property
    def config(self) -> TrainingConfig:
        """Of the training."""
        return load_config(BASE, settings={**MODELS[self.model], "run.seed": self.seed})

    @property
    def key(self) -> str:
        """Hash of all that the result depends on but the code and its defaults: a new setting leaves cells valid."""
        told = [
            _set(as_dict(self.config), as_dict(_defaults(self.config))),
            self.config.objective.name,
            WORLDS[f"{self.pool}_train"],
            WORLDS[f"{self.pool}_test"],
            self.mixture,
            POOLED,
        ]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def training_rows(self, world: World) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Of the world; with NN % map-decided ones where the mixture says so."""
        if self.pool == "balanced":
            return np.arange(len(world))
        rng, of_map = np.random.default_rng(0), round(POOLED * int(self.mixture[3:]) / 100)
        counts = {"map": of_map, "history": POOLED - of_map}
        kinds = [np.flatnonzero(world.truth.case == case) for case in counts]
        chosen = [rng.permutation(rows)[:count] for rows, count in zip(kinds, counts.values(), strict=True)]
        # At 2 % the pool is two hundred history-decided targets short, which changes the share by a twentieth of it.
        if sum(map(len, chosen)) < 0.97 * POOLED:
            raise SystemExit(f"{self.mixture}: the pool holds too few targets of a case")
        return np.sort(np.concatenate(chosen))


def _defaults(config: TrainingConfig) -> TrainingConfig:
    """Of the same network and objective."""
    return TrainingConfig(model=type(config.model)(), objective=type(config.objective)())


def _set(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """What differs from the defaults, nested as they are."""
    return {
        name: _set(value, defaults[name]) if isinstance(value, dict) and isinstance(defaults[name], dict) else value
        for name, value in values.items()
        if value != defaults[name]
    }


def run_cell(cell: Cell, out: Path, worlds: Path) -> Path:
    """Train and test, unless that has been done."""
    done = out / "cells" / f"{cell.key}.npz"
    if done.is_file():
        return done
    config = cell.config
    learn, test = (
        load_world(worlds / name, *WORLDS[name], config.model.crop)
        for name in (f"{cell.pool}_train", f"{cell.pool}_test")
    )
    began, folder = time.perf_counter(), out / "runs" / cell.key
    rows = cell.training_rows(learn)
    check = test.of(np.random.default_rng(1).permutation(len(test))[:VALIDATION])
    train_on(config, folder, learn.of(rows), check, None, resume=True, progress=False, data_fingerprint=cell.key)
    trained = time.perf_counter()
    found = scores(load_checkpoint(folder / "last.safetensors").model, test)
    told = {
        "mixture": cell.mixture, "model": cell.model, "seed": cell.seed, "train_s": round(trained - began, 1),
        "test_s": round(time.perf_counter() - trained, 1), "config": as_dict(config),
    }  # fmt: skip
    with written_whole(done) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, told=np.array(json.dumps(told)), case=test.truth.case, **found)
    return done


def run_bounds(name: str, out: Path, worlds: Path) -> Path:
    """Bounds of a test world, unless that has been done."""
    done = out / f"bounds-{name}.npz"
    if not done.is_file():
        world = load_world(worlds / name, *WORLDS[name], load_config(BASE).model.crop)
        with written_whole(done) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, case=world.truth.case, **bounds(world))
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished cells; outside the checkout")
    parser.add_argument("--worlds", type=Path, help="folder of the junction worlds (default: OUT/worlds)")
    parser.add_argument("--cell", action="append", default=[], metavar="MIXTURE/MODEL/SEED")
    args = parser.parse_args()
    worlds = args.worlds or args.out / "worlds"
    if args.what == "table":
        print_tables(args.out)
        return
    for cell in map(Cell.parse, args.cell):
        done = run_cell(cell, args.out, worlds)
        run_bounds(f"{cell.pool}_test", args.out, worlds)
        with np.load(done) as found:
            told = json.loads(str(found["told"]))
            fde = {
                case: round(float(found["fde_ml"][found["case"] == case].mean()), 2)
                for case in np.unique(found["case"])
            }
        print(f"{cell}: FDE-ML {fde}, trained {told['train_s']} s, tested {told['test_s']} s", flush=True)


if __name__ == "__main__":
    torch.multiprocessing.set_sharing_strategy("file_system")
    main()
