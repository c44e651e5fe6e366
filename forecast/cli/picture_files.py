"""A picture that a command writes, with its figures as JSON beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_picture(out: str) -> Path:
    """The file that ``--out`` names.

    Raises:
        ConfigError: its ending is not that of a picture.
    """
    from forecast.core.errors import ConfigError

    if Path(out).suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"--out {out}: expected a picture's name, ending in .png, .pdf or .svg")
    return Path(out)


def check_with_figures(out: Path, model: str, dataroot: str) -> Path:
    """The file of the figures beside a picture; neither may take the place of what is read.

    Raises:
        ConfigError: see :func:`forecast.core.files.check_outputs`.
    """
    from forecast.cli.model_files import model_files
    from forecast.core.files import check_outputs

    figures = out.with_suffix(".json")
    check_outputs({"--out": out, "its .json": figures}, model_files(model), dataroot=dataroot)
    return figures


def write_with_figures(out: Path, figure: Figure, document: dict[str, Any], *, dpi: int = 130) -> None:
    """Write both, and nothing of what was there before is lost if one cannot be made."""
    from forecast.core.files import written_whole
    from forecast.core.json_files import write_json

    with written_whole(out) as temporary:
        figure.savefig(temporary, dpi=dpi)
    write_json(out.with_suffix(".json"), document)
