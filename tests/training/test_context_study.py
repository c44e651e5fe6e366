"""The study on the junction world: its crops, its read-outs, its bounds, and cells that are kept."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("not run from a checkout", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import context  # noqa: E402
import context_scores  # noqa: E402
import context_tables  # noqa: E402
import context_worlds  # noqa: E402

from forecast.data.synthetic.junctions import Truth  # noqa: E402
from forecast.data.synthetic.town_writer import write_town  # noqa: E402
from forecast.training.config import load_config  # noqa: E402

SEED, SCENES, COUNT = 5, 3, 8
CROP = load_config(context.BASE).model.crop


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "world"
    write_town(out, scenes=SCENES, seed=SEED, version=context_worlds.VERSION, world="junction", samples_per_scene=COUNT)
    return out


def test_crops_from_the_layout_are_those_of_the_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from forecast.data.cache import open_dataset
    from forecast.data.maps.crop import Cropper

    monkeypatch.setattr(context_worlds, "PER_SCENE", COUNT)
    truth = Truth.read(folder / "truth.npz")
    batch = context_worlds._batch(folder, truth, CROP, SEED, context_worlds.BALANCED)
    data = open_dataset(folder, context_worlds.VERSION)
    draw = Cropper(lambda name: data.load_map(name), data.map_names, CROP, engine="exact")
    expected, found = draw(batch.pose_world, batch.map_index), batch.crop.float() / 255
    assert expected[:, 0].mean() > 0.05
    # A quarter of a pixel more on either side of what is drawn; a sliver of two lines a city is all the third holds.
    for channel in range(3):
        assert (found - expected)[:, channel].abs().mean() < 0.01
    assert ((found > 0.9) & (expected < 0.1)).sum() == 0
    assert ((found < 0.1) & (expected > 0.9)).sum() == 0


def test_a_cell_is_run_once_and_told_in_a_table(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(context_worlds, "PER_SCENE", COUNT)
    monkeypatch.setattr(context, "WORLDS", dict.fromkeys(("balanced_train", "balanced_test"), (24, SEED, None)))
    monkeypatch.setattr(
        context, "MODELS", {name: context.compared(name, run_epochs=1) for name in ("cab", "trajectron")}
    )
    for name in ("balanced_train", "balanced_test"):
        (tmp_path / name).symlink_to(folder)
    done = [context.run_cell(context.Cell.parse(f"balanced/{model}/0"), tmp_path, tmp_path) for model in context.MODELS]
    before = done[0].stat().st_mtime_ns
    assert context.run_cell(context.Cell.parse("balanced/cab/0"), tmp_path, tmp_path) == done[0]
    assert done[0].stat().st_mtime_ns == before
    context.run_bounds("balanced_test", tmp_path, tmp_path)
    context_tables.print_tables(tmp_path)
    told = capsys.readouterr().out
    assert "| cab (1) |" in told
    assert "difference to trajectron" in told


def test_the_median_of_modes_is_the_point_of_least_weighted_distance() -> None:
    torch.manual_seed(0)
    modes, odds = torch.randn(4, 5, 12, 2, dtype=torch.float64) * 10, torch.rand(4, 5, dtype=torch.float64).softmax(1)
    found = context_scores._median(modes, odds, np.full(12, 1e-3), rounds=400)

    def cost(point: torch.Tensor) -> torch.Tensor:
        return (odds[..., None] * (modes - point[:, None]).norm(dim=-1)).sum(1)

    for _ in range(50):
        assert (cost(found) <= cost(found + 0.05 * torch.randn_like(found)) + 1e-4).all()


def test_the_gap_is_closed_from_the_blind_bound_to_the_sighted_one() -> None:
    case = np.array(["map", "map", "history"])
    limits = {"blind_fde": np.array([10.0, 10.0, 0.0]), "sighted_fde": np.array([2.0, 2.0, 0.0])}
    model = context_tables.Finished(case, {"fde_ml": np.array([[2.0, 10.0, 5.0], [2.0, 2.0, 5.0]])}, [0, 1])
    np.testing.assert_allclose(context_tables.gap_closed(model, limits, "fde", "map", "ml"), [0.5, 1.0])
