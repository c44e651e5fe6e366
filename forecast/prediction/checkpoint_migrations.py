"""Headers and tensors of earlier formats of checkpoints, made those of today."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

#: 2: the header also names the version of the package that wrote it. 3: it names the network, and says where forecasts
#: without context come from; a twin without context lies in a file of its own.
#: 4: it may hold cities. Files without any are still written as 3, which earlier versions of the package read.
FORMAT_VERSION = 4
WITHOUT_CITIES = 3
_TWIN_PREFIX = "blind."
#: Keys and names of the notes until format 2 → what they are called now.
_KEYS = {"blind_weight": "without_context_weight", "weighted_odds": "weighted_probabilities"}


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Attributes:
        header: ``model``, ``notes``, ``written_by``, ``without_context``, ``cities``.
        tensors: of the network.
        twin: of its twin without context, where the file holds one.
    """

    header: dict[str, Any]
    tensors: dict[str, Tensor]
    twin: dict[str, Tensor] | None = None


def migrated(contents: Contents, version: int) -> Contents:
    """Contents of a file of an earlier format as those of today."""
    for step in range(version, FORMAT_VERSION):
        contents = MIGRATIONS[step](contents)
    return contents


def _from_1_to_2(contents: Contents) -> Contents:
    return replace(contents, header={**contents.header, "written_by": "unknown"})


def _from_2_to_3(contents: Contents) -> Contents:
    # Before there was a choice, neighbours were summed and modes were not merged.
    model = {"network": "cvae", "neighbour_encoder": "summed", "merge_radius_m": 0.0, **contents.header["model"]}
    own = model.pop("own_blind", False)
    notes = _notes(contents.header.get("notes", {}))
    header = {**contents.header, "model": model, "notes": notes, "without_context": _without_context(own, notes)}
    twin = {name.removeprefix(_TWIN_PREFIX): t for name, t in contents.tensors.items() if name.startswith(_TWIN_PREFIX)}
    tensors = {name: t for name, t in contents.tensors.items() if not name.startswith(_TWIN_PREFIX)}
    return Contents(header, tensors, twin or None)


#: Format version → what makes contents of it those of the next version.
MIGRATIONS: dict[int, Callable[[Contents], Contents]] = {
    1: _from_1_to_2,
    2: _from_2_to_3,
    3: lambda contents: contents,
}


def _without_context(own: bool, notes: Mapping[str, Any]) -> str:
    if own:
        return "twin"
    name = _section(notes, "objective").get("name")
    return "unknown" if name is None else "none" if name == "plain" else "shared"


def _notes(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Notes with the names of today."""
    found = dict(notes)
    if isinstance(notes.get("metrics"), dict):
        found["metrics"] = {
            key.replace("val_blind/", "val_without_context/").replace("/blind_", "/without_context_"): value
            for key, value in notes["metrics"].items()
        }
    if isinstance(notes.get("config"), dict):
        objective = {_KEYS.get(key, key): value for key, value in _section(notes, "objective").items()}
        if objective.get("name") == "cab":
            objective["name"] = "divergence"
        found["config"] = {**notes["config"], "objective": objective}
    return found


def _section(notes: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    config = notes.get("config")
    section = config.get(name) if isinstance(config, dict) else None
    return section if isinstance(section, dict) else {}
