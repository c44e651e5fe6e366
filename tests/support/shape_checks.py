"""Checks arrays against the shapes and kinds that annotations name, while tests run; in production nothing is checked.

``conftest.py`` imports this before the package. From then on each module of the package that is imported has its
functions and dataclasses with annotations such as ``Float[Tensor, "batch modes steps 2"]``
(:mod:`forecast.core.shapes`) wrapped: jaxtyping compares arguments and results with them, one axis name standing for
one size within a call. Other annotations are left alone; mypy reads them.
"""

from __future__ import annotations

import ast
import functools
import importlib.abc
import importlib.machinery
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

try:
    import jaxtyping
except ImportError:  # an installation without the extra `dev`
    jaxtyping = None

#: What forecast.core.shapes offers.
KINDS = ("Bool", "Float", "Float32", "Float64", "Int", "Int64", "Shaped", "UInt8")
_NAMED = re.compile(rf"\b({'|'.join(KINDS)})\[")


class ShapeError(TypeError):
    """An array is not of the shape or kind that an annotation says."""


def _tracing() -> bool:
    """Whether torch is compiling or exporting: sizes are symbols then, and nothing may be asked of them."""
    torch = sys.modules.get("torch")
    return torch is not None and (torch.compiler.is_compiling() or torch.compiler.is_exporting())


def checked(
    function: Callable[..., Any], namespace: Mapping[str, Any], source: str = "", *, called_first: bool = False
) -> Callable[..., Any]:
    """A function that compares its arrays with its annotations; the function itself where these name no shapes.

    With ``called_first`` the arguments are compared after the call: what the function itself says of them comes first.
    """
    named = {
        name: hint
        for name, hint in getattr(function, "__annotations__", {}).items()
        if isinstance(hint, str) and _NAMED.search(hint)
    }
    if not named or jaxtyping is None:
        return function
    parameters = tuple(inspect.signature(function).parameters)
    hints = _Hints(function.__qualname__, named, namespace, source)

    @functools.wraps(function)
    def wrapper(*given: Any, **keywords: Any) -> Any:
        if _tracing():
            return function(*given, **keywords)
        with jaxtyping.jaxtyped("context"):
            result = function(*given, **keywords) if called_first else None
            for name, value in (*zip(parameters, given, strict=False), *keywords.items()):
                if name in named:
                    hints.compare(name, value)
            if not called_first:
                result = function(*given, **keywords)
            if "return" in named:
                hints.compare("return", result)
            return result

    wrapper.__shapes_checked__ = True  # type: ignore[attr-defined]
    return wrapper


class _Hints:
    """Annotations by the names of arguments, read when the first call comes: by then all modules are there."""

    def __init__(self, function: str, named: Mapping[str, str], namespace: Mapping[str, Any], source: str) -> None:
        self._function, self._named, self._namespace, self._source = function, named, namespace, source
        self._read: dict[str, Any] = {}

    def compare(self, name: str, value: Any) -> None:
        if not self._read:
            names = {**self._namespace, **_imported_for_types(self._source)}
            # A type variable stands for arrays of several libraries; which one does not matter here.
            names = {key: Any if isinstance(entry, typing.TypeVar) else entry for key, entry in names.items()}
            names |= {kind: getattr(jaxtyping, kind) for kind in KINDS}
            self._read = {key: eval(text, dict(names)) for key, text in self._named.items()}
        if not _is(value, self._read[name]):
            found = (
                f"{getattr(value, 'dtype', '')}{tuple(value.shape)}" if hasattr(value, "shape") else repr(value)[:80]
            )
            raise ShapeError(f"{self._function}: {name}: expected {self._named[name]}, found {found}")


def _is(value: Any, hint: Any) -> bool:
    """Whether a value is what a hint says; what is no array, and not said to be one, passes."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_is(value, part) for part in typing.get_args(hint))
    if origin is tuple and isinstance(value, tuple):
        parts = typing.get_args(hint)
        if parts[-1:] == (Ellipsis,):
            return all(_is(entry, parts[0]) for entry in value)
        return len(parts) == len(value) and all(map(_is, value, parts))
    if origin in (dict, Mapping) and isinstance(value, dict):
        return all(_is(entry, typing.get_args(hint)[1]) for entry in value.values())
    if origin in (list, Sequence) and isinstance(value, list):
        return all(_is(entry, typing.get_args(hint)[0]) for entry in value)
    if hint is None or hint is type(None):
        return value is None
    return isinstance(value, hint) if isinstance(hint, type) else origin is None or isinstance(value, origin)


def _imported_for_types(source: str) -> dict[str, Any]:
    """Names that a module imports under ``TYPE_CHECKING``."""
    names: dict[str, Any] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            imports = [part for part in node.body if isinstance(part, (ast.Import, ast.ImportFrom))]
            exec(compile(ast.Module(imports, []), "<imports for types>", "exec"), names)
    return names


def check_module(module: types.ModuleType, source: str) -> None:
    """Wrap a module's own functions, methods and dataclasses."""
    namespace = vars(module)
    for name, value in list(namespace.items()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            setattr(module, name, checked(value, namespace, source))
        elif inspect.isclass(value):
            _check_class(value, namespace, source)


def _check_class(kind: type, namespace: Mapping[str, Any], source: str) -> None:
    for name, value in list(vars(kind).items()):
        if isinstance(value, (staticmethod, classmethod)):
            inner = checked(value.__func__, namespace, source)
            if inner is not value.__func__:
                setattr(kind, name, type(value)(inner))
        elif isinstance(value, property) and value.fget is not None:
            if (inner := checked(value.fget, namespace, source)) is not value.fget:
                setattr(kind, name, property(inner, value.fset, value.fdel, value.__doc__))
        elif inspect.isfunction(value):
            # A dataclass that checks its own fields does so in production too: tests see its words.
            checks_itself = name == "__init__" and hasattr(kind, "__post_init__")
            setattr(kind, name, checked(value, namespace, source, called_first=checks_itself))


class _Loader(importlib.abc.Loader):
    """Loads a module as before, then wraps what is in it."""

    def __init__(self, loader: importlib.machinery.SourceFileLoader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        self._loader.exec_module(module)
        source = self._loader.get_source(module.__name__) or ""
        if _NAMED.search(source):
            check_module(module, source)

    def __getattr__(self, name: str) -> Any:  # resources, sources: whatever else is asked of a loader
        return getattr(self._loader, name)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the package's modules where they are found anyway."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith("forecast."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(spec.loader)
        return spec


def install() -> None:
    """Check every module of the package that is imported from now on."""
    early = [name for name in sys.modules if name.startswith("forecast.")]
    if early:
        raise RuntimeError(f"shapes cannot be checked in what is imported already: {', '.join(early[:3])}")
    sys.meta_path.insert(0, _Finder())


if jaxtyping is not None:
    install()
