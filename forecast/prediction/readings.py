"""Reads what a stack hands over (numbers, times, poses, ids) as float64 arrays, or says in one line why it cannot.

Masked values (``numpy.ma``) and None count as unknown: they become NaN, never the data under the mask.
"""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.errors import SceneError
from forecast.core.units import CLOCK_UNITS, MAX_TIME_S

Floats = NDArray[np.float64]

#: A number beyond this is no reading of a clock, in seconds; microseconds still fit 64 bits.
LATEST_S = MAX_TIME_S
#: Coordinates beyond this are no place on a planar map; the Earth's circumference is 4e7 m.
FARTHEST_M = 1e8
#: Names under which messages of ROS 2, ROS 1 and Protocol Buffers hold seconds and nanoseconds.
_STAMPS = (("sec", "nanosec"), ("secs", "nsecs"), ("seconds", "nanos"))
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn whatever a foreign object raises while it is read into one line.

    Raises:
        SceneError: anything was raised.
    """
    try:
        yield
    except SceneError:
        raise
    except Exception as problem:  # an object may raise anything from a property or a method of its own
        raise SceneError(f"{where}: cannot be read ({type(problem).__name__}: {_message(problem)})") from None


def floats(name: str, given: Any) -> Floats:
    """Read an array of float64, any shape, with no unit of its own; NaN where it is masked or None.

    Raises:
        SceneError: it holds something else than numbers, or is ragged.
    """
    array = _array(name, given)
    if array.dtype.kind not in "fiubO":
        raise SceneError(f"{name}: expected numbers, found {_kind(array)}")
    return _converted(name, array)


def places(name: str, given: Any) -> tuple[Floats, float]:
    """Read poses or positions as :func:`floats` does; and how far apart neighbouring numbers of their precision lie.

    Returns:
        The array, any shape, metres and radians; and metres: 0 for float64, for what is a list of Python's numbers,
        and near the origin.

    Raises:
        SceneError: as :func:`floats`.
    """
    return floats(name, _array(name, given)), _spacing(given, 2)


def times(name: str, given: Any) -> tuple[Floats, float]:
    """Read times as seconds, whatever they are: numbers are seconds; others say their unit themselves.

    Args:
        name: for the message.
        given: numbers; ``datetime64`` and ``timedelta64`` of any unit; ``datetime.datetime`` (without a zone: UTC, as
            NumPy reads it), ``datetime.timedelta`` and what derives from them, as in pandas; or stamps with ``sec``
            and ``nanosec`` or the like, as in ROS. Or an array or a list of these. Dates count from 1970.

    Returns:
        Seconds, any shape, NaN where there is no time; and how far apart neighbouring numbers of their precision lie,
        seconds.

    Raises:
        SceneError: it is something else.
    """
    if type(given) is float:
        return np.array(given), 0.0
    array = _array(name, _seconds(name, given) if _says_its_unit(given) else given)
    if array.dtype.kind in "mM":
        return _by_unit(name, array), 0.0
    if array.dtype.kind == "O":
        array = np.array([_seconds(name, each) for each in array.ravel().tolist()], np.float64).reshape(array.shape)
    elif array.dtype.kind not in "fiub":
        raise SceneError(f"{name}: expected numbers of seconds, or times with a unit; found {_kind(array)}")
    return _converted(name, array), _spacing(given)


def clock_reading(time_s: Any, whose: str) -> tuple[float, float]:
    """Read one time, finite seconds; and how far apart neighbouring numbers of its precision lie; see :func:`times`.

    Raises:
        SceneError: it is none.
    """
    if type(time_s) is float and abs(time_s) < LATEST_S:
        return time_s, 0.0
    with reading(f"{whose}: time_s"):
        read, apart_s = times(f"{whose}: time_s", time_s)
    if read.shape != () or not abs(read) < LATEST_S:
        raise SceneError(f"{whose}: time_s is {shown(time_s)}; expected finite seconds{unit_guess(read)}")
    return float(read), apart_s


def unit_guess(time: Any) -> str:
    """Of numbers too large for seconds, what they may be: the tail of a message."""
    largest = float(np.abs(time).max(initial=0.0)) if np.size(time) else 0.0
    for least, unit, divisor in CLOCK_UNITS:
        if least <= largest < 1e4 * least:
            return f"; it looks like {unit}: divide by {divisor}"
    return ""


def check_id(agent_id: Any, where: str) -> None:
    """Refuse what cannot name an agent from one cycle to the next.

    Raises:
        SceneError: it is None, NaN, an array, or cannot be hashed.
    """
    try:
        hash(agent_id)
        usable = agent_id is not None and bool(agent_id == agent_id)
    except Exception:  # an object's own method may raise anything
        usable = False
    # Tensors are hashed by where they lie in memory: each would be an agent of its own.
    if not usable or (hasattr(agent_id, "__array__") and not isinstance(agent_id, np.generic)):
        raise SceneError(f"{where}: agent_id: expected a string or a number, found {type(agent_id).__name__}")


def items(name: str, given: Any, of: str) -> list[Any]:
    """A list of what was given: a list, a tuple, a generator, an array of objects.

    Raises:
        SceneError: it is a single thing, or a dictionary or text, whose items are something else.
    """
    if not isinstance(given, (dict, str, bytes)) and not (isinstance(given, np.ndarray) and given.ndim != 1):
        try:
            iterator = iter(given)
        except TypeError:
            pass
        else:
            return list(iterator)
    raise SceneError(f"{name}: expected a list of {of}, found {type(given).__name__}")


def mask_of(given: np.ma.MaskedArray[Any, Any]) -> NDArray[np.bool_]:
    """What is masked: a mask of any shape, the array's own."""
    mask: Any = np.ma.getmask(given)  # type: ignore[no-untyped-call]
    return np.broadcast_to(np.asarray(mask, np.bool_), given.shape)


