"""Pre-training on maps alone: poses on roads, what is hidden stays hidden, and training goes on from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
import torch

from forecast.cli.main import main
from forecast.core.errors import DataError
from forecast.core.maps import MapSource
from forecast.data.cache import open_dataset
from forecast.data.maps.road_poses import road_poses
from forecast.data.synthetic.town_writer import write_town
from forecast.model.network_registry import make_network
from forecast.prediction.checkpoint import load_checkpoint
from forecast.training.config import load_config
from forecast.training.masked_maps import MaskedMaps

VERSION = "v1.0-mini"


class Drawn:
    """A map of polygons."""

    name = "drawn"

    def __init__(self, **layers: shapely.Geometry) -> None:
        self._layers = layers

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(self._layers)

    def geometries(self, layer: str) -> list[shapely.Geometry]:
        return [self._layers[layer]]


def test_poses_stand_on_the_road_along_its_edges() -> None:
    road: MapSource = Drawn(drivable_area=shapely.box(0, 0, 300, 12))
    poses = road_poses(road, 500, seed=1)
    assert poses.shape == (500, 3)
    assert shapely.contains_xy(shapely.box(0, 0, 300, 12), poses[:, 0], poses[:, 1]).all()
    along = np.abs(np.cos(poses[:, 2]))
    assert (along > 0.9).mean() > 0.85  # few begin at the short ends
    assert 0.3 < (np.cos(poses[:, 2]) > 0).mean() < 0.7
    np.testing.assert_array_equal(poses, road_poses(road, 500, seed=1))
    assert not np.array_equal(poses, road_poses(road, 500, seed=2))


@pytest.mark.parametrize(
    ("layers", "told"),
    [({"walkway": shapely.box(0, 0, 9, 9)}, "holds no road"), ({"lane": shapely.box(0, 0, 1, 1)}, "too narrow")],
)
def test_maps_without_room_are_told(layers: dict[str, shapely.Geometry], told: str) -> None:
    with pytest.raises(DataError, match=f"^map drawn: .*{told}"):
        road_poses(Drawn(**layers), 10)


def test_what_is_hidden_is_neither_read_nor_is_what_is_seen_scored(small_query_settings) -> None:
    torch.manual_seed(0)
    settings = small_query_settings | {"model.crop.ahead_m": 12.0, "model.crop.left_m": 8.0, "model.crop.right_m": 8.0}
    network = make_network(load_config("query", settings=settings).model).eval()
    learner = MaskedMaps(network, 0.5)
    crop = (torch.rand(3, *network.config.crop.shape) > 0.5).float()
    hidden = learner.hidden(3, torch.Generator().manual_seed(0))
    cells = learner.rows * learner.columns
    assert (hidden.sum(1) == round(0.5 * cells)).all()
    side = 8
    assert (learner.cell_px, learner.rows, learner.columns) == ((side, side), 2, 2)
    pixels = hidden.view(3, 1, learner.rows, learner.columns).repeat_interleave(side, 2).repeat_interleave(side, 3)

    def told(truth: torch.Tensor) -> float:
        """By a plain loop over pixels."""
        painted = learner.paint(network.map_tokens(crop * ~pixels)).flatten(1, 2)
        total, count = 0.0, 0
        for k, row, column in np.argwhere(pixels[:, 0].numpy()):
            cell = (row // side) * learner.columns + column // side
            for channel in range(crop.shape[1]):
                place = channel * side**2 + (row % side) * side + column % side
                share = torch.sigmoid(painted[k, cell, place]).clamp(1e-7, 1 - 1e-7)
                total -= float((share if truth[k, channel, row, column] else 1 - share).log())
                count += 1
        return total / count

    with torch.no_grad():
        assert learner(crop, hidden).item() == pytest.approx(told(crop), rel=1e-4)
        assert learner(torch.where(pixels, crop, 0.0), torch.zeros_like(hidden)).item() == 0.0


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    write_town(folder, scenes=4, seed=3)
    return folder


def test_training_goes_on_from_it(town: Path, tmp_path: Path, capsys) -> None:
    small = ["--model.size", "16", "--model.heads", "2", "--model.modes", "6", "--model.medoids", "3"]
    named = ["--dataroot", str(town), "--version", VERSION, *small, "--run.batch_size", "64"]
    given = ["pretrain", *named, "--crops", "256", "--epochs", "3", "--out", str(tmp_path / "maps")]
    assert main(given) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "nats" in line]
    told = [float(line.split()[-2]) for line in lines]
    assert len(told) == 3
    assert told[-1] < told[0]
    maps = load_checkpoint(tmp_path / "maps")
    assert maps.notes["pretrained_on"] == list(open_dataset(town, VERSION).map_names)
    assert main(given) == 2
    assert "holds a run already (best.safetensors)" in capsys.readouterr().err
    assert main(["predict", "--checkpoint", str(tmp_path / "maps"), "--dataroot", str(town), "--version", VERSION,
                 "--split", "mini_val", "--out", str(tmp_path / "x.json")]) == 2  # fmt: skip
    assert "taught to read maps only" in capsys.readouterr().err
    start = ["train", "--config", "query", *named, "--run.start_from", str(tmp_path / "maps")]
    assert main([*start, "--run.epochs", "1", "--run.accelerator", "cpu", "--out", str(tmp_path / "run")]) == 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--config", "gain"], "'cvae' reads no map cell by cell"),
        (["--model.uses_map", "false"], "needs a network that reads the map"),
        (["--model.crop.ahead_m", "84"], "100 x 64 pixels, which 12 x 8 cells do not divide evenly"),
        (["--run.epochs", "1"], "say --epochs N"),
        (["--share", "1"], "--share: expected more than 0 and less than 1"),
        (["--locations", "atlantis"], "no scene at location 'atlantis'"),
    ],
)
def test_mistakes_are_one_line(town: Path, tmp_path: Path, capsys, more: list[str], told: str) -> None:
    given = ["pretrain", "--dataroot", str(town), "--version", VERSION, "--out", str(tmp_path / "x")]
    assert main([*given, *more]) == 2
    assert told in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "x").exists()
