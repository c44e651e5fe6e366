"""From a nuScenes folder to the CAB paper's tables: train, forecast, score; published figures beside ours.

    python benchmarks/paper.py --dataroot DIR [--out out/paper] [--models gain query …] [--reads map all]
    python benchmarks/paper.py --dataroot DIR --models      (the physics baselines alone, in half a minute)

`make paper DATAROOT=DIR` is the whole of it: the cells of :data:`PLAN`. A cell is one training and its scores
(benchmarks/networks.py): it is resumed where it was cut off, and one that is finished is not run again.
``--epochs 1 --seeds 1 --figures FOLDER`` rehearses it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networks
from judged import Judge
from networks_tables import by_stratum, figures

from forecast.core.errors import ConfigError, ForecastError
from forecast.core.files import written_whole

Told = Mapping[str, Any]


@dataclass(frozen=True)
class Planned:
    """How long a model is trained, and with how many seeds."""

    epochs: int
    seeds: int


#: Rows of benchmarks/networks.py. Three seeds where the paper's claim hangs on it. A cell is to take half an hour of
#: two cores at most.
PLAN: dict[str, Planned] = {
    "no_context": Planned(12, 3),
    "trajectron": Planned(12, 3),
    "reweight": Planned(12, 1),
    "rubiz": Planned(12, 1),
    "cab": Planned(12, 3),
    "gain": Planned(12, 3),
    "trajectron_paper": Planned(12, 1),
    "cab_paper": Planned(12, 1),
    "query_no_context": Planned(20, 3),
    "query": Planned(20, 3),
    "query_cab": Planned(20, 3),
    "trajectron_as_published": Planned(12, 1),
    "cab_as_published": Planned(12, 1),
}
#: Baselines that the paper lists, too, in the order of its table 2.
PHYSICS = (
    "constant_acceleration_heading",
    "constant_acceleration_yaw_rate",
    "constant_speed_yaw_rate",
    "constant_velocity_heading",
    "physics_oracle",
)
#: Columns of benchmarks/networks_tables.py. Table 3 stands without published figures: how the paper ranks the hardest
#: agents is not known well enough to compare.
TABLES = {
    "Table 1: accuracy of the most likely trajectory": ("minADE_1, m", "minFDE_1, m", "OffR-ML"),
    "Table 2: consistency of successive forecasts": ("D, m", "C(0.2 m), s", "C(1 m), s", "C(5 m), s"),
    "Table 3: the hardest agents": ("hardest 1 %, m", "2 %, m", "3 %, m"),
    "Several modes": ("minADE_5, m", "minADE_10, m", "miss (5)", "NLL, nats", "calibration error"),
}
#: Published on the prediction challenge's `val` (arXiv 2109.08048, tables 1 and 2). The learned rows were trained on
#: inputs that hold up to 1 s of the future; ours are causal, but for those whose name says ``as_published``.
_PUBLISHED_COLUMNS = ("minADE_1, m", "minFDE_1, m", "OffR-ML", "D, m", "C(0.2 m), s", "C(1 m), s", "C(5 m), s")
_TRAJECTRON = (3.65, 10.45, 0.23, 3.55, 0.98, 2.11, 4.22)
_CAB = (2.90, 8.02, 0.13, 2.61, 1.12, 2.45, 4.74)
PUBLISHED: dict[str, tuple[float | None, ...]] = {
    "constant_acceleration_heading": (None, None, None, 6.55, 0.44, 1.49, 3.30),
    "constant_acceleration_yaw_rate": (None, None, None, 6.03, 0.47, 1.58, 3.46),
    "constant_speed_yaw_rate": (None, None, None, 3.42, 0.54, 1.82, 4.15),
    "constant_velocity_heading": (4.61, 11.21, 0.14, 3.33, 0.53, 1.82, 4.16),
    "physics_oracle": (3.70, 9.09, 0.12, 2.99, 0.55, 1.91, 4.38),
    "no_context": (3.80, 10.94, 0.27, 3.65, 1.00, 2.11, 4.17),
    "trajectron": _TRAJECTRON,
    "trajectron_paper": _TRAJECTRON,
    "trajectron_as_published": _TRAJECTRON,
    "reweight": (3.14, 8.58, 0.17, 3.02, 1.03, 2.27, 4.50),
    "rubiz": (3.04, 8.21, 0.11, 2.73, 0.94, 2.31, 4.60),
    "cab": _CAB,
    "cab_paper": _CAB,
    "cab_as_published": _CAB,
}


def main() -> None:
    """Run all cells that are not finished, then write and print the tables."""
    args = _parser().parse_args()
    unknown = [name for name in args.models if name not in PLAN]
    if unknown:
        raise ConfigError(f"--models {unknown[0]}: expected some of {', '.join(PLAN)}")
    judge = Judge(args.dataroot, args.version, args.split, args.out / "forecasts", args.out / "reports", "challenge")
    found: dict[str, list[Told]] = {
        name: [{"figures": figures(report), "min_fde_1_by": by_stratum(report)}]
        for name, report in judge.physics(PHYSICS).items()
    }
    for reads in args.reads:
        for name in args.models:
            found[name if reads == "map" else f"{name} + neighbours"] = _cells(args, name, reads)
    text = "\n".join(table(title, columns, found) for title, columns in TABLES.items())
    text += "\n" + worth(found) + strata(found) + _note(args)
    with written_whole(args.out / "tables.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text)
    print(f"tables: {args.out / 'tables.md'}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--dataroot", type=Path, required=True, help="folder of a nuScenes data set, or of a town of that version"
    )
    parser.add_argument("--version", default="v1.0-trainval", help="default: %(default)s")
    parser.add_argument("--split", default="val", help="to be judged on (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/paper"), help="default: %(default)s")
    parser.add_argument(
        "--figures", type=Path, default=networks.FIGURES, help="of finished cells (default: benchmarks/figures)"
    )
    parser.add_argument("--models", nargs="*", default=list(PLAN), help="default: all; none: physics alone")
    parser.add_argument(
        "--reads",
        nargs="+",
        choices=("map", "all"),
        default=["map"],
        help="map: map and own past; all: neighbours and the ego vehicle too (default: map)",
    )
    parser.add_argument("--seeds", type=int, help="of each model (default: as planned)")
    parser.add_argument("--epochs", type=int, help="of each cell (default: as planned)")
    return parser


def _cells(args: argparse.Namespace, name: str, reads: str) -> list[Told]:
    """The cells of a model; trained, forecast and scored as far as that is not done."""
    planned = PLAN[name]
    found = []
    for seed in range(args.seeds or planned.seeds):
        cell = networks.Cell(name, reads, args.epochs or planned.epochs, seed)
        print(f"== {cell.name}", flush=True)
        found.append(networks.run_cell(cell, args))
    return found


def table(title: str, columns: Sequence[str], found: Mapping[str, Sequence[Told]]) -> str:
    """One table as Markdown: ours with intervals, the published figure after it where there are any of its kind."""
    lines = [f"## {title}", "", "| model | seeds |", "|---|---:|"]
    lines += [f"| {name} | {len(cells)} |" for name, cells in found.items()]
    for column in columns:
        beside = [_published(column, name) for name in found]
        published = any(figure != "–" for figure in beside)
        head = [f" {column} |", "---:|"] if not published else [f" {column} | paper |", "---:|---:|"]
        ours = [f" {_ours([cell['figures'].get(column) for cell in cells])} |" for cells in found.values()]
        if published:
            ours = [f"{cell} {figure} |" for cell, figure in zip(ours, beside, strict=True)]
        lines[2:] = [line + more for line, more in zip(lines[2:], [*head, *ours], strict=True)]
    return "\n".join([*lines, ""])


def worth(found: Mapping[str, Sequence[Told]]) -> str:
    """What a model's error is with its map, with its context nulled, and with the map of another scene."""
    lines = ["## Is the context used?", "", "| model | FDE-ML, m | nulled | maps swapped |", "|---|---:|---:|---:|"]
    for name, cells in found.items():
        errors = [cell["fde_ml_m"] for cell in cells if cell.get("fde_ml_m")]
        if errors:
            means = (f"{statistics.fmean(one[kind] for one in errors):.2f}" for kind in ("real", "nulled", "swapped"))
            lines.append(f"| {name} | {' | '.join(means)} |")
    return "\n".join([*lines, "", ""]) if len(lines) > 4 else ""


