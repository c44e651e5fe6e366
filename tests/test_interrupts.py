"""Ctrl-C, a real one: one line, exit code 130, nothing half-written; a training says how to go on."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from forecast.data.synthetic.town_writer import write_town

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals to a group of processes are POSIX")

SMALL = """
extends: gain
model:
  modes: 4
  decoder_size: 16
  crop: {ahead_m: 8.0, behind_m: 4.0, left_m: 4.0, right_m: 4.0, px_per_m: 1.0}
  map_encoder: {channels: [4], kernels: [3], strides: [2]}
run: {epochs: 5000, batch_size: 64, accelerator: cpu}
"""


def interrupted(argv: list[str], folder: Path, begun: Callable[[str], bool]) -> tuple[int, str]:
    """Run a command, press Ctrl-C once it has begun, as a terminal does; its exit code and what it said."""
    said = folder / "said.txt"
    with said.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "forecast", *argv],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
            # Jobs in the background, as tests may be, ignore Ctrl-C, and what they start inherits that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while process.poll() is None and not begun(said.read_text()):
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        return process.wait(timeout=120), said.read_text()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("interrupts") / "town"
    write_town(root, scenes=2, seed=1, workers=1)
    return root


def test_an_interrupted_training_says_how_to_go_on_and_can(tmp_path: Path, town: Path) -> None:
    (tmp_path / "my config.yaml").write_text(SMALL)
    argv = ["train", "--config", "my config.yaml", "--dataroot", str(town), "--out", "run", "--run.seed", "3"]
    code, said = interrupted(argv, tmp_path, lambda text: "epoch    2/5000" in text)
    assert code == 130
    last = said.splitlines()[-1]
    assert last.startswith("forecast: interrupted; the last whole epoch is kept")
    assert "Traceback" not in said
    again = shlex.split(last.partition("go on after it with: ")[2])
    assert again == ["forecast", *argv, "--resume"]
    done = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[1:]

    code, said = interrupted(again[1:], tmp_path, lambda text: "/5000" in text)
    assert code == 130
    assert f"epoch {len(done) + 1:>4}/5000" in said.splitlines()[-2]
    assert shlex.split(said.splitlines()[-1].partition("with: ")[2]) == again
    assert (tmp_path / "run" / "metrics.csv").read_text().splitlines()[1 : len(done) + 1] == done
    assert not list((tmp_path / "run").glob(".*"))


def test_a_training_without_a_whole_epoch_leaves_no_run(tmp_path: Path, town: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    argv = ["train", "--config", "small.yaml", "--dataroot", str(town), "--out", "run", "--run.batch_size", "1"]
    code, said = interrupted(argv, tmp_path, lambda _: (tmp_path / "run" / "config.yaml").exists())
    assert code == 130
    assert "nothing is kept, begin again" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_an_interrupted_command_leaves_nothing_half_written(tmp_path: Path) -> None:
    argv = ["town", "--out", "town", "--scenes", "200", "--version", "v1.0-trainval"]
    code, said = interrupted(argv, tmp_path, lambda _: any(tmp_path.glob(".town*/v1.0-trainval/*")))
    assert (code, said) == (130, "forecast: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["said.txt"]
