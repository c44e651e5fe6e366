"""Find the smallest change of a scene that flips the forecast, or make a change in words; draw before and after.

With --to, the smallest possible change of the --regions for which that manoeuvre is the most probable one, or "none
within reach". With --edit, what a sentence asks for. In towns and junction worlds the true driver drives the edited
scene too. docs/why.md has the regions, the verbs and what counts as possible.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from forecast.cli.agent_options import add_agent_options, agent_title, check_agent_options, named_row, scene_name
from forecast.cli.data_options import add_data_options, open_named
from forecast.cli.model_files import MODEL_HELP, add_device
from forecast.cli.picture_files import check_picture, check_with_figures, write_with_figures

if TYPE_CHECKING:
    from pathlib import Path

    from forecast.core.batch import AgentBatch
    from forecast.data.prepared import Dataset
    from forecast.explain.edit_commands import Change
    from forecast.explain.scene_editor import SceneEditor
    from forecast.explain.world_truth import DrivenAgain
    from forecast.pictures.edit_picture import EditPanel
    from forecast.prediction.predictor import BatchPredictor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say whose forecast of whom, what may change, and where to."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    add_data_options(parser)
    add_agent_options(parser)
    parser.add_argument(
        "--out",
        required=True,
        metavar="PICTURE",
        help="picture to write: .png, .svg, .pdf; figures go beside it, .json",
    )
    parser.add_argument(
        "--to", metavar="MANOEUVRE", help="manoeuvre that is wanted: stationary, straight, left, right, U-turn, stops"
    )
    parser.add_argument(
        "--regions",
        metavar="A,B",
        help="with --to, what may change, e.g. left_arm,neighbour:3,road,own (default: all arms of the road)",
    )
    parser.add_argument(
        "--edit", metavar="SENTENCE", help="change in words, e.g. 'close the left arm', in place of --to"
    )
    parser.add_argument(
        "--retrieve",
        metavar="SPLIT",
        help="beside it, the scene of a split that is most like the edited one and has its tags: what really happened "
        "where it is so",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the search (default: %(default)s)")
    add_device(parser)


def run(args: argparse.Namespace) -> None:
    """Search or edit, draw and write."""
    import numpy as np

    from forecast.data.samples import Samples
    from forecast.explain.model_inputs import inputs_of
    from forecast.explain.scene_editor import SceneEditor
    from forecast.explain.true_driver import true_driver
    from forecast.prediction.model_names import open_model

    out = _check(args)
    figures = check_with_figures(out, args.model, args.dataroot)
    model = open_model(args.model, args.device)
    dataset = open_named(args)
    row = named_row(dataset, args)
    batch = inputs_of(model.config, dataset, Samples(np.array([row])))
    editor = SceneEditor(batch, model.config.crop, model.config.horizon.step_s)
    title = agent_title(dataset, row)
    changes, told = _sought(args, model, editor) if args.to else _edited(args, editor)
    driver = true_driver(args.dataroot, dataset, row, editor)
    truth = None if driver is None else driver(changes)
    drawn = _Drawn(args, model, editor, changes, truth)
    retrieved = None if args.retrieve is None else drawn.retrieve(dataset, row)
    figure, scenes = drawn.figure(title), drawn.told
    document = {
        "model": str(args.model),
        "remark": model.config.remark or None,
        "agent": title.splitlines()[1],
        "regions": editor.regions,
        **told,
        "changes": [
            {"region": knob.region, "verb": knob.verb, "amount": round(amount, 4), "unit": knob.unit}
            for knob, amount in changes
        ],
        **{name if name != "retrieved" else "retrieved_forecast": told for name, told in scenes.items()},
        "driven_again": None if truth is None else _shares(truth.probabilities),
        "retrieved": retrieved,
    }
    write_with_figures(out, figure, document)
    _print(document)
    print(f"wrote {out} and {figures}")


def _check(args: argparse.Namespace) -> Path:
    from forecast.core.errors import ConfigError, one_of
    from forecast.explain.outcomes import MANOEUVRES

    check_agent_options(args)
    out = check_picture(args.out)
    if (args.to is None) == (args.edit is None):
        raise ConfigError("say what to look for with --to MANOEUVRE, or what to change with --edit SENTENCE")
    if args.to is not None and args.to not in MANOEUVRES:
        raise ConfigError(f"--to {args.to}: {one_of(MANOEUVRES, args.to)}")
    if args.regions is not None and args.to is None:
        raise ConfigError("--regions goes with --to; a sentence of --edit says itself what it changes")
    if args.seed < 0:
        raise ConfigError(f"--seed {args.seed}: expected 0 or more")
    return out


def _sought(
    args: argparse.Namespace, model: BatchPredictor, editor: SceneEditor
) -> tuple[list[Change], dict[str, Any]]:
    """The smallest change that was found, and what is told of the search."""
    from forecast.core.errors import ConfigError, DataError
    from forecast.explain.flip_search import Search, counterfactual

    regions = [arm.name for arm in editor.arms] if args.regions is None else args.regions.split(",")
    if not regions:
        raise DataError("the map shows no arm of the road here; say with --regions what may change")
    try:
        found = counterfactual(model, editor, [region.strip() for region in regions], args.to, Search(seed=args.seed))
    except ConfigError as fault:
        raise ConfigError(f"--regions: {fault}") from fault
    told = {
        "wanted": args.to,
        "may_change": regions,
        "found": found.found,
        "size": round(found.size, 4),
        "reached": round(found.reached, 4),
        "scenes": found.scenes,
        "impossible": found.impossible,
    }
    return found.changes, told


def _edited(args: argparse.Namespace, editor: SceneEditor) -> tuple[list[Change], dict[str, Any]]:
    from forecast.explain.edit_commands import parse_edits

    return parse_edits(args.edit, editor), {"edit": args.edit}


class _Drawn:
    """The scene as it was, edited and retrieved: panels of the picture, and the manoeuvres' probabilities in each."""

    def __init__(
        self,
        args: argparse.Namespace,
        model: BatchPredictor,
        editor: SceneEditor,
        changes: list[Change],
        truth: DrivenAgain | None,
    ) -> None:
        import numpy as np

        from forecast.explain.validity import faults

        self._args, self._model, self._editor, self._changes = args, model, editor, changes
        self._panels: list[EditPanel] = []
        self.told: dict[str, Any] = {}
        self._after = editor.changed(changes)
        none = np.zeros((0, 1, 2))
        self._show("before", editor.batch, _known(editor.batch))
        self._show("after", self._after, none if truth is None else truth.paths_m[truth.odds > 0])
        self.told["impossible_because"] = faults(editor.batch, self._after, editor.spec)[0] or None

    def _show(self, name: str, batch: AgentBatch, paths_m: Any, *, edited: bool = True) -> None:
        import torch

        from forecast.explain.outcomes import manoeuvre_probabilities
        from forecast.pictures.edit_picture import EditPanel

        with torch.inference_mode():
            forecast = self._model.predict(batch.to(self._model.device))
        self.told[name] = _shares(manoeuvre_probabilities(forecast)[0])
        self._panels.append(EditPanel(f"{name}: {_words(self.told[name])}", batch, forecast, paths_m, edited))

    def retrieve(self, dataset: Dataset, row: int) -> dict[str, Any]:
        """Find the scene that is most like the edited one, and draw it; says which it is."""
        import torch

        from forecast.cli.search import entry_of, scenarios_of
        from forecast.core.errors import ConfigError
        from forecast.explain.scenario_search import most_like
        from forecast.explain.scenario_tags import scenario_tags
        from forecast.prediction.predictor import Predictor

        if not isinstance(self._model, Predictor):
            raise ConfigError("--retrieve goes with weights, whose encoding says what is alike")
        samples = dataset.samples(self._args.retrieve)
        batch, scenarios, encoder = scenarios_of(self._model, dataset, samples)
        tracks, step_s = dataset.tracks, self._model.config.horizon.step_s
        maps = tracks.scene_maps[tracks.track_scene[dataset.columns.row_track[[row]]]]
        tags = scenario_tags(self._after, maps, self._editor.spec, step_s)
        asked = {tag: str(values[0]) for tag, values in tags.items() if tag != "manoeuvre"}
        found = most_like(scenarios, encoder(self._after)[0], asked, scene_name(dataset, row))
        one = batch[torch.tensor([found])]
        self._show("retrieved", one, _known(one), edited=False)
        return entry_of(dataset, samples, scenarios, found)

    def figure(self, title: str) -> Any:
        """The picture of all panels."""
        from forecast.pictures.edit_picture import draw_edit

        words = (f"{knob.name} {amount:+.3g} {knob.unit}" if knob.unit else knob.name for knob, amount in self._changes)
        what = ", ".join(words) or "no change"
        return draw_edit(self._panels, self._editor.arms, self._editor.spec, f"{self._args.model}: {title}\n{what}")


