"""Sizes and switches of the CVAE: one typed dataclass, kept in every checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from forecast.model.network_config import NetworkConfig
from forecast.model.trunks.trunk_config import TrunkConfig


@dataclass(frozen=True)
class Dropout:
    """Probabilities of dropping an entry, in training alone.

    Attributes:
        encoders: on the outputs of the history, neighbour, attention and future encoders.
        prior: on the prior's hidden layer.
        map: on the map code.
    """

    encoders: float = 0.25
    prior: float = 0.1
    map: float = 0.5

    def __post_init__(self) -> None:
        for name in ("encoders", "prior", "map"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"dropout.{name}: expected a probability in [0, 1), got {getattr(self, name)}")


@dataclass(frozen=True)
class MapEncoderConfig:
    """A plain convolutional network, then one linear layer to the map code; or a trunk, which attention sums up.

    Attributes:
        channels, kernels, strides: one entry a layer.
        padded: pad by half a kernel, so that borders count as much as the middle.
        slope: of the leaky ReLU.
        trunk: what reads the crop in place of these layers; null for them.
    """

    channels: tuple[int, ...] = (16, 32, 48, 64)
    kernels: tuple[int, ...] = (5, 3, 3, 3)
    strides: tuple[int, ...] = (2, 2, 2, 2)
    padded: bool = True
    slope: float = 0.2
    trunk: TrunkConfig | None = None

    def __post_init__(self) -> None:
        if not len(self.channels) == len(self.kernels) == len(self.strides) >= 1:
            raise ValueError("map_encoder: channels, kernels and strides need one entry per layer each")
        for name in ("channels", "kernels", "strides"):
            if min(getattr(self, name)) < 1:
                raise ValueError(f"map_encoder.{name}: expected at least 1 each, got {list(getattr(self, name))}")

    def shape_after(self, height_px: int, width_px: int) -> tuple[int, int, int]:
        """(channels, height, width) that leaves the last layer.

        Raises:
            ValueError: the crop is too small for these layers.
        """
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            pad = kernel // 2 if self.padded else 0
            height_px, width_px = ((side + 2 * pad - kernel) // stride + 1 for side in (height_px, width_px))
            if min(height_px, width_px) < 1:
                raise ValueError("map_encoder: the crop is smaller than the layers need; use fewer or smaller kernels")
        return self.channels[-1], height_px, width_px


@dataclass(frozen=True)
class CVAEConfig(NetworkConfig):
    """Of the CVAE. The defaults are this package's own; the configuration ``cab_paper`` holds the published ones.

    Attributes:
        neighbour_encoder: ``summed``, as published: an LSTM over the sum of the neighbours' states; or ``pooled``: each
            neighbour by itself, then the maximum.
        encoding_size: of each of the history, neighbour and map codes.
        future_size: of each direction of the posterior's future encoder.
        prior_size: of the prior's hidden layer.
        decoder_size: of the GRU over controls.
        heading_speed_mps: below this speed the annotated heading is the direction of travel, above it the velocity's.
        position_noise_m: standard deviation of annotation noise, added to every position covariance; 0 as published.
        control_noise: whether the controls fed back in training are samples (as published) or the means.
        normalised_history: whether the history's code, which leaves its LSTM small beside the map's (and, as published,
            stays so), passes through a layer normalisation.
        dropout: probabilities of dropping an entry, in training alone.
        map_encoder: layers of the map encoder.
    """

    network: str = "cvae"
    neighbour_encoder: Literal["summed", "pooled"] = "pooled"
    encoding_size: int = 32
    future_size: int = 32
    prior_size: int = 32
    decoder_size: int = 128
    heading_speed_mps: float = 1.0
    position_noise_m: float = 0.05
    control_noise: bool = True
    normalised_history: bool = False
    dropout: Dropout = field(default_factory=Dropout)
    map_encoder: MapEncoderConfig = field(default_factory=MapEncoderConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least_1("encoding_size", "future_size", "prior_size", "decoder_size")
        self._finite("heading_speed_mps", "position_noise_m")
        if self.uses_map:
            read = self.map_encoder.trunk.grid if self.map_encoder.trunk is not None else self.map_encoder.shape_after
            read(self.crop.height_px, self.crop.width_px)

    @property
    def context_size(self) -> int:
        """Numbers in an encoding ``e = [neighbours ; history ; map]``."""
        return self.encoding_size * (1 + self.uses_map + self.uses_neighbours)
