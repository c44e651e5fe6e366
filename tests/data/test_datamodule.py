"""The data module: order by seed and epoch, crops on the device, augmentation in training alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.data.datamodule import Augmentation, ForecastDataModule

SMALL = CropSpec(ahead_m=20, behind_m=10, left_m=10, right_m=10, px_per_m=1)


def joined(batch: AgentBatch) -> list[str]:
    return [f"{track}_{sample}" for track, sample in zip(batch.track_tokens, batch.sample_tokens, strict=True)]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from forecast.data.synthetic.town_writer import write_town

    out = tmp_path_factory.mktemp("town") / "town"
    write_town(out, scenes=3, seed=3)
    return out


class Recorder(pl.LightningModule):
    """Learns nothing and remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: dict[int, list[AgentBatch]] = {}
        self.checked: list[AgentBatch] = []

    def training_step(self, batch: AgentBatch, index: int) -> torch.Tensor:
        self.seen.setdefault(self.current_epoch, []).append(batch)
        return self.weight**2

    def validation_step(self, batch: AgentBatch, index: int) -> None:
        self.checked.append(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)

    def tokens(self, epoch: int) -> list[str]:
        return [token for batch in self.seen[epoch] for token in joined(batch)]


def run(data: ForecastDataModule, folder: Path, *, epochs: int, ckpt: Path | None = None) -> tuple[Recorder, Path]:
    recorder = Recorder()
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_train_batches=4,
        default_root_dir=folder,
    )
    trainer.fit(recorder, data, ckpt_path=ckpt)
    trainer.save_checkpoint(folder / "last.ckpt")
    return recorder, folder / "last.ckpt"


def module(town: Path, **options: Any) -> ForecastDataModule:
    return ForecastDataModule(
        town, "v1.0-mini", "mini_train", "mini_val", **{"batch_size": 8, "crop": SMALL, **options}
    )


def test_a_resumed_run_sees_what_a_whole_one_does(town: Path, tmp_path: Path) -> None:
    varied = Augmentation(mirror=0.5, heading_noise_rad=0.1)
    whole, _ = run(module(town, augmentation=varied), tmp_path, epochs=2)
    _, checkpoint = run(module(town, augmentation=varied), tmp_path, epochs=1)
    resumed, _ = run(module(town, augmentation=varied), tmp_path, epochs=2, ckpt=checkpoint)
    assert list(resumed.seen) == [1]
    assert resumed.tokens(1) == whole.tokens(1)
    assert whole.tokens(0) != whole.tokens(1)
    for one, other in zip(whole.seen[1], resumed.seen[1], strict=True):
        assert all(torch.equal(one.tensors()[name], other.tensors()[name]) for name in one.tensors())
    assert len({len(batch) for batch in whole.seen[0]}) == 1


def test_validation_is_whole_ordered_cropped_and_unvaried(town: Path, tmp_path: Path) -> None:
    data = module(town, augmentation=Augmentation(mirror=1.0, heading_noise_rad=0.3))
    recorder, _ = run(data, tmp_path, epochs=1)
    tokens = [token for batch in recorder.checked for token in joined(batch)]
    assert tokens == data.val.samples.tokens(data.val.dataset.tracks)
    first = recorder.checked[0]
    plain = data.val.batch(range(len(first)))
    assert torch.equal(first.pose_world, plain.pose_world)
    assert torch.equal(first.future, plain.future)
    assert first.crop is not None
    assert first.crop.shape[1:] == SMALL.shape
    assert first.crop.amax() > 0.5


def test_mirroring_needs_a_symmetric_crop(town: Path) -> None:
    with pytest.raises(ValueError, match="as far left as right"):
        module(town, augmentation=Augmentation(mirror=0.5), crop=CropSpec(left_m=30.0))
