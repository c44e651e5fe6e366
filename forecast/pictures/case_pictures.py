"""Draws entries of a joined submission: target, neighbours, map and truth come from the data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from forecast.core.errors import DataError, SubmissionError
from forecast.core.files import written_whole
from forecast.core.maps import MapSource
from forecast.core.progress import progress
from forecast.core.rows import ForecastRows
from forecast.core.tracks import Tracks
from forecast.eval.formats.submission_json import agent_samples, read_submission
from forecast.pictures.agent_picture import Agent, draw_forecast
from forecast.prediction.key_frame_future import key_frame_future
from forecast.scoring.dataset_join import Joined

if TYPE_CHECKING:
    from forecast.data.cache import Dataset

HISTORY_STEPS = 4


def agent_at(tracks: Tracks, row: int) -> Agent:
    """An agent as it was seen in one observation, with up to 2 s of its past."""
    track = int(tracks.track_of(row))
    first = max(int(tracks.first_row[track]), row - HISTORY_STEPS)
    pose = np.array([*tracks.row_position_m[row], tracks.row_heading_rad[row]])
    return Agent(pose, tracks.row_size_m[row].astype(np.float64), tracks.row_position_m[first : row + 1])


class CaseDrawer:
    """Draws cases of one data set; each map is opened once."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._maps: dict[str, MapSource | None] = {}

    def draw(self, axes: Axes, joined: Joined, entry: int, title: str = "") -> None:
        """Draw one entry of a submission."""
        tracks, row = joined.tracks, int(joined.rows[entry])
        # Rows of the same key frame; observations are sorted by track, so they lie anywhere.
        others = np.flatnonzero(tracks.row_sample == tracks.row_sample[row])
        draw_forecast(
            axes,
            agent_at(tracks, row),
            joined.forecasts.positions_m[entry],
            joined.forecasts.probabilities[entry],
            truth_m=joined.future_m[entry],
            neighbours=[agent_at(tracks, int(other)) for other in others if other != row],
            source=self._map(str(joined.locations[entry])),
            title=title,
        )

    @staticmethod
    def about(joined: Joined, entry: int) -> str:
        """What a caption says of an entry: its category, scene and location."""
        tracks, row = joined.tracks, joined.rows[entry]
        category = tracks.track_categories[tracks.track_of(row)]
        return f"{category}, {tracks.scene_names[joined.scenes[entry]]}, {joined.locations[entry]}"

    def _map(self, name: str) -> MapSource | None:
        if name not in self._maps:
            try:
                self._maps[name] = self.dataset.load_map(name)
            except DataError:
                self._maps[name] = None  # the picture then shows the agents alone
        return self._maps[name]


def draw_cases(folder: Path | str, dataset: Dataset, submission_path: Path | str, rows: Sequence[int]) -> list[Path]:
    """Write one PNG for each chosen agent-sample of a submission: map, neighbours, history, modes and truth.

    Args:
        folder: where to write ``00.png``, ``01.png``, …
        dataset: what the submission was made for.
        submission_path: the submission, read once.
        rows: observations of the data set that are time 0 of the agents to draw.

    Returns:
        The pictures, in the order of ``rows``.

    Raises:
        SubmissionError: an agent has no entry.
    """
    joined = _chosen(read_submission(submission_path), dataset, np.asarray(rows, dtype=np.int64), str(submission_path))
    drawer, pictures = CaseDrawer(dataset), []
    for entry in progress(range(len(joined.rows)), "drawing", total=len(joined.rows)):
        figure = Figure(figsize=(7, 7), layout="constrained")
        drawer.draw(figure.subplots(), joined, entry, drawer.about(joined, entry))
        pictures.append(Path(folder) / f"{entry:02d}.png")
        with written_whole(pictures[-1]) as temporary:
            figure.savefig(temporary, format="png", dpi=110)
    return pictures


def _chosen(forecasts: ForecastRows, dataset: Dataset, rows: NDArray[np.int64], where: str) -> Joined:
    """The chosen agents alone, beside their data set."""
    tracks = dataset.tracks
    entry_of = {name: entry for entry, name in enumerate(agent_samples(forecasts))}
    entries = []
    for row in rows.tolist():
        track = int(tracks.track_of(row))
        name = str(tracks.track_tokens[track]), str(tracks.sample_tokens[tracks.row_sample[row]])
        if name not in entry_of:
            raise SubmissionError(f"{where}: no forecast for {'_'.join(name)}; it cannot be drawn")
        entries.append(entry_of[name])
    chosen = forecasts.take(entries)
    future = key_frame_future(tracks, rows, chosen.positions_m.shape[2])
    return Joined(chosen, tracks, rows, future, np.arange(len(rows)), missing=0)