def shown(value: Any) -> str:
    """A value in one line, not too long, whatever it is."""
    said = str(value) if isinstance(value, (float, np.number)) else _written(value)
    return said if len(said) <= 80 else f"{said[:79]}…"


def named(ids: Iterable[Hashable], at_most: int = 5) -> str:
    """Ids of agents in one line.

    >>> named(["a", "b", 3], at_most=2)
    "'a', 'b', … (3 in all)"
    """
    known = list(ids)
    listed = ", ".join(_written(each) for each in known[:at_most])
    return listed if len(known) <= at_most else f"{listed}, … ({len(known)} in all)"


def _written(value: Any) -> str:
    """Its ``repr`` in one line, or what it is where it has none."""
    try:
        return " ".join(repr(value).split())
    except Exception:  # an object's own method may raise anything
        return f"<{type(value).__name__}>"


def _array(name: str, given: Any) -> NDArray[Any]:
    """As NumPy sees it, but with NaN where it is masked."""
    if type(given) is np.ndarray:
        return given
    try:
        return np.asarray(_unmasked(given) if _has_masked(given) else given)
    except Exception as problem:  # an object's own __array__ may raise anything
        raise SceneError(f"{name}: expected numbers ({_message(problem)})") from None


def _has_masked(given: Any) -> bool:
    if isinstance(given, (list, tuple)):
        return any(_has_masked(each) for each in given)
    return isinstance(given, np.ma.MaskedArray)


def _unmasked(given: Any) -> Any:
    if isinstance(given, (list, tuple)):
        return [_unmasked(each) for each in given]
    if not isinstance(given, np.ma.MaskedArray) or not mask_of(given).any():
        return np.asarray(given) if isinstance(given, np.ma.MaskedArray) else given
    if given.dtype.kind in "iub":
        given = given.astype(np.float64)
    return given.filled(np.array("NaT", given.dtype) if given.dtype.kind in "mM" else np.nan)


def _converted(name: str, array: NDArray[Any]) -> Floats:
    try:
        return np.asarray(array, np.float64, order="C")
    except Exception as problem:  # as above; and integers may be larger than any float
        raise SceneError(f"{name}: expected numbers ({_message(problem)})") from None


def _message(problem: Exception) -> str:
    try:
        return (str(problem).splitlines() or [type(problem).__name__])[0]
    except Exception:  # an exception of somebody's own
        return type(problem).__name__


def _kind(array: NDArray[Any]) -> str:
    return {"U": "text", "S": "bytes", "c": "complex numbers"}.get(array.dtype.kind, str(array.dtype))


def _spacing(given: Any, first: int | None = None) -> float:
    """How far apart neighbouring numbers lie, of the first ones of each row, where they have less than 64 bits."""
    if hasattr(given, "__array__"):
        given = np.asarray(given)
        given = given.tolist() if given.dtype.kind == "O" else given
    if isinstance(given, (list, tuple)):
        rows = len(given) > 0 and getattr(given[0], "ndim", isinstance(given[0], (list, tuple))) > 0
        leaves = given if rows else given[:first]
        return max((_spacing(each, first) for each in leaves if type(each) is not float), default=0.0)
    if not isinstance(given, np.ndarray) or given.dtype.kind != "f" or given.dtype.itemsize >= 8:
        return 0.0
    near = given[..., :first] if given.ndim else given
    return float(np.spacing(np.abs(near[np.isfinite(near)]).max(initial=0)))


def _says_its_unit(given: Any) -> bool:
    """Whether one single thing is a time that NumPy would not read, or not by its unit."""
    return isinstance(given, (datetime.datetime, datetime.timedelta)) or _stamp(given) is not None


def _stamp(given: Any) -> float | None:
    for whole, part in _STAMPS:
        if hasattr(given, whole) and hasattr(given, part):
            return float(getattr(given, whole)) + float(getattr(given, part)) * 1e-9
    # rclpy's own Time and Duration.
    nanoseconds = getattr(given, "nanoseconds", None)
    return float(nanoseconds) * 1e-9 if isinstance(nanoseconds, (int, np.integer)) else None


def _seconds(name: str, given: Any) -> float:
    """Of one thing."""
    try:
        if given is None or given != given:
            return float("nan")
        if isinstance(given, datetime.datetime):
            aware = given if given.tzinfo is not None else given.replace(tzinfo=datetime.timezone.utc)
            return (aware - _EPOCH).total_seconds()
        if isinstance(given, datetime.timedelta):
            return given.total_seconds()
        if isinstance(given, (np.datetime64, np.timedelta64)):
            return float(_by_unit(name, np.asarray(given)))
        stamp = _stamp(given)
        if stamp is not None:
            return stamp
        if isinstance(given, (str, bytes)):
            raise TypeError("found text")
        return float(given)
    except SceneError:
        raise
    except Exception as problem:  # an object's own method may raise anything
        raise SceneError(f"{name}: expected numbers of seconds, or times with a unit ({_message(problem)})") from None


def _by_unit(name: str, array: NDArray[Any]) -> Floats:
    """Seconds of ``datetime64`` (since 1970) and ``timedelta64``."""
    unit = np.datetime_data(array.dtype)[0]
    if unit == "generic" and not np.isnat(array).all():
        raise SceneError(f"{name}: {array.dtype} has no unit; expected seconds, or say timedelta64[ms] or the like")
    if array.dtype.kind == "M":
        array = array - np.datetime64(0, "s")
    elif unit in ("Y", "M"):
        raise SceneError(f"{name}: {array.dtype}: months and years differ in length; expected seconds")
    return np.asarray(array / np.timedelta64(1, "s"), np.float64, order="C")
