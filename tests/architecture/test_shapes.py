"""Shapes in annotations are compared with what functions are given, while tests run, and cost nothing otherwise."""

import subprocess
import sys
import types
from typing import Any

import numpy as np
import pytest
import shape_checks
import torch

from forecast.core import frames
from forecast.model import mixture, unicycle

needs_jaxtyping = pytest.mark.skipif(shape_checks.jaxtyping is None, reason="jaxtyping is not installed")

SOURCE = """
from __future__ import annotations
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
import numpy as np
from forecast.core.shapes import Bool, Float, Int64
if TYPE_CHECKING:
    from numpy.typing import NDArray

def same(a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "n 2"] | None = None) -> Float[np.ndarray, "n"]:
    return a.sum(1) if a[0, 0] >= 0 else a

def several(a: Float[np.ndarray, "n"], valid: Bool[np.ndarray, "n"]) -> tuple[Float[np.ndarray, "n"], int]:
    return (a[valid], 1)

def loose(a: NDArray[np.float64]) -> int:
    return len(a)

def made(a: Float[np.ndarray, "n"]) -> Iterator[int]:
    yield from range(len(a))

@dataclass(frozen=True)
class Pair:
    left: Float[np.ndarray, "n"]
    right: Int64[np.ndarray, "n"]

class Holder:
    @staticmethod
    def of(a: Float[np.ndarray, "n 3"]) -> int:
        return len(a)

    @property
    def held(self) -> Float[np.ndarray, "2"]:
        return np.zeros(3)
"""


@pytest.fixture(scope="module")
def made() -> Any:
    module = types.ModuleType("made")
    sys.modules["made"] = module  # dataclasses look there
    exec(compile(SOURCE, "made", "exec"), vars(module))
    shape_checks.check_module(module, SOURCE)
    return module


@needs_jaxtyping
def test_right_shapes_pass(made: Any) -> None:
    a = np.ones((4, 2))
    np.testing.assert_array_equal(made.same(a, b=a), [2, 2, 2, 2])
    assert made.same(a, None).shape == (4,)
    assert made.several(np.ones(3), np.ones(3, bool))[1] == 1
    assert list(made.made(np.ones(3))) == [0, 1, 2]
    assert made.Pair(np.ones(3), np.arange(3)).left.shape == (3,)
    assert made.loose("whatever") == 8  # no axes are named: mypy's business


@needs_jaxtyping
@pytest.mark.parametrize(
    "call",
    [
        lambda made: made.same(np.ones((4, 3))),
        lambda made: made.same(np.ones((4, 2)), np.ones((5, 2))),
        lambda made: made.same(np.ones((4, 2), np.int64)),
        lambda made: made.same(np.ones((4, 2)).tolist()),
        lambda made: made.same(-np.ones((4, 2))),  # the result
        lambda made: made.several(np.ones(3), np.zeros(3, bool)),  # an array of the result
        lambda made: made.several(np.ones(3), np.ones(3)),
        lambda made: made.Pair(np.ones(3), np.arange(4)),
        lambda made: made.Pair(np.ones(3), np.ones(3)),
        lambda made: made.Holder.of(np.ones((4, 2))),
        lambda made: made.Holder().held,
    ],
)
def test_wrong_shapes_and_kinds_fail(made: Any, call: Any) -> None:
    with pytest.raises(shape_checks.ShapeError, match="expected"):
        call(made)


@needs_jaxtyping
def test_the_package_is_watched() -> None:
    with pytest.raises(shape_checks.ShapeError):
        frames.rotate(np.ones((4, 3)), np.ones(4))
    with pytest.raises(shape_checks.ShapeError):
        frames.agent_from_world(torch.ones(4, 2), torch.ones(4, 2))
    with pytest.raises(shape_checks.ShapeError):
        unicycle.Controls(*[torch.ones(12, 3)] * 4, torch.ones(11, 3))
    with pytest.raises(shape_checks.ShapeError):
        mixture.categorical_kl(torch.ones(4, 6), torch.ones(4, 5))


def test_without_jaxtyping_the_package_imports_and_functions_are_as_written() -> None:
    code = (
        "import sys\n"
        "sys.modules['jaxtyping'] = None  # what imports it fails\n"
        "import numpy as np\n"
        "import forecast.core.frames, forecast.model.cvae, forecast.prediction.forecaster\n"
        "from forecast.core.shapes import Float\n"
        "Float[np.ndarray, 'batch 2']\n"
        "assert not hasattr(forecast.core.frames.rotate, '__wrapped__')\n"
        "forecast.core.frames.wrap_angle(np.arange(3))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_in_production_nothing_imports_jaxtyping() -> None:
    code = "import sys, forecast.prediction.forecaster\nassert 'jaxtyping' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
