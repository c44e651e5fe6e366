"""Thresholds of the monitor, learnt from a reference drive: what hardly any of its cycles went beyond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import numpy as np

from forecast.core.errors import DataError
from forecast.core.json_files import write_json

#: Fewer cycles than this tell little of what is usual.
FEW = 100


@dataclass(frozen=True)
class Thresholds:
    """When a signal is beyond what is usual.

    Attributes:
        limits: signal → its largest usual value.
        at_least, of_last: an alarm takes ``at_least`` cycles beyond the limit among the ``of_last`` last ones.
        quantile: of the reference drive's cycles that each limit is.
        cycles: how many these were.
        interval_s: between the forecasts that were compared, seconds; None: one step of their leads.
    """

    limits: dict[str, float]
    at_least: int = 3
    of_last: int = 5
    quantile: float = 0.99
    cycles: int = 0
    interval_s: float | None = None

    @classmethod
    def learnt(
        cls,
        signals: Sequence[Mapping[str, float]],
        *,
        quantile: float = 0.99,
        at_least: int = 3,
        of_last: int = 5,
        interval_s: float | None = None,
    ) -> Thresholds:
        """From the signals of a reference drive, cycle by cycle.

        Args:
            signals: of :class:`forecast.stack.drive_monitor.Finding`.
            quantile: 0.99: one cycle of a hundred may go beyond.
            at_least, of_last, interval_s: as in the class.

        Raises:
            ValueError: there are no cycles, or the numbers do not fit.
        """
        if not signals or not 0 < quantile <= 1 or not 1 <= at_least <= of_last:
            raise ValueError(
                f"{len(signals)} cycles, quantile {quantile:g}, {at_least} of {of_last} cycles; expected some cycles, "
                "a quantile above 0 and up to 1, and as many cycles at most as are looked at"
            )
        names = dict.fromkeys(name for one in signals for name in one)
        limits = {
            name: float(np.quantile([one[name] for one in signals if name in one], quantile, method="higher"))
            for name in names
        }
        return cls(limits, at_least, of_last, quantile, len(signals), interval_s)

    @classmethod
    def read(cls, path: Path | str) -> Thresholds:
        """Read a file that :meth:`write` made.

        Raises:
            DataError: it is none.
        """
        try:
            return msgspec.json.decode(Path(path).read_bytes(), type=cls)
        except OSError as fault:
            raise DataError(f"{path}: cannot be read: {fault.strerror}") from fault
        except msgspec.MsgspecError as fault:
            raise DataError(f"{path}: is no file of thresholds of 'forecast monitor --learn' ({fault})") from fault

    def write(self, path: Path | str) -> None:
        """Write as JSON."""
        write_json(Path(path), asdict(self))
