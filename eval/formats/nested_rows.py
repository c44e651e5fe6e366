"""The fast Parquet form of forecasts: one row a forecast, its modes in lists, the leads in the file's metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows
from forecast.core.units import MAX_TIME_S
from forecast.eval.formats.flat_rows import MAX_COORDINATE_M, MAX_PROBABILITY, check_leads
from forecast.eval.formats.read_notes import Notes
from forecast.eval.formats.table_columns import is_number, names, numbered, refuse, refuse_times, require, times
from forecast.eval.results import Bools, Floats, Integers

_LEADS, _REMARK = b"lead_s", b"remark"
_LISTS = ("probabilities", "positions_m")
_OWN_LEADS = "row_lead_s"


def is_nested(columns: Sequence[str]) -> bool:
    """Whether a table is in this form, by its columns."""
    return set(_LISTS) <= set(columns)


def nested_table_of(rows: ForecastRows) -> pa.Table:
    """One row a forecast: lists of probabilities, and of positions by mode, step, (x, y), flattened.

    A mode is written whole: leads it does not reach are NaN. So that modes keep their numbers, one that a row does not
    have, before its last one, is written as NaN throughout; samples likewise.
    """
    present = _up_to_last(~np.isnan(rows.probabilities))
    columns: dict[str, Any] = {
        "track": rows.track,
        "issue_time_s": rows.issue_time_s,
        "probabilities": _lists(rows.probabilities, present),
        "positions_m": _lists(rows.positions_m, present),
    }
    if rows.covariances_m2 is not None:
        columns["covariances_m2"] = _lists(rows.covariances_m2, present)
    if rows.samples_m is not None:
        columns["samples_m"] = _lists(rows.samples_m, _up_to_last(np.isfinite(rows.samples_m).any((-2, -1))))
    if rows.row_lead_s is not None:
        columns[_OWN_LEADS] = _lists(rows.row_lead_s[:, None], np.ones((len(rows), 1), dtype=bool))
    told = {_LEADS: json.dumps(rows.lead_s.tolist()).encode()}
    if rows.remark:
        told[_REMARK] = rows.remark.encode()
    return pa.table(columns).replace_schema_metadata(told)


def _up_to_last(present: Bools) -> Bools:
    found: Bools = np.logical_or.accumulate(present[:, ::-1], -1)[:, ::-1]
    return found


def _lists(values: Floats, present: Bools) -> pa.Array:
    width = int(np.prod(values.shape[2:]))
    offsets = np.concatenate([[0], np.cumsum(present.sum(-1) * width)])
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(values[present].reshape(-1)))


def nested_rows_of(table: pa.Table, where: str, *, max_modes: int, notes: Notes | None = None) -> ForecastRows:
    """Read a table in this form; the rows come in the order of time within each track.

    Raises:
        BadRowsError: rows that are wrong by themselves.
        SubmissionError: in one line, what was found and what was expected.
    """
    require(where, table.column_names, ("track", "issue_time_s", *_LISTS))
    lead_s = _lead_s(table, where)
    code, track_names = names(table, where)
    issue_s = times(table, "issue_time_s", where)
    refuse_times(where, "issue_time_s", issue_s)
    first = numbered(code, issue_s)[1]
    if len(first) < len(code):
        again = np.ones(len(code), dtype=bool)
        again[first] = False
        refuse(where, again, "a second forecast of the same track and issue time; expected one each")
    if not _in_order(code, issue_s):
        return nested_rows_of(table.take(first), where, max_modes=max_modes, notes=notes)
    flat, count = _flattened(table, "probabilities", where)
    refuse(where, (count < 1) | (count > max_modes), f"expected 1 to {max_modes} modes")
    listed = np.arange(int(count.max())) < count[:, None]
    probabilities = np.full(listed.shape, np.nan)
    probabilities[listed] = flat
    present = ~np.isnan(probabilities)
    refuse(where, ~present.any(-1), "no mode with a probability; expected at least one")
    refuse(where, np.isinf(probabilities).any(-1), "a probability is not a finite number")
    refuse(where, (np.where(present, probabilities, 0) < 0).any(-1), "a negative probability; expected 0 or more")
    refuse(where, (probabilities > MAX_PROBABILITY).any(-1), "a probability over a million; expected up to 1")
    refuse(where, np.nansum(probabilities, -1) <= 0, "all probabilities are 0; expected a positive sum")
    positions = _unpacked(table, "positions_m", where, listed, (len(lead_s), 2))
    # A mode may lack leads, both coordinates NaN, but not all; one that a row does not have is NaN throughout.
    none = np.isnan(positions).all(-1)
    bad = ~none & ~(np.abs(positions) <= MAX_COORDINATE_M).all(-1)
    refuse(where, (bad | (none.all(-1) & present)[..., None]).any((1, 2)), "a position is not finite metres")
    stray = ~present & ~none.all(-1)
    refuse(where, stray.any(-1), "positions in a mode whose probability is not a finite number")
    covariances = _covariances(table, where, listed, positions)
    samples, own = _samples(table, where, len(lead_s)), _own_leads(table, where, lead_s)
    if notes is not None:
        notes.digits.see(positions, [str(table.column("positions_m").type.value_type)])
    remark = (table.schema.metadata or {}).get(_REMARK, b"").decode(errors="replace")
    found = (track_names[code], issue_s, lead_s, positions, probabilities, covariances, samples, own)
    return ForecastRows(*found, remark=remark)


def _in_order(code: Integers, issue_s: Floats) -> bool:
    """Whether the rows of each track follow each other, in the order of time."""
    same = np.diff(code) == 0
    runs = len(code) - int(same.sum())
    return runs == len(np.unique(code)) and bool((np.diff(issue_s)[same] > 0).all())


def _own_leads(table: pa.Table, where: str, lead_s: Floats) -> Floats | None:
    if _OWN_LEADS not in table.column_names:
        return None
    own = _unpacked(table, _OWN_LEADS, where, np.ones((table.num_rows, 1), dtype=bool), (len(lead_s),))[:, 0]
    sound = np.isfinite(own).all(-1) & (own > 0).all(-1) & (np.diff(own, axis=-1) > 0).all(-1)
    refuse(where, ~sound, f"{_OWN_LEADS} is not positive, finite and increasing")
    return own


def _covariances(table: pa.Table, where: str, listed: Bools, positions: Floats) -> Floats | None:
    if "covariances_m2" not in table.column_names:
        return None
    found = _unpacked(table, "covariances_m2", where, listed, (positions.shape[2], 2, 2))
    xx, xy, yx, yy = np.moveaxis(found.reshape(*found.shape[:-2], 4), -1, 0)
    with np.errstate(over="ignore", invalid="ignore"):
        sound = (xx > 0) & (xx * yy - xy * yx > 0) & (xy == yx) & np.isfinite(xx * yy)
    wrong = np.isfinite(positions).all(-1) & ~sound
    refuse(where, wrong.any((1, 2)), "a covariance is not symmetric and positive definite")
    return found


def _lead_s(table: pa.Table, where: str) -> Floats:
    stored = (table.schema.metadata or {}).get(_LEADS)
    try:
        leads = json.loads(stored) if stored else None
    except (ValueError, RecursionError):
        leads = None
    if not isinstance(leads, list) or not leads or not all(isinstance(lead, (int, float)) for lead in leads):
        raise SubmissionError(f"{where}: no list of leads in the file's metadata (lead_s); expected seconds")
    lead_s = np.array([float(lead) if abs(lead) <= MAX_TIME_S else np.inf for lead in leads])
    if not np.isfinite(lead_s).all() or lead_s[0] <= 0 or (np.diff(lead_s) <= 0).any():
        raise SubmissionError(f"{where}: lead_s in the metadata runs {leads[:4]}…; expected positive and increasing")
    check_leads(where, lead_s)
    return lead_s


def _flattened(table: pa.Table, name: str, where: str) -> tuple[Floats, Integers]:
    """All numbers of a list column in a row, and how many each row has."""
    column = table.column(name).combine_chunks()
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    kind = table.column(name).type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not lists or not is_number(kind.value_type):
        raise SubmissionError(f"{where}: column {name} holds {kind}; expected lists of numbers")
    flat = [chunk.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False) for chunk in chunks]
    count = [chunk.value_lengths().fill_null(0).to_numpy(zero_copy_only=False) for chunk in chunks]
    return np.concatenate(flat), np.concatenate(count).astype(np.int64)


def _unpacked(table: pa.Table, name: str, where: str, present: Bools, shape: tuple[int, ...]) -> Floats:
    flat, count = _flattened(table, name, where)
    expected = present.sum(-1) * int(np.prod(shape))
    wrong = count != expected
    found = f"{count[wrong][0]} numbers in {name}; expected {expected[wrong][0]}" if wrong.any() else ""
    refuse(where, wrong, f"another number of numbers in {name} than modes and leads make", found)
    values = np.full((*present.shape, *shape), np.nan)
    values[present] = flat.reshape(-1, *shape)
    return values


def _samples(table: pa.Table, where: str, steps: int) -> Floats | None:
    if "samples_m" not in table.column_names:
        return None
    _, count = _flattened(table, "samples_m", where)
    refuse(where, count % (steps * 2) != 0, f"samples_m does not divide into samples of {steps} points")
    drawn = count // (steps * 2)
    samples = _unpacked(table, "samples_m", where, np.arange(int(drawn.max(initial=1))) < drawn[:, None], (steps, 2))
    half = np.isnan(samples).any(-1) & ~np.isnan(samples).all(-1)
    refuse(where, half.any((1, 2)), "half a position in samples_m; expected numbers, or NaN in both")
    refuse(where, (np.abs(samples) > MAX_COORDINATE_M).any((1, 2, 3)), "a sample over 10,000 km out; expected metres")
    return samples
