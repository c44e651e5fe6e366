"""Columns of numbers as short text: whole units, differences, variable-length bytes, deflate, base64.

The page unpacks them with ``script/packing.js``, which reads what is written here.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Pack:
    """Columns, one after the other in one stream of bytes.

    Every column is whole numbers. Its differences of an order are written: order 1 suits what moves, order 2 what moves
    steadily. What is unknown repeats the value before it and is told by a column of its own.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def whole(self, values: Any, *, order: int = 0) -> None:
        """Add whole numbers.

        Args:
            values: (..., n); differences are taken along the last axis.
            order: of the differences, 0 to 2.
        """
        array = np.asarray(values, dtype=np.int64)
        for _ in range(order if array.size else 0):
            array = np.diff(array, axis=-1, prepend=0)
        self._parts += [_varint(np.array([array.size])), _varint(array.reshape(-1))]

    def measured(self, values: Any, unit: float, *, order: int = 0) -> None:
        """Add quantities in multiples of a unit; NaN is kept.

        Args:
            values: (..., n) of any unit, metres or seconds; differences are taken along the last axis.
            unit: half of it is the largest error.
            order: of the differences, 0 to 2.
        """
        array = np.asarray(values, dtype=np.float64)
        known = np.isfinite(array)
        counted = np.rint(np.where(known, array, 0.0) / unit).astype(np.int64)
        if array.size and not known.all():
            # The last known value is repeated, so that the differences stay small.
            last = np.where(known, np.arange(array.shape[-1]), 0)
            counted = np.take_along_axis(counted, np.maximum.accumulate(last, axis=-1), -1)
        gaps = np.flatnonzero(~known.reshape(-1))
        self.whole(counted, order=order)
        self.whole(gaps, order=1)

    def text(self) -> str:
        """All columns."""
        return base64.b64encode(zlib.compress(b"".join(self._parts), 9)).decode("ascii")


def _varint(values: Integers) -> bytes:
    """Each number as 7 bits a byte, lowest first, the sign in the lowest bit; the high bit says that more follow."""
    if not values.size:
        return b""
    folded = ((values << 1) ^ (values >> 63)).astype(np.uint64)
    length = np.ones(len(folded), dtype=np.int64)
    for shift in range(7, 64, 7):
        length += (folded >> np.uint64(shift)) > 0
    out = np.zeros(int(length.sum()), dtype=np.uint8)
    start = np.concatenate([[0], length.cumsum()[:-1]])
    for byte in range(int(length.max())):
        here = length > byte
        part = (folded[here] >> np.uint64(7 * byte)) & np.uint64(127)
        more = np.where(length[here] > byte + 1, 128, 0).astype(np.uint64)
        out[start[here] + byte] = (part | more).astype(np.uint8)
    return out.tobytes()
