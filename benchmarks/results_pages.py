"""Write the appendices of the results, ``docs/results/*.md``, from the figures in ``docs/results/data/*.json``.

    python benchmarks/results_pages.py           # writes the pages
    python benchmarks/results_pages.py --check   # compares, and exits with 1 where a page is not up to date

A file of figures holds one page: ``title``, ``version`` (of the package that measured the figures), ``data`` (synthetic
or real), ``intro`` and ``notes`` (lists of paragraphs) and ``tables``. A table holds ``title``, ``command``,
``columns`` (``name`` and ``unit``, null where there is none), ``rows`` (cells as text, so that every digit stays) and
``notes``; ``data`` where it is not that of the page.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs" / "results"
PAGE_KEYS = ("title", "version", "data", "intro", "tables", "notes")
TABLE_KEYS = ("title", "command", "columns", "rows", "notes")


class FiguresError(ValueError):
    """A file of figures that cannot be rendered: which one, and what is wrong with it."""


def _require(found: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
    missing = [key for key in keys if key not in found]
    if missing:
        raise FiguresError(f"{where}: expected the keys {', '.join(keys)}; missing: {', '.join(missing)}")


def wrapped(text: str, indent: str = "") -> str:
    """A paragraph in lines of at most 120 characters; all but the first begin with ``indent``."""
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def bullet(text: str) -> str:
    """One entry of a list."""
    return wrapped(f"- {text}", indent="  ")


def heading(column: dict[str, str | None]) -> str:
    """The heading of a column with its unit, e.g. ``minFDE_1, m``."""
    return f"{column['name']}, {column['unit']}" if column["unit"] else str(column["name"])


def table_lines(table: dict[str, Any], where: str) -> list[str]:
    """One table as lines of Markdown.

    Args:
        table: ``columns`` and ``rows`` as in the file.
        where: what to call the table in an error.

    Raises:
        FiguresError: a row has another number of cells than there are columns, or a cell holds a bar.
    """
    headings = [heading(column) for column in table["columns"]]
    for number, row in enumerate(table["rows"]):
        if len(row) != len(headings):
            raise FiguresError(f"{where}, row {number}: {len(row)} cells, expected {len(headings)}, one a column")
        if any("|" in cell for cell in row):
            raise FiguresError(f"{where}, row {number}: a cell holds a bar, which ends a cell in Markdown")
    rule = "|".join(["---", *["---:"] * (len(headings) - 1)])
    return (
        [f"| {' | '.join(cells)} |" for cells in [headings]]
        + [f"|{rule}|"]
        + [f"| {' | '.join(row)} |" for row in table["rows"]]
    )


def _section(table: dict[str, Any], where: str) -> list[str]:
    """Title, data, command, table and notes of one table, as blocks that a blank line parts."""
    _require(table, TABLE_KEYS, where)
    blocks = [f"## {table['title']}"]
    if "data" in table:
        blocks.append(f"Data: {table['data']}.")
    blocks.append(f"```sh\n{table['command']}\n```")
    blocks.append("\n".join(table_lines(table, where)))
    if table["notes"]:
        blocks.append("\n".join(map(bullet, table["notes"])))
    return blocks


def page_text(page: dict[str, Any], name: str) -> str:
    """A whole appendix as Markdown.

    Args:
        page: the content of the file of figures.
        name: the file's name, for errors and for the line that says where the page comes from.

    Raises:
        FiguresError: a key is missing, or a table has rows of uneven length.
    """
    _require(page, PAGE_KEYS, name)
    blocks = [
        f"<!-- Written by benchmarks/results_pages.py from data/{name}. Change that file, not this page. -->",
        f"# {page['title']}",
        wrapped(
            f"Data: {page['data']}. Measured with version {page['version']}; the names of models are "
            "[today's](../results.md#names). [All results](../results.md)."
        ),
        *map(wrapped, page["intro"]),
    ]
    for number, table in enumerate(page["tables"]):
        blocks += _section(table, f"{name}, table {number}")
    if page["notes"]:
        blocks += ["## What can be read from these tables", "\n".join(map(bullet, page["notes"]))]
    return "\n\n".join(blocks) + "\n"


def pages(folder: Path = FOLDER) -> dict[Path, str]:
    """Every appendix that the files of figures under ``folder`` make: its path and its text."""
    found = {}
    for source in sorted((folder / "data").glob("*.json")):
        try:
            content = json.loads(source.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise FiguresError(f"{source}: not JSON: {error}") from error
        found[folder / f"{source.stem}.md"] = page_text(content, source.name)
    return found


def outdated(folder: Path = FOLDER) -> list[Path]:
    """Pages that are missing, differ from their figures, or have no figures any more."""
    wanted = pages(folder)
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    return stale + sorted(set(folder.glob("*.md")) - set(wanted))


def main(arguments: list[str] | None = None) -> int:
    """Write or check the appendices; the exit code is 1 where a check fails."""
    parser = argparse.ArgumentParser(description="Write the appendices of the results from their figures.")
    parser.add_argument("--check", action="store_true", help="compare only; exit with 1 where a page is not up to date")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder of the pages, with data/ in it")
    given = parser.parse_args(arguments)
    try:
        if given.check:
            stale = outdated(given.folder)
            for path in stale:
                print(f"{path}: not up to date; run python benchmarks/results_pages.py", file=sys.stderr)
            return 1 if stale else 0
        for path, text in pages(given.folder).items():
            path.write_text(text, encoding="utf-8", newline="\n")
    except FiguresError as error:
        print(f"results_pages.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
