"""The smallest change of some regions for which a forecast's manoeuvre is another one.

After region-targeted counterfactuals (STEEX, Jacob and others, arXiv 2111.09094), by parameters that keep the scene
possible. ``docs/why.md`` says how to read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import differential_evolution

from forecast.core.batch import AgentBatch
from forecast.core.shapes import Float64
from forecast.explain.outcomes import MANOEUVRES, manoeuvre_probabilities
from forecast.explain.scene_editor import Knob, SceneEditor
from forecast.explain.validity import faults
from forecast.prediction.predictor import BatchPredictor

_IMPOSSIBLE = 1e3
#: Halvings of the way back to the scene as it was.
_HALVINGS = 6


@dataclass(frozen=True)
class Search:
    """How a counterfactual is looked for.

    Attributes:
        weight: λ of the size of a change beside −log P(manoeuvre).
        population: scenes a knob in each round.
        rounds: at most.
        seed: of the search.
    """

    weight: float = 0.3
    population: int = 12
    rounds: int = 12
    seed: int = 0


@dataclass(frozen=True)
class Counterfactual:
    """What was found.

    Attributes:
        wanted: the manoeuvre.
        knobs: what might be changed.
        amounts: (knobs,) of the smallest change that was found, in the knobs' units; 0 where none is needed.
        found: whether the forecast is the wanted manoeuvre then; ``amounts`` are 0 where none is within reach.
        size: root of the sum of squares of the amounts over their scales.
        before, after: (manoeuvres,) probabilities of each manoeuvre, in the order of
            :data:`~forecast.explain.outcomes.MANOEUVRES`.
        reached: highest probability of the wanted manoeuvre in any possible scene that was tried.
        scenes: how many were forecast.
        impossible: how many of them were no possible scenes and not considered.
    """

    wanted: str
    knobs: tuple[Knob, ...]
    amounts: Float64[NDArray[np.float64], "knobs"]
    found: bool
    size: float
    before: Float64[NDArray[np.float64], "manoeuvres"]
    after: Float64[NDArray[np.float64], "manoeuvres"]
    reached: float
    scenes: int
    impossible: int

    @property
    def changes(self) -> list[tuple[Knob, float]]:
        """Those knobs that are turned."""
        return [(knob, float(amount)) for knob, amount in zip(self.knobs, self.amounts, strict=True) if amount]


def likeliest_manoeuvre(probabilities: Float64[NDArray[np.float64], "manoeuvres"]) -> str:
    """The most probable one; ties go to the first."""
    return MANOEUVRES[int(np.argmax(probabilities))]


def counterfactual(
    model: BatchPredictor, editor: SceneEditor, regions: Sequence[str], wanted: str, search: Search = Search()
) -> Counterfactual:
    """Look for the smallest possible change of some regions that makes a manoeuvre the most probable one.

    Minimised is ``−log P(manoeuvre) + λ ‖amounts / scales‖²`` by differential evolution (SciPy). Of all scenes on the
    way that are possible and flip the forecast, the smallest is led back towards the scene as it was while it flips.

    Args:
        model: the forecaster.
        editor: of the scene.
        regions: that may change.
        wanted: one of :data:`~forecast.explain.outcomes.MANOEUVRES`.
        search: see there.

    Raises:
        ConfigError: the scene has no such region.
        ValueError: no such manoeuvre, or no regions.
    """
    if wanted not in MANOEUVRES:
        raise ValueError(f"manoeuvre: expected one of {', '.join(MANOEUVRES)}, got {wanted!r}")
    knobs = editor.knobs(regions)
    if not knobs:
        raise ValueError("regions: expected at least one")
    tried = _Tried(model, editor, knobs, wanted)
    before = tried.probabilities(np.zeros((1, len(knobs))))[0]
    if likeliest_manoeuvre(before) == wanted:
        return tried.told(np.zeros(len(knobs)), True, before)
    differential_evolution(
        lambda points: tried.costs(points.T, search.weight),
        [(knob.low, knob.high) for knob in knobs],
        popsize=search.population,
        maxiter=search.rounds,
        init="sobol",
        seed=np.random.default_rng(search.seed),
        polish=False,
        vectorized=True,
        updating="deferred",
        tol=1e-3,
    )
    best = tried.smallest()
    if best is None:
        return tried.told(np.zeros(len(knobs)), False, before)
    return tried.told(tried.led_back(best), True, before)


class _Tried:
    """All scenes that were tried, and which of them flip the forecast."""

    def __init__(self, model: BatchPredictor, editor: SceneEditor, knobs: tuple[Knob, ...], wanted: str) -> None:
        self._model, self._editor, self._knobs = model, editor, knobs
        self._wanted = MANOEUVRES.index(wanted)
        self.scales = np.array([knob.scale for knob in knobs])
        self._switches = np.array([knob.switch for knob in knobs])
        self._flips: list[NDArray[np.float64]] = []
        self.scenes = self.impossible = 0
        self.reached = 0.0

    def told(self, amounts: NDArray[np.float64], found: bool, before: NDArray[np.float64]) -> Counterfactual:
        """What was found, with the probabilities after it."""
        after = self.probabilities(amounts[None])[0] if amounts.any() else before
        return Counterfactual(
            wanted=MANOEUVRES[self._wanted],
            knobs=self._knobs,
            amounts=amounts,
            found=found,
            size=float(np.linalg.norm(amounts / self.scales)),
            before=before,
            after=after,
            reached=max(self.reached, float(before[self._wanted]), float(after[self._wanted])),
            scenes=self.scenes,
            impossible=self.impossible,
        )

    def probabilities(self, amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows, manoeuvres) of scenes that need not be possible."""
        return self._asked(self._editor.apply(self._knobs, torch.from_numpy(amounts)))

    def costs(self, amounts: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
        """(rows,) what is minimised; scenes that are not possible cost too much."""
        amounts = np.where(self._switches, np.round(amounts), amounts)
        scenes, possible, answers = self._possible(amounts)
        self._flips += list(amounts[possible][answers.argmax(1) == self._wanted])
        costs = np.full(len(scenes), _IMPOSSIBLE)
        size = np.square(amounts[possible] / self.scales).sum(1)
        self.reached = max(self.reached, float(answers[:, self._wanted].max(initial=0.0)))
        costs[possible] = -np.log(answers[:, self._wanted] + 1e-4) + weight * size
        return costs

    def smallest(self) -> NDArray[np.float64] | None:
        """The smallest change that flipped the forecast."""
        sizes = [np.linalg.norm(amounts / self.scales) for amounts in self._flips]
        return self._flips[int(np.argmin(sizes))] if sizes else None

    def led_back(self, amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same change with what is not needed left out, and as near to none as still flips the forecast."""
        for place in np.argsort(np.abs(amounts / self.scales)):
            without = np.where(np.arange(len(amounts)) == place, 0.0, amounts)
            if without.any() and self._flipped(without[None])[0]:
                amounts = without
        low = 0.0
        high = 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if self._flipped(self._less(amounts, middle)[None])[0] else (middle, high)
        return self._less(amounts, high)

    def _less(self, amounts: NDArray[np.float64], share: float) -> NDArray[np.float64]:
        """A share of the amounts; switches stay."""
        return np.where(self._switches, amounts, share * amounts)

    def _flipped(self, amounts: NDArray[np.float64]) -> NDArray[np.bool_]:
        _, possible, answers = self._possible(amounts)
        flipped = np.zeros(len(amounts), dtype=bool)
        flipped[possible] = answers.argmax(1) == self._wanted
        return flipped

    def _possible(self, amounts: NDArray[np.float64]) -> tuple[AgentBatch, NDArray[np.bool_], NDArray[np.float64]]:
        scenes = self._editor.apply(self._knobs, torch.from_numpy(amounts))
        possible = np.array([not fault for fault in faults(self._editor.batch, scenes, self._editor.spec)])
        self.impossible += int((~possible).sum())
        answers = np.zeros((0, len(MANOEUVRES)))
        if possible.any():
            answers = self._asked(scenes[torch.from_numpy(possible)])
        return scenes, possible, answers

    def _asked(self, batch: AgentBatch) -> NDArray[np.float64]:
        self.scenes += len(batch)
        with torch.inference_mode():
            return manoeuvre_probabilities(self._model.predict(batch.to(self._model.device)))
