"""Run every step on a synthetic town: data, training, forecasts, scores, pictures, the player. Needs no data set."""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.data.cache import Dataset

#: The version whose official splits are three: one to learn from, one to choose the weights by, one to be judged on.
VERSION, TRAIN_SPLIT, VAL_SPLIT = "v1.0-trainval", "train", "val"
#: What the trained model is called in files and tables, and the same with its context nulled.
TRAINED, NULLED = "trained", "context_nulled"
#: What is played beside the trained model, and how many scenes are.
BESIDE, PLAYED = "constant_velocity_heading", 6

#: Arguments that this module does not name are configuration keys of the training.
TAKES_CONFIGURATION = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say where to, and how large."""
    parser.add_argument("--out", default="out/demo", metavar="DIR", help="folder to write to (default: %(default)s)")
    parser.add_argument("--scenes", type=int, default=60, metavar="N", help="number of scenes (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="seed of town and training (default: %(default)s)"
    )
    parser.add_argument(
        "--pictures", type=int, default=6, metavar="N", help="number of forecasts to draw (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> None:
    """Do all steps, one folder each; the last lines say what was achieved and where to look."""
    from forecast.data.cache import open_dataset
    from forecast.data.synthetic.town_writer import write_town
    from forecast.training.config import load_config
    from forecast.training.run import train

    started = time.monotonic()
    out = Path(args.out)
    town, run_folder, cache = out / "town", out / "run", out / "cache"
    config = load_config(
        "demo",
        args.configuration,
        {"data.dataroot": str(town), "data.version": VERSION, "data.cache": str(cache), "run.seed": args.seed},
    )

    _check_start(config.run.start_from, out)
    _clear(out)
    _say(f"1/5  a town of {args.scenes} scenes, as a nuScenes folder: {town}")
    write_town(town, scenes=args.scenes, seed=args.seed, version=VERSION)
    dataset = open_dataset(town, VERSION, cache)
    learn = dataset.samples(TRAIN_SPLIT, dense=config.data.dense, standing=config.data.standing)
    check = dataset.samples(VAL_SPLIT)
    print(f"     {len(learn):,} agent-samples to learn from, {len(check):,} of other scenes to be judged on")

    _say(f"2/5  train the configuration demo: {run_folder}")
    train(config, run_folder)

    _say(f"3/5  forecast {VAL_SPLIT}: with context, without, and by physics alone")
    files = _forecast(out, dataset, run_folder)

    _say("4/5  score")
    document = _score(out, dataset, files)

    _say("5/5  draw")
    pictures = _draw(out, dataset, files[0], args.pictures)
    _play(out, dataset, files)
    _conclude(out, document, pictures, (time.monotonic() - started) / 60)


def _check_start(weights: str | None, out: Path) -> None:
    """Weights to begin with may not lie where an earlier demo is cleared away."""
    from forecast.cli.model_files import model_files
    from forecast.core.errors import ConfigError

    for file in model_files(weights) if weights else ():
        if out.resolve() in file.resolve().parents:
            raise ConfigError(f"run.start_from {weights}: lies in {out}, which a new demo clears; choose another --out")


def _clear(out: Path) -> None:
    """Remove the results of an earlier demo, and nothing else; the town is replaced when the new one is whole."""
    from forecast.core.errors import ConfigError
    from forecast.core.files import check_place

    check_place(out, folder=True)
    if out.exists() and any(out.iterdir()) and not (out / "town" / "town.json").is_file():
        raise ConfigError(f"--out {out}: holds something else than an earlier demo; choose another folder")
    for folder in ("run", "forecasts", "pictures"):
        shutil.rmtree(out / folder, ignore_errors=True)
    for file in ("report.json", "report.html", "player.html"):
        (out / file).unlink(missing_ok=True)


def _say(line: str) -> None:
    from rich.console import Console

    Console(highlight=False).print(line, style="bold", soft_wrap=True, markup=False)


def _forecast(out: Path, dataset: Dataset, run_folder: Path) -> list[Path]:
    from forecast.data.dataset import AgentDataset
    from forecast.eval.formats.submission_json import write_submission
    from forecast.prediction.physics import physics_forecasts
    from forecast.prediction.predictor import Predictor, predict_all

    samples, predictor = dataset.samples(VAL_SPLIT, dense=True), Predictor.load(run_folder)
    source = AgentDataset.read_by(predictor.config, dataset, samples)
    made = {
        name: predict_all(predictor, source, null_context=null_context, what=VAL_SPLIT)
        for name, null_context in ((TRAINED, False), (NULLED, True))
    }
    made |= physics_forecasts(dataset.tracks, samples.rows)
    files = [out / "forecasts" / f"{name}.json" for name in made]
    for file, forecasts in zip(files, made.values(), strict=True):
        write_submission(file, forecasts)
    return files


def _score(out: Path, dataset: Dataset, files: list[Path]) -> dict[str, Any]:
    from forecast.pictures.page_pictures import page_cases, page_curves
    from forecast.report.page import write_page
    from forecast.report.terminal_table import print_table
    from forecast.scoring.dataset_scores import score_submission

    # The oracle has no forecast for agents whose future is not annotated. A town has too few agent-samples for D and C
    # over them alone, as the published figures are.
    print(
        "     D and C over dense forecasts, every vehicle at every key frame: not the population of published figures"
    )
    report = score_submission(files, dataset, VAL_SPLIT, allow_missing=True, population="dense")
    report.write(out / "report.json")

    document = report.as_json()
    write_page(out / "report.html", document, page_curves(report), page_cases(report, dataset))
    print_table(document)
    return document


def _draw(out: Path, dataset: Dataset, submission_file: Path, count: int) -> int:
    """Pictures of forecasts at even distances through the split, so that nobody chose the pretty ones."""
    from forecast.pictures.case_pictures import draw_cases

    samples = dataset.samples(VAL_SPLIT)
    step = max(1, len(samples) // max(count, 1))
    chosen = samples.rows[::step][:count]
    return len(draw_cases(out / "pictures", dataset, submission_file, chosen.tolist()))


def _play(out: Path, dataset: Dataset, files: list[Path]) -> None:
    """A page on which some of the scenes are played, the trained model beside constant velocity."""
    from forecast.pictures.agent_forecasts import open_forecasts
    from forecast.view.dataset_scenes import DatasetModel, dataset_scene
    from forecast.view.player_page import write_player

    shown = [file for file in files if file.stem in (TRAINED, BESIDE)]
    models = [DatasetModel(file.stem, open_forecasts(file, dataset).of, everyone=True) for file in shown]
    scenes = [dataset_scene(dataset, name, models) for name in dataset.scenes_of(VAL_SPLIT)[:PLAYED]]
    write_player(out / "player.html", scenes, [model.name for model in models], "The demo's forecasts, played")


def _conclude(out: Path, document: dict[str, Any], pictures: int, minutes: float) -> None:
    reports = {report["name"]: report["metrics"] for report in document["reports"]}

    def figure(name: str, metric: str) -> float:
        return float(reports[name][metric]["value"])

    print()
    print(f"done in {minutes:.1f} minutes, on {reports[TRAINED]['min_fde_1']['count']} agent-samples of unseen scenes:")
    for name in (TRAINED, NULLED, "physics_oracle", "constant_velocity_heading"):
        ade, fde, best = (figure(name, metric) for metric in ("min_ade_1", "min_fde_1", "min_ade_5"))
        print(f"  {name:<28} minADE_1 {ade:5.2f} m   minFDE_1 {fde:5.2f} m   minADE_5 {best:5.2f} m")
    print(f"weights: {out / 'run' / 'best.safetensors'}   submission: {out / 'forecasts' / f'{TRAINED}.json'}")
    print(f"numbers: {out / 'report.json'}   {pictures} pictures: {out / 'pictures'}")
    print("open in a browser:")
    print(f"  {out / 'report.html'}   how good it is, and where not")
    print(f"  {out / 'player.html'}   the forecasts of some scenes, played")
