"""``forecast list scenes`` and ``list agents``: what the options --scene, --frame and --agent of commands may be."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.data.contents import AgentEntry, SceneEntry

#: Kinds that are listed of a data set.
DATA_KINDS = ("scenes", "agents")

_YES = {True: "yes", False: "no"}


def data_entries(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The entries of a data set, as ``--json`` writes them.

    Raises:
        ConfigError: an option is missing, or goes with the other kind.
        DataError: the data set, the split, the scene or the key frame is not there.
    """
    from dataclasses import asdict

    from forecast.cli.data_options import open_named
    from forecast.core.errors import ConfigError
    from forecast.data.contents import agents_in, scenes_in

    if args.dataroot is None:
        raise ConfigError(f"list {args.kind}: of which data set? add --dataroot DIR")
    wrong = {"scenes": ("scene", "frame"), "agents": ("split",)}[args.kind]
    for name in wrong:
        if getattr(args, name) is not None:
            raise ConfigError(f"--{name} does not go with 'list {args.kind}'")
    if args.kind == "agents" and args.scene is None:
        raise ConfigError("list agents: of which scene? add --scene NAME; 'forecast list scenes' names them")
    dataset = open_named(args)
    found: list[SceneEntry] | list[AgentEntry] = (
        scenes_in(dataset, args.split) if args.kind == "scenes" else agents_in(dataset, args.scene, args.frame)
    )
    return [asdict(one) for one in found]


def table_of_entries(kind: str, entries: list[dict[str, Any]]) -> list[list[str]]:
    """Head and rows of the table; what the data set does not say is a dash."""
    if kind == "scenes":
        head = ["scene", "map", "key frames", "agents", "agent-samples", "splits"]
        return [head, *(_scene_cells(one) for one in entries)]
    head = ["agent", "category", "first", "last", "seen, s", "came, m", "moves", "listed at key frames"]
    return [head, *(_agent_cells(one) for one in entries)]


def _scene_cells(one: dict[str, Any]) -> list[str]:
    samples = "–" if one["agent_samples"] is None else f"{one['agent_samples']:,}"
    return [
        one["scene"],
        one["map"],
        str(one["frames"]),
        f"{one['agents']:,}",
        samples,
        ", ".join(one["splits"]) or "–",
    ]


def _agent_cells(one: dict[str, Any]) -> list[str]:
    listed = "–" if one["listed_frames"] is None else _spans(one["listed_frames"]) or "none"
    figures = [str(one["first_frame"]), str(one["last_frame"]), f"{one['seen_s']:.1f}", f"{one['moved_m']:.1f}"]
    return [one["agent"], one["category"], *figures, _YES[one["moves"]], listed]


def _spans(frames: tuple[int, ...]) -> str:
    """Whole numbers in short.

    >>> _spans((3, 4, 5, 9))
    '3-5, 9'
    """
    spans: list[list[int]] = []
    for frame in frames:
        if spans and frame == spans[-1][-1] + 1:
            spans[-1][1:] = [frame]
        else:
            spans.append([frame])
    return ", ".join("-".join(map(str, span)) for span in spans)
