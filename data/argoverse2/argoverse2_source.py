"""Argoverse 2 motion forecasting as a kind of data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forecast.core.errors import DataError
from forecast.core.maps import MapSource
from forecast.core.progress import progress
from forecast.core.rows import TruthRows
from forecast.data.argoverse2.archive_map import load_archive
from forecast.data.argoverse2.scenario_columns import columns_of_scenarios, sample_token, time_us, track_token
from forecast.data.argoverse2.scenario_file import STEP_S, Scenario, read_scenario
from forecast.data.argoverse2.scenario_folders import ALL, holds_scenarios, map_path, scenario_files
from forecast.data.data_format import Listing, SourceNotes, Split
from forecast.data.general_remarks import heading_remarks
from forecast.data.track_columns import TrackColumns

#: Object categories from this one on are scored: 2 the scored tracks, 3 the focal one.
_SCORED = 2
_VERSION = "argoverse2"
#: Focal and scored tracks are of these types.
_TYPES = ["vehicle", "pedestrian", "cyclist"]


@dataclass(frozen=True)
class Argoverse2Folder:
    """Scenarios in a folder; a :class:`~forecast.data.data_format.DataFolder`.

    Attributes:
        dataroot: the folder.
        step_s: between key frames, seconds.
    """

    dataroot: Path
    step_s: float

    @property
    def version(self) -> str:
        """Argoverse 2 has one version."""
        return _VERSION

    @property
    def where(self) -> str:
        """The folder, for messages."""
        return str(self.dataroot)

    @property
    def settings(self) -> str:
        """The kind of data set, and the step between key frames."""
        return f"argoverse2 step_s {self.step_s:g}"

    @property
    def listing_path(self) -> Path:
        """Each scenario names its own agents."""
        return self.dataroot

    def files(self) -> dict[str, Path]:
        """All scenarios."""
        found = scenario_files(self.dataroot)
        return {f"{split}/{name}": path for split, files in found.items() for name, path in files.items()}

    def read(self) -> tuple[TrackColumns, SourceNotes]:
        """Read all scenarios.

        The agent-samples of a split are each scenario's focal track at the present; those of the split of that name
        and ``_scored`` are its scored tracks too.
        """
        splits: dict[str, Split] = {}
        focal: Listing = {}
        scored: Listing = {}
        scenarios: list[Scenario] = []
        for split, files in scenario_files(self.dataroot).items():
            held = list(_read_all(files, split))
            names = [scenario.scenario_id for scenario in held]
            splits |= {split: Split(names, "focal"), f"{split}_scored": Split(names, "scored")}
            for scenario in held:
                if scenario.scenario_id in focal:
                    raise DataError(f"{files[scenario.scenario_id]}: scenario {scenario.scenario_id} a second time")
                focal[scenario.scenario_id] = _listed(scenario, only_focal=True)
                scored[scenario.scenario_id] = _listed(scenario, only_focal=False)
            scenarios += held
        columns = columns_of_scenarios(scenarios, self.step_s)
        remarks = heading_remarks(columns.tracks)
        default = (ALL, ALL) if ALL in splits else ("train", "val")
        listings = {"focal": focal, "scored": scored}
        return columns, SourceNotes(splits, listings, remarks, default_splits=default, types=_TYPES)

    def map_file(self, map_name: str) -> Path:
        """The map of a scenario; scenarios and their maps have one name."""
        return map_path(self.dataroot, map_name)

    def load_map(self, map_name: str, only: Sequence[str] | None) -> MapSource:
        """Open the map of a scenario."""
        return load_archive(self.map_file(map_name), only=only)

    def truth(self, columns: TrackColumns) -> TruthRows:
        """Every track at 10 Hz; the scenarios are read again."""
        parts = [
            (
                np.array([track_token(scenario.scenario_id, name) for name in scenario.track_ids.tolist()]),
                scenario,
            )
            for split, files in scenario_files(self.dataroot).items()
            for scenario in _read_all(files, split)
        ]
        return TruthRows(
            np.concatenate([tokens[scenario.row_track] for tokens, scenario in parts]),
            np.concatenate([time_us(scenario, scenario.row_step) for _, scenario in parts]) * 1e-6,
            np.concatenate([scenario.row_position_m for _, scenario in parts]),
        )


class Argoverse2:
    """The kind; a :class:`~forecast.data.data_format.DataFormat`."""

    name = "argoverse2"
    holds = "SCENARIO/scenario_*.parquet, straight or in train, val and test"

    def recognises(self, dataroot: Path) -> bool:
        """Whether scenarios lie in it."""
        return holds_scenarios(dataroot)

    def open(self, dataroot: Path, version: str | None, *, step_s: float = 0.5) -> Argoverse2Folder:
        """Look at a folder.

        Args:
            dataroot: it holds scenarios, or ``train``, ``val`` and ``test`` that do.
            version: None; there is one.
            step_s: between key frames: the model's step, a multiple of 0.1 s. Key frames are counted from the present
                of each scenario.

        Raises:
            DataError: a version is named, or the step is no multiple of 0.1 s.
        """
        if version not in (None, _VERSION):
            raise DataError(f"{dataroot}: Argoverse 2 has no version {version!r}; leave --version out")
        if not step_s > 0 or abs(step_s / STEP_S - round(step_s / STEP_S)) > 1e-6 or step_s < STEP_S / 2:
            raise DataError(f"step_s {step_s}: expected a multiple of {STEP_S} s, the rate of the files")
        return Argoverse2Folder(dataroot, float(step_s))


ARGOVERSE2 = Argoverse2()


def _read_all(files: dict[str, Path], split: str) -> Iterator[Scenario]:
    for name, path in progress(files.items(), f"reading {split}", total=len(files)):
        scenario = read_scenario(path)
        if scenario.scenario_id != name:
            raise DataError(f"{path}: scenario_id {scenario.scenario_id!r}; expected that of its folder, {name!r}")
        yield scenario


def _listed(scenario: Scenario, *, only_focal: bool) -> list[tuple[str, str]]:
    """Tokens of the focal track, or of all scored tracks, at the present; DataError where the focal one is not seen."""
    now = scenario.row_track[scenario.row_step == scenario.present_step]
    is_focal = scenario.track_ids[now] == scenario.focal_track_id
    if not is_focal.any():
        raise DataError(
            f"scenario {scenario.scenario_id}: the focal track {scenario.focal_track_id} is not seen at timestep "
            f"{scenario.present_step}, the last that is observed"
        )
    wanted = is_focal if only_focal else is_focal | (scenario.object_categories[now] >= _SCORED)
    at = sample_token(scenario.scenario_id, scenario.present_step)
    return [(track_token(scenario.scenario_id, name), at) for name in scenario.track_ids[now[wanted]].tolist()]
