"""The command line's frame: help, exit codes, one line for a user's mistake."""

import errno
import os
from pathlib import Path

import pytest

from forecast.cli.main import COMMANDS, main

DATA = ("--dataroot", "/nowhere", "--version", "v1.0-mini", "--split", "mini_val")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["--help"])
    assert leaving.value.code == 0
    printed = capsys.readouterr().out
    for name, what in COMMANDS.items():
        assert name in printed
        assert what in printed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main([command, "--help"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: forecast {command}")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["bogus"], "invalid choice: 'bogus'"),
        (["info", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["prepare"], "--dataroot"),
        (["prepare", "--dataroot", "/nowhere", "--version", "v1.0-mini"], "/nowhere"),
        (["baselines", "--dataroot", "/nowhere", "--version", "v1", "--split", "val", "--out", "x"], "/nowhere"),
        (["train", "--config", "cba", "--out", "x"], "did you mean 'cab'"),
        (["train", "--out", "x", "--run.epoch", "3"], "did you mean 'run.epochs'"),
        (["town", "--out", "x", "--seed", "-1"], "--seed -1: expected 0 or more"),
        (
            ["town", "--out", "x", "--world", "junction", "--samples-per-scene", "0"],
            "--samples-per-scene 0: expected 1",
        ),
        (["town", "--out", "x", "--share", "map=1"], "add --world junction"),
        (["draw", "town", "--dataroot", "d", "--version", "v", "--out", "x.png", "--around", "nan"], "--around nan"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(argv)
    except SystemExit as leaving:
        code = leaving.code
    printed = capsys.readouterr()
    assert code == 2
    assert said in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert not printed.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["predict", "--checkpoint", "town", *DATA, "--out", "folder"], "--out folder: is a folder"),
        (["score", "f.json", *DATA, "--out", "r.json", "--html", "folder"], "--html folder: is a folder"),
        (["export", "--checkpoint", "town", "--out", "file/m.onnx"], "file is a file, not a folder"),
        (["draw", "town", *DATA[:4], "--out", "picture.png"], "--out picture.png: is a folder"),
        (["baselines", *DATA, "--out", "file"], "file is a file, not a folder"),
        (["train", *DATA[:4], "--out", "file/run"], "file is a file, not a folder"),
        (["town", "--out", "file/town"], "file is a file, not a folder"),
        (["demo", "--out", "file"], "file is a file, not a folder"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_the_work(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "picture.png").mkdir()
    (tmp_path / "file").write_text("mine")
    assert main(argv) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert len(printed.strip().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "picture.png", "file"}


def test_what_the_system_refuses_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecast.data.synthetic.town_writer.write_town", _full)
    assert main(["town", "--out", str(tmp_path / "town")]) == 2
    assert capsys.readouterr().err == f"forecast: {tmp_path}: No space left on device\n"


def _full(out: Path, **_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out.parent))


def test_info_names_what_it_stands_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    assert "torch" in capsys.readouterr().out


def test_the_demo_leaves_other_peoples_files_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "something else than an earlier demo" in capsys.readouterr().err
    assert (tmp_path / "run" / "thesis.txt").read_text() == "mine"
