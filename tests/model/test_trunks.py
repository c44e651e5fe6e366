"""Trunks: each kind reads a crop into a grid of cells."""

import pytest
import torch

from forecast.core.crops import CropSpec
from forecast.model.trunks.patch_stem import PatchStem
from forecast.model.trunks.trunk import make_trunk
from forecast.model.trunks.trunk_config import TrunkConfig
from forecast.model.trunks.vit_trunk import VitTrunk

CROP = CropSpec(ahead_m=24.0, behind_m=8.0, left_m=8.0, right_m=8.0)
CONFIGS = [
    TrunkConfig("conv", width=16, depth=2),
    TrunkConfig("patch", width=16, depth=2),
    TrunkConfig("patch", width=16, depth=1, patch_px=8),
    TrunkConfig("vit", width=16, depth=2, heads=2),
    TrunkConfig("vit", width=16, depth=2, heads=2, patch_px=16, parallel=True),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.kind}{c.patch_px}{'p' * c.parallel}")
def test_a_trunk_gives_a_grid_and_trains_all_of_itself(config: TrunkConfig) -> None:
    torch.manual_seed(0)
    trunk, crop = make_trunk(config, CROP), torch.randn(3, *CROP.shape)
    cells = trunk(crop)
    assert cells.shape == (3, config.width, *config.grid(CROP.height_px, CROP.width_px))
    torch.testing.assert_close(trunk(crop[1:2]), cells[1:2], rtol=1e-4, atol=1e-5)
    # Of one crop, so that not all parts of a layer norm cancel.
    (cells * torch.randn_like(cells)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trunk.parameters())


def test_no_cell_of_the_stem_sees_another_ones_pixels() -> None:
    torch.manual_seed(0)
    stem, crop = PatchStem(3, 8, 16), torch.randn(1, 3, 32, 48)
    cells = stem(crop)
    hidden = crop.clone()
    hidden[:, :, 16:, :16] = 0
    changed = (stem(hidden) != cells).any(1)[0]
    assert changed.tolist() == [[False, False, False], [True, False, False]]


def test_blocks_side_by_side_are_the_sum_of_both() -> None:
    torch.manual_seed(0)
    trunk = VitTrunk(TrunkConfig("vit", width=8, depth=2, heads=2, parallel=True), 3, (2, 3))
    crop = torch.randn(1, 3, 8, 12)
    cells = (trunk.stem(crop) + trunk.position).flatten(2).transpose(1, 2)
    (looks,), (thinks,) = trunk.looks, trunk.thinks
    cells = cells + looks[0](cells) + looks[1](cells)
    cells = cells + thinks[0](cells) + thinks[1](cells)
    torch.testing.assert_close(trunk(crop), trunk.norm(cells).transpose(1, 2).unflatten(2, (2, 3)))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"patch_px": 6}, r"trunk\.patch_px: expected 4, 8, 16"),
        ({"width": 0}, r"trunk\.width: expected at least 1"),
        ({"kind": "vit", "width": 10}, r"trunk\.heads: 4 do not divide trunk\.width 10"),
        ({"parallel": True}, r"trunk\.parallel: needs kind vit"),
        ({"kind": "vit", "depth": 3, "parallel": True}, r"trunk\.parallel: needs kind vit and an even depth"),
    ],
)
def test_a_size_that_does_not_fit_is_told(values: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TrunkConfig(**values)


def test_a_crop_that_is_no_whole_number_of_cells_is_told() -> None:
    with pytest.raises(ValueError, match=r"cells of 16 px do not divide the crop's height, 24"):
        TrunkConfig(patch_px=16).grid(24, 32)
