"""A small town, read by the shipped weights."""

from pathlib import Path

import pytest

from forecast.data.synthetic.town_writer import write_town


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained") / "town"
    write_town(folder, scenes=2, seed=5, version="v1.0-mini")
    return folder
