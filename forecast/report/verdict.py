"""What a report says in words: who is ahead, by how much, and whether that is sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forecast.core.json_files import finite
from forecast.report.figures import Heading, at, bodies, heading_of
from forecast.scoring.completion import FEW_POINTS
from forecast.scoring.paired_differences import CONSTANT_VELOCITY, FEW_TRACKS, Paired, paired, reference_of

Document = Mapping[str, Any]

#: The baseline that picks the best of the others by looking at the truth: it competes with nobody.
ORACLE = "physics_oracle"
_SURELY = "“Surely” means: the paired 95 % interval over tracks leaves out 0."


@dataclass(frozen=True)
class _Ranking:
    """Who leads by a metric.

    Attributes:
        heading: of the metric.
        leader: the file that is ahead of each other one, if only by a little.
        behind: how much worse than it the others are (above 0), the nearest first.
    """

    heading: Heading
    leader: str
    behind: dict[str, Paired]


def verdict(document: Document) -> list[str]:
    """The paragraphs on top of the page, in plain words; nothing that the intervals do not support.

    Args:
        document: of report.json.
    """
    document = finite(document)
    names = competitors(document)
    if len(names) < 2:
        found = [_alone(body) for body in bodies(document) if body["name"] in names]
        return found + _about_oracle(document, alone=True)
    said = [_ranked(document, names, heading_of("min_fde_1"))]
    if any(_has_modes(body) for body in bodies(document)):
        said.append(_ranked(document, names, heading_of("min_ade_5")))
    said += [_beside_reference(document, names), _steadiness(document, names)]
    said = [line for line in said if line]
    if any("surely" in line for line in said):
        said.append(_SURELY)
    return said + _about_oracle(document, alone=False)


def competitors(document: Document) -> list[str]:
    """Names of the files that forecast; the oracle, which looks at the truth, is none where there are others."""
    names = [body["name"] for body in bodies(document)]
    return [name for name in names if name != ORACLE] or names


def _about_oracle(document: Document, *, alone: bool) -> list[str]:
    names = [body["name"] for body in bodies(document)]
    if ORACLE not in names:
        return []
    rest = "" if alone and len(names) == 1 else ": it is shown, but does not compete"
    return [f"{ORACLE} looks at the truth to choose among the physics models{rest}."]


def _has_modes(body: Mapping[str, Any]) -> bool:
    """Whether more than the most probable mode counts."""
    one, five = (at(body, ("metrics", key, "value")) for key in ("min_ade_1", "min_ade_5"))
    return one is not None and five is not None and bool(abs(one - five) > 1e-9)


def _ranked(document: Document, names: Sequence[str], heading: Heading) -> str:
    found = _ranking(document, names, heading)
    if found is None:
        return (
            f"By {heading.text} the files cannot be ranked: they share no items of the same leads, or no file is "
            "ahead of each other one on what pairs share."
        )
    behind = found.behind
    sure = [name for name in behind if behind[name].sure]
    unsure = [name for name in behind if not behind[name].sure]
    nearest = next(iter(behind.values()))
    value = at(_body(document, found.leader), _own_path(document, heading))["value"]
    start = f"By {heading.text}, {found.leader}"
    if not unsure:
        others = "all others" if len(sure) > 1 else sure[0]
        what = "is surely ahead of" if len(sure) > 1 else "is surely better than"
        nearest_name = f"{sure[0]}, the next, " if len(sure) > 1 else "it "
        said = f"{start} {what} {others}: {_said(value, heading)}; {nearest_name}is {_gap(nearest, heading)} worse."
    else:
        best = "lowest" if heading.lower_is_better else "highest"
        said = f"{start} has the {best} value, {_said(value, heading)}, but is not surely ahead of "
        said += "any other file" if not sure else _listed(unsure)
        said += f": {unsure[0]} is {_gap(behind[unsure[0]], heading)} worse."
        if sure:
            said += f" It is surely ahead of {_listed(sure)}."
    return said + _about_tracks(behind.values())


def _ranking(document: Document, names: Sequence[str], heading: Heading) -> _Ranking | None:
    """Who is ahead of each other file on what the two share; None where nobody is, or something is not compared."""
    pairs = document.get("comparisons", [])
    for leader in names:
        found = {name: paired(pairs, name, leader, heading.path) for name in names if name != leader}
        known = {name: one if heading.lower_is_better else one.turned for name, one in found.items() if one is not None}
        if len(known) == len(found) and all(one.difference >= 0 for one in known.values()):
            nearest_first = sorted(known, key=lambda name: known[name].difference)
            return _Ranking(heading, leader, {name: known[name] for name in nearest_first})
    return None


def _beside_reference(document: Document, names: Sequence[str]) -> str:
    """All files beside constant velocity, where it is among them."""
    reference, heading = reference_of(names), heading_of("min_fde_1")
    if CONSTANT_VELOCITY not in reference:
        return ""
    kinds: dict[str, list[str]] = {"surely better": [], "not surely different": [], "surely worse": []}
    for name in names:
        found = paired(document.get("comparisons", []), name, reference, heading.path)
        if name != reference and found is not None:
            better = "surely better" if found.difference < 0 else "surely worse"
            kind = better if found.sure else "not surely different"
            kinds[kind].append(f"{name} ({_signed(found.difference)} {heading.unit})")
    said = [f"{kind}: {_listed(found)}" for kind, found in kinds.items() if found]
    return f"Beside constant velocity, by {heading.text}: {'; '.join(said)}." if said else ""


def _steadiness(document: Document, names: Sequence[str]) -> str:
    """Whose successive forecasts agree best; too few points are told, not judged."""
    heading = heading_of("dispersion_m")
    shared = [at(_body(document, name), _own_path(document, heading)) for name in names]
    counts = [one["count"] for one in shared if one]
    if not counts or not max(counts):
        return "How steady successive forecasts are cannot be computed: no target point is shared that counts."
    if max(counts) < FEW_POINTS:
        return f"Who is steadier cannot be said: D and C rest on {max(counts)} target points, too few to compare by."
    return f"{_ranked(document, names, heading)} D alone says who repeats himself, not who is right."


def _alone(body: Mapping[str, Any]) -> str:
    """The one file's main figures, and that one file alone is no comparison."""
    said, name = [], body["name"]
    fde, ade = (at(body, ("metrics", key)) for key in ("min_fde_1", "min_ade_5"))
    if fde and fde["value"] is not None:
        horizon = [one["horizon_s"] for one in body.get("error_by_horizon_m", [])]
        ahead = f", {horizon[-1]:g} s ahead," if horizon else ""
        said.append(
            f"The most likely mode of {name} ends {fde['value']:.2f} m{_between(fde)} from the truth{ahead} on average "
            f"over {fde['count']:,} agent-samples (minFDE_1)."
        )
    else:
        said.append(f"Of {name} no forecast could be scored at its last lead.")
    if ade and ade["value"] is not None and _has_modes(body):
        said.append(f"The best of its five most probable modes is {ade['value']:.2f} m off on the way (minADE_5).")
    spread = at(body, ("temporal", "dispersion_m"))
    if spread and spread["count"] >= FEW_POINTS and spread["value"] is not None:
        said.append(
            f"Successive forecasts of one target point lie {spread['value']:.2f} m{_between(spread)} from their middle "
            f"on average (D, {spread['count']:,} points)."
        )
    elif spread and spread["count"]:
        said.append(f"D and C rest on {spread['count']} target points: too few to say how steady it is.")
    said.append("One file alone does not say whether this is good: score another beside it, e.g. constant velocity.")
    return " ".join(said)


