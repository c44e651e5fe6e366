"""The models that are compared: named configurations of the package, and variants of them by their differences.

Every benchmark puts them on its own settings: ``load_config("query_cab", settings=compared("trajectron"))``.
"""

from __future__ import annotations

from typing import Any

from forecast.training.config import settings_of

#: In the order of tables.
MODELS = ("cab", "trajectron", "no_context", "reweight", "rubiz", "gain")


def compared(name: str, **differences: Any) -> dict[str, Any]:
    """Settings by dotted key of a named configuration.

    Args:
        name: of a shipped configuration.
        **differences: of a variant; ``objective_joint=True`` stands for ``objective.joint``.
    """
    return {**settings_of(name), **{key.replace("_", ".", 1): value for key, value in differences.items()}}
