"""Which files a command reads, so that no output of it takes the place of one."""

from __future__ import annotations

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