def _between(figure: Mapping[str, Any]) -> str:
    low, high = figure.get("ci_low"), figure.get("ci_high")
    return "" if low is None else f" (95 % interval {low:.2f} to {high:.2f})"


def _gap(one: Paired, heading: Heading) -> str:
    between = "" if one.low is None or one.high is None else f" ({_number(one.low)} to {_number(one.high)})"
    return f"{_said(one.difference, heading)}{between}"


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _said(value: float, heading: Heading) -> str:
    return f"{value:.2f} {heading.unit}"


def _about_tracks(found: Any) -> str:
    tracks = [one.tracks for one in found if one.few_tracks]
    if not tracks:
        return ""
    counted = "one track" if min(tracks) == 1 else f"{min(tracks)} tracks"
    return f" This rests on {counted} only; of fewer than {FEW_TRACKS} nothing is called sure."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _body(document: Document, name: str) -> Mapping[str, Any]:
    return next(body for body in bodies(document) if body["name"] == name)


def _own_path(document: Document, heading: Heading) -> tuple[str, ...]:
    """Where a figure of several files stands: D and C on the points that all share."""
    shared = ("temporal_shared", *heading.path[1:])
    if heading.path[0] == "temporal" and any(at(body, shared) for body in bodies(document)):
        return shared
    return heading.path
