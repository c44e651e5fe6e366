"""The command line's frame: help, exit codes, one line for a user's mistake."""

from pathlib import Path

import pytest

from forecast.cli.main import COMMANDS, main


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


def test_info_names_what_it_stands_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    assert "torch" in capsys.readouterr().out


def test_the_demo_leaves_other_peoples_files_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "something else than an earlier demo" in capsys.readouterr().err
    assert (tmp_path / "run" / "thesis.txt").read_text() == "mine"
