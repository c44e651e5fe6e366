"""An audit as tables: for the terminal and README (Markdown), and as a page (HTML). Made from its JSON alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forecast.report.page_tables import Cell, Column, Line, PageTable
from forecast.report.page_templates import write_html
from forecast.report.tables import markdown_table

Part = Mapping[str, Any]
Lines = list[list[str]]


@dataclass(frozen=True)
class AuditTable:
    """One table.

    Attributes:
        title: above it.
        reading: what is computed, and what a model that uses its context rightly shows.
        lines: its head, then its rows.
    """

    title: str
    reading: str
    lines: Lines


def audit_tables(document: Mapping[str, Any]) -> list[AuditTable]:
    """The tables of an audit, in the order of its parts."""
    parts = document["parts"]
    made: dict[str, Callable[[Part], AuditTable]] = {
        "noise": _noise,
        "subsets": _subsets,
        "swaps": _swaps,
        "scene_attack": _scene_attack,
        "agent_removal": _agent_removal,
        "causal_error": _causal_error,
        "town_causal_error": _town_causal_error,
        "hardest_agents": _hardest,
        "gap_closed": _gap_closed,
        "files": _files,
    }
    return [table(parts[name]) for name, table in made.items() if name in parts]


def audit_markdown(document: Mapping[str, Any]) -> str:
    """All tables for a README."""
    blocks = [f"# Use of context: {document['model']}", _about(document)]
    for table in audit_tables(document):
        blocks += [f"## {table.title}", table.reading, markdown_table(table.lines).rstrip("\n")]
    return "\n\n".join(blocks) + "\n"


def write_audit_page(path: Path | str, document: Mapping[str, Any]) -> None:
    """Write the page; it needs no other file and no network."""
    made = audit_tables(document)
    names = [f"part-{number}" for number in range(1, len(made) + 1)]
    write_html(
        path,
        "audit_page.html",
        title=f"Use of context: {document['model']}",
        about=[_about(document)],
        contents=[(name, table.title) for name, table in zip(names, made, strict=True)],
        tables=[(name, table, _page_table(table)) for name, table in zip(names, made, strict=True)],
    )


def _page_table(table: AuditTable) -> PageTable:
    head, *rows = table.lines
    heads = [Column(head[0] or "what", words=True), *(Column(text) for text in head[1:])]
    return PageTable("", heads, [Line(name, None, [_cell(text) for text in cells]) for name, *cells in rows])


def _cell(text: str) -> Cell:
    """A figure is sorted by its mean, the interval behind it aside."""
    mean = text.partition(" ")[0].replace(",", "").removesuffix("%")
    try:
        return Cell(text, key=float(mean))
    except ValueError:
        return Cell(text, key=None if text == "–" else text)


def _about(document: Mapping[str, Any]) -> str:
    data, chosen = document["dataset"], document.get("settings")
    asked = "" if chosen is None else f", at most {chosen['agents']} agent-samples, seed {chosen['seed']}"
    remark = f" Remark: {document['remark']}." if document.get("remark") else ""
    return (
        f"On {data['split']} of {data['where']}{asked}. In brackets 95 % intervals over scenes. Errors are those of "
        f"the most likely path's end.{remark}"
    )


def figure(found: Mapping[str, Any] | None, digits: int = 2, *, sign: bool = False) -> str:
    """A mean with its interval, or a dash."""
    if found is None or found["value"] is None:
        return "–"
    form = f"{'+' if sign else ''}.{digits}f"
    text = format(found["value"], form)
    return text if found["low"] is None else f"{text} ({format(found['low'], form)}, {format(found['high'], form)})"


def _noise(part: Part) -> AuditTable:
    return AuditTable(
        "Noise floor",
        "What a jitter of all tracked poses by 5 cm and 1° does. Changes below it, in what follows, are nothing.",
        [
            ["", "FDE, m", "FDE rises by, m", "end moves by, m"],
            ["jitter", figure(part["fde_m"]), figure(part["fde_rises_m"], sign=True), figure(part["end_moves_m"])],
        ],
    )


def _subsets(part: Part) -> AuditTable:
    lines: Lines = [["", *(f"{measure}, {_null(null)}" for null in part for measure in ("FDE, m", "length, m"))]]
    measures = [part[null][measure] for null in part for measure in ("fde_m", "travelled_m")]
    lines.append(["without map and neighbours", *(figure(one["without_context"]) for one in measures)])
    lines.append(["with all", *(figure(one["with_all"]) for one in measures)])
    for name in measures[0]["shapley"]:
        lines.append([name, *(figure(one["shapley"][name], sign=True) for one in measures)])
    for name in measures[0]["interaction"]:
        lines.append([name, *(figure(one["interaction"][name], sign=True) for one in measures)])
    return AuditTable(
        "1. What each input is worth",
        "Exact Shapley values of the three inputs and their interactions, by all eight sets of them: on the error, "
        "where below 0 helps, and on the length of the most likely path. The map is replaced by none, or by a "
        "straight road. Who uses no context has 0 for map and neighbours.",
        lines,
    )


def _null(name: str) -> str:
    return {"empty": "no map", "straight": "straight road"}[name]


def _swaps(part: Part) -> AuditTable:
    lines: Lines = [["", "agents", "FDE rises by, m", "entropy rises by, nats", "end moves by, m"]]
    for name, one in part.items():
        rises, entropy = figure(one["fde_rises_m"], sign=True), figure(one["entropy_rises_nats"], sign=True)
        lines.append([name, str(one["end_moves_m"]["count"]), rises, entropy, figure(one["end_moves_m"])])
    return AuditTable(
        "2. Wrong context",
        "Errors must rise where the map or the neighbours are another scene's; who does not look is not disturbed.",
        lines,
    )


def _scene_attack(part: Part) -> AuditTable:
    lines: Lines = [["bend, power", "points off the road", "forecasts off the road", "FDE against the bent truth, m"]]
    for name, powers in part.items():
        for power, one in enumerate(powers, 1):
            label = "not bent" if name == "none" else f"{name}, {power} of {len(powers)}"
            points, forecasts = figure(one["points_off_road"], 3), figure(one["forecasts_off_road"], 3)
            lines.append([label, points, forecasts, figure(one["fde_m"])])
    return AuditTable(
        "3. The world ahead is bent",
        "The road bends where it did not, and the agent is slowed so that it can be driven. Who follows the road "
        "stays on it.",
        lines,
    )


def _agent_removal(part: Part) -> AuditTable:
    lines: Lines = [["", "agents", "end moves by, m", "FDE rises by, m"]]
    for name, one in part.items():
        if isinstance(one, Mapping):
            count = str(one["end_moves_m"]["count"])
            lines.append([name, count, figure(one["end_moves_m"], 3), figure(one["fde_rises_m"], 3, sign=True)])
    return AuditTable(
        "4. Agents taken away and added",
        f"{part['causal']} of {part['neighbours']} neighbours are causal: their true future meets the target's (4 m, "
        f"3 s), or they lead it. Without causal ones something must change, without others nothing, also where they "
        f"are as near. A parked car aside changes nothing, one ahead must.",
        lines,
    )


def _hardest(part: Part) -> AuditTable:
    lines: Lines = [["hardest", "agents", "FDE, m"]]
    lines += [[name, str(one["count"]), figure(one)] for name, one in part.items()]
    return AuditTable("6a. The hardest agents", "Those that a constant-velocity Kalman filter forecasts worst.", lines)


def _causal_error(part: Part) -> AuditTable:
    lines: Lines = [["", "agents", "true change", "model's change", "mean error of the change"]]
    for name, one in part.items():
        count = str(one["truth"]["count"])
        lines.append([name, count, figure(one["truth"]), figure(one["model"]), figure(one["error"])])
    return AuditTable(
        "5. Causal error, on the junction world",
        "The deciding vehicle is taken away (metres at the end), or an arm is closed (share of the probability of "
        "manoeuvres that moves), and the true driver drives again. Error 0 is what he does; who does not react has an "
        "error as large as the true change.",
        lines,
    )


def _town_causal_error(part: Part) -> AuditTable:
    lines: Lines = [["", "changes", "true end moves by, m", "model's", "mean error of the change"]]
    for name, kinds in part.items():
        for kind, one in kinds.items():
            figures = [figure(one[what]) for what in ("truth", "model", "error")]
            lines.append([f"{name}, {kind}", str(one["truth"]["count"]), *figures])
    return AuditTable(
        "5b. Causal error, on this town",
        "The nearest neighbours are taken away, and the arms of the road closed, one by one; the traffic is driven on "
        "by the town's own rules, with the same chance. A change matters where the true end moves by more than 1 m: "
        "who does not react to it has an error as large as the true change. Else any reaction is an error.",
        lines,
    )


def _gap_closed(part: Part) -> AuditTable:
    lines: Lines = [["what decides", "gap closed", "FDE, m", "bound with context", "bound without"]]
    for name, one in part.items():
        closed = f"{one['gap_closed']:.0%}" if "gap_closed" in one else "–"
        bounds = [f"{one['sighted_fde_m']:.2f}", f"{one['blind_fde_m']:.2f}"]
        lines.append([name, closed, figure(one["fde_m"]), *bounds])
    return AuditTable(
        "6b. Gap closed on the junction world",
        "0 %: as good as can be without context; 100 %: as good as can be with it. A model that learnt on other "
        "roads may lie far below 0.",
        lines,
    )


def _files(part: Part) -> AuditTable:
    lines: Lines = [["file", "FDE, m", "FDE rises by, m", "end moves by, m"]]
    for name, one in part["fde_m"].items():
        rises, moves = part["fde_rises_m"].get(name), part["end_moves_m"].get(name)
        lines.append([name.replace("_", " "), figure(one), figure(rises, sign=True), figure(moves)])
    for name, one in part.get("shapley", {}).items():
        lines.append([f"Shapley value of {name}", figure(one, sign=True), "–", "–"])
    return AuditTable(
        "Files of forecasts",
        f"The same model with and without an input, on the {part['agents']} agent-samples that all files have. "
        f"Errors must rise where an input is missing.",
        lines,
    )
