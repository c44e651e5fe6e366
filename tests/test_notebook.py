"""The notebook runs from top to bottom, says what it says, and is kept without outputs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples" / "first_steps.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[dict[str, object]]:
    if not NOTEBOOK.is_file():
        pytest.skip("not run from a checkout: no examples here")
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_it_is_kept_without_outputs(cells: list[dict[str, object]]) -> None:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_it_runs_and_shows_that_d_tells_the_nervous_model(cells: list[dict[str, object]], tmp_path: Path) -> None:
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")  # type: ignore[arg-type]
    (tmp_path / "notebook.py").write_text(
        f'if __name__ == "__main__":\n    exec({code!r}, globals())', encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "notebook.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "MPLBACKEND": "agg", "COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stderr
    figures = {
        name: [float(value) for value in values]
        for name, *values in re.findall(
            r"^(\w+) +minFDE_1 +([\d.]+) m +D +([\d.]+) m +C\(1 m\) ([\d.]+) s", done.stdout, re.M
        )
    }
    steady, nervous = figures["steady"], figures["nervous"]
    assert nervous[1] / steady[1] > nervous[0] / steady[0] > 1  # D rises more than minFDE does
    assert nervous[2] < steady[2]
