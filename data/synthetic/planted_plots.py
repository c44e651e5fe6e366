"""Finds the plot behind an agent-sample of a junction world, from what the folder says of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from forecast.data.synthetic.junction_plots import Plot
from forecast.data.synthetic.junctions import Placed, Truth, plots_of_scene
from forecast.data.synthetic.world_mark import read_mark


def plot_of(folder: Path | str, token: str) -> Plot | None:
    """The situation that was planted for an agent-sample.

    Args:
        folder: of a data set.
        token: ``instance_sample``.

    Returns:
        None where the folder is no junction world, was written before version 0.3, or has no such target.
    """
    told = read_mark(folder)
    if told.get("world") != "junction" or "shares" not in told:
        return None
    truth = Truth.read(Path(folder) / "truth.npz")
    row = np.flatnonzero(truth.tokens == token)
    if not len(row):
        return None
    scene, number = divmod(int(row[0]), told["samples_per_scene"])
    placed: Placed = plots_of_scene(told["seed"], scene, told["scenes"], told["samples_per_scene"], told["shares"])[
        number
    ]
    if not np.allclose(placed.pose_world, truth.pose_world[row[0]]):
        return None
    return placed.plot
