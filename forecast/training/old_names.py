"""Names of earlier versions: they are read, with one line of advice that says what they are called now."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

#: Earlier name of a configuration → what it is called now.
_CONFIGURATIONS = {"cab_divergence": "cab", "blind": "no_context"}
#: Earlier key → what it is called now.
_KEYS = {
    "objective.blind_weight": "objective.without_context_weight",
    "objective.weighted_odds": "objective.weighted_probabilities",
}
_OBJECTIVES = {"cab": "divergence"}


def current_name(name: str) -> str:
    """What a configuration is called now; warns where that has changed."""
    if name == "cab":
        _advise(
            "the configuration 'cab' has the paper's objective since version 0.2; what it trained before is called "
            "'gain', which is also the default"
        )
    elif name in _CONFIGURATIONS:
        _advise(f"the configuration '{name}' is called '{_CONFIGURATIONS[name]}' since version 0.2")
    return _CONFIGURATIONS.get(name, name)


def current_keys(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Dotted keys and their values under the names of today.

    Args:
        values: by dotted key.
        where: file or place that the keys stand in, for the advice; empty for a record, which needs none.
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key in _KEYS:
            if where:
                _advise(f"{where}: the key '{key}' is called '{_KEYS[key]}' since version 0.2")
            key = _KEYS[key]
        if key == "objective.name" and value in _OBJECTIVES:
            if where:
                _advise(f"{where}: the objective '{value}' is called '{_OBJECTIVES[value]}' since version 0.2")
            value = _OBJECTIVES[value]
        found[key] = value
    return found


def _advise(text: str) -> None:
    # A warning of this file, which the command line prints as one line.
    warnings.warn(text, UserWarning, stacklevel=1)
