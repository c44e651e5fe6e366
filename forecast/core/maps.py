"""The one thing the rest of the package asks of a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapely.geometry.base import BaseGeometry


@runtime_checkable
class MapSource(Protocol):
    """A map as named layers of planar geometry in the world frame, metres.

    Anything with these members plugs in: nuScenes map expansions, shapely polygons, GeoJSON, your own.
    """

    @property
    def name(self) -> str:
        """Unique name of the map, e.g. ``boston-seaport``."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers this map holds."""

    def geometries(self, layer: str) -> Sequence[BaseGeometry]:
        """All geometries of one layer: valid polygons (with holes) or line strings, world frame, metres.

        Raises:
            KeyError: the map holds no such layer.
        """
