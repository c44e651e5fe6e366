"""The completion script offers what there is, in a real shell."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from forecast.cli.main import COMMANDS, main
from forecast.training.config import config_names


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("shtab", reason="shtab is not installed: pip install 'cab-forecast[completion]'")
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    done = subprocess.run([sys.executable, "-m", "forecast", "completion", "bash"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    path = tmp_path_factory.mktemp("completion") / "forecast.bash"
    path.write_text(done.stdout)
    return path


def offered(script: Path, *words: str) -> set[str]:
    """What bash offers for the last of the words."""
    asks = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_shtab_forecast forecast "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", asks, "bash", str(script), "forecast", *words],
        capture_output=True,
        text=True,
        cwd=script.parent,
    )
    return {line.strip() for line in done.stdout.splitlines()} - {""}


def test_commands_options_and_names_are_offered(script: Path) -> None:
    assert offered(script, "") >= set(COMMANDS)
    assert offered(script, "sc") == {"score"}
    assert "--latex" in offered(script, "score", "--la")
    assert offered(script, "train", "--config", "q") == {name for name in config_names() if name.startswith("q")}
    assert "town" in offered(script, "draw", "to")
    assert offered(script, "list", "sc") == {"scenes"}


def test_files_are_offered_beside_names(script: Path) -> None:
    (script.parent / "town.onnx").touch()
    assert offered(script, "info", "to") == {"town", "town.onnx"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script_with_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab", reason="shtab is not installed: pip install 'cab-forecast[completion]'")
    capsys.readouterr()
    assert main(["completion", shell]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*COMMANDS, *config_names(), "town"))


def test_without_the_extra_its_command_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install 'cab-forecast[completion]'" in capsys.readouterr().err
