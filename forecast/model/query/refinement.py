"""Corrects futures by what the map shows along them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecast.core.shapes import Float
from forecast.model.query.decoder_layer import AmongQueries
from forecast.model.query.futures import FutureHead, Futures, Start
from forecast.model.query.map_tokens import MapView, read_at
from forecast.model.query.query_config import QueryConfig

#: Positions are divided by this, metres.
_FAR_M = 40.0
#: The map is read at a step, and to its left and right.
_PLACES = 3
#: Numbers of a step that are not read from the map: x, y, cos and sin of the heading, two controls.
_OWN = 6


class Refinement(nn.Module):
    """Each future reads the map at its own steps and to both sides of them; a head corrects it.

    Args:
        config: sizes.
    """

    def __init__(self, config: QueryConfig) -> None:
        super().__init__()
        self.config = config
        steps, size, read = config.horizon.future_steps, config.size, config.sampled_size
        # Reading and mixing channels commute, so cells are mixed first. They are twice as long as a place is aside:
        # one reading a step says it all, where pixels are read at three places.
        self.cells = nn.Linear(config.trunk.width, read)
        self.step = nn.Linear(_PLACES * len(config.crop.channels) + _OWN, read)
        self.path = nn.Sequential(nn.GELU(), nn.Flatten(2), nn.Linear(steps * read, size))
        self.among = AmongQueries(size, config.heads, config.dropout)
        self.head = FutureHead(size, config.horizon)

    def forward(
        self, queries: Float[Tensor, "batch modes size"], before: Futures, start: Start, view: MapView | None
    ) -> tuple[Float[Tensor, "batch modes size"], Futures]:
        """Correct futures.

        Args:
            queries: (batch, modes, size), no unit.
            before: the futures to correct; where they lie is taken as given, without gradient.
            start: motion at time 0.
            view: the map; None for one that shows nothing.

        Returns:
            The queries, which have seen the map, and their futures.
        """
        queries = self.among(queries + self.path(self._along(before, view)))
        return queries, self.head(queries, start, before)

    def _along(self, before: Futures, view: MapView | None) -> Tensor:
        """(batch, modes, steps, read) what is seen at each step, no unit."""
        x, y, heading = before.x.detach(), before.y.detach(), before.heading.detach()
        cos, sin = heading.cos(), heading.sin()
        known = [torch.stack([x / _FAR_M, y / _FAR_M, cos, sin], -1), before.controls.detach()]
        if view is None:
            shape = (*x.shape, _PLACES * len(self.config.crop.channels))
            unread: Tensor = self.step(torch.cat([x.new_zeros(shape), *known], -1))
            return unread
        point, aside = torch.stack([x, y], -1), self.config.aside_m * torch.stack([-sin, cos], -1)
        points = torch.stack([point, point + aside, point - aside], 1)
        pixels = read_at(view.crop, points.movedim(1, -2), self.config.crop).flatten(-2)
        own: Tensor = self.step(torch.cat([pixels, *known], -1))
        cells = functional.conv2d(view.cells, self.cells.weight[..., None, None], self.cells.bias)
        return own + read_at(cells, point, self.config.crop)
