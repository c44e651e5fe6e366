"""A training that a command runs: its pictures, and what is said where it is interrupted."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from forecast.core.batch import AgentBatch
    from forecast.core.crops import CropSpec
    from forecast.core.forecast import Forecast
    from forecast.training.schema import TrainingConfig


def trained(config: TrainingConfig, args: argparse.Namespace) -> Path:
    """Train into ``--out``, or go on there after ``--resume``.

    Raises:
        KeyboardInterrupt: Ctrl-C; its words say how to go on.
    """
    from forecast.training.run import train

    out = Path(args.out)
    try:
        return train(config, out, resume=args.resume, draw=_drawn)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(args, out)) from None


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
