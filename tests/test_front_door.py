"""``import forecast``: light, and its public names are there when they are asked for."""

from __future__ import annotations

import ast
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import forecast


def test_every_public_name_is_there_and_documented() -> None:
    names = [name for name in forecast.__all__ if name != "__version__"]
    assert {"Forecaster", "score_streams", "train", "open_dataset"} <= set(names)
    for name in names:
        assert (getattr(forecast, name).__doc__ or "").strip(), name
        assert getattr(forecast, name).__name__ == name
    assert set(names) <= set(dir(forecast))


def test_the_stub_names_the_same_in_the_same_places() -> None:
    tree = ast.parse((Path(forecast.__file__).parent / "__init__.pyi").read_text(encoding="utf-8"))
    stubbed = {
        alias.name: node.module for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert stubbed == forecast._PUBLIC


def test_importing_and_listing_load_nothing_heavy() -> None:
    code = (
        "import sys, forecast; names = dir(forecast); assert 'Forecaster' in names; "
        "heavy = {'numpy', 'torch', 'pyarrow', 'matplotlib', 'pytorch_lightning', 'scipy'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_says_where_to_start() -> None:
    said = pydoc.plain(pydoc.render_doc(forecast))
    assert "Where to start" in said
    assert "score_streams(forecasts, truth)" in said


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Forcaster'"):
        forecast.Forcaster  # noqa: B018
