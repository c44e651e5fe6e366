"""The one form in which forecasts and truth are scored: rows in the world frame, whatever they came from."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.units import plain, seconds

Strings = NDArray[np.str_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ForecastRows:
    """Forecasts of any model, one row for each time that one track was forecast. World frame, float64.

    Lists, other number types, tensors and masked arrays (a masked position is NaN) are taken too; times may be
    ``datetime64`` and ``timedelta64``, which become seconds.

    Attributes:
        track: (rows,) name of the track that is forecast.
        issue_time_s: (rows,) when the forecast was issued, seconds on the truth's clock.
        lead_s: (steps,) seconds from issue to each forecast point, increasing.
        positions_m: (rows, modes, steps, 2); NaN in a mode that a row does not have, and at leads it does not reach.
        probabilities: (rows, modes); NaN in a mode that a row does not have.
        covariances_m2: (rows, modes, steps, 2, 2) or None.
        samples_m: (rows, samples, steps, 2) draws of the full distribution, or None.
        row_lead_s: (rows, steps) seconds from issue to each row's own points, where these stray from ``lead_s`` (real
            time stamps): positions are those at the row's own leads, ``lead_s`` says which step each is. None: all rows
            are at ``lead_s``.
        sample_tokens: (rows,) key frame of a data set that each was issued at, or None; with them ``issue_time_s`` may
            be NaN throughout: not known until the rows are joined with their data set.
        remark: what every report of these forecasts has to say; empty where there is nothing.

    Raises:
        ValueError: in one line, shapes or types that do not fit, or times that are not finite seconds.
    """

    track: Strings
    issue_time_s: Floats
    lead_s: Floats
    positions_m: Floats
    probabilities: Floats
    covariances_m2: Floats | None = None
    samples_m: Floats | None = None
    row_lead_s: Floats | None = None
    sample_tokens: Strings | None = None
    remark: str = ""

    def __post_init__(self) -> None:
        lead_s = seconds(self.lead_s, "ForecastRows.lead_s", clock=False)
        if lead_s.ndim != 1 or (np.diff(lead_s) <= 0).any():
            raise ValueError(f"ForecastRows.lead_s: expected increasing seconds, one a step, got {lead_s.tolist()[:6]}")
        taken = {
            "track": _names(self.track, "ForecastRows.track"),
            "issue_time_s": self._issues(),
            "lead_s": lead_s,
        }
        if self.sample_tokens is not None:
            taken["sample_tokens"] = _names(self.sample_tokens, "ForecastRows.sample_tokens")
        if self.row_lead_s is not None:
            taken["row_lead_s"] = seconds(self.row_lead_s, "ForecastRows.row_lead_s", clock=False)
        for name in ("positions_m", "probabilities", "covariances_m2", "samples_m"):
            if (values := getattr(self, name)) is not None:
                taken[name] = _floats(values, f"ForecastRows.{name}")
        for name, values in taken.items():
            object.__setattr__(self, name, values)
        rows, steps = len(self.track), len(self.lead_s)
        modes = self.positions_m.shape[1] if self.positions_m.ndim > 1 else -1
        samples = self.samples_m.shape[1] if self.samples_m is not None and self.samples_m.ndim > 1 else -1
        expected = {
            "issue_time_s": (rows,),
            "positions_m": (rows, modes, steps, 2),
            "probabilities": (rows, modes),
            "covariances_m2": (rows, modes, steps, 2, 2),
            "samples_m": (rows, samples, steps, 2),
            "row_lead_s": (rows, steps),
            "sample_tokens": (rows,),
        }
        for name, shape in expected.items():
            found: NDArray[Any] | None = getattr(self, name)
            if found is not None and found.shape != shape:
                raise ValueError(f"ForecastRows.{name}: expected shape {shape}, got {found.shape}")

    def _issues(self) -> Floats:
        given = self.issue_time_s
        numbers = isinstance(given, np.ndarray) and given.dtype == np.float64
        if self.sample_tokens is not None and numbers and np.isnan(given).all():
            return given
        return seconds(given, "ForecastRows.issue_time_s")

    @classmethod
    def at_key_frames(
        cls,
        track: Any,
        sample_tokens: Any,
        positions_m: Any,
        probabilities: Any,
        *,
        issue_time_s: Any = None,
        step_s: float = 0.5,
        covariances_m2: Any = None,
        samples_m: Any = None,
    ) -> ForecastRows:
        """Forecasts of a data set's agents at its key frames, at even leads.

        Args:
            track: (rows,) tokens of the agents.
            sample_tokens: (rows,) tokens of the key frames.
            positions_m, probabilities, covariances_m2, samples_m: as in the class; world frame, metres.
            issue_time_s: (rows,) time stamps of the key frames, s; default: not known.
            step_s: seconds from one point to the next.
        """
        issues = np.full(len(track), np.nan) if issue_time_s is None else issue_time_s
        lead_s = step_s * np.arange(1, np.shape(positions_m)[2] + 1)
        return cls(
            track, issues, lead_s, positions_m, probabilities, covariances_m2, samples_m, sample_tokens=sample_tokens
        )

    def __len__(self) -> int:
        return len(self.track)

    def take(self, rows: Any) -> ForecastRows:
        """Some of the rows, in the order given: (chosen,) indices, or (rows,) True for those to keep."""
        per_row = (one.name for one in fields(self) if one.name not in ("lead_s", "remark"))
        taken: dict[str, Any] = {
            name: None if (values := getattr(self, name)) is None else values[rows] for name in per_row
        }
        return replace(self, **taken)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(rows,) which of them have a forecast: a mode with a probability."""
        present: NDArray[np.bool_] = np.isfinite(self.probabilities).any(1)
        return present

    def most_likely_m(self) -> Floats:
        """(rows, steps, 2) metres, positions of each row's most probable mode, the lowest among equals; NaN if none."""
        best = np.argmax(np.where(np.isnan(self.probabilities), -np.inf, self.probabilities), 1)
        path_m: Floats = self.positions_m[np.arange(len(self)), best]
        return path_m

    @property
    def own_lead_s(self) -> Floats:
        """(rows, steps) seconds from issue to each row's own points."""
        return (
            np.broadcast_to(self.lead_s, (len(self), len(self.lead_s))) if self.row_lead_s is None else self.row_lead_s
        )


