"""Renders the templates of this folder: whole pages that need no other file and no network."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

import forecast
from forecast.core.files import written_whole


def write_html(path: Path | str, template: str, **values: Any) -> None:
    """Write a page.

    Args:
        path: the HTML file; names that UTF-8 lacks are written escaped.
        template: in ``templates``; it extends ``base.html``.
        values: what the template names: ``title``, ``about`` (lines below it), ``contents`` (identifier and heading of
            each section), and its own.

    Raises:
        jinja2.UndefinedError: a value is missing.
    """
    templates = _templates()
    style, script = (_source(name) for name in ("page.css", "page.js"))
    # The page may run this script and no other: a name of a file that were markup could still do nothing.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = templates.get_template(template).render(
        style=Markup(style),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        version=forecast.__version__,
        **values,
    )
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


@cache
def _templates() -> Environment:
    loader = PackageLoader("forecast.report", "templates")
    found = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.filters |= {"breakable": _breakable, "data_uri": _data_uri}
    return found


def _source(name: str) -> str:
    templates = _templates()
    assert templates.loader is not None
    return templates.loader.get_source(templates, name)[0]


def _breakable(text: str) -> Markup:
    """Long names of models may break after an underscore."""
    return escape(text).replace("_", Markup("_<wbr>"))


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