def strata(found: Mapping[str, Sequence[Told]]) -> str:
    """minFDE_1 by city, manoeuvre and speed, means over the seeds."""
    first = next(iter(found.values()))[0]["min_fde_1_by"]
    places = [(kind, label) for kind, labels in first.items() for label in labels]
    heads = [f"{kind}: {label}" for kind, label in places]
    lines = ["## minFDE_1 by city, manoeuvre and speed, m", "", f"| model | {' | '.join(heads)} |"]
    lines.append("|---|" + "---:|" * len(heads))
    for name, cells in found.items():
        values = [
            _ours([cell["min_fde_1_by"][kind].get(label) for cell in cells], ends=False) for kind, label in places
        ]
        lines.append(f"| {name} | {' | '.join(values)} |")
    return "\n".join([*lines, ""])


def _ours(found: Sequence[Mapping[str, Any] | None], *, ends: bool = True) -> str:
    """Mean over the seeds, and the widest of their intervals."""
    known = [figure for figure in found if figure is not None and figure["value"] is not None]
    if len(known) < len(found):
        return "–"
    text = f"{statistics.fmean(figure['value'] for figure in known):.2f}"
    low, high = ([figure.get(name) for figure in known] for name in ("ci_low", "ci_high"))
    # One track alone has no interval.
    if not ends or any(value is None or value != value for value in [*low, *high]):
        return text
    return f"{text} [{min(low):.2f}, {max(high):.2f}]"


def _published(column: str, name: str) -> str:
    figure = dict(zip(_PUBLISHED_COLUMNS, PUBLISHED.get(name, ()), strict=False)).get(column)
    return "–" if figure is None else f"{figure:.2f}"


def _note(args: argparse.Namespace) -> str:
    return f"""
{args.version}, {args.split}; means over seeds. In brackets the 95 % bootstrap intervals over tracks, the widest where
there are several seeds. D (mean distance to the barycentre) and C: over the points that the challenge's own forecasts
reach at all leads. The paper's learned rows used inputs that hold up to 1 s of the future; ours are causal, but for
`as_published`. Where the data are the copy without sensor readings: a reconstruction, with 45 % original time stamps.
"""


if __name__ == "__main__":
    try:
        main()
    except ForecastError as mistake:
        sys.exit(f"paper.py: {mistake}")
