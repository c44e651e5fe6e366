"""Edits of a scene in words: a small grammar, each sentence one verb. What is not understood is refused.

``docs/why.md`` has the table of verbs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from forecast.core.agents import AgentType
from forecast.core.errors import ConfigError, one_of
from forecast.explain.scene_editor import (
    OPENED_AT_M,
    STANDING_CAR,
    STRAIGHTEN,
    Knob,
    SceneEditor,
    neighbour_knobs,
    neighbour_switch,
)

Change = tuple[Knob, float]
_NUMBER = r"(\d+(?:\.\d+)?)"
_WHO = (
    r"(?:the )?(?P<who>neighbour \d+|car ahead|car behind|nearest (?:neighbour|car)|all (?:neighbours|cars)|"
    r"(?:neighbour|car) \d+(?:\.\d+)? m (?:ahead|behind|to the left|to the right))"
)
_ARM = r"(?:the )?(?P<arm>left|right|ahead|far)(?: arm)?(?: (?P<second>\d+))?"
#: A car ahead is one in the own lane: no further aside than this, metres.
_LANE_M = 2.5


@dataclass(frozen=True)
class Verb:
    """One kind of sentence.

    Attributes:
        name: the verb.
        example: a sentence.
        what: what it does.
        pattern: of the whole sentence, in small letters.
        changes: what a match turns, in a scene.
    """

    name: str
    example: str
    what: str
    pattern: str
    changes: Callable[[re.Match[str], SceneEditor], list[Change]]


def parse_edits(text: str, editor: SceneEditor) -> list[Change]:
    """The changes that sentences ask for, several of them separated by semicolons.

    Args:
        text: e.g. ``close the left arm; the car ahead stops``.
        editor: of the scene that is meant.

    Raises:
        ConfigError: a sentence is not understood, or the scene does not have what it names; says what was understood.
    """
    sentences = [part.strip() for part in text.split(";") if part.strip()]
    if not sentences:
        raise ConfigError(f"--edit {text!r}: says nothing; the grammar knows, e.g., '{VERBS[0].example}'")
    return [change for sentence in sentences for change in _parsed(sentence, editor)]


def _parsed(sentence: str, editor: SceneEditor) -> list[Change]:
    plain = " ".join(sentence.lower().rstrip(".!").split())
    for verb in VERBS:
        if match := re.fullmatch(verb.pattern, plain):
            try:
                return verb.changes(match, editor)
            except ConfigError as fault:
                raise ConfigError(f"--edit '{sentence}': {fault}") from fault
    known = [verb for verb in VERBS if re.search(rf"\b{verb.name}", plain)]
    if known:
        examples = "', '".join(verb.example for verb in known)
        raise ConfigError(f"--edit '{sentence}': understood the verb, not the rest; it goes like '{examples}'")
    verbs = "', '".join(verb.example for verb in VERBS)
    raise ConfigError(f"--edit '{sentence}': no verb of it is known; the grammar knows '{verbs}'")


def _arm(match: re.Match[str], editor: SceneEditor, verb: str) -> Knob:
    side = "ahead" if match["arm"] == "far" else match["arm"]
    name = f"{side}_arm" + (f"_{match['second']}" if match["second"] not in (None, "1") else "")
    return next(knob for knob in editor.knobs([name]) if knob.verb == verb)


def _others(match: re.Match[str], editor: SceneEditor) -> list[int]:
    """Numbers of the neighbours that a sentence names."""
    who, slots = match["who"], editor.slots
    places = editor.batch.neighbours[0, slots, -1, :2].tolist()
    types = editor.batch.neighbour_types[0, slots].tolist()
    kind = "car" if "car" in who else "neighbour"
    numbers = [n for n, one in enumerate(types, 1) if kind == "neighbour" or one == AgentType.VEHICLE]
    if not numbers:
        raise ConfigError(f"the scene has no {kind}s")
    if who.startswith("all"):
        return numbers
    if who.startswith("nearest"):
        return numbers[:1]
    if found := re.fullmatch(r"neighbour (\d+)", who):
        if int(found[1]) not in numbers:
            raise ConfigError(f"no neighbour {found[1]}: {one_of(list(map(str, numbers)), found[1])}")
        return [int(found[1])]
    if who in ("car ahead", "car behind"):
        sign = 1 if who == "car ahead" else -1
        near = [n for n in numbers if sign * _at(places, n)[0] > 0 and abs(_at(places, n)[1]) < _LANE_M]
        if not near:
            raise ConfigError(f"there is no {who}")
        return [min(near, key=lambda number: abs(_at(places, number)[0]))]
    distance, side = re.search(rf"{_NUMBER} m (.*)", who).groups()  # type: ignore[union-attr]
    x, y = {"ahead": (1, 0), "behind": (-1, 0), "to the left": (0, 1), "to the right": (0, -1)}[side]
    wanted = float(distance)
    return [min(numbers, key=lambda number: abs(x * _at(places, number)[0] + y * _at(places, number)[1] - wanted))]


def _at(places: list[list[float]], number: int) -> tuple[float, float]:
    x, y = places[number - 1]
    return x, y


def _turn(match: re.Match[str], editor: SceneEditor, verb: str, amount: float) -> list[Change]:
    """The same knob of all neighbours that are named."""
    done = {"stops", "gone"}
    return [
        (
            neighbour_switch(f"neighbour:{number}", verb)
            if verb in done
            else next(knob for knob in neighbour_knobs(number) if knob.verb == verb),
            amount,
        )
        for number in _others(match, editor)
    ]


def _road(editor: SceneEditor, verb: str) -> Knob:
    return next(knob for knob in editor.knobs(["road"]) if knob.verb == verb)


def _signed(match: re.Match[str], group: int, positive: str, word: str) -> float:
    return float(match[group]) * (1 if match[word] == positive else -1)


def _closed(match: re.Match[str], editor: SceneEditor) -> list[Change]:
    knob = _arm(match, editor, "close")
    return [(knob, knob.high)]


def _bent(match: re.Match[str], editor: SceneEditor) -> list[Change]:
    sign = 1 if match["side"] == "left" else -1
    return [(_arm(match, editor, "bend"), sign * float(match["by"]))]


def _opened(match: re.Match[str], editor: SceneEditor) -> list[Change]:
    knob = _road(editor, f"open {match['side']}")
    at_m = float(match["at"]) if match["at"] else OPENED_AT_M
    return [(Knob("road", f"{knob.verb} at {at_m:g}", "m", 0.0, knob.high, knob.scale), knob.high)]


def _placed(match: re.Match[str], editor: SceneEditor) -> list[Change]:
    aside = 0.0 if match["aside"] is None else float(match["aside"]) * (1 if match["side"] == "left" else -1)
    ahead = float(match["ahead"]) * (1 if match["way"] == "ahead" else -1)
    return [(Knob("road", f"{STANDING_CAR}{ahead:g},{aside:g}", "", 0.0, 1.0, 1.0, switch=True), 1.0)]


def _moved(match: re.Match[str], editor: SceneEditor) -> list[Change]:
    by_m = float(match["by"])
    ways = {"forward": ("ahead", 1), "back": ("ahead", -1), "left": ("left", 1), "right": ("left", -1)}
    verb, sign = ways[match["to"]]
    return _turn(match, editor, verb, sign * by_m)


VERBS = (
    Verb("close", "close the left arm", "takes an arm of the road away", rf"close {_ARM}", _closed),
    Verb(
        "bend", "bend the right arm by 30 degrees to the left", "turns an arm about its fork",
        rf"bend {_ARM}(?: by)? (?P<by>\d+(?:\.\d+)?) ?(?:degrees?|°) to the (?P<side>left|right)", _bent,
    ),
    Verb(
        "open", "open a left arm 20 m ahead", "adds an arm straight to one side",
        r"open an? (?P<side>left|right) arm(?: (?P<at>\d+(?:\.\d+)?) m ahead)?", _opened,
    ),
    Verb(
        "widen", "widen the road by 1 m", "moves both edges of the road outwards", rf"widen the road by {_NUMBER} m",
        lambda match, editor: [(_road(editor, "widen"), float(match[1]))],
    ),
    Verb(
        "narrow", "narrow the road by 0.5 m", "moves both edges inwards", rf"narrow the road by {_NUMBER} m",
        lambda match, editor: [(_road(editor, "widen"), -float(match[1]))],
    ),
    Verb(
        "straighten", "straighten the road", "goes straight on with the cross-section at the agent",
        "straighten the road", lambda match, editor: [(STRAIGHTEN, 1.0)],
    ),
    Verb(
        "shift", "shift the dividers 1 m to the left", "moves all lines between lanes",
        rf"shift the dividers (?:by )?{_NUMBER} m to the (?P<side>left|right)",
        lambda match, editor: [(_road(editor, "dividers"), _signed(match, 1, "left", "side"))],
    ),
    Verb(
        "remove", "remove neighbour 2", "takes neighbours away", rf"remove {_WHO}",
        lambda match, editor: _turn(match, editor, "gone", 1.0),
    ),
    Verb(
        "stop", "the car ahead stops", "lets neighbours have stood where they are", rf"{_WHO} stops?",
        lambda match, editor: _turn(match, editor, "stops", 1.0),
    ),
    Verb(
        "drive", "the neighbour 12 m behind drives 3 m/s faster", "changes speeds",
        rf"{_WHO} drives? {_NUMBER} m/s (?P<more>faster|slower)",
        lambda match, editor: _turn(match, editor, "faster", _signed(match, 2, "faster", "more")),
    ),
    Verb(
        "move", "move neighbour 1 by 5 m forward", "puts neighbours elsewhere, along or across their heading",
        rf"move {_WHO}(?: by)? (?P<by>\d+(?:\.\d+)?) m (?:to the )?(?P<to>forward|back|left|right)", _moved,
    ),
    Verb(
        "come", "neighbour 2 comes 1.5 s later", "shifts neighbours in time, at their present speed",
        rf"{_WHO} comes? {_NUMBER} s (?P<when>later|earlier)",
        lambda match, editor: _turn(match, editor, "later", _signed(match, 2, "later", "when")),
    ),
    Verb(
        "put", "put a car 15 m ahead", "adds a standing car",
        r"put a car (?P<ahead>\d+(?:\.\d+)?) m (?P<way>ahead|behind)"
        r"(?: and (?P<aside>\d+(?:\.\d+)?) m to the (?P<side>left|right))?", _placed,
    ),
    Verb(
        "came", "the agent came 0.2 m/s faster", "changes the agent's own past, as a unicycle drives",
        rf"the agent came {_NUMBER} m/s (?P<more>faster|slower)",
        lambda match, editor: [(editor.knobs(["own"])[0], _signed(match, 1, "faster", "more"))],
    ),
)  # fmt: skip
