"""Write a synthetic town as a genuine nuScenes folder."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write (new, empty, or an earlier town)")
    parser.add_argument("--scenes", type=int, default=10, help="number of scenes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="everything is drawn from it (default: %(default)s)")
    parser.add_argument("--version", default="v1.0-mini", help="v1.0-mini or v1.0-trainval (default: %(default)s)")
    parser.add_argument("--world", default="town", choices=("town",), help="which world (default: %(default)s)")


def run(args: argparse.Namespace) -> None:
    """Write the world and say where it is."""
    from forecast.data.synthetic.town import write_town

    write_town(args.out, scenes=args.scenes, seed=args.seed, version=args.version, world=args.world)
    print(f"wrote {args.scenes} scenes to {args.out}: --dataroot {args.out} --version {args.version}")
