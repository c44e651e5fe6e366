"""The Python examples of the README run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    if not README.is_file():
        pytest.skip("not run from a checkout: no README here")
    score, scene = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    exec(compile(score, "README.md", "exec"), {})
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert 0 < float(printed["MinADE"]) < 2
    assert 0 <= float(printed["MissRate"]) <= 1
    exec(compile(scene, "README.md", "exec"), {})
    shape, total = capsys.readouterr().out.splitlines()
    assert shape == "(1, 10, 12, 2)"
    assert float(total) == pytest.approx(1)
