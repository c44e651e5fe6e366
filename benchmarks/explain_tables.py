"""The page of results on attribution, counterfactuals and audits, from the figures of their benchmarks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forecast.core.json_files import write_json
from forecast.report.audit_tables import figure

Json = Mapping[str, Any]
_WAYS = ("sobol, no map", "sobol, straight road", "occlusion", "gradient × input", "random")
_KINDS = {
    "map": "map decides",
    "draw": "a coin decides between arms",
    "neighbour, stops": "vehicle makes it stop",
    "neighbour, drives on": "vehicle lets it drive on",
    "history": "past decides",
}
_POINT = "python benchmarks/explain.py point --context DIR --cell balanced/query/0"
#: Heading → where the figure stands in an audit's parts, and its digits.
_SUMMARY: dict[str, tuple[tuple[str, ...], int]] = {
    "FDE, m": (("noise", "fde_m"), 2),
    "worth of the map, m": (("subsets", "straight", "fde_m", "shapley", "map"), 2),
    "worth of neighbours, m": (("subsets", "straight", "fde_m", "shapley", "neighbours"), 2),
    "another map: FDE rises, m": (("swaps", "another scene's map", "fde_rises_m"), 2),
    "mirrored map: FDE rises, m": (("swaps", "map mirrored", "fde_rises_m"), 2),
    "off the road, sharp turn": (("scene_attack", "smooth turn", "2", "forecasts_off_road"), 2),
    "causal gone: moves, m": (("agent_removal", "without causal", "end_moves_m"), 2),
    "others as far gone: moves, m": (("agent_removal", "without not causal, as far as the causal", "end_moves_m"), 2),
    "car ahead: moves, m": (("agent_removal", "with a standing car ahead", "end_moves_m"), 2),
    "jitter: moves, m": (("noise", "end_moves_m"), 2),
    "vehicle gone: error, m": (("causal_error", "vehicle taken away", "error"), 2),
    "arm closed: error": (("causal_error", "arm closed", "error"), 2),
    "hardest 10 %, m": (("hardest_agents", "10 %"), 2),
}


def page(figures: Path, out: Path) -> None:
    """Write docs/results/data/explain.json.

    Args:
        figures: folder of all benchmarks' figures.
        out: the file.
    """
    points = [_read(path) for path in sorted((figures / "explain").glob("point-*.json"))]
    tables = [_pointing(point) for point in points]
    tables += [_shares(point) for point in points if "history" in point["found"]]
    tables.append(_faithful(_read(figures / "explain" / "faithful.json")))
    tables += [_counterfactuals(_read(path)) for path in sorted((figures / "counterfactuals").glob("*.json"))]
    tables.append(_town_edits(_read(figures / "town_edits.json")))
    tables.append(_search(_read(figures / "search.json")))
    tables.append(_cost(_read(figures / "explain" / "cost.json")))
    tables += [_audits(figures / "audits" / kind, kind) for kind in ("junction", "val")]
    document = {
        "title": "Attribution, counterfactuals and audits",
        "version": "0.2.0 with the changes that are not released yet",
        "data": "synthetic (junction worlds, towns) and, in the last table, real (nuScenes v1.0-trainval)",
        "intro": [
            "Does an attribution point at what decides, does a counterfactual find what the true driver would do, "
            "and does the audit tell forecasters apart whose use of context is known? [Why](../why.md) and "
            "[audit](../audit.md) say what is computed.",
        ],
        "tables": tables,
        "notes": [],
    }
    write_json(out, document, indent=1)


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _table(title: str, command: str, heads: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> Json:
    columns = [{"name": head, "unit": None} for head in heads]
    return {"title": title, "command": command, "columns": columns, "rows": list(rows), "notes": list(notes)}


def _share(found: Json, key: str) -> str:
    if key not in found:
        return "–"
    one = found[key]
    return f"{100 * one['mean']:.1f} ± {100 * one['half']:.1f}"


def _pointing(told: Json) -> Json:
    rows = []
    for kind, words in _KINDS.items():
        if kind not in told["found"] or kind == "history":
            continue
        found = told["found"][kind]
        what = "neighbour" if kind.startswith("neighbour") else "cell"
        count = str(found[f"{what}, occlusion"]["n"])
        rows.append([words, count, *(_share(found, f"{what}, {way}") for way in _WAYS)])
    closed = ", ".join(f"{case} {share:.0%}" for case, share in told["gap_closed"].items())
    only = "" if "history" in told["found"] else " --case neighbour"
    return _table(
        f"Pointing game with {told['draws']} draws: percent of the targets whose first part is what decides",
        f"{_POINT} --draws {told['draws']}{only}",
        ["", "targets", *_WAYS],
        rows,
        [
            "Where the map or a coin decides: the first of 36 cells is of an arm that may be taken. Where a vehicle "
            "decides: it comes first of all cells, steps of the past and vehicles; targets that see none within 30 m "
            "are left out.",
            f"Gap closed by the model: {closed}. *Random* is the share of cells or parts that would be right. ± is "
            f"half a 95 % interval.",
            "A straight road in place of the map asks another question: which cells make the road bend. The first of "
            "them is often one where road would appear, which is of no arm.",
        ],
    )


def _shares(told: Json) -> Json:
    rows = []
    for kind, words in _KINDS.items():
        found = told["found"][kind]
        cells = []
        for null in ("empty", "straight"):
            cells += [f"{found[f'share of {name}, {null}']['mean']:.2f}" for name in ("history", "map", "neighbours")]
            cells.append(_share(found, f"map below noise, {null}"))
        rows.append([words, *cells])
    heads = [
        f"{name}, {null}" for null in ("no map", "straight") for name in ("past", "map", "others", "map below noise, %")
    ]
    return _table(
        "Total indices of the three inputs as wholes",
        f"{_POINT} --draws {told['draws']}",
        ["", *heads],
        rows,
        [
            "Where the past decides, the road goes where the past leads: the map is as good a witness as the past, "
            "and the model uses both. Its index is under the noise only where a straight road in its place changes "
            "nothing.",
        ],
    )


def _faithful(told: Json) -> Json:
    rows = []
    for kind, words in _KINDS.items():
        found = told["found"][kind]
        for what in ("deletion", "insertion", "rank"):
            keys = [f"{what}, {way}" for way in _WAYS]
            cells = [f"{found[key]['mean']:.2f} ± {found[key]['half']:.2f}" if key in found else "–" for key in keys]
            count = str(found[f"{what}, {_WAYS[0]}"]["n"])
            rows.append([f"{words}: {what}", count, *cells])
    return _table(
        "Deletion, insertion, and the agreement of two seeds",
        f"python benchmarks/explain.py faithful --context DIR --cell {told['cell']} --draws {told['draws']}",
        ["", "targets", *_WAYS],
        rows,
        [
            "Parts are taken away in the order in which they are said to matter, or put back; what is told is the "
            "mean share of the way from the forecast to that without any input, and back. Larger is better, 1 at "
            "most. The stand-in is no map, so the ways that use it have the advantage. *rank* is Spearman's "
            "correlation of the total indices of two seeds.",
        ],
    )


def _counterfactuals(told: Json) -> Json:
    rows = []
    for case, found in told["found"].items():
        kinds = ", ".join(
            f"{kind} {count} ({right} agree)" for kind, (count, right) in list(found["by_change"].items())[:4]
        )
        rows.append(
            [
                case, str(found["asked"]), f"{found['flip_rate']:.1%}", f"{found['possible']:.0%}",
                f"{found['agreement']:.0%}", f"{found['median_size']:.2f}", kinds,
            ]
        )  # fmt: skip
    return _table(
        f"Counterfactuals on the junction world, model {told['cell']}",
        f"python benchmarks/counterfactuals.py run --context DIR --cell {told['cell']}",
        ["what decides", "targets", "flipped", "possible", "true driver agrees", "median size", "what was changed"],
        rows,
        [
            "A flip is at the model's own boundary, which need not be the driver's. Between a vehicle in the lane "
            "and one in the next lane the world has no examples: what the model does there it has made up. The "
            "figures' file lists flips that the true driver does not share.",
        ],
    )


def _town_edits(told: Json) -> Json:
    rows = []
    for edit, found in told["found"].items():
        shares = ("true_flips", "model_flips_where_true_does", "model_flips_elsewhere")
        metres = ("true_m", "model_m", "model_m_elsewhere")
        rows.append([
            edit, str(found["asked"]), *(_or_none(found[key], ".0%") for key in shares), str(found["true_moves"]),
            *(_or_none(found[key], ".2f") for key in metres),
        ])  # fmt: skip
    heads = [
        "edit", "scenes", "driver's manoeuvre changes", "forecast's too, there", "forecast's elsewhere",
        "driver's end moves by more than 1 m", "by, m", "forecast's end there, m", "forecast's end elsewhere, m",
    ]  # fmt: skip
    return _table(
        f"Edits of a town that the weights `{told['model']}` never saw",
        "python benchmarks/town_edits.py run --out RUNS",
        heads,
        rows,
        [
            f"{told['agents']} agent-samples. The traffic is driven on from the edited scene by the town's own rules, "
            f"with the same chance. *Too* is a share of the scenes in which the driver's manoeuvre changes.",
        ],
    )


def _or_none(value: float | None, digits: str) -> str:
    return "–" if value is None else f"{value:{digits}}"


def _search(told: Json) -> Json:
    ways = [way for way in next(iter(told["words"].values())) if way != "queries"]
    rows = [[word, str(one["queries"]), *(f"{one[way]:.2f}" for way in ways)] for word, one in told["words"].items()]
    means = [sum(one[way] for one in told["words"].values()) / len(told["words"]) for way in ways]
    rows.append(["mean", "", *(f"{mean:.2f}" for mean in means)])
    return _table(
        "Scenario search: precision at 10",
        "python benchmarks/search.py",
        ["but", "queries", *ways],
        rows,
        [
            f"On a town of {told['scenes']} scenes, {told['agents']} agent-samples. Right is who has the wanted tag "
            f"and keeps all others, in another scene; where fewer than ten tracks are right, precision is at their "
            f"number. The number behind *vectors* is the strength of the transformation; 0 is the nearest scenario "
            f"without one.",
            "Tags are right by construction, as far as the tags themselves are; what vectors add is the order among "
            "equals.",
        ],
    )


def _cost(told: Json) -> Json:
    seconds = sorted(told["seconds"])
    row = [str(told[key]) for key in ("groups", "neighbours", "draws", "forecasts", "threads")]
    middle = seconds[len(seconds) // 2]
    return _table(
        "Cost of one attribution with the shipped weights",
        "python benchmarks/explain.py cost",
        ["parts", "of them neighbours", "draws", "forecasts", "threads", "median, s", "least, s", "most, s"],
        [[*row, f"{middle:.2f}", f"{seconds[0]:.2f}", f"{seconds[-1]:.2f}"]],
        ["`forecast explain` makes two of these by default, one a stand-in for the map."],
    )


def _audits(folder: Path, kind: str) -> Json:
    documents = [_read(path) for path in sorted(folder.glob("*.json"))]
    names = [document["model"] for document in documents]
    rows = [[head, *(_at(document, *place) for document in documents)] for head, place in _SUMMARY.items()]
    for case in ("map", "neighbour", "draw"):
        closed = [f"{document['parts']['gap_closed'][case]['gap_closed']:.0%}" for document in documents]
        rows.append([f"gap closed, {case}", *closed])
    if kind == "junction":
        title = "Which part sees which cheat: known forecasters on a junction world"
        command = "python benchmarks/audits.py run --junction --out RUNS --model NAME=MODEL …"
        notes = [
            "`constant_velocity` reads no context, `map_copier` follows the road whatever the agent and the others "
            "do, `rule_follower` drives by the world's rules. The worth of the map sees the first, worth and removal "
            "of neighbours and the causal error the first two.",
        ]
    else:
        title = "Models on real `val`"
        command = f"python benchmarks/audits.py run --dataroot DIR --version v1.0-trainval --split {kind} --out RUNS …"
        notes = [
            "Real data: a reconstruction in which 45 % of the key frames have their original time stamps, with few "
            "neighbours. The `query` cells, `trajectron` and `cab` are those of [networks](networks.md), seed 0, which "
            "read the map and the own past alone; `town` is the shipped weights, which never saw real roads. Causal "
            "errors and gaps are on a junction world that no model here learnt from.",
        ]
    return _table(title, command, ["", *names], rows, notes)


def _at(document: Json, path: tuple[str, ...], digits: int) -> str:
    value: Any = document["parts"]
    for key in path:
        value = value[int(key)] if isinstance(value, list) else value[key]
    return figure(value, digits)
