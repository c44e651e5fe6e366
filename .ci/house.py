"""Measures the package's source against its own rules; exits with 1 where one is broken.

    python .ci/house.py [CHECKOUT] [--only MEASURE ...] [--show]

What is measured and what is allowed stands in ``LIMITS``. ``--show`` lists the worst files and functions, all circles,
double names and functions without shape or unit. ``make lint`` runs it.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: Measure → the worst figure that is allowed; shares are percent and must be at least as large.
LIMITS = {
    "median lines of a file": 130,
    "most lines of a file": 350,
    "median lines of a function": 14,
    "most lines of a function": 60,
    "file names that stand twice": 0,
    "class names that stand twice": 0,
    "circles of files": 0,
    "% of public array functions with shape and unit": 90,
}
AT_LEAST = {"% of public array functions with shape and unit"}
FOLDERS = {"forecast": "forecast", "data": "forecast.data", "eval": "forecast.eval", "configs": "forecast.configs"}


@dataclass(frozen=True)
class Module:
    """A source file: its dotted name, its path in the checkout, its lines, and what it says."""

    name: str
    path: Path
    lines: int
    tree: ast.Module


@dataclass(frozen=True)
class Measured:
    """A figure, and what is behind it, the worst first."""

    figure: float
    behind: list[str]


def modules(checkout: Path) -> list[Module]:
    """All source files of the package; the links in ``forecast/`` are not followed but what they lead to."""
    found = []
    for folder, package in FOLDERS.items():
        for path in sorted((checkout / folder).rglob("*.py")):
            inside = path.relative_to(checkout / folder)
            if folder == "forecast" and inside.parts[0] in FOLDERS:
                continue
            parts = [part for part in inside.with_suffix("").parts if part != "__init__"]
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text, str(path))
            found.append(Module(".".join([package, *parts]), path.relative_to(checkout), len(text.splitlines()), tree))
    return found


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end, docstring included."""
    return (function.end_lineno or 0) - function.lineno + 1


def file_lines(found: list[Module], largest: bool) -> Measured:
    """Lines of files, packages' own files aside."""
    sizes = {str(module.path): module.lines for module in found if module.path.name != "__init__.py"}
    return _of_sizes(sizes, largest)


def function_lines(found: list[Module], largest: bool) -> Measured:
    """Lines of functions and methods, docstrings included."""
    sizes = {
        f"{module.path}:{function.lineno} {function.name}": _length(function)
        for module in found
        for function in _functions(module.tree)
    }
    return _of_sizes(sizes, largest)


def _of_sizes(sizes: dict[str, int], largest: bool) -> Measured:
    worst = sorted(sizes, key=lambda name: -sizes[name])
    figure = max(sizes.values()) if largest else statistics.median(sizes.values())
    return Measured(figure, [f"{sizes[name]:>4} {name}" for name in worst[:12]] if largest else [])


def double_names(found: list[Module]) -> Measured:
    """Names of files that stand for more than one thing."""
    places = defaultdict(list)
    for module in found:
        if module.path.name != "__init__.py":
            places[module.path.name].append(str(module.path))
    return _twice(places)


def double_classes(found: list[Module]) -> Measured:
    """Names of public classes that stand for more than one thing."""
    places = defaultdict(list)
    for module in found:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(module.path))
    return _twice(places)


def _twice(places: dict[str, list[str]]) -> Measured:
    twice = {name: where for name, where in sorted(places.items()) if len(where) > 1}
    return Measured(len(twice), [f"{name}: {', '.join(where)}" for name, where in twice.items()])


def imports_of(module: Module, names: set[str]) -> set[str]:
    """Modules of the package that a file imports anywhere: at its top, late in a function, or for types alone."""
    package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
    wanted = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            wanted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            # `from package import module` is an import of the module, else of the package.
            inside = {f"{base}.{alias.name}" for alias in node.names}
            wanted |= inside & names
            if not inside <= names:
                wanted.add(base)
    return (wanted & names) - {module.name}


def circles(found: list[Module]) -> Measured:
    """Groups of files each of which, directly or not, imports all others."""
    names = {module.name for module in found}
    graph = {module.name: imports_of(module, names) for module in found}
    reach = {name: _reached(graph, name) for name in graph}
    groups = {
        frozenset(other for other in reach[name] if name in reach[other]) for name in graph if name in reach[name]
    }
    return Measured(len(groups), [" ↔ ".join(sorted(group)) for group in sorted(groups, key=sorted)])


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += graph[name]
    return seen


