"""What a model is made of: one typed dataclass, kept in every checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from forecast.core.crops import CropSpec
from forecast.core.horizon import Horizon


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
    """A plain convolutional network, then one linear layer to the map code.

    Attributes:
        channels, kernels, strides: one entry a layer.
        padded: pad by half a kernel, so that borders count as much as the middle.
        slope: of the leaky ReLU.
    """

    channels: tuple[int, ...] = (16, 32, 48, 64)
    kernels: tuple[int, ...] = (5, 3, 3, 3)
    strides: tuple[int, ...] = (2, 2, 2, 2)
    padded: bool = True
    slope: float = 0.2

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
class ModelConfig:
    """Sizes and switches of a forecaster. The defaults are this package's own; ``cab_paper`` holds the published ones.

    Attributes:
        uses_map, uses_neighbours: without both, the encoding is the history's alone (the blind model).
        neighbour_encoder: ``summed``, as published: an LSTM over the sum of the neighbours' states; or ``pooled``: each
            neighbour by itself, then the maximum.
        modes: values of the categorical latent, K.
        encoding_size: of each of the history, neighbour and map codes.
        future_size: of each direction of the posterior's future encoder.
        prior_size: of the prior's hidden layer.
        decoder_size: of the GRU over controls.
        heading_speed_mps: below this speed the annotated heading is the direction of travel, above it the velocity's.
        position_noise_m: standard deviation of annotation noise, added to every position covariance; 0 as published.
        control_noise: whether the controls fed back in training are samples (as published) or the means.
        normalised_history: whether the history's code, which leaves its LSTM small beside the map's (and, as published,
            stays so), passes through a layer normalisation.
        own_blind: give the blind branch a network of its own, instead of all that the sighted one has (as published):
            what it learns then costs the sighted one nothing. For objectives that compare likelihoods, not modes.
        merge_radius_m: in prediction, modes that are nowhere this far apart are one answer
            (:mod:`forecast.model.merging`): 2 m, the distance from which nuScenes calls a mode a miss; 0 for the
            latent's own probabilities, as published. Training does not depend on it.
    """

    uses_map: bool = True
    uses_neighbours: bool = True
    neighbour_encoder: Literal["summed", "pooled"] = "pooled"
    modes: int = 25
    encoding_size: int = 32
    future_size: int = 32
    prior_size: int = 32
    decoder_size: int = 128
    heading_speed_mps: float = 1.0
    position_noise_m: float = 0.05
    control_noise: bool = True
    normalised_history: bool = False
    own_blind: bool = False
    merge_radius_m: float = 2.0
    dropout: Dropout = field(default_factory=Dropout)
    map_encoder: MapEncoderConfig = field(default_factory=MapEncoderConfig)
    crop: CropSpec = field(default_factory=CropSpec)
    horizon: Horizon = field(default_factory=Horizon)

    def __post_init__(self) -> None:
        for name in ("modes", "encoding_size", "future_size", "prior_size", "decoder_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"model.{name}: expected at least 1, got {getattr(self, name)}")
        for name in ("heading_speed_mps", "position_noise_m", "merge_radius_m"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"model.{name}: expected 0 or more, got {getattr(self, name)}")
        if self.uses_map:
            self.map_encoder.shape_after(self.crop.height_px, self.crop.width_px)

    @property
    def context_size(self) -> int:
        """Numbers in an encoding ``e = [neighbours ; history ; map]``."""
        return self.encoding_size * (1 + self.uses_map + self.uses_neighbours)
