"""Results as columns, each with the one rule by which the results of several parts make those of the whole.

A result is a frozen dataclass whose fields are made by :func:`column`. Pieces of a file, processes and machines measure
parts of whole tracks; :func:`merge_results` adds them up, in any order of pieces but for the order of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from forecast.eval.results import Integers, PerItem, joined

Rule = Callable[[Sequence[Any]], Any]
T = TypeVar("T")
_RULE, _ITEMS = "merge", "items"


def column(rule: Rule, *, items: str = "", **options: Any) -> Any:
    """A field of a result.

    Args:
        rule: from the values of the parts to that of the whole.
        items: what its rows are, e.g. ``"agents"``: columns of one kind are reordered together; empty: it has no rows.
        options: of :func:`dataclasses.field`.
    """
    return field(metadata={_RULE: rule, _ITEMS: items}, **options)


def concatenate(parts: Sequence[Any]) -> Any:
    """One after another: arrays, :class:`PerItem`, lists, or dictionaries of them by their keys."""
    first = parts[0]
    if isinstance(first, dict):
        return {key: concatenate([part[key] for part in parts]) for key in _same_keys(parts)}
    if isinstance(first, PerItem):
        return joined(parts)
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    return [entry for part in parts for entry in part]


def add(parts: Sequence[Any]) -> Any:
    """The sum: of numbers, of arrays of one shape, or of dictionaries by their keys."""
    first = parts[0]
    if isinstance(first, dict):
        return {key: add([part[key] for part in parts]) for key in _same_keys(parts)}
    return np.sum(parts, axis=0) if isinstance(first, np.ndarray) else sum(parts)


def _same_keys(parts: Sequence[dict[str, Any]]) -> list[str]:
    for other in parts[1:]:
        if differing := sorted(parts[0].keys() ^ other.keys()):
            raise ValueError(f"parts of one result differ: {', '.join(differing)} is not in all; expected it in all")
    return list(parts[0])


def same(parts: Sequence[Any]) -> Any:
    """What is the same in all parts.

    Raises:
        ValueError: it is not.
    """
    first = parts[0]
    for other in parts[1:]:
        if not np.array_equal(first, other, equal_nan=isinstance(first, (float, np.ndarray))):
            raise ValueError(f"parts of one result differ: {first} and {other}; expected the same in all")
    return first


def first_given(parts: Sequence[str]) -> str:
    """The first text that is not empty."""
    return next((part for part in parts if part), "")


def each_field(parts: Sequence[Any]) -> Any:
    """Results within the result, field by field."""
    return merge_results(parts)


def merge_results(parts: Sequence[T]) -> T:
    """The result of the whole.

    Args:
        parts: one result each, of parts that share no item.

    Raises:
        ValueError: what has to be the same in all parts is not.
    """
    first: Any = parts[0]
    if len(parts) == 1:
        return parts[0]
    merged = {one.name: one.metadata[_RULE]([getattr(part, one.name) for part in parts]) for one in fields(first)}
    return replace(first, **merged)  # type: ignore[no-any-return]


def reorder(result: T, order: Mapping[str, Integers]) -> T:
    """The same with its rows in another order.

    Args:
        result: made of :func:`column` fields.
        order: kind of items → (items,) which row comes first, second, …; others stay as they are.
    """
    whole: Any = result
    moved: dict[str, Any] = {}
    for one in fields(whole):
        value, rows = getattr(whole, one.name), order.get(one.metadata[_ITEMS])
        if rows is not None:
            moved[one.name] = _taken(value, rows)
        elif is_dataclass(value) and one.metadata[_RULE] is each_field:
            moved[one.name] = reorder(value, order)
    return replace(whole, **moved)  # type: ignore[no-any-return]


def _taken(value: Any, rows: Integers) -> Any:
    if isinstance(value, dict):
        return {key: _taken(part, rows) for key, part in value.items()}
    if isinstance(value, PerItem):
        return PerItem(value.values[rows], value.valid[rows])
    return value[rows]
