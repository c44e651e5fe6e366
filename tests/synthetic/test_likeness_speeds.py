"""What is said of how speeds change, on tracks whose law is known."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("not run from a checkout", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import likeness_speeds  # noqa: E402

FRAMES, TRACKS = likeness_speeds.PAST + 1 + likeness_speeds.FUTURE, 4000


@dataclass
class Folder:
    """Tracks of equal length, one after the other."""

    positions_m: np.ndarray

    @property
    def columns(self) -> "Folder":
        return self

    @property
    def tracks(self) -> "Folder":
        return self

    @property
    def row_position_m(self) -> np.ndarray:
        return self.positions_m.reshape(-1, 2)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch):
    def whole_track(folder, rows, back, ahead):
        return rows[:, None] + np.arange(-back, ahead + 1)

    monkeypatch.setattr(likeness_speeds, "window", whole_track)

    def of(speed_mps: np.ndarray, error_m: float = 0.0) -> likeness_speeds.Speeds:
        """Tracks along a slanted line with these speeds between key frames, (tracks, frames − 1)."""
        rng = np.random.default_rng(1)
        way = np.cumsum(np.c_[np.zeros(TRACKS), speed_mps * likeness_speeds.STEP_S], axis=1)
        way = way + error_m * rng.normal(size=way.shape)
        folder = Folder(way[..., None] * (0.6, 0.8))
        return likeness_speeds.speeds(folder, np.arange(TRACKS) * FRAMES + likeness_speeds.PAST)

    return of


def test_who_keeps_accelerating_is_known_beforehand(measured) -> None:
    rng = np.random.default_rng(0)
    first, change = rng.uniform(8, 12, (TRACKS, 1)), rng.uniform(-0.4, 0.4, (TRACKS, 1))
    found = measured(first + change * np.arange(FRAMES - 1))
    assert list(found.shares.values()) == pytest.approx([1.0, 1.0, 1.0])
    np.testing.assert_allclose(found.values["|change of speed in 2 s| [m/s]"], np.abs(4 * change[:, 0]), atol=1e-9)
    assert found.values["error of a position along [m]"].max() < 1e-9


def test_who_changes_at_random_is_not_known(measured) -> None:
    rng = np.random.default_rng(0)
    found = measured(20 + np.cumsum(0.3 * rng.normal(size=(TRACKS, FRAMES - 1)), axis=1))
    assert max(found.shares.values()) < 0.01


def test_errors_of_annotation_are_told_from_driving(measured) -> None:
    found = measured(np.full((TRACKS, FRAMES - 1), 10.0), error_m=0.2)
    error_m = found.values["error of a position along [m]"]
    assert np.sqrt((error_m**2).mean()) == pytest.approx(0.2, rel=0.05)
