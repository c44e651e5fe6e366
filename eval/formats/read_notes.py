"""What the reader of a file noticed, and the reader of its figures must know."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from forecast.core.errors import DataWarning
from forecast.core.rows import ForecastRows
from forecast.core.units import COARSE_M, spacing_of
from forecast.eval.results import Floats

#: Positions that are exact in float32 by chance: fewer distinct values than this say nothing; in float16 likewise.
_CHANCE, _CHANCE_FLOAT16 = 8, 32
#: Of numbers that were rounded to a type, half need its last digit; fewer than this are on a coarser grid.
_LAST_DIGIT = 0.35
_SAMPLE = 4096
#: Columns of covariances in the flat form.
COVARIANCE = ("cov_xx_m2", "cov_xy_m2", "cov_yy_m2")
#: Several leads that all end sooner are looked at twice, s; and those that stray by more than this share of a step.
_SHORT_S, _STRAY_STEPS = 0.2, 0.1
#: How many are tried as text; and from where on numbers of a decimal place or two are not float32 by chance, m.
_TEXTS, _TEXT_M = 256, 2.0**20


@dataclass
class Digits:
    """Whether positions have kept the digits that they need, over all pieces of a file.

    Attributes:
        narrow: type of a column that is narrower than float64, e.g. ``"float"``; empty if none is.
        largest_m: largest coordinate.
        as_float32: whether all positions so far are exact in float32.
        as_float16: whether all that were tried are exact in float16.
        last_digit, tried: how many need the last digit of float16, and of how many.
        as_text: whether all that were tried are what float32 is written as, in as few digits as tell it apart.
        whole: whether all that were tried are whole metres.
        seen: distinct values so far, up to a few.
    """

    narrow: str = ""
    largest_m: float = 0.0
    as_float32: bool = True
    as_float16: bool = True
    last_digit: int = 0
    tried: int = 0
    as_text: bool = True
    whole: bool = True
    seen: set[float] = field(default_factory=set)

    def see(self, positions_m: Floats, kinds: Sequence[str]) -> None:
        """Look at some positions, and at the types of the columns that they come from (as Arrow calls them)."""
        flat = positions_m.reshape(-1)
        self.narrow = max([self.narrow, *(kind for kind in kinds if kind in ("float", "halffloat"))])
        if len(flat):
            self.largest_m = max(self.largest_m, float(np.fmax(np.fmax.reduce(np.abs(flat)), 0.0)))
        if self.as_text or self.as_float16 or len(self.seen) < _CHANCE_FLOAT16:
            distinct = np.unique(flat[:_SAMPLE][np.isfinite(flat[:_SAMPLE])])
            some = distinct[:: max(len(distinct) // _TEXTS, 1)].tolist()
            self.seen.update(some[:_CHANCE_FLOAT16])
            self.whole = self.whole and bool((distinct == np.floor(distinct)).all())
            with np.errstate(all="ignore"):
                half = distinct.astype(np.float16)
                self.as_float16 = self.as_float16 and bool((distinct == half).all())
                # Values of a coarser grid, such as whole metres near the origin, do not need the last digit.
                self.last_digit += int((np.abs(distinct) / np.spacing(np.abs(half)).astype(np.float64) % 2 == 1).sum())
                self.tried += len(distinct)
            self.as_text = self.as_text and all(float(str(np.float32(value))) == value for value in some)
        # The first values settle it for nearly all files.
        for part in (flat[:_SAMPLE], flat[_SAMPLE:]):
            if self.as_float32:
                known = part[np.isfinite(part)]
                self.as_float32 = bool((known == known.astype(np.float32)).all())

    def warning(self, where: str) -> str:
        """What to say of it; empty if the digits are there."""
        if self.narrow:
            half = self.narrow == "halffloat"
            name = "float16" if half else "float32"
            spacing = spacing_of(name, self.largest_m)
            said = f"positions are {name}, which"
        else:
            as_text = self.as_text and self.largest_m >= _TEXT_M
            if not (self.as_float32 or as_text) or len(self.seen) < _CHANCE:
                return ""
            spacing = spacing_of("float32", self.largest_m)
            said = "no position has more digits than float32 holds, so that some were lost before; float32"
            needed = self.last_digit >= _LAST_DIGIT * self.tried
            if self.as_float16 and needed and len(self.seen) >= _CHANCE_FLOAT16:
                spacing = spacing_of("float16", self.largest_m)
                said = "no position has more digits than float16 holds, so that some were lost before; float16"
            if self.whole:
                said, spacing = "all positions are whole metres; what", 1.0
        if not spacing > COARSE_M:
            return ""
        return (
            f"{where}: {said} steps by {spacing:.2g} m at {self.largest_m:,.0f} m from the origin: figures are off by "
            "as much; write float64 from the start, or positions relative to a local origin"
        )


@dataclass
class Notes:
    """What was noticed while a file was read, filled piece by piece.

    Attributes:
        left_out: bad rows that were left out, by reason.
        digits: of the positions.
        lead_s: (steps,) the leads.
        stray_s: by how much the leads of single forecasts stray from these at most.
        unread: columns that look like covariances, but are called otherwise.
    """

    left_out: Counter[str] = field(default_factory=Counter)
    digits: Digits = field(default_factory=Digits)
    lead_s: Floats = field(default_factory=lambda: np.zeros(0))
    stray_s: float = 0.0
    unread: list[str] = field(default_factory=list)

    def see_columns(self, columns: Sequence[str]) -> None:
        """Look at the names of the columns."""
        known = (*COVARIANCE, "covariances_m2")
        self.unread = [name for name in columns if name.lower().startswith("cov") and name not in known]

    def see_leads(self, rows: ForecastRows) -> None:
        """Look at the leads of a piece."""
        self.lead_s = rows.lead_s
        if rows.row_lead_s is not None:
            self.stray_s = max(self.stray_s, float(np.abs(rows.row_lead_s - rows.lead_s).max(initial=0.0)))

    @property
    def reasons(self) -> str:
        """Why bad rows were left out, and how many for each."""
        return ", ".join(f"{count} with {reason}" for reason, count in sorted(self.left_out.items()))

    def warn(self, where: str) -> None:
        """Tell them as warnings, for who has no report to put them in."""
        for line in self.warnings(where):
            warnings.warn(line, DataWarning, stacklevel=3)

    def warnings(self, where: str) -> list[str]:
        """One line each."""
        lines = []
        if self.left_out:
            lines.append(f"{where}: bad rows left out: {self.reasons}")
        if self.unread:
            lines.append(
                f"{where}: column {', '.join(self.unread[:6])} is not read; covariances are expected in "
                f"{', '.join(COVARIANCE)} (nested: covariances_m2)"
            )
        if digits := self.digits.warning(where):
            lines.append(digits)
        if len(self.lead_s) > 2 and self.lead_s[-1] < _SHORT_S:
            lines.append(f"{where}: the leads end {self.lead_s[-1]:g} s ahead; expected seconds: are they minutes?")
        if len(self.lead_s) and self.stray_s > _STRAY_STEPS * np.median(np.diff(self.lead_s, prepend=0.0)):
            lines.append(
                f"{where}: leads stray by up to {self.stray_s:.2g} s from the {len(self.lead_s)} steps that they are "
                "counted as: each point is compared with the truth at its own time, and horizons are those of the steps"
            )
        return lines
