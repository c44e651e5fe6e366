"""Junction worlds as batches in memory: what ``benchmarks/context.py`` trains and tests on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from shapely.geometry import LineString

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.files import written_whole
from forecast.data.cache import open_dataset
from forecast.data.dataset import AgentDataset
from forecast.data.synthetic.junction_plots import Plot
from forecast.data.synthetic.junctions import BALANCED, Truth, plots_of_scene
from forecast.data.synthetic.nuscenes_writer import CITIES
from forecast.data.synthetic.town_writer import write_town
from forecast.eval.bayes import Outcomes
from forecast.explain.audit.junction_parts import in_order_of, outcomes_of

VERSION, SPLITS = "v1.0-trainval", ("train", "train_val", "val")
PER_SCENE = 100


@dataclass(frozen=True)
class World:
    """All targets of a junction world, in the order of its truth.

    Attributes:
        batch: with crops of uint8, 255 where a layer covers a pixel.
        truth: true distributions of the futures.
    """

    batch: AgentBatch
    truth: Truth

    def __len__(self) -> int:
        return len(self.batch)

    def of(self, rows: NDArray[np.int64]) -> Part:
        """Some rows as a source of training batches."""
        return Part(self, rows)

    @property
    def outcomes(self) -> Outcomes:
        """For whoever sees history, map and neighbours."""
        return outcomes_of(self.truth)


@dataclass(frozen=True)
class Part:
    """Rows of a world as training wants them."""

    world: World
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: list[int]) -> AgentBatch:
        """Those agent-samples, crops in 0…1."""
        batch = self.world.batch[torch.from_numpy(self.rows[np.asarray(indices)])]
        assert batch.crop is not None
        return replace(batch, crop=batch.crop.float() / 255)


def load_world(folder: Path, targets: int, seed: int, shares: dict[str, float] | None, crop: CropSpec) -> World:
    """Write a world, or find it; then its batches with crops, or find those."""
    scenes = targets // PER_SCENE
    if not (folder / "town.json").is_file():
        write_town(
            folder, scenes=scenes, seed=seed, version=VERSION, world="junction", samples_per_scene=PER_SCENE,
            **({} if shares is None else {"shares": shares}),
        )  # fmt: skip
    truth = Truth.read(folder / "truth.npz")
    kept = folder / f"batch-{hashlib.sha256(repr(crop).encode()).hexdigest()[:12]}.pt"
    if not kept.is_file():
        with written_whole(kept) as temporary:
            torch.save(_batch(folder, truth, crop, seed, shares or BALANCED).tensors(), temporary)
    return World(AgentBatch(**torch.load(kept, weights_only=True)), truth)


def _batch(folder: Path, truth: Truth, crop: CropSpec, seed: int, shares: dict[str, float]) -> AgentBatch:
    dataset = open_dataset(folder, VERSION)
    ordered = in_order_of(truth, dataset, SPLITS)
    batch = AgentDataset.of(dataset, ordered).batch(np.arange(len(ordered)))
    scenes = len(truth.tokens) // PER_SCENE
    crops = []
    for scene in range(scenes):
        for placed in plots_of_scene(seed, scene, scenes, PER_SCENE, shares):
            assert np.allclose(placed.pose_world, truth.pose_world[len(crops)]), "another world than its truth says"
            crops.append(_crop(placed.plot, crop, drive_right=scene % len(CITIES) == 0))
    return replace(batch, crop=torch.from_numpy(np.stack(crops)), track_tokens=(), sample_tokens=())


def _crop(plot: Plot, spec: CropSpec, *, drive_right: bool) -> NDArray[np.uint8]:
    """What the package's croppers show of a plot, straight from its layout.

    That is 20 times as fast where every place is looked at once, since no map of 100 km² is cut up. What is drawn
    comes out a quarter of a pixel wider on either side: OpenCV fills borders too.
    """
    fine = 4
    height, width = spec.height_px * fine, spec.width_px * fine
    image = np.zeros((len(spec.channels), height, width), np.uint8)

    def pixels(points: NDArray[np.float64]) -> NDArray[np.int32]:
        # OpenCV's whole numbers are the middles of pixels; x is a column. Four binary places.
        scaled = (points[:, ::-1] + [spec.right_m, spec.behind_m]) * spec.px_per_m * fine - 0.5
        return np.round(scaled * 16).astype(np.int32)

    for centre in (*plot.paths, *plot.beside):
        area = LineString(centre.points_m).buffer(plot.lane_width_m / 2 + 0.3, cap_style="flat")
        edge = LineString(centre.offset(plot.lane_width_m / 2 * (1 if drive_right else -1)).points_m)
        painted = edge.buffer(0.3, cap_style="flat")
        for channel, shape in ((0, area), (1, painted)):
            for part in getattr(shape, "geoms", [shape]):
                cv2.fillPoly(image[channel], [pixels(np.asarray(part.exterior.coords))], 255, shift=4)
    small = [cv2.resize(one, (spec.width_px, spec.height_px), interpolation=cv2.INTER_AREA) for one in image]
    return np.stack(small)
