"""The training loop that docs/data.md shows runs as it stands there, and learns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"


def documented_loop() -> str:
    (code,) = re.findall(r"## A training loop without our model\n+```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return str(code)


def test_it_is_as_short_as_promised() -> None:
    lines = [line for line in documented_loop().splitlines() if line.strip()]
    assert len(lines) <= 15
    assert "forecast.model" not in documented_loop()


def test_it_learns(hand_written: Any, straight_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    hand_written.scene("scene-0061", 30)
    for number in range(20):
        path = straight_path(0, 29, speed_mps=1.0 + 0.7 * number, y=4.0 * number)
        hand_written.agent(f"car{number}", path, scene="scene-0061")
    listed = [f"car{number}_scene-0061/{frame}" for number in range(20) for frame in range(4, 18)]
    hand_written.challenge["scene-0061"] = listed
    code = documented_loop()
    assert "/data/nuscenes" in code
    torch.manual_seed(0)
    exec(compile(code.replace("/data/nuscenes", str(hand_written.write())), DOCUMENT.name, "exec"), {})
    loss_m = [float(line.split()[1]) for line in capsys.readouterr().out.splitlines()]
    assert len(loss_m) == 10
    assert loss_m[-1] < 0.9 * loss_m[0]
