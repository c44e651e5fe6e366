"""One row per agent-sample and one per target point, as Parquet or CSV, for people's own slicing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from forecast.core.files import for_arrow, written_whole
from forecast.scoring.report_document import Report
from forecast.scoring.scores import issue_times_s


def write_per_sample(path: Path | str, report: Report) -> None:
    """One row per agent-sample; null where a metric does not count. ``.csv`` writes CSV, all else Parquet.

    Columns: forecasts, agent (``track@issue time``), track, issue_time_s, the strata, and every accuracy metric.
    """
    parts = []
    for scores in report.scores:
        issue_s = issue_times_s(scores.agent_keys)
        who = {"agent": scores.agent_keys, "track": scores.agent_track, "issue_time_s": issue_s}
        parts.append({"forecasts": scores.name} | who | dict(scores.strata) | _values(scores.agents))
    _write(path, parts)


def write_per_point(path: Path | str, report: Report) -> None:
    """One row per target point; null where a metric does not count. ``.csv`` writes CSV, all else Parquet.

    Columns: forecasts, track, time_s, x_m, y_m, leads (how many forecasts of it there are), and D and C.
    """
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
    import pyarrow.csv
    import pyarrow.parquet as pq

    tables = []
    for part in parts:
        length = max(len(column) for column in part.values() if isinstance(column, np.ndarray))
        columns = {k: np.full(length, v) if isinstance(v, str) else v for k, v in part.items()}
        tables.append(pa.table({name: pa.array(column, from_pandas=True) for name, column in columns.items()}))
    table = pa.concat_tables(tables, promote_options="default")
    write = pa.csv.write_csv if Path(path).suffix.lower() == ".csv" else pq.write_table
    with written_whole(path) as temporary, for_arrow(temporary, "wb") as file:
        write(table, file)
