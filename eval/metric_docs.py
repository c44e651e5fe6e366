"""The list of metrics for people: as lines for a terminal, and as the table of docs/metrics.md.

python -m forecast.eval.metric_docs docs/metrics.md    # writes the table anew
"""

from __future__ import annotations

import sys
from pathlib import Path

from forecast.eval import metric_list
from forecast.eval.metric_spec import MetricSpec

BEGIN, END = "<!-- metrics: begin (python -m forecast.eval.metric_docs) -->", "<!-- metrics: end -->"
_HEAD = (
    "key in report.json",
    "in tables",
    "definition",
    "unit",
    "better",
    "over",
    "function",
    "class",
    "checked against",
)


def lines() -> list[str]:
    """One line a metric: where it stands in report.json, its unit, which way is better, and what it is."""
    width = max(len(_key(spec)) for spec in metric_list.METRICS)
    return [
        f"{_key(spec):<{width}}  {spec.unit:<5}  {_better(spec):<6}  {spec.definition}" for spec in metric_list.METRICS
    ]


def markdown() -> str:
    """The table of docs/metrics.md."""
    rows = [_HEAD, tuple("---" for _ in _HEAD), *(_row(spec) for spec in metric_list.METRICS)]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)


def _row(spec: MetricSpec) -> tuple[str, ...]:
    function, made = (f"`{name}`" if name else "–" for name in (spec.function, spec.torch_class))
    heading = spec.heading or "–"
    return (
        f"`{_key(spec)}`",
        heading,
        spec.definition,
        spec.unit,
        _better(spec),
        spec.items,
        function,
        made,
        spec.checked,
    )


def _key(spec: MetricSpec) -> str:
    head, *deeper = spec.path[:2], *spec.path[2:]
    return ".".join(head) + "".join(f'["{key}"]' for key in deeper)


def _better(spec: MetricSpec) -> str:
    if spec.zero_is_best:
        return "nearer 0"
    return "lower" if spec.lower_is_better else "higher"


def written(page: str) -> str:
    """A page with the table between its marks written anew.

    Raises:
        ValueError: the page has no such marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the marks {BEGIN} and {END}")
    return f"{before}{begin}\n\n{markdown()}\n{end}{after}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
