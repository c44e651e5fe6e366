"""Which trunk reads the map, and how large it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrunkConfig:
    """Of a map trunk: patches of pixels become cells, and layers let the cells see each other.

    Attributes:
        kind: ``conv``, 3 × 3 convolutions; ``patch``, blocks after PatchConvNet (arXiv 2112.13692); ``vit``, attention
            among all cells (arXiv 2203.09795).
        width: numbers in a cell.
        depth: layers after the stem: convolutions, blocks, or pairs of attention and perceptron.
        patch_px: side of a cell in pixels of the crop, a power of 2 of at least 4.
        heads: of attention, ``vit`` alone.
        parallel: ``vit`` alone, whether blocks stand side by side in pairs instead of one after the other.
    """

    kind: Literal["conv", "patch", "vit"] = "conv"
    width: int = 64
    depth: int = 1
    patch_px: int = 4
    heads: int = 4
    parallel: bool = False

    def __post_init__(self) -> None:
        for name in ("width", "depth", "heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"trunk.{name}: expected at least 1, got {getattr(self, name)}")
        if self.patch_px < 4 or self.patch_px & (self.patch_px - 1):
            raise ValueError(f"trunk.patch_px: expected 4, 8, 16, …, got {self.patch_px}")
        if self.kind == "vit" and self.width % self.heads:
            raise ValueError(f"trunk.heads: {self.heads} do not divide trunk.width {self.width}")
        if self.parallel and (self.kind != "vit" or self.depth % 2):
            raise ValueError("trunk.parallel: needs kind vit and an even depth")

    def grid(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Rows and columns of cells of a crop.

        Args:
            height_px, width_px: of the crop.

        Raises:
            ValueError: the crop is no whole number of cells high or wide.
        """
        for name, side in (("height", height_px), ("width", width_px)):
            if side % self.patch_px:
                raise ValueError(f"trunk.patch_px: cells of {self.patch_px} px do not divide the crop's {name}, {side}")
        return height_px // self.patch_px, width_px // self.patch_px
