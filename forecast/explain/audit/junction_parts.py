"""Parts 5 and 6, on the junction world, whose drivers can be asked again: causal errors and the gap that is closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from forecast.core.shapes import Float64
from forecast.data.cache import open_dataset
from forecast.data.samples import Samples
from forecast.data.synthetic.junction_plots import Plot
from forecast.data.synthetic.junctions import BALANCED, Truth, plots_of_scene
from forecast.data.synthetic.town_writer import write_town
from forecast.data.track_source import TrackSource
from forecast.eval.bayes import Outcomes, displacement, error_minimising
from forecast.eval.results import per_item
from forecast.explain.audit.agents_of import agents_of
from forecast.explain.audit.asked import Agents, ask, told
from forecast.explain.edit_commands import Change, parse_edits
from forecast.explain.null_inputs import without_neighbours
from forecast.explain.outcomes import manoeuvre_probabilities
from forecast.explain.scene_editor import SceneEditor
from forecast.explain.world_truth import DrivenAgain, driven_again
from forecast.prediction.predictor import BatchPredictor

Floats = NDArray[np.float64]
_VERSION, _SEED, _PER_SCENE = "v1.0-mini", 7, 50


@dataclass(frozen=True)
class JunctionWorld:
    """A junction world, as a model reads it.

    Attributes:
        agents: its targets.
        plots: their situations.
        truth: the true distributions, in the same order.
    """

    agents: Agents
    plots: list[Plot]
    truth: Truth

    def of(self, rows: NDArray[np.int64]) -> Agents:
        """Some targets: (rows,) indices."""
        agents = self.agents
        return Agents(agents.batch[torch.from_numpy(rows)], agents.scenes[rows], agents.neighbour_futures_m[rows])


def junction_world(model: BatchPredictor, folder: Path, targets: int) -> JunctionWorld:
    """Write a junction world of balanced cases, or find it, and read its targets as a model does.

    Args:
        model: whose configuration says how.
        folder: of the world.
        targets: how many, in scenes of 50.
    """
    scenes = max(2, -(-targets // _PER_SCENE))
    if not (folder / "town.json").is_file():
        write_town(
            folder, scenes=scenes, seed=_SEED, version=_VERSION, world="junction", samples_per_scene=_PER_SCENE,
            workers=1,
        )  # fmt: skip
    truth, dataset = Truth.read(folder / "truth.npz"), open_dataset(folder, _VERSION, folder / "cache")
    ordered = in_order_of(truth, dataset, ("mini_train", "mini_val"))
    plots = [one.plot for scene in range(scenes) for one in plots_of_scene(_SEED, scene, scenes, _PER_SCENE, BALANCED)]
    return JunctionWorld(agents_of(model.config, dataset, ordered), plots, truth)


def causal_error(model: BatchPredictor, junction: JunctionWorld) -> dict[str, Any]:
    """Part 5: |what the model changes − what the true driver changes|, after CausalSim2Real (CVPR 2025).

    Of the vehicle that decides, taken away: how far the end of the most likely future moves, metres. Of an arm that is
    closed: by how much the probabilities of manoeuvres change, half the sum of absolute differences.
    """
    return {"vehicle taken away": _vehicles(model, junction), "arm closed": _arms(model, junction)}


def _vehicles(model: BatchPredictor, junction: JunctionWorld) -> dict[str, Any]:
    seen = junction.agents.batch.neighbours_valid[:, :, -1].any(1).numpy()
    rows = np.flatnonzero((junction.truth.case == "neighbour") & seen)
    agents = junction.of(rows)
    everyone = torch.ones_like(agents.batch.neighbour_types, dtype=torch.bool)
    with_it, without_it = (
        ask(model, batch).most_likely()[:, -1].double().numpy()
        for batch in (agents.batch, without_neighbours(agents.batch, everyone))
    )
    model_m = np.linalg.norm(with_it - without_it, axis=-1)
    true_m = np.zeros(len(rows))
    for number, row in enumerate(rows.tolist()):
        editor = _editor(model, junction, row)
        gone = parse_edits("remove all neighbours", editor)
        ends = [_end_m(_driven(junction.plots[row], editor, changes)) for changes in ([], gone)]
        true_m[number] = np.linalg.norm(ends[0] - ends[1])
    return _compared(model_m, true_m, agents.scenes)


def _arms(model: BatchPredictor, junction: JunctionWorld) -> dict[str, Any]:
    changes, truths, scenes = [], [], []
    for row in np.flatnonzero(junction.truth.case == "draw").tolist():
        editor = _editor(model, junction, row)
        closings = editor.closings
        if len(closings) < 2:
            continue
        closed = [(closings[row % len(closings)], 1.0)]
        edited = editor.changed(closed)
        before, after = (manoeuvre_probabilities(ask(model, batch))[0] for batch in (editor.batch, edited))
        true_before, true_after = (_driven(junction.plots[row], editor, changes) for changes in ([], closed))
        changes.append(np.abs(after - before).sum() / 2)
        truths.append(np.abs(true_after.probabilities - true_before.probabilities).sum() / 2)
        scenes.append(junction.agents.scenes[row])
    return _compared(np.array(changes), np.array(truths), np.array(scenes))


def _editor(model: BatchPredictor, junction: JunctionWorld, row: int) -> SceneEditor:
    return SceneEditor(junction.of(np.array([row])).batch, model.config.crop, model.config.horizon.step_s)


def _driven(plot: Plot, editor: SceneEditor, changes: Sequence[Change]) -> DrivenAgain:
    found = driven_again(plot, editor, changes)
    assert found is not None
    return found


def _end_m(found: DrivenAgain) -> Float64[Floats, "2"]:
    """End of the most likely true future, metres."""
    return np.asarray(found.paths_m[int(np.argmax(found.odds)), -1])


def _compared(model: Floats, truth: Floats, scenes: NDArray[np.str_]) -> dict[str, Any]:
    every = np.ones(len(model), dtype=bool)
    return {
        "model": told(per_item(model, every), scenes),
        "truth": told(per_item(truth, every), scenes),
        "error": told(per_item(np.abs(model - truth), every), scenes),
    }


def outcomes_of(truth: Truth) -> Outcomes:
    """The true futures for whoever sees history, map and neighbours."""
    return Outcomes(truth.means_m, truth.probabilities, truth.noise_m)


def best_paths_m(truth: Truth) -> tuple[Float64[Floats, "rows steps 2"], Float64[Floats, "rows steps 2"]]:
    """The paths of least error of forecasters that know the world: one that sees everything, one the past alone."""
    sighted = error_minimising(outcomes_of(truth))
    by_class = error_minimising(Outcomes(truth.blind_means_m, truth.blind_probabilities, truth.noise_m))
    return sighted, np.where((truth.blind_class >= 0)[:, None, None], by_class[truth.blind_class], sighted)


def in_order_of(truth: Truth, dataset: TrackSource, splits: Sequence[str]) -> Samples:
    """All targets of a junction world, in the order of its truth."""
    every = Samples(np.concatenate([dataset.samples(split).rows for split in splits]))
    place = {token: number for number, token in enumerate(every.tokens(dataset.tracks))}
    return every[np.array([place[token] for token in truth.tokens.tolist()])]


def gap_closed(model: BatchPredictor, junction: JunctionWorld) -> dict[str, Any]:
    """Part 6: share of the way from the best forecaster without context to the best with it, of FDE, by what decides.

    0 is what a forecaster can reach that sees the past alone, 1 what one can reach that sees everything; below 0 is
    worse than the first. Where the past decides there is no gap: there the error itself is told, beside the bound.
    """
    truth = junction.truth
    outcomes, (sighted_path, blind_path) = outcomes_of(truth), best_paths_m(truth)
    path = ask(model, junction.agents.batch).most_likely().double().numpy()
    fde = displacement(path, outcomes)[:, -1]
    sighted, blind = (displacement(points, outcomes)[:, -1] for points in (sighted_path, blind_path))
    found: dict[str, Any] = {}
    for case in ("map", "neighbour", "draw"):
        of = truth.case == case
        found[case] = {"gap_closed": float((blind[of] - fde[of]).mean() / (blind[of] - sighted[of]).mean())}
    for case in ("map", "neighbour", "draw", "history"):
        of = truth.case == case
        found.setdefault(case, {})
        found[case] |= {
            "fde_m": told(per_item(fde[of], np.ones(of.sum(), dtype=bool)), junction.agents.scenes[of]),
            "sighted_fde_m": float(sighted[of].mean()), "blind_fde_m": float(blind[of].mean()),
        }  # fmt: skip
    return found