_ARRAY = re.compile(r"\b(Tensor|ndarray|NDArray|ArrayLike|ArrayT|Array|Floats|Bools|Ints)\b")
#: Arrays that have no unit: the type says all.
_COUNTED = re.compile(r"bool|\bu?int\d*\b|str_|Bool|Int|UInt8")
_ANNOTATED = re.compile(r"\b(Float|Float32|Float64|Int|Int64|Bool|UInt8|Shaped|Num|Real|Inexact)\[")
#: A tuple of axes, `(agents, modes, 2)`; or a word for an array whose axes do not matter.
_SHAPE = re.compile(r"\((?:[\w.…+\-−*/× ]+,)+[\w.…+\-−*/× ]*\)|any shape|scalar", re.IGNORECASE)
#: A unit wherever it stands in a docstring.
_UNIT = re.compile(
    r"\b(metres?|seconds?|radians?|pixels?|degrees?|m/s|m²|m/s²|Hz|microseconds|nats|probabilit\w+|logits?"
    r"|SI units|no unit|unitless|standardi[sz]ed)\b",
    re.IGNORECASE,
)
#: What an array without a unit holds: it says so only in the array's own words, for elsewhere these words are common.
_UNITLESS = re.compile(r"\b(shares?|booleans?|bool|masks?|ind(ex|ices)|uint8|scaled|encodings?|True)\b")
_SUFFIX = re.compile(r"_(m|s|us|ms|hz|rad|mps|mps2|px|m2|world|agent)$")
_PLAIN = re.compile(r"valid|mask|probabilit|logit|weight|index|indices|rows?$|types?$|encoding|code")


def untold(found: list[Module]) -> Measured:
    """Share of public functions with arrays whose shape and unit can be read.

    The shape stands in the docstring or in an annotation with named axes; the unit in the docstring or in the names of
    the arguments, where there is one.
    """
    total, wanting = 0, []
    for module in found:
        for function in _public(module.tree.body):
            arrays = [
                a
                for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
                if _is_array(a.annotation)
            ]
            if not arrays and not _is_array(function.returns):
                continue
            total += 1
            lacking = _lacking(function, arrays)
            wanting += [f"{module.path}:{function.lineno} {function.name}: {lacking}"] if lacking else []
    return Measured(100 * (1 - len(wanting) / total) if total else 100.0, wanting)


def _public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public(node.body)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def _is_array(annotation: ast.expr | None) -> bool:
    text = "" if annotation is None else ast.unparse(annotation)
    return bool(_ARRAY.search(text) or _ANNOTATED.search(text)) and "Callable" not in text


def _lacking(function: ast.FunctionDef, arrays: list[ast.arg]) -> str:
    told = ast.get_docstring(function) or ""
    annotations = [ast.unparse(argument.annotation) for argument in arrays if argument.annotation]
    returned = ast.unparse(function.returns) if function.returns else ""
    shape = _SHAPE.search(told) or any(_ANNOTATED.search(text) for text in (*annotations, returned))
    named = [_SUFFIX.search(argument.arg) or _PLAIN.search(argument.arg) for argument in arrays]
    by_itself = [
        _COUNTED.search(ast.unparse(argument.annotation or argument)) or _UNITLESS.search(_entry(told, argument.arg))
        for argument in arrays
    ]
    by_name = all(name or alone for name, alone in zip(named, by_itself, strict=True))
    returns_told = (
        not _is_array(function.returns)
        or _COUNTED.search(returned)
        or _SUFFIX.search(function.name)
        or _UNITLESS.search(_returned(told))
    )
    # What is returned has mostly the unit of what is given.
    unit = _UNIT.search(told) or (by_name and (any(named) or returns_told))
    return " and ".join(word for word, there in (("shape", shape), ("unit", unit)) if not there)


def _entry(told: str, name: str) -> str:
    """What a docstring says of one argument: the text of its entry, with the lines that go on below it."""
    found = re.search(rf"^( +)(?:\w+, )*{name}(?:, \w+)*: (.*(?:\n\1 +.*)*)", told, re.MULTILINE)
    return found[2] if found else ""


def _returned(told: str) -> str:
    """What a docstring says of the result: its first line, and the section on it."""
    _, _, section = told.partition("Returns:\n")
    return told.partition("\n")[0] + "\n" + section.partition("\n\n")[0]


MEASURES: dict[str, Callable[[list[Module]], Measured]] = {
    "median lines of a file": lambda found: file_lines(found, largest=False),
    "most lines of a file": lambda found: file_lines(found, largest=True),
    "median lines of a function": lambda found: function_lines(found, largest=False),
    "most lines of a function": lambda found: function_lines(found, largest=True),
    "file names that stand twice": double_names,
    "class names that stand twice": double_classes,
    "circles of files": circles,
    "% of public array functions with shape and unit": untold,
}


def broken(measure: str, figure: float) -> bool:
    """Whether a figure is beyond its limit."""
    limit = LIMITS[measure]
    return figure < limit if measure in AT_LEAST else figure > limit


def main(given: list[str] | None = None) -> int:
    """Print the table; 0 where every limit holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", nargs="?", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--only", nargs="+", choices=MEASURES, metavar="MEASURE")
    parser.add_argument("--show", action="store_true", help="list what is behind each figure")
    args = parser.parse_args(given)
    found, failed = modules(args.checkout), False
    for measure in args.only or MEASURES:
        measured = MEASURES[measure](found)
        over = broken(measure, measured.figure)
        failed |= over
        sign = "≥" if measure in AT_LEAST else "≤"
        print(f"{measure:<50}{measured.figure:>7.4g}  {sign} {LIMITS[measure]:<4} {'BROKEN' if over else ''}".rstrip())
        for line in measured.behind if args.show else measured.behind[:3] if over else ():
            print(f"    {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
