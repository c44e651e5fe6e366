"""What a city changes of a base network's parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from forecast.model.cities.city_record import CityRecord
from forecast.model.network_protocol import Network


class CityPart(nn.Module):
    """Changes of a base's parameters, all of them 0 at first, so that a city starts as the base, bit for bit.

    A matrix W of ``adapters``, convolutions and recurrent ones among them, becomes W + B A, of a small rank; A is
    random and B begins at 0 (Hu et al., LoRA, 2021). Vectors, which scale and shift features, become v + d.

    Args:
        record: which city, and how.
        base: the network that is changed.

    Raises:
        ValueError: the base has nothing that this method changes.
    """

    def __init__(self, record: CityRecord, base: Network) -> None:
        super().__init__()
        self.record = record
        self.rows, self.columns, self.added = nn.ParameterDict(), nn.ParameterDict(), nn.ParameterDict()
        chosen = base.attention_parameters() if record.method == "attention" else None
        for name, parameter in base.named_parameters():
            if chosen is not None and name not in chosen:
                continue
            if record.method == "adapters" and parameter.ndim > 1:
                self._add_low_rank(_key(name), parameter, record.rank)
            else:
                self.added[_key(name)] = nn.Parameter(torch.zeros_like(parameter))
        if not len(self.rows) and not len(self.added):
            raise ValueError(f"model.network '{base.config.network}' has no attention that could be tuned alone")

    def _add_low_rank(self, key: str, parameter: Tensor, rank: int) -> None:
        rows, columns = parameter.shape[0], parameter[0].numel()
        rank = min(rank, rows, columns)
        self.rows[key] = nn.Parameter(parameter.new_zeros(rows, rank))
        self.columns[key] = nn.Parameter(torch.randn(rank, columns).to(parameter) / math.sqrt(columns))

    def of(self, names: Iterable[str]) -> list[nn.Parameter]:
        """What changes some of the base's parameters, by their names."""
        keys = set(map(_key, names))
        held = (self.rows, self.columns, self.added)
        return [parameter for group in held for key, parameter in group.items() if key in keys]

    def changed(self, base: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The base's parameters as they are in this city.

        Args:
            base: by name, any shapes.

        Returns:
            Those that change, by name, in their own shapes.
        """
        found = {}
        for name, parameter in base.items():
            key = _key(name)
            if key in self.rows:
                found[name] = parameter + (self.rows[key] @ self.columns[key]).view_as(parameter)
            elif key in self.added:
                found[name] = parameter + self.added[key]
        return found


def _key(name: str) -> str:
    """A parameter's name without dots, which modules do not allow in theirs."""
    return name.replace(".", "/")
