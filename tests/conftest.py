"""Shared by all tests: where real data lies, if anywhere, a cache that leaves the user's own alone, made-up batches."""

import os
import traceback
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
import shape_checks  # before the package, whose modules it watches being imported
import torch

from forecast.core.batch import AgentBatch


def pytest_report_header() -> str:
    return f"shapes in annotations: {'checked' if shape_checks.jaxtyping else 'not checked, jaxtyping is missing'}"


_DEVKIT = ("nuscenes", "pyquaternion")


def _skips_without_devkit(fault: ModuleNotFoundError) -> None:
    """Skip a test that imports the devkit to compare with, where it is not installed; the package itself may not."""
    importing = [
        frame.filename for frame in traceback.extract_tb(fault.__traceback__) if "<frozen" not in frame.filename
    ]
    if (fault.name or "").partition(".")[0] in _DEVKIT and Path(importing[-1]).is_relative_to(Path(__file__).parent):
        pytest.skip("nuscenes-devkit is not installed: nothing to compare with")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    try:
        return (yield)
    except ModuleNotFoundError as fault:
        _skips_without_devkit(fault)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    try:
        return (yield)
    except ModuleNotFoundError as fault:
        _skips_without_devkit(fault)
        raise


@pytest.fixture(scope="session")
def nuscenes_dataroot() -> Path:
    """Folder of the real nuScenes v1.0-mini; tests that need it skip where ``NUSCENES_DATAROOT`` is not set."""
    return _named_by("NUSCENES_DATAROOT", "no real nuScenes data to test on")


@pytest.fixture(scope="session")
def trainval_dataroot() -> Path:
    """Folder of nuScenes v1.0-trainval, or of the prediction challenge's part of it; tests that need it skip where
    ``NUSCENES_TRAINVAL_DATAROOT`` is not set.
    """
    return _named_by("NUSCENES_TRAINVAL_DATAROOT", "no complete challenge splits to test on")


def _named_by(variable: str, otherwise: str) -> Path:
    root = os.environ.get(variable)
    if not root:
        pytest.skip(f"{variable} is not set: {otherwise}")
    return Path(root)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["FORECAST_CACHE"] = str(tmp_path_factory.mktemp("forecast-cache"))


class MadeUp:
    """Agents at constant speed that turn where their crop is bright; a source of batches."""

    def __init__(self, size: int, seed: int = 0, crop_shape: tuple[int, int, int] = (3, 12, 8)) -> None:
        g = torch.Generator().manual_seed(seed)
        speed = 3 + 7 * torch.rand(size, 1, generator=g)
        times, ahead = torch.arange(-4, 1) * 0.5, torch.arange(1, 13) * 0.5
        history = torch.zeros(size, 5, 8)
        history[..., 0], history[..., 2] = speed * times, speed
        side = torch.randint(0, 2, (size, 1), generator=g)
        future = torch.stack([speed * ahead, (side * 2 - 1) * 0.3 * ahead**2], -1)
        neighbours = torch.randn(size, 3, 5, 8, generator=g) * 5
        self.whole = AgentBatch(
            history=history,
            history_valid=torch.ones(size, 5, dtype=torch.bool),
            target_type=torch.zeros(size, dtype=torch.int64),
            size_m=torch.ones(size, 2),
            neighbours=neighbours,
            neighbours_valid=torch.rand(size, 3, 5, generator=g) > 0.2,
            neighbour_types=torch.randint(-1, 2, (size, 3), generator=g),
            pose_world=torch.randn(size, 3, generator=g, dtype=torch.float64),
            map_index=torch.zeros(size, dtype=torch.int64),
            future=future,
            future_valid=torch.ones(size, 12, dtype=torch.bool),
            map_names=("town",),
            track_tokens=tuple(f"i{k}" for k in range(size)),
            sample_tokens=("s",) * size,
            crop=side[:, :, None, None].float().expand(-1, *crop_shape).clone(),
        )

    def __len__(self) -> int:
        return len(self.whole)

    def batch(self, indices: list[int]) -> AgentBatch:
        return self.whole[torch.tensor(indices)]


@pytest.fixture(scope="session")
def made_up() -> Callable[..., MadeUp]:
    return MadeUp


@pytest.fixture(scope="session")
def small_settings() -> dict[str, object]:
    return {
        "model.modes": 4,
        "model.decoder_size": 16,
        "model.crop": {"ahead_m": 8.0, "behind_m": 4.0, "left_m": 4.0, "right_m": 4.0, "px_per_m": 1.0},
        "model.map_encoder": {"channels": [4], "kernels": [3], "strides": [2]},
        "run.epochs": 4,
        "run.batch_size": 16,
        "run.accelerator": "cpu",
    }


@pytest.fixture(scope="session")
def small_query_settings() -> dict[str, object]:
    return {
        "model.size": 16,
        "model.heads": 2,
        "model.modes": 5,
        "model.medoids": 3,
        "model.crop": {"ahead_m": 8.0, "behind_m": 4.0, "left_m": 4.0, "right_m": 4.0, "px_per_m": 1.0},
        "model.crop.channels": [["drivable_area"], ["road_divider"], ["lane_divider"]],
        "model.trunk.width": 8,
        "run.epochs": 4,
        "run.batch_size": 16,
        "run.accelerator": "cpu",
    }
