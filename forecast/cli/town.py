"""Write a synthetic town as a genuine nuScenes folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from forecast.core.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write (new, empty, or an earlier town)")
    parser.add_argument("--scenes", type=int, default=10, help="number of scenes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the world (default: %(default)s)")
    parser.add_argument("--version", default="v1.0-mini", help="v1.0-mini or v1.0-trainval (default: %(default)s)")
    parser.add_argument(
        "--world", default="town", choices=("town", "junction"), help="kind of world (default: %(default)s)"
    )
    parser.add_argument(
        "--samples-per-scene", type=int, default=32, help="junction world: targets per scene (default: %(default)s)"
    )
    parser.add_argument(
        "--share",
        action="append",
        default=[],
        metavar="CASE=SHARE",
        help="junction world: share of a case; may be repeated",
    )


def _shares(given: list[str]) -> dict[str, float] | None:
    try:
        return {case: float(share) for case, share in (pair.split("=") for pair in given)} or None
    except ValueError:
        raise ConfigError(f"--share {' '.join(given)}: expected CASE=NUMBER, e.g. --share map=0.05") from None


def run(args: argparse.Namespace) -> None:
    """Write the world and say where it is."""
    from forecast.core.files import check_place
    from forecast.data.synthetic.town_writer import write_town

    check_place(args.out, folder=True)
    for name, smallest in (("seed", 0), ("samples_per_scene", 1)):
        if getattr(args, name) < smallest:
            raise ConfigError(f"--{name.replace('_', '-')} {getattr(args, name)}: expected {smallest} or more")
    if args.share and args.world != "junction":
        raise ConfigError("--share says what decides in the junction world: add --world junction")

    write_town(
        args.out,
        scenes=args.scenes,
        seed=args.seed,
        version=args.version,
        world=args.world,
        samples_per_scene=args.samples_per_scene,
        shares=_shares(args.share),
    )
    print(f"wrote {args.scenes} scenes to {args.out}: --dataroot {args.out} --version {args.version}")
