"""Times and leads in seconds: types with a unit are converted; a wrong unit is recognised by the size of the values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Larger readings of a clock are no seconds but milliseconds or less: this is the year 5138 since 1970.
MAX_TIME_S = 1e11
#: No motion forecast reaches farther, or begins later: larger leads are milliseconds or less.
MAX_LEAD_S, MAX_FIRST_LEAD_S = 120.0, 20.0
#: No motion forecast ends sooner: smaller leads are minutes or hours.
MIN_LAST_LEAD_S = 0.01
#: A type that steps by more than this cannot tell the times, or the places, of one track apart.
COARSE_S, COARSE_M = 1e-3, 0.01
#: A clock that steps by so many steps of the leads is in another unit.
UNIT_RATIO = 900.0


#: From which number on a time is rather one of these since 1970 than seconds, and what to divide it by.
CLOCK_UNITS = ((1e17, "nanoseconds", "1e9"), (1e14, "microseconds", "1e6"), (MAX_TIME_S, "milliseconds", "1e3"))


def clock_unit(reading: float) -> str:
    """Which unit a clock reading beyond :data:`MAX_TIME_S` looks like, as time since 1970."""
    size = abs(reading)
    for least, unit, divisor in CLOCK_UNITS:
        if least <= size < 1e20:
            return f"{unit} since 1970: divide by {divisor}"
    return "no clock at all"


def spacing_of(kind: str, size: float) -> float:
    """How far apart neighbouring numbers of a type lie at some size; 0 for types of 64 bits, and all that are unknown.

    Args:
        kind: ``"float16"``, ``"bfloat16"``, ``"float32"``, or another one.
        size: of the numbers.
    """
    if kind == "float16":
        return float(np.spacing(np.float16(size)))
    if kind in ("float32", "bfloat16"):
        return float(np.spacing(np.float32(size))) * (2.0**16 if kind == "bfloat16" else 1.0)
    return 0.0


def clock_complaint(name: str, time_s: Floats) -> str:
    """What to say of clock readings beyond :data:`MAX_TIME_S`; empty where there are none."""
    beyond = np.abs(time_s) > MAX_TIME_S
    if not beyond.any():
        return ""
    first = float(time_s[beyond.argmax()])
    return f"{name} is {first:.4g}, beyond 1e11; expected seconds, but this looks like {clock_unit(first)}"


def coarse_complaint(name: str, kind: str, time_s: Floats) -> str:
    """What to say of clock readings of a type too narrow for them; empty where it is not.

    Args:
        name: what to call them.
        kind: ``"float16"``, ``"bfloat16"``, ``"float32"``, or any other type, which is wide enough.
        time_s: the readings.
    """
    largest = float(np.abs(time_s).max(initial=0.0, where=np.abs(time_s) <= MAX_TIME_S))
    step_s = spacing_of(kind, largest)
    if not step_s > COARSE_S:
        return ""
    return f"{name} is {kind}, which steps by {step_s:.3g} s at {largest:.4g}; write float64"


def lead_complaint(lead_s: Floats) -> str:
    """What to say of leads that cannot be seconds; empty where they can.

    Args:
        lead_s: (leads,) all that are positive.
    """
    if not len(lead_s):
        return ""
    first, last = float(lead_s.min()), float(lead_s.max())
    if last > MAX_LEAD_S or first > MAX_FIRST_LEAD_S:
        unit, factor = next(
            (unit, factor)
            for limit, unit, factor in (
                (1e3 * MAX_LEAD_S, "milliseconds", "1e3"),
                (1e6 * MAX_LEAD_S, "microseconds", "1e6"),
                (np.inf, "nanoseconds", "1e9"),
            )
            if last <= limit
        )
        return (
            f"lead_s runs from {first:g} to {last:g}; expected seconds (up to {MAX_LEAD_S:g}), but this looks like "
            f"{unit}: divide by {factor}"
        )
    if last < MIN_LAST_LEAD_S:
        return f"lead_s ends at {last:g}; expected seconds, but this looks like hours or minutes"
    return ""


def ratio_complaint(interval_s: float, lead_step_s: float) -> str:
    """What to say where the issue times step a thousand times as far as the leads, or the other way round."""
    if not (np.isfinite(interval_s) and interval_s > 0 and lead_step_s > 0):
        return ""
    ratio = max(interval_s / lead_step_s, lead_step_s / interval_s)
    if ratio < UNIT_RATIO:
        return ""
    return (
        f"issue_time_s steps by {interval_s:g} and lead_s by {lead_step_s:g}; expected seconds in both, but one of "
        "them looks like another unit (milliseconds are 1000 to a second)"
    )


def seconds(values: Any, name: str, *, clock: bool = True) -> Floats:
    """Times as float64 seconds: numbers as they are, ``datetime64`` since 1970 and ``timedelta64`` by their unit.

    Args:
        values: an array, a list or a tensor.
        name: what to call it in a message.
        clock: whether it is a clock, which a ``datetime64`` can be; leads are durations alone.

    Raises:
        ValueError: in one line, another type, a masked or not finite entry, a clock reading too large for seconds, or
            one of a type too narrow for it.
    """
    array = plain(values, name)
    kind = array.dtype.kind
    width = str(getattr(values, "dtype", array.dtype)).removeprefix("torch.")
    if kind == "m" or (kind == "M" and clock):
        missing, whole = np.isnat(array), array.astype(f"{kind}8[ns]").astype(np.int64)
        # Beyond nanoseconds' range (292 years) the cast would wrap around.
        coarse = array.astype(f"{kind}8[s]").astype(np.int64)
        wrapped = ~missing & (np.abs(whole // 10**9 - coarse) > 1)
        time_s: Floats = np.where(wrapped, coarse.astype(np.float64), whole / 1e9)
        time_s = np.where(missing, np.nan, time_s)
    elif kind in "iuf":
        time_s = array.astype(np.float64)
    else:
        raise ValueError(
            f"{name}: expected numbers of seconds{', datetime64' * clock} or timedelta64, got {array.dtype}"
        )
    if not np.isfinite(time_s).all():
        raise ValueError(f"{name}: entry {int((~np.isfinite(time_s)).argmax())} is not a finite time; expected seconds")
    if complaint := clock_complaint(name, time_s) or (coarse_complaint(name, width, time_s) if clock else ""):
        raise ValueError(complaint)
    return time_s


def plain(values: Any, name: str) -> NDArray[Any]:
    """An array, a list or a tensor as a NumPy array without a mask; masked numbers are NaN.

    Raises:
        ValueError: something else than a number is masked.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":  # which NumPy does not know
            values = values.float()
    if isinstance(values, np.ma.MaskedArray):
        masked = np.broadcast_to(np.asarray(values.mask, dtype=bool), values.shape)
        if not masked.any():
            return np.asarray(values.data)
        if values.dtype.kind not in "iuf":
            raise ValueError(f"{name}: entry {int(masked.reshape(-1).argmax())} is masked; expected a value in each")
        return np.where(masked, np.nan, values.data.astype(np.float64))
    return np.asarray(values)
