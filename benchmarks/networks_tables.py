"""Tables of the study of networks: what is read of a report, cells as rows, means over seeds, the page of results."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Cell = Mapping[str, Any]

#: Column → where it stands in a report.
COLUMNS: dict[str, tuple[str, ...]] = {
    "minADE_1, m": ("metrics", "min_ade_1"),
    "minFDE_1, m": ("metrics", "min_fde_1"),
    "minADE_5, m": ("metrics", "min_ade_5"),
    "minADE_10, m": ("metrics", "min_ade_10"),
    "miss (5)": ("metrics", "miss_rate_5_2m"),
    "OffR-ML": ("metrics", "off_road_ml"),
    "D, m": ("temporal", "dispersion_m"),
    "C(0.2 m), s": ("temporal", "convergence_s", "0.2"),
    "C(1 m), s": ("temporal", "convergence_s", "1.0"),
    "C(5 m), s": ("temporal", "convergence_s", "5.0"),
    "hardest 1 %, m": ("hardest", "min_fde_1", "1"),
    "2 %, m": ("hardest", "min_fde_1", "2"),
    "3 %, m": ("hardest", "min_fde_1", "3"),
    "Brier-minFDE_5, m": ("metrics", "brier_min_fde_5"),
    "NLL, nats": ("metrics", "nll_nats"),
    "ADE-f, m": ("metrics", "ade_f_m"),
}
#: Columns of the errors with the map that is there, without, and with another scene's.
_WORTH = {"nulled": "FDE nulled, m", "swapped": "FDE swapped, m"}


def figures(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the tables hold of a report, with intervals."""
    from forecast.report.figures import at

    found = {name: at(report, place) for name, place in COLUMNS.items()}
    # A forecast of one mode has nothing to be sure about.
    counts = report["calibration"]["count"]
    error = report["calibration"]["error"] if sum(counts[:-1]) else None
    return found | {"calibration error": {"value": error}}


def by_stratum(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """minFDE_1 by city, manoeuvre and speed: kind → label → figure."""
    return {
        kind: {label: found["min_fde_1"] for label, found in labels.items()}
        for kind, labels in report["strata"].items()
    }


def table(cells: Sequence[Cell]) -> str:
    """All cells that are finished, as Markdown."""
    heads = [*COLUMNS, "calibration error", *_WORTH.values(), "agents/s"]
    lines = ["| cell | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    lines += ["| " + " | ".join([*_scores(cell, _figure), _speed(cell)]) + " |" for cell in cells]
    return "\n".join(lines)


def page(cells: Sequence[Cell], pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The page of results, for results_pages.py."""
    import forecast

    return {
        "title": "Networks on nuScenes' own splits",
        "version": f"{forecast.__version__} with the changes that are not released yet",
        "data": "real (nuScenes v1.0-trainval, copy without sensor readings)",
        "intro": [
            "Trained on the challenge's `train` (32,186 agent-samples), chosen on `train_val` (8,560), scored on `val` "
            "(9,041) once a cell. A cell is named ROW-READS-EPOCHS-seedN: `map` reads the map and the agent's own past "
            "alone, `all` neighbours and the ego vehicle too.",
            "**The data are a reconstruction.** 45 % of the key frames have their original time stamps, the others are "
            "interpolated. There are no pedestrians, two-wheelers or parked cars. Who is a neighbour depends faintly "
            "on the future, so figures with neighbours stand beside those without.",
        ],
        "tables": [_means(cells), _differences(pairs), _all(cells)],
        "notes": ["Weights trained on nuScenes are not distributed: the data set's licence is non-commercial."],
    }


def _all(cells: Sequence[Cell]) -> dict[str, Any]:
    heads = [*COLUMNS, "calibration error", *_WORTH.values(), "chosen epoch", "agents/s"]
    rows = [[*_scores(cell, _interval), str(cell["training"]["chosen_epoch"]), _speed(cell)] for cell in cells]
    return {
        "title": "Cells that are finished",
        "command": "python benchmarks/networks.py run --dataroot DIR --out RUNS --cell CELL",
        "columns": _columns(["cell", *heads]),
        "rows": rows,
        "notes": [
            "In brackets the 95 % interval over tracks. *Nulled*: the same weights without map and neighbours; "
            "*swapped*: with the map of another scene. Agents a second of training are with one thread, on two "
            "cores that did other work beside it: they say what the budget was, not how fast training can be."
        ],
    }


def _means(cells: Sequence[Cell]) -> dict[str, Any]:
    """Means and standard deviations over the seeds of each row."""
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell["cell"].rpartition("-")[0]].append(cell)
    names = [*COLUMNS, "calibration error"]
    rows = [
        [name, str(len(found)), *(_over_seeds([cell["figures"].get(column) for cell in found]) for column in names)]
        for name, found in sorted(groups.items())
    ]
    return {
        "title": "Means over seeds",
        "command": "python benchmarks/networks.py page",
        "columns": _columns(["row", "seeds", *names]),
        "rows": rows,
        "notes": ["Where there are several seeds, ± is the standard deviation between them."],
    }


def _differences(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = list(pairs[0]["differences"]) if pairs else []
    return {
        "title": "Differences between two rows on the same agents",
        "command": "python benchmarks/networks.py pairs --dataroot DIR --out RUNS",
        "columns": _columns(["second − first", *names]),
        "rows": [
            [
                f"{pair['second']} − {pair['first']}",
                *(_interval(pair["differences"].get(name)) for name in names),
            ]
            for pair in pairs
        ],
        "notes": ["In brackets the 95 % interval over scenes, paired: below 0 the second is better, but for C."],
    }


def _columns(names: Sequence[str]) -> list[dict[str, str | None]]:
    parted = [name.rpartition(", ") for name in names]
    return [{"name": name or unit, "unit": unit if name else None} for name, _, unit in parted]


def _scores(cell: Cell, shown: Callable[[Mapping[str, Any] | None], str]) -> list[str]:
    """Name and scores of a cell, as text."""
    beside = [_number(cell["fde_ml_m"].get(name)) for name in _WORTH]
    scores = [shown(cell["figures"].get(name)) for name in (*COLUMNS, "calibration error")]
    return [cell["cell"], *scores, *beside]


def _speed(cell: Cell) -> str:
    return f"{cell['training']['agents_per_s']:.0f}"


def _over_seeds(found: Sequence[Mapping[str, Any] | None]) -> str:
    values = [one["value"] for one in found if one is not None and one["value"] is not None]
    if len(values) < len(found):
        return "–"
    mean = _number(statistics.fmean(values))
    return mean if len(values) == 1 else f"{mean} ± {_number(statistics.stdev(values))}"


def _interval(found: Mapping[str, Any] | None) -> str:
    text = _figure(found)
    if found is None or found.get("ci_low") is None:
        return text
    return f"{text} ({_number(found['ci_low'])}, {_number(found['ci_high'])})"


def _figure(found: Mapping[str, Any] | None) -> str:
    return _number(None if found is None else found["value"])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
