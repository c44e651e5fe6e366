"""Sizes and switches of the query network."""

from __future__ import annotations

from dataclasses import dataclass, field

from forecast.core.crops import CropSpec
from forecast.model.network_config import NetworkConfig
from forecast.model.trunks.trunk_config import TrunkConfig

#: Further to the front than to the sides, at 1 px/m: what a car can reach in 6 s in town.
QUERY_CROP = CropSpec(
    channels=(
        ("drivable_area", "road_segment", "lane"),
        ("road_divider",),
        ("lane_divider",),
        ("ped_crossing",),
        ("walkway",),
    ),
    ahead_m=80.0,
    behind_m=16.0,
    left_m=32.0,
    right_m=32.0,
)


@dataclass(frozen=True)
class QueryConfig(NetworkConfig):
    """Of the query network.

    Attributes:
        size: numbers in a query and in a token.
        heads: of each attention.
        layers: how often the queries look at all tokens and then at each other.
        refinements: how often each future is then corrected by what the map shows along it.
        dropout: probability of dropping a number, in training.
        aside_m: along a future the map is also read this far to its left and right, metres.
        sampled_size: numbers that are read of a cell there.
        heading_speed_mps: below this speed the annotated heading is the direction of travel, above it the velocity's.
        final_weight: of the error of the last step in the distance of a future from the truth, beside the mean error.
        trunk: what reads the map.
    """

    network: str = "query"
    modes: int = 24
    medoids: int = 10
    crop: CropSpec = QUERY_CROP
    size: int = 128
    heads: int = 4
    layers: int = 1
    refinements: int = 1
    dropout: float = 0.1
    aside_m: float = 2.0
    sampled_size: int = 32
    heading_speed_mps: float = 1.0
    final_weight: float = 0.25
    trunk: TrunkConfig = field(default_factory=TrunkConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least_1("size", "heads", "layers", "sampled_size")
        self._finite("refinements", "aside_m", "heading_speed_mps", "final_weight")
        if self.size % self.heads:
            raise ValueError(f"model.heads: {self.heads} do not divide model.size {self.size}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"model.dropout: expected a probability in [0, 1), got {self.dropout}")
        if self.uses_map:
            self.trunk.grid(self.crop.height_px, self.crop.width_px)
