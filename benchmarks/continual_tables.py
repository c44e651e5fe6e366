"""What cells of the study of cities come to, for the page of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Cell = dict[str, Any]
_MODELS = ("model of the first", "the same in the mirror", "model of all")


def matrix_of(cell: Cell) -> list[list[float]]:
    """FDE of the likeliest mode after each stage, on the districts in the cell's order, metres."""
    order = cell["districts"]
    return [[stage["val"][district]["fde_ml_m"] for district in order] for stage in cell["stages"]]


def forgetting_m(matrix: Sequence[Sequence[float]]) -> float:
    """Mean over all districts but the last of what was lost since the best stage that had learnt it, metres."""
    last = len(matrix) - 1
    lost = [matrix[last][k] - min(row[k] for row in matrix[k:]) for k in range(last)]
    return sum(lost) / max(len(lost), 1)


def forward_m(matrix: Sequence[Sequence[float]]) -> float:
    """Mean gain on a district from the stages before it alone, against the first stage, metres; positive is good."""
    gains = [matrix[0][k] - matrix[k - 1][k] for k in range(2, len(matrix))]
    return sum(gains) / max(len(gains), 1)


def page(cells: Sequence[Cell]) -> dict[str, Any]:
    """The page of results, which results_pages.py renders, from the cells that are finished."""
    orders = [cell for cell in cells if cell["cell"] != "side" and cell["scenes"] is None]
    low = [cell for cell in cells if cell["cell"] != "side" and cell["scenes"] is not None]
    tables = [
        _orders(orders),
        *_matrices(orders),
        _low(low),
        *_side([cell for cell in cells if cell["cell"] == "side"]),
    ]
    return {
        "title": "A new city",
        "version": "0.2.0 with the changes that are not released yet",
        "data": "real (nuScenes v1.0-trainval, a reconstruction with 45 % original time stamps), val",
        "intro": [
            "Districts come one after another; after each the model is scored on all of them. What is gained in the "
            "new one, and what is forgotten in the old ones? [The guide](../cities.md) says how it is done."
        ],
        "tables": [table for table in tables if table["rows"]],
        "notes": [
            "Forgetting: error on a district after the last stage, minus the least since it was learnt, mean over all "
            "districts but the last. Forward: what the stages before a district gain on it against the first one.",
            "Last weights of each stage; settings were chosen on train_val of Singapore one-north, seed 0. The first "
            "district is learnt in 10 epochs, each further one in 10; up to 20 scenes in 30 epochs, of 64 agents a "
            "step.",
        ],
    }


def _table(title: str, what: str, columns: Sequence[str], rows: list[list[str]], notes: Sequence[str] = ()) -> Cell:
    named = [{"name": name, "unit": unit or None} for name, _, unit in (column.partition("|") for column in columns)]
    command = f"python benchmarks/continual.py {what}"
    return {"title": title, "command": command, "columns": named, "rows": rows, "notes": list(notes)}


def _orders(cells: Sequence[Cell]) -> Cell:
    columns = [
        "row",
        "order",
        "seed",
        "FDE-ML of all districts|m",
        "forgetting|m",
        "forward|m",
        "of the base",
        "of cities",
    ]
    rows = []
    for cell in cells:
        matrix, last = matrix_of(cell), cell["stages"][-1]
        mean = sum(matrix[-1]) / len(matrix[-1])
        figures = [f"{mean:.2f}", f"{forgetting_m(matrix):.2f}", f"{forward_m(matrix):.2f}"]
        rows.append(
            [cell["row"], cell["order"], cell["seed"], *figures, f"{last['parameters']:,}", f"{last['of_cities']:,}"]
        )
    rows = [[str(entry) for entry in row] for row in sorted(rows, key=lambda row: row[:3])]
    return _table("All rows and orders", "run --dataroot DIR --out RUNS --cell ROW:ORDER:SEED", columns, rows)


def _matrices(cells: Sequence[Cell]) -> list[Cell]:
    """FDE after each stage of the rows of the first order and seed."""
    found = []
    for cell in cells:
        if cell["order"] or cell["seed"]:
            continue
        rows = [
            [stage["learnt"], *(f"{value:.2f}" for value in row), _seconds(stage)]
            for stage, row in zip(cell["stages"], matrix_of(cell), strict=True)
        ]
        columns = ["after", *(f"{name}|m" for name in cell["districts"]), "trained|s"]
        what = f"run --dataroot DIR --out RUNS --cell {cell['row']}:0:0"
        found.append(_table(f"FDE-ML stage by stage: {cell['row']}", what, columns, rows))
    return found


def _seconds(stage: Cell) -> str:
    return "-" if stage["seconds"] is None else f"{stage['seconds']:.0f}"


def _low(cells: Sequence[Cell]) -> Cell:
    """The new district and the old one after some scenes of the new one."""
    ordered = sorted(cells, key=lambda cell: (cell["scenes"] or 10**6, cell["row"], cell["seed"]))
    rows = []
    for cell in ordered:
        old, new = cell["districts"][:2]
        val, against = cell["stages"][-1]["val"], cell["against_naive"]
        shown = [_interval(against[name]) if against else "-" for name in (new, old)]
        figures = [f"{val[name]['fde_ml_m']:.2f}" for name in (new, old)]
        rows.append([str(cell["scenes"] or "all"), cell["row"], str(cell["seed"]), *figures, *shown])
    columns = ["scenes", "row", "seed", "new|m", "old|m", "new, minus naive|m", "old, minus naive|m"]
    notes = ["FDE-ML; differences with paired 95 % intervals over scenes; below 0 is better than naive fine-tuning."]
    title = "Few scenes of a new district (one-north), from a model of Boston"
    return _table(title, "run --dataroot DIR --out RUNS --cell low:ROW:SCENES:SEED", columns, rows, notes)


def _interval(found: Cell) -> str:
    return f"{found['value']:+.2f} ({found['low']:+.2f}, {found['high']:+.2f})"


def _side(cells: Sequence[Cell]) -> list[Cell]:
    """How much of what is lost is the side of the road."""
    found = []
    for cell in cells:
        rows = [
            [
                name,
                *(f"{told[key]['fde_ml_m']:.2f}" for key in _MODELS),
                *(_interval(told[f"{key} minus plain"]) for key in ("mirror", "model of all")),
            ]
            for name, told in cell["districts"].items()
        ]
        columns = ["district", *(f"{key}|m" for key in _MODELS), "mirror minus plain|m", "model of all minus plain|m"]
        what = f"side --dataroot DIR --out RUNS --seed {cell['seed']}"
        notes = [
            "In the mirror, all inputs and the truth are swapped left and right, so that traffic changes its side."
        ]
        found.append(_table("The side of the road, with a model of Boston", what, columns, rows, notes))
    return found
