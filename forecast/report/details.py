"""One row per agent-sample and one per target point, as Parquet, for people's own slicing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from forecast.core.files import written_whole
from forecast.report.evaluator import Report


def write_per_sample(path: Path | str, report: Report) -> None:
    """Columns: forecasts, agent (``track@issue time``), and every accuracy metric; null where it does not count."""
    _write(path, [{"forecasts": s.name, "agent": s.agent_keys} | _values(s.agents) for s in report.scores])


def write_per_point(path: Path | str, report: Report) -> None:
    """Columns: forecasts, track, time_s, x_m, y_m, leads, and every temporal metric; null where it does not count."""
    parts = []
    for scores in report.scores:
        points = scores.successive
        place = {"x_m": points.truth_m[:, 0], "y_m": points.truth_m[:, 1], "leads": points.valid.sum(1)}
        head = {"forecasts": scores.name, "track": points.track, "time_s": points.time_s}
        parts.append(head | place | _values(scores.points))
    _write(path, parts)


def _values(metrics: dict) -> dict[str, object]:  # type: ignore[type-arg]
    return {name: values.values for name, values in metrics.items()}


def _write(path: Path | str, parts: list[dict[str, object]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    for part in parts:
        length = max(len(column) for column in part.values() if isinstance(column, np.ndarray))
        columns = {k: np.full(length, v) if isinstance(v, str) else v for k, v in part.items()}
        tables.append(pa.table({name: pa.array(column, from_pandas=True) for name, column in columns.items()}))
    with written_whole(path) as temporary:
        pq.write_table(pa.concat_tables(tables), temporary)
