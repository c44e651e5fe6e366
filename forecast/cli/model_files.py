"""Which files a command reads, so that no output of it takes the place of one."""

from __future__ import annotations

import argparse
from pathlib import Path

#: What a run's folder holds: its weights, and the records that it is resumed by.
RUN_FILES = (
    "best.safetensors",
    "last.safetensors",
    "best_without_context.safetensors",
    "last_without_context.safetensors",
    "last.ckpt",
    "config.yaml",
    "environment.json",
    "metrics.csv",
)


#: What a command takes as MODEL.
MODEL_HELP = "run folder, .safetensors file, name of shipped weights (town), exported file (.onnx), or module:function"


def add_device(parser: argparse.ArgumentParser) -> None:
    """Declare ``--device``."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, … (default: %(default)s)")


def model_files(given: Path | str) -> list[Path]:
    """The files behind a model: a file itself, what a run's folder holds of the run, or weights of the package."""
    from forecast.core.errors import CheckpointError
    from forecast.prediction.checkpoint import SHIPPED, find_checkpoint

    if given in SHIPPED:
        try:
            return [find_checkpoint(given)]
        except CheckpointError:  # told by whoever loads it
            return []
    path = Path(given)
    if not path.is_dir():
        return [path]
    return [path / name for name in RUN_FILES if (path / name).exists()]
