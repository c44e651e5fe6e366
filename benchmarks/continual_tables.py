"""What cells of the study of cities come to, for the page of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Cell = dict[str, Any]


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
    """Data of the page: one entry a cell of each kind."""
    orders = [cell for cell in cells if cell.get("scenes", 0) is None]
    low = [cell for cell in cells if cell.get("scenes") is not None]
    return {
        "orders": [_order(cell) for cell in orders],
        "low": sorted((_low(cell) for cell in low), key=lambda entry: (entry["scenes"] or 10**6, entry["row"])),
        "side": [cell for cell in cells if cell["cell"] == "side"],
    }


def _order(cell: Cell) -> dict[str, Any]:
    matrix, last = matrix_of(cell), cell["stages"][-1]
    return {
        "row": cell["row"],
        "order": cell["order"],
        "seed": cell["seed"],
        "districts": cell["districts"],
        "matrix_m": matrix,
        "mean_m": round(sum(matrix[-1]) / len(matrix[-1]), 3),
        "forgetting_m": round(forgetting_m(matrix), 3),
        "forward_m": round(forward_m(matrix), 3),
        "parameters": last["parameters"],
        "of_cities": last["of_cities"],
        "seconds": [stage["seconds"] for stage in cell["stages"]],
    }


def _low(cell: Cell) -> dict[str, Any]:
    old, new = cell["districts"][:2]
    val = cell["stages"][-1]["val"]
    return {
        "row": cell["row"],
        "scenes": cell["scenes"],
        "seed": cell["seed"],
        "new_m": val[new]["fde_ml_m"],
        "old_m": val[old]["fde_ml_m"],
    }
