"""The tables of the study on the junction world, from its finished cells, as Markdown."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.eval.bootstrap import Interval, bootstrap_difference
from forecast.eval.results import PerItem

Floats = NDArray[np.float64]
#: One path of a mixture: its most probable mode, that once near-equal ones are merged, the mode nearest to
#: all, the median of all.
READ_OUTS = {"ml": "ML", "merged": "merged", "medoid": "medoid", "median": "median"}


@dataclass(frozen=True)
class Finished:
    """The cells of one model on one mixture, one entry a seed.

    Attributes:
        case: (rows,) what decides.
        values: name → (seeds, rows).
        seeds: theirs.
    """

    case: NDArray[np.str_]
    values: dict[str, Floats]
    seeds: list[int]

    def mean(self, name: str, case: str) -> float:
        """Over seeds and rows of a case; NaN where the model has no such figure."""
        return float(self.by_seed(name, case).mean())

    def by_seed(self, name: str, case: str) -> Floats:
        """One mean a seed; rows without a value do not count."""
        if name not in self.values:
            return np.full(1, np.nan)
        return np.asarray(np.nanmean(self.values[name][:, self.rows(case)], axis=1))

    def rows(self, case: str) -> NDArray[np.bool_]:
        """Rows of a case, or of all."""
        return np.ones(len(self.case), bool) if case == "all" else self.case == case


def read_cells(out: Path) -> dict[tuple[str, str], Finished]:
    """All finished cells, by mixture and model."""
    found: dict[tuple[str, str], list[tuple[int, Any]]] = defaultdict(list)
    for path in sorted((out / "cells").glob("*.npz")):
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
        told = json.loads(str(arrays.pop("told")))
        found[told["mixture"], told["model"]].append((told["seed"], arrays))
    made = {}
    for key, cells in found.items():
        cells.sort(key=lambda cell: cell[0])
        names = [name for name in cells[0][1] if name != "case"]
        values = {name: np.stack([arrays[name] for _, arrays in cells]).astype(np.float64) for name in names}
        made[key] = Finished(cells[0][1]["case"], values, [seed for seed, _ in cells])
    return made


def gap_closed(model: Finished, limits: dict[str, Floats], name: str, case: str, read_out: str) -> Floats:
    """Closed share of the gap between the bounds without and with context, by seed; ``name`` is ade or fde."""
    rows = model.rows(case)
    blind, sighted = (limits[f"{who}_{name}"][rows].mean() for who in ("blind", "sighted"))
    return np.asarray((blind - model.by_seed(f"{name}_{read_out}", case)) / (blind - sighted))


def paired(one: Finished, other: Finished, name: str, case: str) -> Interval:
    """Mean difference over rows and the seeds both have, with a 95 % interval over rows."""
    shared = [seed for seed in one.seeds if seed in other.seeds]
    rows = one.rows(case)
    means = [
        np.mean([model.values[name][model.seeds.index(seed)][rows] for seed in shared], axis=0)
        for model in (one, other)
    ]
    return bootstrap_difference(*(PerItem(mean, np.isfinite(mean)) for mean in means))


def print_tables(out: Path) -> None:
    """Per mixture and case; then the paired differences; then the share of map-decided cases swept."""
    cells = read_cells(out)
    for mixture in sorted({mixture for mixture, _ in cells}):
        models = {model: done for (at, model), done in cells.items() if at == mixture}
        with np.load(out / f"bounds-{'balanced' if mixture == 'balanced' else 'pool'}_test.npz") as archive:
            limits = {name: archive[name] for name in archive.files}
        for case in [str(case) for case in np.unique(limits["case"])] + ["all"]:
            _print_case(mixture, case, models, limits)
        _print_pairs(models, mixture)


def _figures(case: str, limits: dict[str, Floats]) -> dict[str, Callable[[Finished], Floats]]:
    columns: dict[str, Callable[[Finished], Floats]] = {}
    if case in ("map", "neighbour"):
        for read_out, title in READ_OUTS.items():
            columns[f"gap closed FDE {title}, %"] = lambda model, read_out=read_out: (
                100 * gap_closed(model, limits, "fde", case, read_out)
            )
    shown = {
        **{
            f"{error.upper()} {title}, m": f"{error}_{read_out}"
            for read_out, title in READ_OUTS.items() for error in ("ade", "fde")
        },
        "minADE_5, m": "min_ade_5", "minADE_5 merged, m": "min_ade_5_merged", "NLL, nats": "nll",
        "entropy, nats": "entropy", "steps below −6, %": "clipped",
    }  # fmt: skip
    if case == "draw":
        shown["mean abs P(arm) − ½"] = "arm"
    if case in ("map", "all"):
        shown["FDE ML, maps shuffled, m"] = "shuffled_fde_ml"
    for title, name in shown.items():
        columns[title] = lambda model, name=name: (100 if name == "clipped" else 1) * model.by_seed(name, case)
    return columns


def _print_case(mixture: str, case: str, models: dict[str, Finished], limits: dict[str, Floats]) -> None:
    rows = np.ones(len(limits["case"]), bool) if case == "all" else limits["case"] == case
    columns = _figures(case, limits)
    print(f"\n#### {mixture}, {case}: {rows.sum():,} test targets\n")
    print("| model (seeds) | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for name, model in models.items():
        texts = []
        for title, figure in columns.items():
            values = figure(model)
            digits = 0 if "gap" in title else (3 if "P(arm)" in title else 2)
            spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
            texts.append("–" if np.isnan(values).all() else f"{values.mean():.{digits}f}{spread}")
        print(f"| {name} ({len(model.seeds)}) | " + " | ".join(texts) + " |")
    for who, text in (("blind", "without context"), ("sighted", "with context")):
        texts = []
        for title in columns:
            key = {"ADE median, m": "ade", "FDE median, m": "fde"}.get(title)
            texts.append("–" if key is None else f"{limits[f'{who}_{key}'][rows].mean():.2f}")
        print(f"| *bound {text}* | " + " | ".join(texts) + " |")


def _print_pairs(models: dict[str, Finished], mixture: str) -> None:
    if "trajectron" not in models or len(models) < 2:
        return
    names = ("fde_ml", "fde_merged", "fde_median", "min_ade_5", "nll")
    print(f"\n#### {mixture}: difference to trajectron, same targets and seeds, 95 % interval over targets\n")
    print("| model, case (seeds) | " + " | ".join(names) + " |")
    print("|---|" + "---:|" * len(names))
    for name, model in models.items():
        shared = [seed for seed in model.seeds if seed in models["trajectron"].seeds]
        if name == "trajectron" or not shared:
            continue
        for case in [str(case) for case in np.unique(model.case)]:
            spans = [paired(model, models["trajectron"], metric, case) for metric in names]
            texts = " | ".join(f"{span.value:+.2f} ({span.low:+.2f}, {span.high:+.2f})" for span in spans)
            print(f"| {name}, {case} ({len(shared)}) | {texts} |")
