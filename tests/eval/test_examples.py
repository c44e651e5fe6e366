"""The worked examples run and print what they say."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("score_another_model", ["minADE_1", "coverage", "convergence to 5 m"]),
        ("score_stream_10hz", ["over 560 points", "convergence to 1 m"]),
    ],
)
def test_example(name, lines, capsys):
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "nan" not in printed
    for line in lines:
        assert line in printed
