"""A training that a command runs: its pictures, and what is said where it is interrupted."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from forecast.core.batch import AgentBatch
    from forecast.core.crops import CropSpec
    from forecast.core.forecast import Forecast
    from forecast.training.schema import TrainingConfig


def check_run_folder(out: str, dataroot: str, read: Sequence[Path]) -> None:
    """Refuse a folder for a run that would take the place of something else; what is resumed keeps its records.

    Args:
        out: of the run.
        dataroot: of the data set; empty where none is named.
        read: files that the run reads.

    Raises:
        ConfigError: it cannot be taken.
    """
    from forecast.cli.model_files import RUN_FILES
    from forecast.core.files import check_outputs, check_outside, check_place

    check_place(out, folder=True)
    if dataroot:
        check_outside(out, dataroot)
    if not (Path(out) / "last.ckpt").exists():
        for name in RUN_FILES:
            check_outputs({"--out": Path(out) / name}, read)


def train_into(args: argparse.Namespace, config: TrainingConfig, more: str = "") -> None:
    """Train into ``--out``, or go on there after ``--resume``; the last line says where the weights are.

    Args:
        args: with ``out``, ``resume`` and the command line.
        config: of the run.
        more: what the last line says beside.

    Raises:
        KeyboardInterrupt: Ctrl-C; its words say how to go on.
    """
    from pytorch_lightning.utilities import rank_zero_only

    from forecast.training.run import train

    out = Path(args.out)
    try:
        folder = train(config, out, resume=args.resume, draw=_drawn)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(args, out)) from None
    rank_zero_only(print)(f"weights: {folder / 'best.safetensors'}{more}", file=sys.stderr)


def _drawn(batch: AgentBatch, answer: Forecast, spec: CropSpec) -> NDArray[np.uint8]:
    """The picture of a log; matplotlib is loaded with the first."""
    from forecast.pictures.validation_sheet import draw_validation

    return draw_validation(batch, answer, spec)


def _how_to_go_on(args: argparse.Namespace, out: Path) -> str:
    """What to say of a run that was interrupted."""
    if not (out / "last.ckpt").exists():
        return "interrupted before its first epoch was over: nothing is kept, begin again"
    again = args.command_line if args.resume else [*args.command_line, "--resume"]
    return f"interrupted; the last whole epoch is kept, go on after it with: {shlex.join(again)}"
