"""Sobol indices: against closed forms, against SALib, against the enumeration of all binary masks."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forecast.eval.sobol import sobol_design, sobol_indices, sobol_of

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def ishigami(masks: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.pi * (2 * masks - 1)
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def test_ishigami() -> None:
    """Closed form: Ishigami and Homma, 1990, with a = 7 and b = 0.1."""
    a, b = 7.0, 0.1
    first_0 = (1 + b * np.pi**4 / 5) ** 2 / 2
    first_1 = a**2 / 8
    both_0_2 = b**2 * np.pi**8 * (1 / 18 - 1 / 50)
    variance = first_0 + first_1 + both_0_2
    found = sobol_of(ishigami, 3, draws=4096)
    np.testing.assert_allclose(found.first, np.array([first_0, first_1, 0]) / variance, atol=0.02)
    np.testing.assert_allclose(found.total, np.array([first_0 + both_0_2, first_1, both_0_2]) / variance, atol=0.02)
    assert found.variance == pytest.approx(variance, rel=0.02)


def test_linear_and_product() -> None:
    """f = 3 m₀ + 2 m₁ + 12 (m₂ − ½)(m₃ − ½), m₄ ignored: variances 9/12, 4/12 and 1."""
    found = sobol_of(lambda m: 3 * m[:, 0] + 2 * m[:, 1] + 12 * (m[:, 2] - 0.5) * (m[:, 3] - 0.5), 5, draws=4096)
    parts = np.array([9 / 12, 4 / 12, 1.0])
    np.testing.assert_allclose(found.total, [*parts[:2] / parts.sum(), *[1 / parts.sum()] * 2, 0], atol=0.02)
    np.testing.assert_allclose(found.first, [*parts[:2] / parts.sum(), 0, 0, 0], atol=0.02)
    assert found.total[4] == 0


@pytest.mark.parametrize("function", [ishigami, lambda m: np.exp(m @ [1.0, 2.0, -1.0]) + 100])
def test_as_salib_has_it(function: Function) -> None:
    """The same estimators on the same draws, to the last digits."""
    salib = pytest.importorskip("SALib.analyze.sobol", reason="SALib is not installed: pip install 'cab-forecast[dev]'")
    design = sobol_design(3, 256, seed=5)
    answers = function(design.masks)
    ours = sobol_indices(answers, 3)
    # SALib wants each draw's rows together: a, a with each column of b, b.
    parts = answers.reshape(5, 256)
    ordered = parts[[0, 2, 3, 4, 1]].T.ravel()
    problem = {"num_vars": 3, "names": np.array(list("xyz")), "bounds": [[0, 1]] * 3}
    theirs = salib.analyze(problem, ordered, calc_second_order=False, print_to_console=False, seed=1)
    np.testing.assert_allclose(ours.total, theirs["ST"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.first, theirs["S1"], rtol=0, atol=1e-9)


def enumerated(function: Function, inputs: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact total and first-order indices of binary masks, by the variances over all 2^d of them."""
    masks = np.array(list(product((0.0, 1.0), repeat=inputs)))
    cube = function(masks).reshape(*[2] * inputs, -1)
    axes = tuple(range(inputs))
    variance = cube.var(axes).sum()
    total = [cube.var(one).mean(tuple(range(inputs - 1))).sum() / variance for one in axes]
    first = [cube.mean(tuple(a for a in axes if a != one)).var(0).sum() / variance for one in axes]
    return np.array(total), np.array(first)


@pytest.mark.parametrize("inputs", [2, 5, 10])
def test_binary_masks_against_all_of_them(inputs: int) -> None:
    rng = np.random.default_rng(inputs)
    linear, pairs = rng.normal(size=(inputs, 3)), rng.normal(size=(inputs, inputs, 3)) / 2

    def function(masks: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.einsum("ni,io->no", masks, linear) + np.einsum("ni,nj,ijo->no", masks, masks, pairs)

    total, first = enumerated(function, inputs)
    found = sobol_of(function, inputs, draws=1024, binary=True)
    for estimate, interval, exact in (
        (found.total, found.total_interval, total),
        (found.first, found.first_interval, first),
    ):
        assert ((interval[:, 0] <= exact) & (exact <= interval[:, 1])).all(), (estimate, interval, exact)


def test_vectors_are_the_mean_of_their_components_by_variance() -> None:
    design = sobol_design(3, 64)
    components = np.stack([ishigami(design.masks), design.masks @ [1.0, 5.0, 0.0]], 1)
    alone = [sobol_indices(component, 3) for component in components.T]
    weights = np.array([one.variance for one in alone]) / sum(one.variance for one in alone)
    both = sobol_indices(components, 3)
    np.testing.assert_allclose(both.total, weights @ np.array([one.total for one in alone]))
    np.testing.assert_allclose(both.first, weights @ np.array([one.first for one in alone]))


@given(level=st.floats(-1e6, 1e6), inputs=st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_what_never_varies_is_undefined(level: float, inputs: int) -> None:
    found = sobol_of(lambda m: np.full(len(m), level), inputs, draws=4)
    assert np.isnan(found.total).all()
    assert np.isnan(found.first).all()


def test_a_large_level_does_not_drown_the_variance() -> None:
    np.testing.assert_allclose(sobol_of(lambda m: ishigami(m) + 1e5, 3).total, sobol_of(ishigami, 3).total, rtol=1e-6)


@pytest.mark.parametrize(("inputs", "draws", "said"), [(0, 8, "inputs"), (3, 48, "power of 2"), (3, 1, "power of 2")])
def test_what_is_no_design_is_refused(inputs: int, draws: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sobol_design(inputs, draws)


def test_what_are_no_answers_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 5 rows"):
        sobol_indices(np.zeros(12), 3)
    with pytest.raises(ValueError, match="finite"):
        sobol_indices([0.0, np.nan, 1.0, 2.0, 3.0], 3)
