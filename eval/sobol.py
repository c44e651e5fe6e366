"""Sobol indices: the share of a function's variance that each of its inputs brings about, alone and with all others.

A function of masks is asked by a quasi-random *design*. ``total`` is Jansen's estimator, ``first`` that of Saltelli and
others (2010, Computer Physics Communications 181). Of vectors, numerator and denominator are summed over the components
(Gamboa and others, 2013, arXiv 1303.6447). For attribution of images: Fel and others, NeurIPS 2021 (arXiv 2111.04138).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.core.shapes import Float64
from forecast.eval.results import Floats, as_floats, shaped

#: Of the 95 % intervals.
REPLICATES = 200


@dataclass(frozen=True)
class SobolDesign:
    """Which masks a function is asked about.

    Attributes:
        a, b: (draws, inputs) two independent samples in [0, 1].
    """

    a: Float64[Floats, "draws inputs"]
    b: Float64[Floats, "draws inputs"]

    @property
    def masks(self) -> Float64[Floats, "rows inputs"]:
        """Without a unit, in [0, 1]: a, then b, then for each input a with that input's column of b."""
        draws, inputs = self.a.shape
        swapped = np.repeat(self.a[None], inputs, axis=0)
        place = np.arange(inputs)
        swapped[place, :, place] = self.b.T
        return np.concatenate([self.a, self.b, swapped.reshape(draws * inputs, inputs)])


def sobol_design(inputs: int, draws: int, *, seed: int = 0, binary: bool = False) -> SobolDesign:
    """Draw a design from one scrambled Sobol sequence of 2 · ``inputs`` columns.

    Args:
        inputs: how many.
        draws: rows of each sample, a power of 2.
        seed: of the scrambling.
        binary: round each entry to 0 or 1: an input is there or it is not.

    Raises:
        ValueError: no inputs, or ``draws`` is not a power of 2 of at least 2.
    """
    from scipy.stats import qmc

    if inputs < 1:
        raise ValueError(f"inputs: expected 1 or more, got {inputs}")
    if draws < 2 or draws & (draws - 1):
        raise ValueError(f"draws: expected a power of 2, at least 2, got {draws}")
    drawn = qmc.Sobol(2 * inputs, seed=seed).random_base2(draws.bit_length() - 1)
    if binary:
        drawn = (drawn >= 0.5).astype(np.float64)
    return SobolDesign(drawn[:, :inputs], drawn[:, inputs:])


@dataclass(frozen=True)
class SobolIndices:
    """Of each input; all without a unit, NaN where the function did not vary at all.

    Attributes:
        total: (inputs,) share of the variance that is left while all other inputs are held: what the input does alone
            and together with others. Exactly 0 where the function ignores it.
        first: (inputs,) share that the input explains alone; what is missing to ``total`` is interaction.
        total_interval, first_interval: (inputs, 2) 95 % intervals, by resampling the draws.
        variance: summed over the components of the answer, in its unit squared.
    """

    total: Float64[Floats, "inputs"]
    first: Float64[Floats, "inputs"]
    total_interval: Float64[Floats, "inputs 2"]
    first_interval: Float64[Floats, "inputs 2"]
    variance: float


def sobol_indices(answers: Any, inputs: int, *, seed: int = 0) -> SobolIndices:
    """Estimate the indices from what a function answered to a design.

    Args:
        answers: (draws · (inputs + 2), components) or (draws · (inputs + 2),) in the order of
            :attr:`SobolDesign.masks`; finite.
        inputs: of the design.
        seed: of the resampling.

    Raises:
        ValueError: the rows are not those of a design, or not finite.
    """
    given = as_floats(answers)
    given = shaped("answers", given[:, None] if given.ndim == 1 else given, (None, None))
    if len(given) % (inputs + 2) or not len(given):
        raise ValueError(f"answers: expected a multiple of {inputs + 2} rows for {inputs} inputs, got {len(given)}")
    if not np.isfinite(given).all():
        raise ValueError("answers: expected finite numbers")
    centred = given - given.mean(0)
    draws = len(given) // (inputs + 2)
    a, b, swapped = centred[:draws], centred[draws : 2 * draws], centred[2 * draws :].reshape(inputs, draws, -1)
    of_draw = _Terms(
        total=np.square(a - swapped).sum(-1) / 2,
        first=(b * (swapped - a)).sum(-1),
        squares=(np.square(a) + np.square(b)).sum(-1) / 2,
        sums=(a + b) / 2,
    )
    total, first, variance = of_draw.estimate(np.full((1, draws), 1 / draws))
    resampled = np.random.default_rng(seed).multinomial(draws, np.full(draws, 1 / draws), size=REPLICATES) / draws
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing varied: NaN, which is said
        intervals = [np.nanquantile(found, (0.025, 0.975), axis=0).T for found in of_draw.estimate(resampled)[:2]]
    return SobolIndices(total[0], first[0], intervals[0], intervals[1], float(variance[0]))


@dataclass(frozen=True)
class _Terms:
    """What each draw adds to numerators, (inputs, draws), and to the variance: (draws,), (draws, components)."""

    total: Floats
    first: Floats
    squares: Floats
    sums: Floats

    def estimate(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """Total and first-order indices (replicates, inputs) and variance (replicates,), each draw at its weight."""
        variance = weights @ self.squares - np.square(weights @ self.sums).sum(-1)
        # Rounding must not make a variance of what does not vary.
        floor = 1e-12 * (weights @ self.squares)
        divisor = np.where(variance > floor, variance, np.nan)[:, None]
        return weights @ self.total.T / divisor, weights @ self.first.T / divisor, variance


def sobol_of(
    function: Callable[[NDArray[np.float64]], Any],
    inputs: int,
    *,
    draws: int = 64,
    seed: int = 0,
    binary: bool = False,
) -> SobolIndices:
    """Indices of any function of masks: draws a design, asks, estimates.

    Args:
        function: from (rows, inputs) masks in [0, 1] to (rows, components) or (rows,) numbers.
        inputs, draws, seed, binary: see :func:`sobol_design`; ``draws · (inputs + 2)`` rows are asked.

    >>> sobol_of(lambda m: 3 * m[:, 0] + 4 * m[:, 1], 3, draws=1024).total.round(2)
    array([0.36, 0.64, 0.  ])
    """
    design = sobol_design(inputs, draws, seed=seed, binary=binary)
    return sobol_indices(function(design.masks), inputs, seed=seed)
