"""What the pages of this package are built of: a style, tables, pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0;font-size:13px}td,th{padding:.3em .6em;border-bottom:1px solid #ddd;
text-align:right}td:first-child,th:first-child{text-align:left}img{max-width:100%}
.warn{background:#fff6dd;border-left:4px solid #e69f00;padding:.5em 1em}"""


def html_table(lines: Sequence[Sequence[str]]) -> str:
    """A table; the first line is its head. Line ends in a cell stay."""
    # Long names of models may break after an underscore, figures of a cell at the line ends given.
    head, *body = [[escape(cell).replace("_", "_<wbr>").replace("\n", "<br>") for cell in line] for line in lines]
    cells = "".join("<tr><td>" + "</td><td>".join(line) + "</td></tr>" for line in body)
    return "<table><tr><th>" + "</th><th>".join(head) + f"</th></tr>{cells}</table>"


def html_image(png: bytes) -> str:
    """A picture that is part of the page."""
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def html_page(title: str, parts: Sequence[str]) -> str:
    """A whole page that needs no other file."""
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
    return f"{head}<style>{STYLE}</style>" + "\n".join(parts) + "</html>\n"
