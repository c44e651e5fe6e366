"""Compares two files of figures: JSON, Parquet, CSV, NumPy archives. Part of before_after.py."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Rules:
    """What counts as equal.

    Attributes:
        tolerance: absolute for figures up to 1, relative above.
        names: old → new, of keys, columns and array names.
        left_out: patterns of places that are not compared, e.g. ``$.version``.
    """

    tolerance: float = 1e-9
    names: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def close(self, before: float, after: float) -> bool:
        """Whether two figures are equal; NaN is equal to NaN, infinity to itself."""
        if math.isnan(before) or math.isnan(after):
            return math.isnan(before) and math.isnan(after)
        if math.isinf(before) or math.isinf(after):
            return before == after
        return abs(before - after) <= self.tolerance * max(1.0, abs(before))


def read(path: Path) -> Any:
    """What a file holds, as mappings, sequences, arrays and scalars.

    Raises:
        ValueError: there is no reader for such a file.
    """
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    if path.suffix == ".parquet":
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(path)
        return {name: table[name].to_pylist() for name in table.column_names}
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
        return {name: [_number(row[name]) for row in rows] for name in (rows[0] if rows else {})}
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    raise ValueError(f"{path}: no reader for {path.suffix or 'a file without a suffix'}")


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def differences(before: Any, after: Any, rules: Rules, where: str = "$") -> Iterator[str]:
    """One line for each place at which two readings differ."""
    if any(fnmatch(where, pattern) for pattern in rules.left_out):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _of_mappings(before, after, rules, where)
    elif isinstance(before, np.ndarray) and isinstance(after, np.ndarray):
        yield from _of_arrays(before, after, rules, where)
    elif _is_sequence(before) and _is_sequence(after):
        if len(before) != len(after):
            yield f"{where}: {len(before)} entries, now {len(after)}"
            return
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from differences(*pair, rules, f"{where}[{index}]")
    elif _is_number(before) and _is_number(after):
        if not rules.close(float(before), float(after)):
            yield f"{where}: {before!r}, now {after!r}"
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield f"{where}: {before!r:.80}, now {after!r:.80}"


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _of_mappings(before: Mapping[str, Any], after: Mapping[str, Any], rules: Rules, where: str) -> Iterator[str]:
    renamed = {name if name in after else rules.names.get(name, name): value for name, value in before.items()}
    for name in renamed:
        place = f"{where}.{name}"
        if name in after:
            yield from differences(renamed[name], after[name], rules, place)
        elif not any(fnmatch(place, pattern) for pattern in rules.left_out):
            yield f"{place}: gone"
    for name in after:
        place = f"{where}.{name}"
        if name not in renamed and not any(fnmatch(place, pattern) for pattern in rules.left_out):
            yield f"{place}: new"


def _of_arrays(before: Any, after: Any, rules: Rules, where: str) -> Iterator[str]:
    if before.shape != after.shape or before.dtype.kind != after.dtype.kind:
        yield f"{where}: {before.dtype}{before.shape}, now {after.dtype}{after.shape}"
        return
    if before.dtype.kind not in "fc":
        wrong = before != after
    else:
        old, new = before.astype(np.float64), after.astype(np.float64)
        wrong = ~((old == new) | (np.isnan(old) & np.isnan(new)))
        with np.errstate(invalid="ignore"):
            wrong &= ~(np.abs(old - new) <= rules.tolerance * np.maximum(1.0, np.abs(old)))
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        yield f"{where}: {int(wrong.sum())} of {wrong.size} differ, first at {at}: {before[at]}, now {after[at]}"


def compare_files(before: Path, after: Path, rules: Rules) -> list[str]:
    """Differences of two files, or why they cannot be compared."""
    for path in (before, after):
        if not path.is_file():
            return [f"{path.name}: {'before' if path == before else 'after'} did not write it"]
    if before.read_bytes() == after.read_bytes():
        return []
    try:
        return [f"{before.name} {line}" for line in differences(read(before), read(after), rules)]
    except ValueError as error:
        return [f"bytes differ, and {error}"]
