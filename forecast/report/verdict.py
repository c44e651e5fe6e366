"""What a report says in words: who is ahead, by how much, and whether that is sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forecast.core.json_files import finite
from forecast.report.figures import Heading, at, bodies, heading_of, shared_place
from forecast.scoring.finishing import FEW_POINTS
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

    @property
    def sure(self) -> list[str]:
        """Who is surely behind."""
        return [name for name, one in self.behind.items() if one.sure]

    @property
    def unsure(self) -> list[str]:
        """Who is perhaps behind."""
        return [name for name, one in self.behind.items() if not one.sure]


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
    judged = ["min_fde_1"] + ["min_ade_5"] * any(_has_modes(body) for body in bodies(document))
    few = _few_points(document, names)
    judged += [] if few else ["dispersion_m"]
    said = [*_ranked(document, names, [heading_of(key) for key in judged]), _beside_reference(document, names), few]
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


def _ranked(document: Document, names: Sequence[str], found: Sequence[Heading]) -> list[str]:
    """A paragraph for each group of metrics by which the same file leads, the same others surely behind it."""
    said, groups = [], dict[tuple[str, ...], list[_Ranking]]()
    for heading in found:
        one = _ranking(document, names, heading)
        if one is None:
            said.append(
                f"By {heading.text} the files cannot be ranked: they share no items of the same leads, or none is "
                "ahead of each other one on what pairs share."
            )
        else:
            groups.setdefault((one.leader, *one.unsure, "", *one.sure), []).append(one)
    return [_said_of(document, group) for group in groups.values()] + said


def _said_of(document: Document, group: Sequence[_Ranking]) -> str:
    """What is said of metrics by which the files stand alike."""
    leader, sure, unsure = group[0].leader, group[0].sure, group[0].unsure
    body = _body(document, leader)
    values = _listed([_said(at(body, shared_place(document, one.heading.path))["value"], one.heading) for one in group])
    start = f"By {_listed([one.heading.text for one in group])}, {leader}"
    nearest = (unsure or sure)[0]
    gaps = _listed([_gap(one.behind[nearest], one.heading) for one in group])
    if not unsure:
        others = f"all {len(sure)} others" if len(sure) > 1 else nearest
        said = f"{start} is surely ahead of {others}: {values}. {nearest} is {gaps} worse."
    else:
        others = _listed(unsure) if sure or len(unsure) == 1 else "any other file"
        best = "best value" if len(group) == 1 else "best values"
        said = f"{start} has the {best}, {values}, but is not surely ahead of {others}: {nearest} is {gaps} worse."
        said += f" It is surely ahead of {_listed(sure)}." if sure else ""
    return said + _about_tracks([found for one in group for found in one.behind.values()])


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


def _few_points(document: Document, names: Sequence[str]) -> str:
    """Why it cannot be said whose successive forecasts agree best; empty where it can."""
    heading = heading_of("dispersion_m")
    shared = [at(_body(document, name), shared_place(document, heading.path)) for name in names]
    count = max((one["count"] for one in shared if one), default=0)
    if not count:
        return "Who is steadier cannot be said: no target point that counts is shared."
    if count < FEW_POINTS:
        return f"Who is steadier cannot be said: D and C rest on {count} target points, too few to compare by."
    return ""


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
    other = "a model" if CONSTANT_VELOCITY in name else "another one, e.g. constant velocity,"
    said.append(f"One file alone does not say whether this is good: score {other} beside it.")
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


def _about_tracks(found: Sequence[Paired]) -> str:
    tracks = [one.tracks for one in found if one.tracks is not None and one.few_tracks]
    if not tracks:
        return ""
    counted = "one track" if min(tracks) == 1 else f"{min(tracks)} tracks"
    return f" This rests on {counted} only; of fewer than {FEW_TRACKS} nothing is called sure."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _body(document: Document, name: str) -> Mapping[str, Any]:
    return next(body for body in bodies(document) if body["name"] == name)
