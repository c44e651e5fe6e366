"""``--by``: strata of the user's own, from truth, forecasts or a table beside them, in report, tables and page."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forecast.cli.main import main
from forecast.core.rows import ForecastRows
from forecast.eval.formats.flat_rows import table_of
from forecast.eval.formats.submission_json import write_submission
from forecast.scoring.own_strata import MOST_VALUES

TIMES_S = 0.5 * np.arange(30)
#: Car → weather, how far its forecasts are off to the side, metres.
CARS = {"a": ("rain", 1.0), "b": ("sun", 3.0), "c": ("rain", 2.0)}


def forecasts() -> pa.Table:
    track = np.repeat(list(CARS), 30)
    time_s = np.tile(TIMES_S, 3)
    lead_s = 0.5 * np.arange(1, 5)
    side = np.array([CARS[name][1] for name in track])
    modes = np.stack([5 * (time_s[:, None] + lead_s), np.repeat(side[:, None], 4, 1)], -1)[:, None]
    return table_of(ForecastRows(track, time_s, lead_s, modes, np.ones((90, 1))))


def truth() -> dict[str, Any]:
    track = np.repeat(list(CARS), 30)
    time_s = np.tile(TIMES_S, 3)
    return {"track": track, "time_s": time_s, "x_m": 5 * time_s, "y_m": 0 * time_s}


def with_weather(columns: dict[str, Any] | pa.Table) -> pa.Table:
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    weather = [CARS[name][0] for name in table.column("track").to_pylist()]
    return table.append_column("weather", pa.array(weather))


def write(path: Path, table: pa.Table | dict[str, Any]) -> str:
    table = table if isinstance(table, pa.Table) else pa.table(table)
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(table.column_names)
            writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
    else:
        pq.write_table(table, path)
    return str(path)


def score(folder: Path, arguments: Sequence[str]) -> dict[str, Any]:
    assert main(["score", *arguments, "--out", str(folder / "r.json")]) == 0
    return json.loads((folder / "r.json").read_text())


def check(document: dict[str, Any], column: str = "weather") -> None:
    assert document["by"] == [column]
    strata = document["strata"][column]
    assert {name: figures["min_ade_1"]["value"] for name, figures in strata.items()} == pytest.approx(
        {"rain": 1.5, "sun": 3.0}, abs=1e-2
    )


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
@pytest.mark.parametrize("where", ["truth", "forecasts", "file"])
def test_a_column_gives_strata_wherever_it_stands(tmp_path: Path, where: str, ending: str, capsys) -> None:
    rows, true = forecasts(), truth()
    given = [
        write(tmp_path / f"f{ending}", with_weather(rows) if where == "forecasts" else rows),
        "--truth",
        write(tmp_path / f"t{ending}", with_weather(true) if where == "truth" else true),
    ]
    if where == "file":
        labels = {"track": list(CARS), "weather": [weather for weather, _ in CARS.values()]}
        given += ["--by-file", write(tmp_path / f"labels{ending}", labels)]
    extra = ["--html", str(tmp_path / "p.html"), "--markdown", str(tmp_path / "t.md")]
    check(score(tmp_path, [*given, "--by", "weather", *extra]))
    assert "by weather" in capsys.readouterr().out
    assert "weather" in (tmp_path / "p.html").read_text()
    markdown = (tmp_path / "t.md").read_text().splitlines()
    assert "| weather | f |" in markdown
    assert any(line.startswith("| sun | 3.00 / 3.00") for line in markdown)


def test_a_value_that_changes_counts_as_it_was_when_the_forecast_was_made(tmp_path: Path) -> None:
    labels = {
        "track": ["a", "a", "b", "c"],
        "time_s": [0.0, 10.0, 0.0, 0.0],
        "lanes": [1, 2, 10, None],
    }
    given = [write(tmp_path / "f.csv", forecasts()), "--truth", write(tmp_path / "t.csv", truth())]
    document = score(tmp_path, [*given, "--by", "lanes", "--by-file", write(tmp_path / "l.parquet", labels)])
    strata = document["strata"]["lanes"]
    assert list(strata) == ["1", "2", "10", "unknown"]
    after = int((TIMES_S > 5.0).sum())
    assert strata["2"]["min_ade_1"]["count"] in (after - 1, after)  # the last forecast has no truth
    assert strata["1"]["min_ade_1"]["count"] == len(TIMES_S) - after


def many(_: str) -> pa.Table:
    table = forecasts()
    return table.append_column("weather", pa.array(np.arange(table.num_rows) // 4))


@pytest.mark.parametrize(
    ("change", "by", "said"),
    [
        (lambda table: table, "wether", "--by wether: no such column in "),
        (with_weather, "wether", "did you mean 'weather'?"),
        (with_weather, "speed", "--by speed: the report has a speed already"),
        (lambda table: many(""), "weather", f"different values (0, 1, 10, …), strata are {MOST_VALUES} at most"),
        (
            lambda table: table.append_column("weather", pa.array([str(n % 2) for n in range(table.num_rows)])),
            "weather",
            "column weather: track a at 0 s has '0' and '1'; expected one value",
        ),
        (
            lambda table: table.append_column("weather", pa.nulls(table.num_rows, pa.string())),
            "weather",
            "has no value for any of the forecasts",
        ),
    ],
)
def test_what_is_no_stratum_is_one_line(
    tmp_path: Path, refused: Callable[[list[str]], str], change: Any, by: str, said: str
) -> None:
    given = [write(tmp_path / "f.parquet", change(forecasts())), "--truth", write(tmp_path / "t.csv", truth())]
    assert said in refused(["score", *given, "--by", by, "--out", str(tmp_path / "r.json")])
    assert not (tmp_path / "r.json").exists()


def test_a_data_set_is_labelled_by_its_names(town, tmp_path: Path, refused: Callable[[list[str]], str]) -> None:
    write_submission(tmp_path / "f.json", town.forecasts())
    scenes = town.dataset.tracks.scene_names.tolist()
    labels = {"scene": scenes, "weather": ["rain", *["sun"] * (len(scenes) - 1)]}
    file = write(tmp_path / "scenes.csv", labels)
    given = [str(tmp_path / "f.json"), *town.arguments]
    strata = score(tmp_path, [*given, "--by", "weather", "--by-file", file])["strata"]
    counts = [sum(one["min_ade_1"]["count"] for one in strata[kind].values()) for kind in ("weather", "speed")]
    assert counts[0] == counts[1] > 0
    out = ["--out", str(tmp_path / "r.json")]
    assert "add --by-file FILE" in refused(["score", *given, "--by", "weather", *out])
    assert "no such column" in refused(["score", *given, "--by", "site", "--by-file", file, *out])
    bad = write(tmp_path / "bad.csv", {"town": scenes, "weather": scenes})
    assert "none of the columns scene, instance" in refused(
        ["score", *given, "--by", "weather", "--by-file", bad, *out]
    )
