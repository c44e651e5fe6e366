"""Names of earlier versions: they are read, with one line of advice that says what they are called now."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from forecast.core.errors import ConfigError

#: Earlier name of a configuration → what it is called now.
_CONFIGURATIONS = {"cab_divergence": "cab", "blind": "no_context"}
#: Earlier key → what it is called now.
_KEYS = {
    "objective.blind_weight": "objective.without_context_weight",
    "objective.weighted_odds": "objective.weighted_probabilities",
}
_OBJECTIVES = {"cab": "divergence"}
#: Until version 0.1 every objective had all of these constants, read or not.
_CONSTANTS = {
    "without_context_weight": ("divergence", "gain"),
    "divergence_weight": ("divergence", "gain"),
    "gain_weight": ("gain",),
    "divergence_cap": ("divergence",),
    "entropy_weight": ("plain",),
    "weighted_probabilities": ("gain",),
}
_OWN_BLIND = "model.own_blind"


def current_name(name: str) -> str:
    """What a configuration is called now; warns where that has changed."""
    if name == "cab":
        _advise(
            "the configuration 'cab' has the paper's objective since version 0.2; what it trained before is called "
            "'gain'"
        )
    elif name in _CONFIGURATIONS:
        _advise(f"the configuration '{name}' is called '{_CONFIGURATIONS[name]}' since version 0.2")
    return _CONFIGURATIONS.get(name, name)


def current_keys(values: Mapping[str, Any], where: str, objective: str) -> dict[str, Any]:
    """Values by dotted key, under the keys of today.

    Args:
        values: by dotted key.
        where: file or place that the keys stand in, for the advice; empty for a record, which needs none.
        objective: the name of the objective that the values are for, unless they name another one.

    Raises:
        ConfigError: a key stands there under both names, or ``model.own_blind`` is neither true nor false.
    """
    found: dict[str, Any] = {}
    objective = _OBJECTIVES.get(str(values.get("objective.name", objective)), values.get("objective.name", objective))
    for key, value in values.items():
        if key == "objective.name" and value in _OBJECTIVES:
            _advise(f"the objective '{value}' is called '{_OBJECTIVES[value]}' since version 0.2", where)
            value = _OBJECTIVES[value]
        if key == _OWN_BLIND:
            found |= _without_context(value, where, objective)
            continue
        now = "objective.gain_weight" if (key, objective) == ("objective.divergence_weight", "gain") else _KEYS.get(key)
        if now is not None:
            _advise(f"the key '{key}' is called '{now}' since version 0.2", where)
            if now in values:
                raise ConfigError(f"{where}: '{key}' and '{now}' are the same key; give the latter alone")
        found[now or key] = value
    if _OWN_BLIND not in values or where == "the command line":
        return found
    # A whole record of an earlier version, with constants that its objective did not read.
    return {key: value for key, value in found.items() if _is_read(key, objective)}


def current_column(name: str) -> str:
    """What a column of ``metrics.csv`` is called now."""
    return name.replace("val_blind/", "val_without_context/").replace("train/blind_", "train/without_context_")


def _without_context(own: object, where: str, objective: str) -> dict[str, Any]:
    if not isinstance(own, bool):
        raise ConfigError(f"{where or _OWN_BLIND}: '{_OWN_BLIND}' is {own!r}; expected true or false")
    now = {"objective.without_context": "twin" if own else "shared"} if objective != "plain" else {}
    said = "; ".join(f"{key} {value}" for key, value in now.items()) or "nothing, since 'plain' has no use for it"
    _advise(f"in place of the key '{_OWN_BLIND}' there is since version 0.2: {said}", where)
    return now


def _is_read(key: str, objective: str) -> bool:
    return objective in _CONSTANTS.get(key.removeprefix("objective."), (objective,))


def _advise(text: str, where: str = "the command line") -> None:
    if where:
        # A warning of this file, which the command line prints as one line.
        warnings.warn(text if where == "the command line" else f"{where}: {text}", UserWarning, stacklevel=1)