@dataclass(frozen=True)
class TruthRows:
    """Where the tracks really were: one row an observation. World frame, float64.

    Types are taken as by :class:`ForecastRows`.

    Attributes:
        track: (rows,) names, as in :class:`ForecastRows`.
        time_s: (rows,) seconds, on the same clock as the forecasts' issue times.
        positions_m: (rows, 2).

    Raises:
        ValueError: in one line, shapes or types that do not fit, or times that are not finite seconds.
    """

    track: Strings
    time_s: Floats
    positions_m: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "track", _names(self.track, "TruthRows.track"))
        object.__setattr__(self, "time_s", seconds(self.time_s, "TruthRows.time_s"))
        object.__setattr__(self, "positions_m", _floats(self.positions_m, "TruthRows.positions_m"))
        for name, shape in {"time_s": (len(self.track),), "positions_m": (len(self.track), 2)}.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"TruthRows.{name}: expected shape {shape}, got {getattr(self, name).shape}")

    def __len__(self) -> int:
        return len(self.track)


def keys_of(track: Strings, time_s: Floats) -> Strings:
    """(rows,) ``track@time`` of each row, in seconds to a microsecond: what files of forecasts are paired by."""
    pairs = zip(track.tolist(), time_s.tolist(), strict=True)
    return np.array([f"{name}@{time:.6f}" for name, time in pairs], dtype=np.str_)


def _floats(values: Any, name: str) -> Floats:
    array = plain(values, name)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name}: expected numbers, got {array.dtype}")
    return array.astype(np.float64, copy=False)


def _names(values: Any, name: str) -> Strings:
    """Names as text; whole numbers are written without a decimal place."""
    if isinstance(values, (list, tuple)) and any(isinstance(entry, str) for entry in values):
        # NumPy would make text of anything beside text: 'nan', 'None', '1.5'.
        values = np.array([*values, None], dtype=object)[:-1]
    array = plain(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name}: expected one name a row, got shape {array.shape}")
    kind = array.dtype.kind
    if kind == "O":
        wrong = [not isinstance(entry, (str, int, np.integer)) or isinstance(entry, bool) for entry in array]
        if any(wrong):
            at = wrong.index(True)
            raise ValueError(f"{name}: entry {at} is {array[at]!r:.40}; expected names or whole numbers")
    elif kind == "f":
        bits = np.finfo(array.dtype).nmant + 1
        if str(getattr(values, "dtype", "")) == "torch.bfloat16":
            bits = 8
        wrong_at = ~(np.isfinite(array) & (array == np.floor(array)) & (np.abs(array) < 2.0**bits))
        if wrong_at.any():
            at = int(wrong_at.argmax())
            raise ValueError(
                f"{name}: entry {at} is {array[at]:.17g}; expected names, or whole numbers (below 2^{bits}, beyond "
                "which their type does not tell one from the next)"
            )
        array = array.astype(np.int64)
    elif kind not in "Uiu" and len(array):
        raise ValueError(f"{name}: expected names or whole numbers, got {array.dtype}")
    track: Strings = array.astype(np.str_)
    nameless = np.char.str_len(np.char.strip(track)) == 0
    if nameless.any():
        raise ValueError(f"{name}: entry {int(nameless.argmax())} is empty; expected a name in each")
    return track
