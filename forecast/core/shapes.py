"""Named axes in annotations: ``Float[Tensor, "batch modes steps 2"]`` is an array of floats of these four axes.

The first part is what the array is, for people and type checkers; the text behind it names the axes. The words are
jaxtyping's: an axis is a name, a size (``2``) or ``_`` for any; ``*rows`` stands for any number of axes, and ``#``
before a name for one that may be 1 and broadcast. One name is one size within a call. While the tests run each call is
compared with its annotations (``tests/support/shape_checks.py``); otherwise an annotation is a comment that costs
nothing, and jaxtyping need not be installed.

Axes: batch, neighbours, modes, steps, channels, height, width. Kinds: ``Float`` and ``Int`` are of any precision.
"""

from typing import Annotated as Bool
from typing import Annotated as Float
from typing import Annotated as Float32
from typing import Annotated as Float64
from typing import Annotated as Int
from typing import Annotated as Int64
from typing import Annotated as Shaped
from typing import Annotated as UInt8

__all__ = ["Bool", "Float", "Float32", "Float64", "Int", "Int64", "Shaped", "UInt8"]
