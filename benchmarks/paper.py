"""From a nuScenes folder to the CAB paper's tables: train, forecast, score; published figures beside ours.

Usage: python benchmarks/paper.py --dataroot DIR [--version v1.0-trainval] [--out out/paper] [--seeds 0 1 2]
       [--models cab trajectron …] [--a.b value …]      (`make paper DATAROOT=DIR` is the whole of it)
       python benchmarks/paper.py --dataroot DIR --models       (the physics baselines alone, in half a minute)

Finished models are kept and an interrupted one goes on after its last whole epoch: run the same command again. Any
configuration key can be given, e.g. ``--run.epochs 2`` for a rehearsal; give another ``--out`` with it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from compared import compared
from judged import Document, Judge

from forecast.core.errors import ConfigError, ForecastError
from forecast.core.files import written_whole
from forecast.report.figures import at

#: What the paper's models are in this package: a shipped configuration and what differs from it. The published code
#: trains the plain backbone without the lower clip and at another rate than CAB; a clipped one keeps the two apart.
_SLOWER = {"optimiser.learning_rate": 2e-3}
_UNCLIPPED = {"objective.lower_clip": None}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "no_context": ("cab_paper", compared("no_context") | _SLOWER | _UNCLIPPED),
    "trajectron": ("cab_paper", compared("trajectron") | _SLOWER | _UNCLIPPED),
    "trajectron_clipped": ("cab_paper", compared("trajectron")),
    "reweight": ("cab_paper", compared("reweight") | _SLOWER),
    "rubiz": ("cab_paper", compared("rubiz") | _SLOWER),
    "cab": ("cab_paper", {}),
    "cab_own_settings": ("gain", {}),
}
#: Baselines that the paper lists, too, in the order of its table 2.
PHYSICS = (
    "constant_acceleration_heading",
    "constant_acceleration_yaw_rate",
    "constant_speed_yaw_rate",
    "constant_velocity_heading",
    "physics_oracle",
)

#: Column → where it stands in report.json.
COLUMNS: dict[str, tuple[str, ...]] = {
    "ADE-ML, m": ("metrics", "min_ade_1"),
    "FDE-ML, m": ("metrics", "min_fde_1"),
    "OffR-ML": ("metrics", "off_road_ml"),
    "D, m": ("temporal", "dispersion_m"),
    "C(0.2 m), s": ("temporal", "convergence_s", "0.2"),
    "C(1 m), s": ("temporal", "convergence_s", "1.0"),
    "C(5 m), s": ("temporal", "convergence_s", "5.0"),
    "FDE hardest 1 %, m": ("hardest", "min_fde_1", "1"),
    "2 %, m": ("hardest", "min_fde_1", "2"),
    "3 %, m": ("hardest", "min_fde_1", "3"),
}
TABLES = {
    "Table 1: accuracy of the most likely trajectory": ("ADE-ML, m", "FDE-ML, m", "OffR-ML"),
    "Table 2: consistency of successive forecasts": ("D, m", "C(0.2 m), s", "C(1 m), s", "C(5 m), s"),
    "Table 3: the hardest agents": ("FDE hardest 1 %, m", "2 %, m", "3 %, m"),
}
#: Published on the prediction challenge's `val` (arXiv 2109.08048, tables 1 and 2), in the order of COLUMNS; None where
#: the paper has no figure. The learned rows were trained on inputs that hold up to 1 s of the future; ours are causal.
#: Table 3 stands without its figures: how the paper ranks the hardest agents is not known well enough to compare.
PUBLISHED: dict[str, tuple[float | None, ...]] = {
    "constant_acceleration_heading": (None, None, None, 6.55, 0.44, 1.49, 3.30),
    "constant_acceleration_yaw_rate": (None, None, None, 6.03, 0.47, 1.58, 3.46),
    "constant_speed_yaw_rate": (None, None, None, 3.42, 0.54, 1.82, 4.15),
    "constant_velocity_heading": (4.61, 11.21, 0.14, 3.33, 0.53, 1.82, 4.16),
    "physics_oracle": (3.70, 9.09, 0.12, 2.99, 0.55, 1.91, 4.38),
    "no_context": (3.80, 10.94, 0.27, 3.65, 1.00, 2.11, 4.17),
    "trajectron": (3.65, 10.45, 0.23, 3.55, 0.98, 2.11, 4.22),
    "reweight": (3.14, 8.58, 0.17, 3.02, 1.03, 2.27, 4.50),
    "rubiz": (3.04, 8.21, 0.11, 2.73, 0.94, 2.31, 4.60),
    "cab": (2.90, 8.02, 0.13, 2.61, 1.12, 2.45, 4.74),
}


def main() -> None:
    """Run all models that are not finished, then write and print the tables."""
    args, configuration = _parser().parse_known_args()
    unknown = [name for name in args.models if name not in MODELS]
    if unknown:
        raise ConfigError(f"--models {unknown[0]}: expected some of {', '.join(MODELS)}")
    reports = {name: [report] for name, report in _judge(args).physics(PHYSICS).items()}
    for name in args.models:
        reports[name] = [_model(args, name, seed, configuration) for seed in args.seeds]
    text = "\n".join(table(title, columns, reports) for title, columns in TABLES.items()) + _note(args, reports)
    with written_whole(args.out / "tables.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text)
    print(f"tables: {args.out / 'tables.md'}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", required=True, help="folder of a nuScenes data set, or of a town of that version")
    parser.add_argument("--version", default="v1.0-trainval", help="default: %(default)s")
    parser.add_argument("--split", default="val", help="to be judged on (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/paper"), help="default: %(default)s")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one training each (default: 0)")
    parser.add_argument("--models", nargs="*", default=list(MODELS), help="default: all; none: physics alone")
    return parser


def _judge(args: argparse.Namespace) -> Judge:
    return Judge(args.dataroot, args.version, args.split, args.out / "forecasts", args.out / "reports", "challenge")


def _model(args: argparse.Namespace, name: str, seed: int, configuration: Sequence[str]) -> Document:
    """Report of one training; trained, forecast and scored as far as that is not done."""
    import torch

    from forecast.prediction.predictor import predict
    from forecast.training.config import load_config
    from forecast.training.run import train

    cell = f"{name}-seed{seed}"
    judge = _judge(args)
    done = judge.finished(cell)
    if done is not None:
        return done
    print(f"== {cell}", flush=True)
    base, differs = MODELS[name]
    data = {"data.dataroot": str(args.dataroot), "data.version": args.version, "run.seed": seed}
    run = train(load_config(base, configuration, differs | data), args.out / "runs" / cell, resume=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    forecasts = predict(run, args.dataroot, args.version, args.split, dense=judge.dense, device=device)
    return judge.score(cell, forecasts)


def table(title: str, columns: Sequence[str], reports: Mapping[str, Sequence[Document]]) -> str:
    """One table as Markdown: ours with intervals, the published figure after it where there are any of its kind."""
    lines = [f"## {title}", "", "| model |", "|---|"]
    lines += [f"| {name} |" for name in reports]
    for column in columns:
        beside = [_published(column, name) for name in reports]
        published = any(figure != "–" for figure in beside)
        head = [f" {column} |", "---:|"] if not published else [f" {column} | paper |", "---:|---:|"]
        cells = [f" {_ours(column, ours)} |" for ours in reports.values()]
        if published:
            cells = [f"{cell} {figure} |" for cell, figure in zip(cells, beside, strict=True)]
        lines[2:] = [line + more for line, more in zip(lines[2:], [*head, *cells], strict=True)]
    return "\n".join([*lines, ""])


def _ours(column: str, reports: Sequence[Document]) -> str:
    """Mean over the seeds, and the widest of their intervals."""
    figures = [at(report, COLUMNS[column]) for report in reports]
    if any(figure is None or figure["value"] is None for figure in figures):
        return "–"
    text = f"{sum(figure['value'] for figure in figures) / len(figures):.2f}"
    ends = [(figure["ci_low"], figure["ci_high"]) for figure in figures]
    # One track alone has no interval.
    if any(low is None or low != low for low, _ in ends):
        return text
    return f"{text} [{min(low for low, _ in ends):.2f}, {max(high for _, high in ends):.2f}]"


def _published(column: str, name: str) -> str:
    figures = dict(zip(COLUMNS, PUBLISHED.get(name, ()), strict=False))
    return "–" if figures.get(column) is None else f"{figures[column]:.2f}"


def _note(args: argparse.Namespace, reports: Mapping[str, Sequence[Document]]) -> str:
    first = next(iter(reports.values()))[0]
    count, points = first["metrics"]["min_ade_1"]["count"], first["temporal"]["dispersion_m"]["count"]
    seeds = f"; seeds {' '.join(str(seed) for seed in args.seeds)}" if args.models else ""
    return f"""
{args.version}, {args.split}: {count:,} agent-samples{seeds}. In brackets the 95 % bootstrap intervals over tracks, the
widest where there are several seeds. D (mean distance to the barycentre) and C: over the {points:,} points that the
challenge's own forecasts reach at all leads. The paper's learned rows used inputs that hold up to 1 s of the future;
ours are causal.
"""


if __name__ == "__main__":
    try:
        main()
    except ForecastError as mistake:
        sys.exit(f"paper.py: {mistake}")
