"""``forecast list``: every kind names what is there, and says in a line what it is."""

import pytest

from forecast.cli.list import KINDS
from forecast.cli.main import main

EXPECTED = {
    "configs": "cab_paper",
    "networks": "cvae",
    "objectives": "gain",
    "layers": "drivable_area",
    "metrics": "min_ade_1",
    "sources": "nuscenes",
    "weights": "town",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_listed_one_line_an_entry(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", kind]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert EXPECTED[kind] in [line.split()[0] for line in lines]
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)


def test_an_unknown_kind_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["list", "conifgs"])
    assert "invalid choice: 'conifgs'" in capsys.readouterr().err
