"""Optional packages: where one is missing, the message holds the command that installs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from forecast.core.errors import MissingExtraError
from forecast.core.extras import optional_module


def test_what_is_there_is_imported() -> None:
    assert optional_module("json.decoder", "onnx") is sys.modules["json.decoder"]


def test_what_is_missing_names_its_command() -> None:
    with pytest.raises(
        MissingExtraError, match=r"needs certainly_not_installed, .*: pip install 'cab-forecast\[rerun\]'"
    ):
        optional_module("certainly_not_installed.inner", "rerun")


def test_a_module_that_lacks_something_of_its_own_is_no_missing_extra(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "half_there.py").write_text("import certainly_not_installed")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="certainly_not_installed"):
        optional_module("half_there", "onnx")


def test_a_run_that_logs_to_tensorboard_names_its_command(tmp_path: Path, monkeypatch) -> None:
    from forecast.training.run_logs import run_loggers

    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cab-forecast\[tensorboard\]'"):
        run_loggers(("tensorboard",), tmp_path, None)
