"""The true driver of an agent-sample of a synthetic world: asked again, what would happen in an edited scene?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from forecast.data.prepared import Dataset
from forecast.data.samples import Samples
from forecast.data.synthetic.planted_plots import plot_of
from forecast.data.synthetic.town_moment import moment_of
from forecast.explain.scene_editor import Knob, SceneEditor
from forecast.explain.town_truth import TownDriver
from forecast.explain.world_truth import DrivenAgain, driven_again

#: From changes to what is done then; None where the world has no rule for a change.
TrueDriver = Callable[[Sequence[tuple[Knob, float]]], DrivenAgain | None]


def true_driver(folder: Path | str, dataset: Dataset, row: int, editor: SceneEditor) -> TrueDriver | None:
    """Who drives in a scene of a junction world or of a town; None on real roads.

    Args:
        folder: of the data set.
        dataset: open.
        row: of the observation.
        editor: of its scene.

    Raises:
        DataError: a town was written by another version of the package.
    """
    tracks = dataset.tracks
    (token,) = Samples(np.array([row])).tokens(tracks)
    plot = plot_of(folder, token)
    if plot is not None:
        return partial(driven_again, plot, editor)
    sample = int(tracks.row_sample[row])
    scene = int(tracks.sample_scene[sample])
    frame = np.flatnonzero(tracks.sample_scene == scene).tolist().index(sample)
    moment = moment_of(folder, str(tracks.scene_names[scene]), frame, editor.batch.future.shape[1])
    return None if moment is None else TownDriver(moment, editor)
