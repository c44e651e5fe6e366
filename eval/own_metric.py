"""A metric from outside the package: a function of modes and truth, named as ``module:function``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import is_dataclass, replace
from typing import Any, get_args

import numpy as np

from forecast.core.errors import ConfigError, one_of
from forecast.core.user_code import load_outside
from forecast.eval import metric_list
from forecast.eval.evidence import AgentEvidence, items_of
from forecast.eval.metric_spec import MetricSpec, Source
from forecast.eval.results import PerItem, as_bools, as_floats, per_item

_OPTION = "--metric"


def own_metrics(names: Sequence[str]) -> tuple[MetricSpec, ...]:
    """Load metrics from outside.

    Args:
        names: ``module:name`` each, of a function as :func:`own_metric` takes it, or of a whole
            :class:`~forecast.eval.metric_spec.MetricSpec`.

    Raises:
        ConfigError: in one line, what cannot be imported or used, or a key that is taken.
    """
    specs: list[MetricSpec] = []
    for name in names:
        found = load_outside(name, _OPTION)
        spec = _checked(name, found) if isinstance(found, MetricSpec) else own_metric(name, found)
        if any(spec.key == other.key for other in (*metric_list.METRICS, *specs)):
            raise ConfigError(f"{_OPTION} {name}: a metric {spec.key} is there already; rename the function")
        specs.append(spec)
    return tuple(specs)


def own_metric(name: str, function: Callable[..., Any]) -> MetricSpec:
    """A metric of a function ``function(modes_m, probabilities, truth_m, valid)`` → one value an agent-sample.

    The function gets float64 arrays in the world frame: modes (agents, modes, steps, 2), NaN in absent modes;
    probabilities (agents, modes), NaN likewise; truth (agents, steps, 2), NaN where unknown; and valid (agents, steps),
    True where it is known. They are read-only. It returns (agents,) numbers; those that are not finite (NaN or
    infinite) do not count. Files are scored in pieces: a value may depend on its own agent alone. The first line of its
    docstring is the definition.

    Args:
        name: as it was given; its last part is the key and the heading.
        function: see above.

    Raises:
        ConfigError: it is no function.
    """
    if not callable(function):
        raise ConfigError(f"{_OPTION} {name}: is {type(function).__name__}; expected a function or a MetricSpec")

    def measure(found: AgentEvidence) -> PerItem:
        known = np.isfinite(found.truth_m).all(-1) if found.valid is None else found.valid
        arrays = (found.modes_m, found.probabilities, found.truth_m, known)
        given = as_floats(function(*(_read_only(array) for array in arrays)))
        if given.shape != (len(found.modes_m),):
            raise ValueError(f"gave shape {given.shape}; expected ({len(found.modes_m)},), one value an agent-sample")
        return per_item(given, np.isfinite(given))

    key = name.rpartition(":")[2].rpartition(".")[2]
    first = (function.__doc__ or "").strip().partition("\n")[0].strip()
    return MetricSpec(key, "agents", _told(name, measure), first or f"of {name}", heading=key, rigid=False)


def _checked(name: str, spec: MetricSpec) -> MetricSpec:
    """A whole entry from outside: its faults are told in one line, and values that are not finite do not count."""
    if spec.source not in get_args(Source):
        raise ConfigError(
            f"{_OPTION} {name}: its source is {spec.source!r}; {one_of(get_args(Source), str(spec.source))}"
        )

    def measure(found: Any) -> PerItem:
        given = spec.measure(_read_only(found))
        if not isinstance(given, PerItem):
            raise TypeError(f"its measure gave {type(given).__name__}; expected a forecast.eval.results.PerItem")
        values, valid, expected = as_floats(given.values), as_bools(given.valid), items_of(spec.source, found)
        if not values.shape == valid.shape == (expected,):
            shapes = " and ".join(str(array.shape) for array in (values, valid))
            raise ValueError(f"gave values and valid of shapes {shapes}; expected ({expected},), one value an item")
        return per_item(values, valid & np.isfinite(values))

    return replace(spec, measure=_told(name, measure))


def _told(name: str, measure: Callable[[Any], PerItem]) -> Callable[[Any], PerItem]:
    """The same, with whatever it raises as one line that names it."""

    def told(found: Any) -> PerItem:
        try:
            return measure(found)
        except Exception as fault:  # whatever a user's function does
            text = " ".join(str(fault).split())[:200]
            raise ConfigError(f"{_OPTION} {name}: {type(fault).__name__}: {text}") from fault

    return told


def _read_only(value: Any) -> Any:
    """The same without a way to change what other metrics are measured from: views of arrays, also within results."""
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    if is_dataclass(value) and not isinstance(value, type):
        twin = copy(value)  # its checks ran when the value was made
        vars(twin).update({name: _read_only(inner) for name, inner in vars(value).items()})
        return twin
    return value
