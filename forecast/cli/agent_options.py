"""The options that name one agent at one moment, the same in every command that looks at one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forecast.data.cache import Dataset


def add_agent_options(parser: argparse.ArgumentParser) -> None:
    """Declare ``--sample``, and ``--agent`` with ``--frame`` and ``--scene``."""
    parser.add_argument(
        "--sample",
        metavar="INSTANCE_SAMPLE",
        help="agent-sample INSTANCETOKEN_SAMPLETOKEN, in place of --agent and --frame",
    )
    parser.add_argument("--agent", metavar="INSTANCE", help="agent's instance token; 'forecast list agents' has them")
    parser.add_argument("--frame", type=int, metavar="N", help="key frame in the agent's scene, from 0")
    parser.add_argument(
        "--scene",
        metavar="NAME",
        help="the agent's scene, as 'forecast list scenes' calls it; need not be said, and is checked",
    )


def check_agent_options(args: argparse.Namespace) -> None:
    """Say in one line which agent and moment is meant, before anything is read.

    Raises:
        ConfigError, DataError: they are not named, or named twice.
    """
    from forecast.core.errors import ConfigError, DataError

    if (args.sample is None) == (args.agent is None) or (args.agent is None) != (args.frame is None):
        raise ConfigError("name one agent at one moment: --sample INSTANCE_SAMPLE, or --agent INSTANCE and --frame N")
    if args.sample is not None and "_" not in args.sample:
        raise DataError(f"--sample {args.sample!r}: expected two tokens joined by an underscore, INSTANCE_SAMPLE")


def named_row(dataset: Dataset, args: argparse.Namespace) -> int:
    """Row of the observation that is named.

    Raises:
        DataError: no such agent, or it was not seen then, or it is in another scene.
    """
    from forecast.core.errors import DataError

    row = _row_of(dataset, args.sample) if args.sample is not None else row_at(dataset, args.agent, args.frame)
    scene = scene_name(dataset, row)
    if args.scene is not None and args.scene != scene:
        raise DataError(f"--scene {args.scene}: the agent is in {scene}")
    return row


def _row_of(dataset: Dataset, token: str) -> int:
    instance, _, sample = token.partition("_")
    if "_" in sample:  # of a data set whose tokens hold underscores themselves
        parts = token.split("_")
        pairs = [("_".join(parts[:cut]), "_".join(parts[cut:])) for cut in range(1, len(parts))]
        known = set(dataset.tracks.track_tokens.tolist())
        instance, sample = next((pair for pair in pairs if pair[0] in known), (instance, sample))
    return dataset.locate(instance, sample)


def row_at(dataset: Dataset, agent: str, frame: int) -> int:
    """Row of an agent at a key frame of its scene, counted from 0.

    Raises:
        DataError: no such agent or key frame, or it was not seen then.
    """
    import numpy as np

    from forecast.core.errors import DataError

    tracks = dataset.tracks
    track = np.flatnonzero(tracks.track_tokens == agent)
    frames = np.flatnonzero(tracks.sample_scene == tracks.track_scene[track[0]]) if len(track) else np.empty(0, int)
    if len(track) and not 0 <= frame < len(frames):
        raise DataError(f"--frame {frame}: the scene of {agent} has key frames 0 to {len(frames) - 1}")
    return dataset.locate(agent, str(tracks.sample_tokens[frames[frame]]) if len(track) else "")


def scene_name(dataset: Dataset, row: int) -> str:
    """The scene of an observation."""
    return str(dataset.tracks.scene_names[dataset.tracks.track_scene[int(dataset.columns.row_track[row])]])


def agent_title(dataset: Dataset, row: int) -> str:
    """Two lines that say whom a picture shows: category, scene and map; the tokens."""
    tracks = dataset.tracks
    track = int(dataset.columns.row_track[row])
    scene = int(tracks.track_scene[track])
    return (
        f"{tracks.track_categories[track]} in {tracks.scene_names[scene]}, {tracks.scene_maps[scene]}\n"
        f"{tracks.track_tokens[track]}_{tracks.sample_tokens[tracks.row_sample[row]]}"
    )
