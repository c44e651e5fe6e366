"""The study of networks: cells that are trained and scored once, and their table."""

import json
import sys
from pathlib import Path

import pytest

from forecast.data.synthetic.town_writer import write_town

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("not run from a checkout", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import networks  # noqa: E402
from results_pages import page_text  # noqa: E402


@pytest.mark.parametrize("text", ["query:map:3", "quarry:map:3:0", "query:road:3:0"])
def test_cells_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(SystemExit, match=rf"--cell {text}: expected ROW:READS:EPOCHS:SEED, a row of query, "):
        networks.Cell.parse(text)


@pytest.mark.parametrize("row", networks.ROWS)
def test_every_row_is_a_configuration_that_reads_what_it_says(row: str) -> None:
    config = networks.Cell(row, "map", 3, 1).config(Path("somewhere"), "v1.0-trainval")
    assert not config.model.uses_neighbours
    assert (config.run.epochs, config.run.seed) == (3, 1)
    assert config.model.uses_map == (not row.endswith("no_context"))


def test_a_cell_is_run_once_and_its_figures_are_kept_without_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small_query_settings
) -> None:
    town = tmp_path / "town"
    write_town(town, scenes=4, seed=3, version="v1.0-trainval", workers=1)
    small = {key: value for key, value in small_query_settings.items() if key not in ("run.epochs", "run.batch_size")}
    monkeypatch.setitem(networks.ROWS, "query", ("query", small))
    monkeypatch.setitem(networks.ROWS, "query_cab", ("query_cab", small))
    monkeypatch.setattr(networks, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(networks, "PAIRS", tmp_path / "pairs.json")
    monkeypatch.setattr(networks, "PAGE", tmp_path / "page.json")

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["networks.py", *arguments])
        networks.main()
        return capsys.readouterr().out

    places = ("--dataroot", str(town), "--out", str(tmp_path / "runs"))
    where = (*places, "--cell", "query:map:1:0")
    first = call("run", *where)
    kept = tmp_path / "figures" / "query-map-1-seed0.json"
    written = kept.read_text()
    assert str(tmp_path) not in written
    told = json.loads(written)
    assert told["figures"]["minFDE_1, m"]["value"] == pytest.approx(told["fde_ml_m"]["real"], abs=2e-3)
    assert told["fde_ml_m"]["nulled"] != told["fde_ml_m"]["real"]
    assert told["figures"]["NLL, nats"]["value"] > 0
    assert 0 < told["figures"]["calibration error"]["value"] < 1
    assert len(told["training"]["train_val_fde_ml_m"]) == 1
    assert call("run", *where) == first == call("table")

    call("run", *places, "--cell", "query_cab:map:1:0")
    call("pairs", *places)
    [pair] = json.loads((tmp_path / "pairs.json").read_text())
    other = json.loads((tmp_path / "figures" / "query_cab-map-1-seed0.json").read_text())
    difference = other["figures"]["minFDE_1, m"]["value"] - told["figures"]["minFDE_1, m"]["value"]
    assert pair["differences"]["minFDE_1, m"]["value"] == pytest.approx(difference)
    by_city = pair["minFDE_1 by city, m"].values()
    assert sum(city["value"] * city["count"] for city in by_city) == pytest.approx(
        difference * pair["differences"]["minFDE_1, m"]["count"]
    )
    call("page")
    means, differences, cells = json.loads((tmp_path / "page.json").read_text())["tables"]
    assert [row[:2] for row in means["rows"]] == [["query-map-1", "1"], ["query_cab-map-1", "1"]]
    assert [row[0] for row in differences["rows"]] == ["query_cab-map-1-seed0 − query-map-1-seed0"]
    assert len(cells["rows"]) == 2
    assert page_text(json.loads((tmp_path / "page.json").read_text()), "page.json").startswith("<!--")
