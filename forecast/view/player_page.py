"""Writes the player: one HTML file that holds its style, its script and all scenes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from forecast.core.files import written_whole
from forecast.view.attention_packing import LARGEST_SHARE, PART_SHARE, PARTS
from forecast.view.missed_most import missed_most
from forecast.view.points_so_far import RANGE_M
from forecast.view.scene_encoding import (
    AGENT_M,
    CLOCK_S,
    FIGURE_M,
    FORECAST_M,
    GROUND_M,
    METRIC_M,
    SHARE,
    TURN_RAD,
    encoded,
)
from forecast.view.view_scene import ViewScene

#: Parts of the script, in the order in which they build on each other.
SCRIPTS = (
    "packing", "scene", "looks", "view", "ground", "attention", "agents", "modes", "figures", "panel", "player",
    "controls",
)  # fmt: skip
_UNITS = {
    "ground": GROUND_M,
    "agent": AGENT_M,
    "forecast": FORECAST_M,
    "figure": FIGURE_M,
    "metric": METRIC_M,
    "clock": CLOCK_S,
    "turn": TURN_RAD,
    "share": SHARE,
    "largest_share": LARGEST_SHARE,
    "part_share": PART_SHARE,
    "parts": PARTS,
}


def write_player(path: Path | str, scenes: Sequence[ViewScene], models: Sequence[str], title: str) -> None:
    """Write the page; it needs no other file and no network.

    Args:
        path: the HTML file.
        scenes: what is shown; each holds forecasts of every model, in order.
        models: their names.
        title: of the page.
    """
    told = [encoded(scene) for scene in scenes]
    index = {
        "models": list(models),
        "scenes": [{"name": one["name"], "place": one["place"]} for one in told],
        "attention": _model_with_attention(scenes),
        "worst": [missed_most(scenes, model) for model in range(len(models))],
        "units": _UNITS,
        "range_m": RANGE_M,
    }
    environment = Environment(
        loader=PackageLoader("forecast.view", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("player.html").render(
        title=title,
        style=_part("player.css"),
        index=_json(index),
        scenes=[_json(one) for one in told],
        scripts=[_part(f"script/{name}.js") for name in SCRIPTS],
    )
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")


def _model_with_attention(scenes: Sequence[ViewScene]) -> int | None:
    """Number of the model of which it is shown where it looks."""
    found = (number for scene in scenes for number, one in enumerate(scene.forecasts) if one.attention is not None)
    return next(found, None)


def _part(name: str) -> str:
    return (files("forecast.view") / name).read_text(encoding="utf-8")


def _json(document: Any) -> str:
    """JSON that may stand in a script element, whatever names hold."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
