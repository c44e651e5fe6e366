"""From one line per forecast point to arrays, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from forecast.core.errors import SubmissionError
from forecast.core.rows import ForecastRows
from forecast.eval.results import Bools, Floats, Integers

REQUIRED = ("track", "issue_time_s", "mode", "probability", "lead_s", "x_m", "y_m")
COVARIANCE = ("cov_xx_m2", "cov_xy_m2", "cov_yy_m2")
SAMPLE = "sample"
#: Positions farther from the origin than this are no positions, m.
MAX_COORDINATE_M = 1e7
MAX_SAMPLES = 10_000
#: Probabilities need not sum to 1, but what is larger than this is none.
MAX_PROBABILITY = 1e6
#: Larger readings of a clock are no seconds but milliseconds or less: this is the year 5138 since 1970.
MAX_TIME_S = 1e11


def numbers(table: pa.Table, name: str, where: str) -> Floats:
    """A column as float64, NaN where null.

    Raises:
        SubmissionError: the column does not hold numbers.
    """
    column = table.column(name)
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise SubmissionError(f"{where}: column {name} holds {kind}; expected numbers")
    values: Floats = column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return values


def names(table: pa.Table, where: str) -> tuple[Integers, np.ndarray[Any, np.dtype[np.str_]]]:
    """The track column as one integer a row, and the names they stand for.

    Raises:
        SubmissionError: the column holds neither text nor whole numbers, or a track has no name.
    """
    column = table.column("track")
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (
        pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_integer(column.type)
    ):
        raise SubmissionError(f"{where}: column track holds {column.type}; expected names")
    if column.null_count:
        raise SubmissionError(f"{where}: {column.null_count} rows have no track; expected a name in each")
    encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    return encoded.indices.to_numpy().astype(np.int64), np.array(encoded.dictionary.to_pylist(), dtype=np.str_)


def require(where: str, found: list[str], wanted: tuple[str, ...]) -> None:
    """Refuse a table that lacks a column.

    Raises:
        SubmissionError: naming the columns that are missing and those that are there.
    """
    twice = [name for name in wanted if found.count(name) > 1]
    if twice:
        raise SubmissionError(f"{where}: column {twice[0]} twice; expected it once")
    missing = [name for name in wanted if name not in found]
    if missing:
        raise SubmissionError(f"{where}: no column {', '.join(missing)}; found {', '.join(found[:12]) or 'none'}")


def refuse(where: str, wrong: Bools, complaint: str) -> None:
    """Refuse a table if any row is wrong, naming the first.

    Raises:
        SubmissionError: in one line.
    """
    if wrong.any():
        raise SubmissionError(f"{where}: row {int(wrong.argmax())}: {complaint}")


def refuse_times(where: str, name: str, time_s: Floats) -> None:
    """Refuse clock readings that cannot be seconds.

    Raises:
        SubmissionError: in one line.
    """
    refuse(where, np.abs(time_s) > MAX_TIME_S, f"{name} is beyond 1e11; expected seconds, not milli- or microseconds")


def rows_of(table: pa.Table, where: str, *, max_modes: int) -> ForecastRows:
    """Gather the points of a table, in any order, into one row a forecast.

    Raises:
        SubmissionError: in one line, which row, what was found and what was expected.
    """
    require(where, table.column_names, REQUIRED)
    code, track_names = names(table, where)
    value = {name: numbers(table, name, where) for name in REQUIRED[1:]}
    for name in ("issue_time_s", "lead_s", "x_m", "y_m"):
        refuse(where, ~np.isfinite(value[name]), f"{name} is not a finite number")
    far = np.maximum(np.abs(value["x_m"]), np.abs(value["y_m"])) > MAX_COORDINATE_M
    refuse(where, far, "a position over 10,000 km out; expected metres")
    for name in ("issue_time_s", "lead_s"):
        refuse_times(where, name, value[name])
    refuse(where, value["lead_s"] <= 0, "lead_s is not positive; expected seconds after the issue")
    sample = numbers(table, SAMPLE, where) if SAMPLE in table.column_names else np.full(len(code), np.nan)
    is_mode = np.isnan(sample)
    _check_indices(where, value, sample, is_mode, max_modes)
    forecast, row_of = numbered(code, value["issue_time_s"])
    leads, step = _leads(value["lead_s"])
    positions = np.stack([value["x_m"], value["y_m"]], -1)
    index = np.where(is_mode, value["mode"], 0).astype(np.int64)
    modes = int(index[is_mode].max(initial=-1)) + 1
    at = (forecast[is_mode], index[is_mode], step[is_mode])
    shape = (len(row_of), modes, len(leads))
    return ForecastRows(
        track=track_names[code[row_of]],
        issue_time_s=value["issue_time_s"][row_of],
        lead_s=leads,
        positions_m=_placed(where, shape, at, positions[is_mode]),
        probabilities=_probabilities(where, shape[:2], at[:2], value["probability"][is_mode]),
        covariances_m2=_covariances(table, where, shape, at, is_mode),
        samples_m=_samples(where, forecast, sample, step, positions, shape),
    )


def _check_indices(where: str, value: dict[str, Floats], sample: Floats, is_mode: Bools, max_modes: int) -> None:
    mode, probability = value["mode"], value["probability"]
    whole = np.isfinite(mode) & (mode == np.floor(mode)) & (mode >= 0)
    refuse(where, is_mode & ~whole, "mode is not a whole number from 0")
    refuse(where, is_mode & (mode >= max_modes), f"a mode beyond the {max_modes} allowed (counted from 0)")
    refuse(where, is_mode & ~np.isfinite(probability), "probability is not a finite number")
    refuse(where, is_mode & (probability < 0), "a negative probability; expected 0 or more")
    refuse(where, is_mode & (probability > MAX_PROBABILITY), "a probability over a million; expected up to 1")
    wrong = ~is_mode & ~((sample >= 0) & (sample < MAX_SAMPLES) & (sample == np.floor(sample)))
    refuse(where, wrong, f"sample is not a whole number from 0 to {MAX_SAMPLES - 1}")
    refuse(where, np.full(1, not is_mode.any()), "no modes, only samples; expected at least one mode a forecast")


def numbered(code: Integers, issue_s: Floats) -> tuple[Integers, Integers]:
    """Number each (track, issue time), sorted; and the first row of the table for each of them."""
    order = np.lexsort((issue_s, code))
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(code[order]) != 0) | (np.diff(issue_s[order]) > 1e-6)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(new) - 1
    return number, order[new]


def _leads(lead_s: Floats) -> tuple[Floats, Integers]:
    """The distinct leads to a microsecond, and which of them each row is at."""
    distinct, step = np.unique(np.rint(lead_s * 1e6).astype(np.int64), return_inverse=True)
    return distinct / 1e6, step.reshape(-1)


def _placed(where: str, shape: tuple[int, ...], at: tuple[Integers, ...], values: Floats) -> Floats:
    slot = np.ravel_multi_index(at, shape) if len(values) else np.zeros(0, dtype=np.int64)
    if len(slot) and np.bincount(slot, minlength=1).max() > 1:
        raise SubmissionError(
            f"{where}: two rows for the same track, issue time, mode (or sample) and lead; expected one each"
        )
    placed = np.full((int(np.prod(shape)), *values.shape[1:]), np.nan)
    placed[slot] = values
    return placed.reshape(*shape, *values.shape[1:])


def _probabilities(where: str, shape: tuple[int, ...], at: tuple[Integers, ...], values: Floats) -> Floats:
    probabilities = np.full(shape, np.nan)
    probabilities[at] = values
    if (np.abs(probabilities[at] - values) > 1e-9).any():
        raise SubmissionError(f"{where}: one mode has different probabilities at different leads; expected one")
    present = ~np.isnan(probabilities)
    if (~present.any(-1)).any():
        raise SubmissionError(f"{where}: a forecast has samples but no mode; expected at least one mode each")
    if (np.nansum(probabilities, -1) <= 0).any():
        raise SubmissionError(f"{where}: all probabilities of a forecast are 0; expected a positive sum")
    return probabilities


def _covariances(
    table: pa.Table, where: str, shape: tuple[int, ...], at: tuple[Integers, ...], is_mode: Bools
) -> Floats | None:
    found = [name for name in COVARIANCE if name in table.column_names]
    if not found:
        return None
    require(where, table.column_names, COVARIANCE)
    xx, xy, yy = (numbers(table, name, where) for name in COVARIANCE)
    with np.errstate(over="ignore", invalid="ignore"):
        sound = (xx > 0) & (xx * yy - xy**2 > 0) & np.isfinite(xx * yy)
    refuse(where, is_mode & ~sound, "the covariance is not positive definite")
    return _placed(where, shape, at, np.stack([xx, xy, xy, yy], -1)[is_mode]).reshape(*shape, 2, 2)


def _samples(
    where: str, forecast: Integers, sample: Floats, step: Integers, positions: Floats, shape: tuple[int, ...]
) -> Floats | None:
    drawn = ~np.isnan(sample)
    if not drawn.any():
        return None
    number = sample[drawn].astype(np.int64)
    sizes = (shape[0], int(number.max()) + 1, shape[2])
    return _placed(where, sizes, (forecast[drawn], number, step[drawn]), positions[drawn])


def table_of(rows: ForecastRows) -> pa.Table:
    """One line per forecast point; absent modes and leads are left out."""
    present = np.isfinite(rows.positions_m).all(-1) & ~np.isnan(rows.probabilities)[..., None]
    row, mode, step = np.nonzero(present)
    columns: dict[str, Any] = {
        "track": rows.track[row],
        "issue_time_s": rows.issue_time_s[row],
        "mode": mode.astype(np.float64),
        "probability": rows.probabilities[row, mode],
        "lead_s": rows.lead_s[step],
        "x_m": rows.positions_m[present][:, 0],
        "y_m": rows.positions_m[present][:, 1],
    }
    if rows.covariances_m2 is not None:
        covariance = rows.covariances_m2[present]
        columns |= dict(zip(COVARIANCE, (covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]), strict=True))
    table = pa.table(columns)
    if rows.samples_m is None:
        return table
    drawn = np.isfinite(rows.samples_m).all(-1)
    sample_row, sample, step = np.nonzero(drawn)
    samples = pa.table(
        {
            "track": rows.track[sample_row],
            "issue_time_s": rows.issue_time_s[sample_row],
            "lead_s": rows.lead_s[step],
            "x_m": rows.samples_m[drawn][:, 0],
            "y_m": rows.samples_m[drawn][:, 1],
            SAMPLE: sample.astype(np.float64),
        }
    )
    both = pa.concat_tables([table, samples], promote_options="default")
    return both.take(np.argsort(np.concatenate([row, sample_row]), kind="stable"))  # streaming wants tracks together
