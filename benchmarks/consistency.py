"""What the metrics of successive forecasts say of forecasters that are known, and of models on a data set.

    python benchmarks/consistency.py junction
    python benchmarks/consistency.py files --dataroot DIR --version V --split val --file NAME=FORECASTS [--file …]
    python benchmarks/consistency.py page

On the junction world the true odds are known at each moment: a target drives on, and what it did so far tells which
arm it takes. A rational forecaster gives these odds; a stubborn one moves a third of the way to them each time; a
frozen one keeps its first; a flickering one adds noise to their logarithms. Figures go into
benchmarks/figures/consistency.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from forecast.core.frames import world_from_agent
from forecast.core.json_files import write_json
from forecast.core.rows import ForecastRows, TruthRows
from forecast.data.cache import open_dataset
from forecast.data.synthetic.junction_plots import FUTURE, NOISE_M, PAST
from forecast.data.synthetic.junctions import Placed, plots_of_scene
from forecast.eval.forecasts import write_forecasts, write_truth
from forecast.report.audit_tables import figure
from forecast.scoring.dataset_scores import score_submission
from forecast.scoring.stream_scores import score_streams

Json = dict[str, Any]
FIGURES = Path(__file__).parent / "figures" / "consistency"
PAGE = Path(__file__).parent.parent / "docs" / "results" / "data" / "consistency.json"
STEP_S = 0.5
SEED, SCENES, PER_SCENE = 5, 10, 80
#: Table's column → where its figure stands in a report.
COLUMNS = {
    "minADE_1, m": ("metrics", "min_ade_1"),
    "minFDE_1, m": ("metrics", "min_fde_1"),
    "D, m": ("temporal", "dispersion_m"),
    "C(1 m), s": ("temporal", "convergence_s", "1.0"),
    "overlap, m": ("temporal", "overlap_m"),
    "overlap up to 1 s, m": ("temporal", "overlap_by_horizon_m", "1"),
    "mode flips": ("temporal", "mode_flip_rate"),
    "extended comfort": ("temporal", "extended_comfort"),
    "flip-flop along, m": ("temporal", "flip_flop_along_m"),
    "flip-flop across, m": ("temporal", "flip_flop_across_m"),
    "revision efficiency": ("temporal", "revision_efficiency"),
}
Odds = Callable[[np.ndarray[Any, Any], np.random.Generator], np.ndarray[Any, Any]]


def rational(posterior: np.ndarray[Any, Any], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """(issues, outcomes) the true odds at each time."""
    return posterior


def stubborn(posterior: np.ndarray[Any, Any], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """A third of the way from the last odds to the true ones."""
    odds = posterior.copy()
    for step in range(1, len(odds)):
        odds[step] = odds[step - 1] + (posterior[step] - odds[step - 1]) / 3
    return odds


def frozen(posterior: np.ndarray[Any, Any], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """The first odds for ever."""
    return np.broadcast_to(posterior[:1], posterior.shape)


def flickering(posterior: np.ndarray[Any, Any], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Noise of standard deviation 2 on the logarithms of the true odds, anew each time."""
    logits = np.log(np.maximum(posterior, 1e-6)) + rng.normal(0, 2, posterior.shape)
    odds: np.ndarray[Any, Any] = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


FORECASTERS: dict[str, Odds] = {
    "rational": rational, "stubborn": stubborn, "frozen": frozen, "flickering": flickering,
}  # fmt: skip


def posterior_of(placed: Placed) -> np.ndarray[Any, Any]:
    """(issues, outcomes) odds given what was seen up to each time, from time 0 on."""
    plot = placed.plot
    means = world_from_agent(plot.poses[:, PAST + 1 :, :2], placed.pose_world)
    seen = placed.track[PAST + 1 :, :2]
    noise = np.maximum(np.asarray(NOISE_M, dtype=np.float64), 1e-3)
    each = -0.5 * (((seen - means) ** 2).sum(-1) / noise**2)
    log_odds = np.log(np.maximum(plot.probabilities, 1e-300))[:, None] + np.concatenate(
        [np.zeros((len(means), 1)), each.cumsum(1)[:, :-1]], 1
    )
    odds = np.exp(log_odds - log_odds.max(0))
    found: np.ndarray[Any, Any] = (odds / odds.sum(0)).T
    return found


def forecasts_of(placed: Sequence[Placed], odds_of: Odds, seed: int) -> ForecastRows:
    """All issues of all targets; a forecast ends where the plot does."""
    rng, leads = np.random.default_rng(seed), STEP_S * np.arange(1, FUTURE + 1)
    modes = max(len(one.plot.probabilities) for one in placed)
    track, issue_s, positions, probabilities = [], [], [], []
    for number, one in enumerate(placed):
        means = world_from_agent(one.plot.poses[:, PAST + 1 :, :2], one.pose_world)
        for issue, odds in enumerate(odds_of(posterior_of(one), rng)):
            paths, shares = np.full((modes, FUTURE, 2), np.nan), np.full(modes, np.nan)
            paths[: len(means), : FUTURE - issue] = means[:, issue:]
            shares[: len(means)] = odds
            track.append(f"{number:05d}")
            issue_s.append(STEP_S * issue)
            positions.append(paths)
            probabilities.append(shares)
    return ForecastRows(np.array(track), np.array(issue_s), leads, np.array(positions), np.array(probabilities))


