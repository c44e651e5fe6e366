"""Objectives by name: those of this package, and a user's own function by its path."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from torch import Tensor

from forecast.core.errors import ConfigError, one_of
from forecast.core.shapes import Bool
from forecast.core.user_code import load_outside
from forecast.model.branch import Branch
from forecast.model.objective_config import ObjectiveConfig
from forecast.model.objectives.divergence import divergence
from forecast.model.objectives.gain import gain
from forecast.model.objectives.plain import plain
from forecast.model.objectives.reweight import reweight
from forecast.model.objectives.rubiz import rubiz
from forecast.model.own_loss import Annealed, LogBranch, Terms

#: ``(with context, without context or None, (batch, steps) valid, constants, annealed)`` → the loss and its parts.
Function = Callable[[LogBranch, "LogBranch | None", Tensor, Any, Annealed], Terms]
#: What ``objective.name`` is when nothing is said.
DEFAULT_OBJECTIVE = "gain"
_PARAMETERS = ("with_context", "without", "valid", "config", "annealed")


@dataclass(frozen=True)
class Objective:
    """A function of two passes, and the dataclass of its constants."""

    function: Function
    constants: type[ObjectiveConfig]

    @classmethod
    def of(cls, function: Function) -> Objective:
        """Read the dataclass from the annotation of the function's parameter ``config``.

        Raises:
            ValueError: the function has other parameters, or no such annotation.
        """
        if not callable(function) or tuple(inspect.signature(function).parameters) != _PARAMETERS:
            raise ValueError(f"expected a function of ({', '.join(_PARAMETERS)})")
        constants = get_type_hints(function).get("config")
        if not (isinstance(constants, type) and issubclass(constants, ObjectiveConfig)):
            raise ValueError(
                "the parameter 'config' is not annotated with a subclass of "
                "forecast.model.objective_config.ObjectiveConfig"
            )
        return cls(function, constants)


OBJECTIVES = {function.__name__: Objective.of(function) for function in (divergence, gain, plain, reweight, rubiz)}


def objective_named(name: str) -> Objective:
    """An objective of this package by its name, or a user's own by its path ``package.module:function``.

    Raises:
        ConfigError: there is none, or it cannot be used; one line.
    """
    if name in OBJECTIVES:
        return OBJECTIVES[name]
    if ":" not in name:
        raise ConfigError(
            f"objective.name: no objective is called '{name}': {one_of(OBJECTIVES, name)}; or a function of your own "
            "as package.module:function"
        )
    function = load_outside(name, "objective.name")
    try:
        return Objective.of(function)
    except (ValueError, TypeError, NameError) as error:
        raise ConfigError(f"objective.name: '{name}': {' '.join(str(error).split())[:200]}") from None


def objective_terms(
    with_context: Branch,
    without: Branch | None,
    valid: Bool[Tensor, "batch steps"],
    config: ObjectiveConfig,
    annealed: Annealed,
) -> Terms:
    """The loss of a batch.

    Args:
        with_context: the pass with context.
        without: the pass without context; needed unless ``config.without_context`` is ``none``.
        valid: (batch, steps) bool, steps whose truth is known.
        config: which objective, and its constants.
        annealed: today's α and logit bound.

    Raises:
        ValueError: the objective needs a pass without context and there is none.
        ConfigError: an objective of the user's own fails, or gives no loss; one line.
    """
    if config.without_context != "none" and without is None:
        raise ValueError(f"the objective '{config.name}' needs a pass without context")
    logs = None if without is None else LogBranch.of(without, annealed.logit_bound)
    function, seen = objective_named(config.name).function, LogBranch.of(with_context, annealed.logit_bound)
    if config.name in OBJECTIVES:
        return function(seen, logs, valid, config, annealed)
    return _own_terms(function, config.name, seen, logs, valid, config, annealed)


def _own_terms(function: Callable[..., Terms], name: str, *given: Any) -> Terms:
    """What a user's own function gives, or in one line what is wrong with it."""
    try:
        terms = function(*given)
    except Exception as fault:  # whatever a user's function raises
        told = " ".join(str(fault).split())[:200]
        raise ConfigError(f"objective.name {name}: {type(fault).__name__}: {told}") from fault
    if not isinstance(terms, Terms):
        raise ConfigError(f"objective.name {name}: gave {type(terms).__name__}; expected forecast.model.own_loss.Terms")
    if not isinstance(terms.loss, Tensor) or terms.loss.ndim:
        shape = tuple(terms.loss.shape) if isinstance(terms.loss, Tensor) else type(terms.loss).__name__
        raise ConfigError(f"objective.name {name}: gave a loss of {shape}; expected a tensor without axes")
    return terms
