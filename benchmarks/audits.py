"""Audits of several models on one split, and of forecasters whose use of context is known: the tables of the results.

    python benchmarks/audits.py run --dataroot DIR --version V --split val --out RUNS --model NAME=MODEL [--model …]
    python benchmarks/audits.py run --junction --out RUNS --model NAME=MODEL …     # on a junction world of its own

Each is an audit of ``forecast audit``, resumed where it was cut off; its figures go into benchmarks/figures/audits.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from forecast.cli.main import main as command
from forecast.core.json_files import write_json
from forecast.data.synthetic.town_writer import write_town

FIGURES = Path(__file__).parent / "figures" / "audits"
#: Of the junction world that is audited on: another one than the audit's own.
SEED, SCENES, PER_SCENE = 31, 10, 50


def audited(name: str, model: str, data: list[str], out: Path, agents: int) -> dict[str, Any]:
    """The document of one audit, without where things lie on this machine."""
    if command(["audit", model, *data, "--out", str(out / name), "--agents", str(agents)]):
        raise SystemExit(f"{name}: the audit of {model} failed")
    document: dict[str, Any] = json.loads((out / name / "audit.json").read_text(encoding="utf-8"))
    document["model"] = name
    document["dataset"].pop("where")
    return document


def run(args: argparse.Namespace) -> None:
    """Audit all models."""
    if args.junction:
        world = args.out / "world"
        if not (world / "town.json").is_file():
            write_town(
                world, scenes=SCENES, seed=SEED, version="v1.0-mini", world="junction", samples_per_scene=PER_SCENE
            )
        data = ["--dataroot", str(world), "--version", "v1.0-mini", "--split", "mini_train"]
    else:
        data = ["--dataroot", str(args.dataroot), "--version", args.version, "--split", args.split]
    kind = "junction" if args.junction else args.split
    for given in args.model:
        name, _, model = given.partition("=")
        told = audited(name, model, data, args.out, args.agents)
        write_json(args.figures / kind / f"{name}.json", told, indent=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run",))
    parser.add_argument("--dataroot", type=Path)
    parser.add_argument("--version")
    parser.add_argument("--split", default="val")
    parser.add_argument("--junction", action="store_true", help="on a junction world in place of a data set")
    parser.add_argument("--out", type=Path, required=True, help="folder of the audits; outside the checkout")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=MODEL")
    parser.add_argument("--agents", type=int, default=500, help="agent-samples, at most (default: %(default)s)")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="default: %(default)s")
    args = parser.parse_args()
    if not args.junction and (args.dataroot is None or args.version is None):
        parser.error("say which data set with --dataroot and --version, or --junction")
    run(args)


if __name__ == "__main__":
    main()
