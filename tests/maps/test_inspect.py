import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from forecast.cli.main import main
from forecast.core.crops import CropSpec
from forecast.data.cache import open_dataset
from forecast.data.maps.layers import DIRECTION
from forecast.data.samples import Samples
from forecast.data.synthetic.town_writer import write_town
from forecast.model.network_registry import make_network
from forecast.pictures.network_inputs import draw_seen
from forecast.prediction.checkpoint import save_checkpoint
from forecast.training.config import load_config


@pytest.fixture
def sample():
    folder = os.environ.get("NUSCENES_DATAROOT")
    if not folder:
        pytest.skip("NUSCENES_DATAROOT is not set")
    listed = json.loads(Path(folder, "maps/prediction/prediction_scenes.json").read_text())
    return folder, next(tokens[0] for tokens in listed.values() if tokens)


@pytest.mark.parametrize("crop", ["paper", "default"])
def test_inspect_writes_a_picture(sample, tmp_path, crop):
    dataroot, tokens = sample
    out = tmp_path / "seen.png"
    arguments = ["--dataroot", dataroot, "--version", "v1.0-mini", "--cache", str(tmp_path), "--crop", crop]
    assert main(["inspect", *arguments, "--sample", tokens, "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")


def test_other_channels(sample, tmp_path, capsys):
    dataroot, tokens = sample
    out = tmp_path / "seen.svg"
    arguments = ["--dataroot", dataroot, "--version", "v1.0-mini", "--cache", str(tmp_path), "--sample", tokens]
    chosen = "drivable_area+lane,walkway,lane_direction_ahead,lane_direction_left"
    assert main(["inspect", *arguments, "--channels", chosen, "--out", str(out)]) == 0
    assert "lane_direction_ahead" in out.read_text()
    assert main(["inspect", *arguments, "--channels", "lnae", "--out", str(out)]) == 2
    assert "did you mean 'lane'?" in capsys.readouterr().err


@pytest.mark.parametrize("kinds", [(("lane",), ("walkway",)), DIRECTION, (("lane",), *DIRECTION)])
def test_the_future_is_not_drawn(made_up, kinds):
    """The same picture, point for point, whatever comes after time 0."""
    spec = CropSpec(kinds, 8.0, 4.0, 4.0, 4.0, 1.0)
    batch = made_up(1, crop_shape=spec.shape).batch([0])
    other = replace(batch, future=batch.future + 5, future_valid=~batch.future_valid)
    pictures = []
    for one in (batch, other, replace(batch, history=batch.history + 1)):
        written = io.BytesIO()
        draw_seen(one, spec, "an agent").savefig(written, format="raw", dpi=40)
        pictures.append(written.getvalue())
    assert pictures[0] == pictures[1]
    assert pictures[0] != pictures[2]
    with pytest.raises(ValueError, match="one agent with a crop"):
        draw_seen(replace(batch, crop=None), spec, "an agent")


def test_not_a_picture_is_one_line(tmp_path, capsys):
    arguments = ["--dataroot", str(tmp_path), "--version", "v1.0-mini", "--out", "x.mp3", "--sample", "a_b"]
    assert main(["inspect", *arguments]) == 2
    assert "ending in .png, .pdf or .svg" in capsys.readouterr().err


def test_malformed_sample_is_one_line(tmp_path, capsys):
    arguments = ["--dataroot", str(tmp_path), "--version", "v1.0-mini", "--out", "x.png", "--sample", "token"]
    assert main(["inspect", *arguments]) == 2
    assert "INSTANCE_SAMPLE" in capsys.readouterr().err


def test_where_the_modes_of_a_model_look_is_drawn(tmp_path, capsys, small_query_settings, small_settings):
    town = tmp_path / "town"
    write_town(town, scenes=2, seed=2, workers=1)
    dataset = open_dataset(town, "v1.0-mini", tmp_path / "cache")
    samples = Samples(dataset.samples("mini_train").rows[:1])
    tokens = f"{samples.track_tokens(dataset.tracks)[0]}_{samples.sample_tokens(dataset.tracks)[0]}"
    out = tmp_path / "looks.png"
    common = ["--dataroot", str(town), "--version", "v1.0-mini", "--cache", str(tmp_path / "cache"), "--sample", tokens]

    def drawn(name, settings, *more):
        network = make_network(load_config(name, settings=settings).model)
        save_checkpoint(tmp_path / "run" / "best.safetensors", network, {})
        return main(["inspect", *common, "--model", str(tmp_path / "run"), "--out", str(out), *more])

    (tmp_path / "run").mkdir()
    assert drawn("query", small_query_settings) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert drawn("query", small_query_settings, "--crop", "paper") == 2
    assert "leave out --crop and --channels" in capsys.readouterr().err
    out.unlink()
    assert drawn("gain", small_settings) == 2
    assert "cannot say where its modes look; 'query' with its map can" in capsys.readouterr().err
    assert not out.exists()
