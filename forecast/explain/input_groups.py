"""Which inputs of a forecaster are switched together: cells and layers of the map, neighbours, steps of the past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec

Kind = Literal["map", "neighbours", "history"]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class InputGroup:
    """Inputs that share one entry of a mask.

    Attributes:
        kind: which of the three inputs they belong to.
        name: for people.
        box_px: of a part of the map: first row, end row, first column, end column of the crop.
        channels: of a part of the map, channels of the crop; empty for all.
        slots: of neighbours, their places in :attr:`AgentBatch.neighbours`.
        steps: of the past, rows of :attr:`AgentBatch.history`.
    """

    kind: Kind
    name: str
    box_px: Box | None = None
    channels: tuple[int, ...] = ()
    slots: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()

    def bounds_m(self, spec: CropSpec) -> tuple[float, float, float, float] | None:
        """Least and greatest x, then least and greatest y, of a part of the map in the agent's frame, metres."""
        if self.box_px is None:
            return None
        first, end, right, left = (edge / spec.px_per_m for edge in self.box_px)
        return first - spec.behind_m, end - spec.behind_m, right - spec.right_m, left - spec.right_m


def cells(spec: CropSpec, along: int = 8, across: int = 5) -> list[InputGroup]:
    """Cut the map into cells of nearly equal size: ``along`` rows in the direction of travel, ``across`` columns.

    Raises:
        ValueError: the crop has fewer pixels than that.
    """
    if not (1 <= along <= spec.height_px and 1 <= across <= spec.width_px):
        raise ValueError(f"{along} × {across} cells: a crop of {spec.height_px} × {spec.width_px} px cannot hold them")
    rows = np.linspace(0, spec.height_px, along + 1).astype(int).tolist()
    columns = np.linspace(0, spec.width_px, across + 1).astype(int).tolist()
    boxes = [
        (rows[row], rows[row + 1], columns[column], columns[column + 1])
        for row in range(along)
        for column in range(across)
    ]
    return [_cell(box, spec) for box in boxes]


def quarters(cell: InputGroup, spec: CropSpec) -> list[InputGroup]:
    """The four parts of a cell, or fewer where it is a pixel wide."""
    assert cell.box_px is not None
    first, end, right, left = cell.box_px
    rows = sorted({first, (first + end) // 2, end})
    columns = sorted({right, (right + left) // 2, left})
    return [
        _cell((rows[row], rows[row + 1], columns[column], columns[column + 1]), spec)
        for row in range(len(rows) - 1)
        for column in range(len(columns) - 1)
    ]


def _cell(box: Box, spec: CropSpec) -> InputGroup:
    cell = InputGroup("map", "", box_px=box)
    bounds = cell.bounds_m(spec)
    assert bounds is not None
    back, ahead, right, left = bounds
    return InputGroup("map", f"map x {back:g}…{ahead:g}, y {right:g}…{left:g} m", box_px=box)


def layers(spec: CropSpec) -> list[InputGroup]:
    """One group a channel of the map."""
    return [
        InputGroup("map", f"map {' ∪ '.join(names)}", box_px=(0, spec.height_px, 0, spec.width_px), channels=(channel,))
        for channel, names in enumerate(spec.channels)
    ]


def each_neighbour(batch: AgentBatch) -> list[InputGroup]:
    """One group a neighbour that is there at time 0, the nearest first, numbered from 1.

    Args:
        batch: one agent.
    """
    there = np.flatnonzero(batch.neighbours_valid[0, :, -1].numpy()).tolist()
    found = []
    for number, slot in enumerate(there, 1):
        x, y = batch.neighbours[0, slot, -1, :2].tolist()
        found.append(InputGroup("neighbours", f"neighbour {number} at x {x:.0f}, y {y:.0f} m", slots=(slot,)))
    return found


def each_step(batch: AgentBatch, step_s: float) -> list[InputGroup]:
    """One group a key frame of the past at which the agent was seen; of the present one, its turning and braking.

    Args:
        batch: one agent.
        step_s: seconds between two key frames.
    """
    valid = np.flatnonzero(batch.history_valid[0].numpy()).tolist()
    last = batch.history.shape[1] - 1
    names = [f"past {step_s * (last - row):g} s ago" if row < last else "present acceleration" for row in valid]
    return [InputGroup("history", name, steps=(row,)) for name, row in zip(names, valid, strict=True)]


def whole_inputs(batch: AgentBatch, spec: CropSpec) -> list[InputGroup]:
    """The three inputs as one group each, in the order of :data:`forecast.eval.context.INPUTS`."""
    return [
        InputGroup("history", "history", steps=tuple(range(batch.history.shape[1]))),
        InputGroup("map", "map", box_px=(0, spec.height_px, 0, spec.width_px)),
        InputGroup("neighbours", "neighbours", slots=tuple(range(batch.neighbours.shape[1]))),
    ]