def junction(args: argparse.Namespace) -> None:
    """Score the known forecasters."""
    placed = [
        one
        for scene in range(SCENES)
        for one in plots_of_scene(SEED, scene, SCENES, PER_SCENE, {"draw": 1.0})
        if (one.plot.probabilities > 0).sum() > 1
    ]
    times = STEP_S * np.arange(FUTURE + 1)
    truth = TruthRows(
        np.repeat([f"{n:05d}" for n in range(len(placed))], len(times)),
        np.tile(times, len(placed)),
        np.concatenate([one.track[PAST:, :2] for one in placed]),
    )
    rows: Json = {}
    with tempfile.TemporaryDirectory() as folder:
        write_truth(Path(folder) / "truth.parquet", truth)
        for name, odds_of in FORECASTERS.items():
            forecasts = forecasts_of(placed, odds_of, 0)
            write_forecasts(Path(folder) / f"{name}.parquet", forecasts)
            report = score_streams([Path(folder) / f"{name}.parquet"], Path(folder) / "truth.parquet").as_json()
            rows[name] = _figures(report)
    _write(args.figures / "junction.json", {"targets": len(placed), "forecasters": rows})


def files(args: argparse.Namespace) -> None:
    """Score files of forecasts of a data set."""
    dataset = open_dataset(args.dataroot, args.version)
    rows: Json = {}
    for given in args.file:
        name, _, path = given.partition("=")
        rows[name] = _figures(score_submission(path, dataset, args.split, allow_missing=True).as_json())
    _write(args.figures / f"{args.split}.json", {"split": args.split, "files": rows})


def _figures(report: Mapping[str, Any]) -> Json:
    found: Json = {}
    for column, path in COLUMNS.items():
        one: Any = report
        for key in path:
            one = one[key]
        found[column] = {"value": one["value"], "low": one["ci_low"], "high": one["ci_high"], "count": one["count"]}
    return found


def _write(path: Path, document: Json) -> None:
    write_json(path, document, indent=1)
    print(json.dumps(document, indent=1, ensure_ascii=False))


def page(args: argparse.Namespace) -> None:
    """Write docs/results/data/consistency.json."""
    known = json.loads((args.figures / "junction.json").read_text(encoding="utf-8"))
    models = json.loads((args.figures / "val.json").read_text(encoding="utf-8"))
    document = {
        "title": "Consistency of successive forecasts",
        "version": "0.2.0 with the changes that are not released yet",
        "data": "synthetic (junction world) and real (nuScenes v1.0-trainval)",
        "intro": [
            "What do the metrics of successive forecasts say of forecasters that are known, and of models on the road? "
            "[Temporal consistency, precisely](../temporal-consistency.md) defines them.",
        ],
        "tables": [
            _table(
                "Forecasters that are known, where a coin decides between arms",
                "python benchmarks/consistency.py junction",
                known["forecasters"],
                [
                    f"{known['targets']} targets of a junction world, forecast at twelve key frames each; D is of the "
                    "points 6 s ahead. All four know the arms and drive as the target does; only their odds differ.",
                    "The frozen one has D, overlap, flips and flip-flop of 0, and by far the largest error of all its "
                    "forecasts (minADE_1): D rewards stubbornness. The stubborn one has fewer flips and less flip-flop "
                    "than the rational one. The efficiency tells them apart: near 0 for the rational one, above 0 for "
                    "the stubborn one, below 0 for the flickering one. The frozen one is never revised.",
                ],
            ),
            _table(
                "Models on real `val`",
                "python benchmarks/consistency.py files --dataroot DIR --version v1.0-trainval --split val --file …",
                models["files"],
                [
                    "Real data: a reconstruction in which 45 % of the key frames have their original time stamps. The "
                    "challenge's own forecasts; intervals over tracks. AgentFormer's file is another group's: five "
                    "samples of equal probability, so that its most likely mode is the first one.",
                ],
            ),
        ],
        "notes": [],
    }  # fmt: skip
    write_json(PAGE, document, indent=1)


def _table(title: str, command: str, found: Json, notes: list[str]) -> Json:
    names = list(found)
    rows = [[column, *(_cell(found[name][column]) for name in names)] for column in COLUMNS]
    columns = [{"name": head, "unit": None} for head in ("", *names)]
    return {"title": title, "command": command, "columns": columns, "rows": rows, "notes": notes}


def _cell(one: Json) -> str:
    return "–" if one["value"] is None or not one["count"] else figure(one, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("junction", "files", "page"))
    parser.add_argument("--dataroot", type=Path)
    parser.add_argument("--version", default="v1.0-trainval", help="default: %(default)s")
    parser.add_argument("--split", default="val", help="default: %(default)s")
    parser.add_argument("--file", action="append", default=[], metavar="NAME=FORECASTS")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="default: %(default)s")
    args = parser.parse_args()
    {"junction": junction, "files": files, "page": page}[args.what](args)


if __name__ == "__main__":
    main()