def _known(batch: AgentBatch) -> Any:
    """(1, steps, 2) metres, the known part of one agent's future."""
    return batch.future[0, batch.future_valid[0]].double().numpy()[None]


def _shares(probabilities: Any) -> dict[str, float]:
    from forecast.explain.outcomes import MANOEUVRES

    return {name: round(float(share), 4) for name, share in zip(MANOEUVRES, probabilities, strict=True)}


def _words(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share >= 0.01)


def _print(document: dict[str, Any]) -> None:
    if document.get("found") is False:
        tried = f"{document['scenes']} scenes of {', '.join(document['may_change'])} were tried"
        print(f"none within reach: {tried}; {document['wanted']} came to {document['reached']:.0%} at most")
    if document.get("found") and not document["changes"]:
        print(f"{document['wanted']} is the most probable manoeuvre as it is")
    for change in document["changes"]:
        amount = f": {change['amount']:+.3g} {change['unit']}" if change["unit"] else ""
        print(f"  {change['region']} {change['verb']}{amount}")
    print(f"before: {_words(document['before'])}")
    print(f"after:  {_words(document['after'])}")
    if document["impossible_because"]:
        print(f"such a scene is not possible: {document['impossible_because']}")
    if (found := document["retrieved"]) is not None:
        where = f"{found['scene']}, frame {found['frame']}, {found['agent']}"
        forecast = _words(document["retrieved_forecast"])
        print(f"most like it: {where}; it did: {found['tags']['manoeuvre']}; forecast: {forecast}")
    if document["driven_again"] is not None:
        print(f"the true driver, driven again: {_words(document['driven_again'])}")
