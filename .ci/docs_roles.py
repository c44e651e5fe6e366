"""For the documentation site: roles in docstrings, such as :class:`~forecast.core.batch.AgentBatch`, become links.

A role whose target stands on no page becomes plain code. Read by griffe as an extension (mkdocs.yml).
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`(?P<short>~)?(?P<target>[\w.]+)`")


class Roles(griffe.Extension):
    """Rewrites each docstring once it is read."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite an object's docstring."""
        if obj.docstring is not None:
            scope = obj if obj.is_class or obj.is_module else obj.parent or obj
            obj.docstring.value = _ROLE.sub(lambda match: _link(match, scope), obj.docstring.value)


def _link(match: re.Match[str], scope: Any) -> str:
    target = match["target"]
    shown = target.rpartition(".")[2] if match["short"] or target.startswith("forecast.") else target
    # A name without its module is of the same class, or else of the same module.
    if not target.startswith("forecast."):
        inside = scope if target in getattr(scope, "members", {}) else scope.module
        target = f"{inside.path}.{target}"
    return f'<autoref identifier="{target}" optional><code>{shown}</code></autoref>'
