"""A finished cell of ``benchmarks/context.py``: its model, the world that judges it, targets that chose no epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from context import VALIDATION, WORLDS, Cell
from context_worlds import PER_SCENE, World, load_world

from forecast.data.synthetic.junction_plots import Plot
from forecast.data.synthetic.junctions import BALANCED, plots_of_scene
from forecast.prediction.checkpoint import load_checkpoint
from forecast.prediction.predictor import Predictor


def model_and_world(cell: Cell, context: Path) -> tuple[Predictor, World]:
    """Of a cell that is finished in the folder that ``benchmarks/context.py`` wrote to."""
    name = test_world(cell)
    world = load_world(context / "worlds" / name, *WORLDS[name], cell.config.model.crop)
    return Predictor(load_checkpoint(context / "runs" / cell.key / "last.safetensors")), world


def test_world(cell: Cell) -> str:
    """Name of the world that a cell is judged on."""
    return f"{cell.pool}_test"


def unseen_plots(cell: Cell, cases: Sequence[str], agents: int, size: int) -> Iterator[tuple[int, Plot]]:
    """Row and plot of the first targets of each case that the epoch was not chosen on.

    Args:
        cell: whose test world.
        cases: of the targets.
        agents: of each case.
        size: targets in the world.
    """
    number, seed, shares = WORLDS[test_world(cell)]
    chose = set(np.random.default_rng(1).permutation(size)[:VALIDATION].tolist())
    left, scenes = dict.fromkeys(cases, agents), number // PER_SCENE
    for scene in range(scenes):
        placed = plots_of_scene(seed, scene, scenes, PER_SCENE, shares or BALANCED)
        for row, one in enumerate(placed, scene * PER_SCENE):
            if row not in chose and left.get(one.plot.case, 0):
                left[one.plot.case] -= 1
                yield row, one.plot
        if not any(left.values()):
            return
