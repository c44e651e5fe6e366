"""Units that say the same are one unit, whose readers' columns are added up: exact."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor, nn

from forecast.core.shapes import Float

_PARTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def unlike(rows: Float[Tensor, "units numbers"]) -> tuple[Tensor, Tensor]:
    """Which of the different rows each is, (units,), and one unit of each, (kept,), in the order of the units."""
    _, code = torch.unique(rows, dim=0, return_inverse=True)
    kept = torch.tensor([int((code == one).nonzero()[0]) for one in code.unique()])
    order = kept.argsort()
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    return rank[code], kept[order]


def merged_lstm(lstm: nn.LSTM, readers: list[nn.Linear]) -> nn.LSTM:
    """An LSTM of one layer and direction with one of each kind of unit: all four gates of a unit together.

    Args:
        lstm: is left as it is.
        readers: linear layers that read its output and nothing else; they are changed.
    """
    size = lstm.hidden_size
    held_by = dict(lstm.named_parameters())
    gates = [held_by[name].detach().cpu().reshape(4, size, -1) for name in _PARTS]
    code, kept = _units(gates)
    while True:
        summed = torch.zeros(4, size, len(kept)).index_add_(2, code, gates[1])
        # Units that read two others, each with one weight, are equal once those are one.
        again, fewer = _units([gates[0], summed, *gates[2:]])
        if len(fewer) == len(kept):
            break
        code, kept = again, fewer
    smaller = nn.LSTM(lstm.input_size, len(kept), batch_first=lstm.batch_first)
    parts = (gates[0], summed, gates[2], gates[3])
    with torch.no_grad():
        for name, part in zip(_PARTS, parts, strict=True):
            held = getattr(smaller, name)
            held.copy_(part[:, kept].reshape(held.shape))
        for reader in readers:
            columns = torch.zeros(len(reader.weight), len(kept)).index_add_(1, code, reader.weight)
            reader.weight, reader.in_features = nn.Parameter(columns), len(kept)
    return smaller


def _units(gates: list[Tensor]) -> tuple[Tensor, Tensor]:
    """:func:`unlike` of the units of an LSTM, by all that its gates read, (4, units, numbers) each."""
    return unlike(torch.cat(gates, -1).movedim(1, 0).flatten(1))


def shared_modules(network: nn.Module) -> set[nn.Module]:
    """Modules that stand in several places: what one place does with them would change the others."""
    counts = Counter(id(one) for _, one in network.named_modules(remove_duplicate=False))
    return {one for one in network.modules() if counts[id(one)] > 1}
