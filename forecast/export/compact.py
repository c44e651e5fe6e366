"""A network made smaller from its weights alone, without data: after RED++ (Yvinec and others, arXiv 2110.01397).

1. *Fold*: what a layer normalisation multiplies and adds goes into the layer that reads it. Exact.
2. *Hash*: the weights of a layer gather round the peaks of their density; each becomes its peak. Not exact.
3. *Merge*: hidden units that became equal are one unit, whose readers' columns are added up. Exact.

Merged are the hidden units between two layers of an ``nn.Sequential`` with functions of single numbers between them,
and those of an LSTM whose readers are named (:mod:`.equal_units`).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import nn

from forecast.core.shapes import Float64
from forecast.export.equal_units import shared_modules, unlike

Floats = NDArray[np.float64]
_Layer = nn.Linear | nn.Conv2d
_OF_SINGLE_NUMBERS = (nn.GELU, nn.ReLU, nn.ELU, nn.Tanh, nn.Sigmoid, nn.Dropout, nn.Identity)
#: Cells of the density's grid, over the range of the weights.
_CELLS = 4096


@dataclass(frozen=True)
class Compacted:
    """A smaller network.

    Attributes:
        network: a copy.
        units: hidden units that could be merged, before; ``kept``, after.
        values: distinct weights after hashing, of ``weights`` in all; the weights' number where nothing was hashed.
    """

    network: nn.Module
    units: int
    kept: int
    values: int
    weights: int


def compact(network: nn.Module, bandwidth: float | None = None) -> Compacted:
    """Fold, hash and merge.

    Args:
        network: is left as it is.
        bandwidth: of the density, in units of Silverman's rule for each layer; larger ones leave fewer values. None:
            nothing is hashed, so that the network says the same but for rounding.
    """
    smaller = copy.deepcopy(network)
    values = weights = 0
    shared = shared_modules(smaller)
    with torch.no_grad():
        for parts in [one for one in smaller.modules() if isinstance(one, nn.Sequential)]:
            _fold(parts, shared)
        for layer in smaller.modules():
            matrices = [one for one in layer.parameters(recurse=False) if one.ndim > 1]
            for matrix in matrices:
                weights += matrix.numel()
                if bandwidth is None:
                    values += matrix.numel()
                    continue
                hashed_to = hashed(matrix.double().cpu().numpy().ravel(), bandwidth)
                values += len(np.unique(hashed_to))
                matrix.copy_(torch.from_numpy(hashed_to).reshape(matrix.shape))
        units = kept = 0
        for parts in [one for one in smaller.modules() if isinstance(one, nn.Sequential)]:
            for first, second in _pairs(parts, shared):
                before = len(first.weight)
                _merge(first, second)
                units, kept = units + before, kept + len(first.weight)
    return Compacted(smaller, units, kept, values, weights)


def hashed(weights: Float64[Floats, "weights"], bandwidth: float) -> Float64[Floats, "weights"]:
    """Each weight as the nearest peak of their density on its side of the valleys.

    Args:
        weights: of one layer.
        bandwidth: of the Gaussian kernel, in units of Silverman's rule.
    """
    spread = weights.std()
    if not spread > 0:
        return weights.copy()
    width = bandwidth * 1.06 * spread * len(weights) ** -0.2
    low, high = weights.min() - 3 * width, weights.max() + 3 * width
    counts, edges = np.histogram(weights, _CELLS, (low, high))
    density = gaussian_filter1d(counts.astype(np.float64), width * _CELLS / (high - low), mode="constant")
    rising = np.diff(density) > 0
    # Between two valleys lies one peak.
    valleys = np.flatnonzero(~rising[:-1] & rising[1:]) + 1
    starts = np.concatenate([[0], valleys, [_CELLS]])
    peaks = np.array([start + int(density[start:end].argmax()) for start, end in pairwise(starts)])
    middles = (edges[:-1] + edges[1:]) / 2
    cell = np.clip(((weights - low) / (high - low) * _CELLS).astype(np.int64), 0, _CELLS - 1)
    found: Floats = middles[peaks[np.searchsorted(valleys, cell, side="right")]]
    return found


def _fold(parts: nn.Sequential, shared: set[nn.Module]) -> None:
    """Put a normalisation's factors and offsets into the linear layer that follows it."""
    for norm, after in zip(parts, list(parts)[1:], strict=False):
        layer = after[0] if isinstance(after, nn.Sequential) and len(after) else after
        if not (isinstance(norm, nn.LayerNorm) and isinstance(layer, nn.Linear)) or layer.bias is None:
            continue
        if norm in shared or layer in shared:
            continue
        if norm.weight is not None and norm.bias is not None:
            layer.bias.add_(layer.weight @ norm.bias)
            layer.weight.mul_(norm.weight)
            norm.weight.fill_(1.0)
            norm.bias.fill_(0.0)


def _pairs(parts: nn.Sequential, shared: set[nn.Module]) -> list[tuple[_Layer, _Layer]]:
    """Layers of which the second reads nothing but what single numbers of the first became."""
    found: list[tuple[_Layer, _Layer]] = []
    first: _Layer | None = None
    for part in parts:
        if isinstance(part, nn.Linear | nn.Conv2d):
            own = part not in shared and getattr(part, "groups", 1) == 1
            if first is not None and type(first) is type(part) and own:
                found.append((first, part))
            first = part if own else None
        elif not isinstance(part, _OF_SINGLE_NUMBERS):
            first = None
    return found


def _merge(first: _Layer, second: _Layer) -> None:
    """Keep one of each kind of unit between two layers."""
    bias = torch.zeros(len(first.weight)) if first.bias is None else first.bias.cpu()
    rows = torch.cat([first.weight.flatten(1).cpu(), bias[:, None]], 1)
    code, kept = unlike(rows)
    columns = torch.zeros(len(second.weight), len(kept), *second.weight.shape[2:], dtype=second.weight.dtype)
    columns.index_add_(1, code, second.weight.cpu())
    first.weight = nn.Parameter(first.weight[kept].clone())
    if first.bias is not None:
        first.bias = nn.Parameter(first.bias[kept].clone())
    second.weight = nn.Parameter(columns.to(second.weight.device))
    for layer, name, size in ((first, "out", len(kept)), (second, "in", len(kept))):
        setattr(layer, f"{name}_{'features' if isinstance(layer, nn.Linear) else 'channels'}", size)
