"""A map as geometry by layer, read when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from shapely.geometry.base import BaseGeometry

from forecast.core.errors import one_of

Geometries = Mapping[str, Sequence[BaseGeometry]]


class VectorMap:
    """A map as valid polygons and line strings by layer; a :class:`~forecast.core.maps.MapSource`.

    Reading may be put off until a geometry is asked for. Safe to share between threads, and to pickle while unread.
    """

    def __init__(self, name: str, read: Callable[[], Geometries], fingerprint: str) -> None:
        """Describe a map.

        Args:
            name: unique name.
            read: called once, when first needed; gives all layers.
            fingerprint: hash of the content; caches of whatever is derived from the map are keyed by it.
        """
        self._name, self._read, self._fingerprint = name, read, fingerprint
        self._geometries: Geometries | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> tuple[object, ...]:
        return self._name, self._read, self._fingerprint

    def __setstate__(self, state: tuple[str, Callable[[], Geometries], str]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    @property
    def name(self) -> str:
        """Unique name of the map."""
        return self._name

    @property
    def fingerprint(self) -> str:
        """Hash of the map's content."""
        return self._fingerprint

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers this map holds, empty ones included."""
        return tuple(self._all())

    def geometries(self, layer: str) -> Sequence[BaseGeometry]:
        """All geometries of one layer, world frame, metres.

        Raises:
            KeyError: the map holds no such layer.
            DataError: the file behind the map is damaged.
        """
        layers = self._all()
        if layer not in layers:
            raise KeyError(f"map {self._name} holds no layer {layer!r}: {one_of(layers, layer, at_most=20)}")
        return layers[layer]

    def _all(self) -> Geometries:
        with self._lock:
            if self._geometries is None:
                self._geometries = self._read()
            return self._geometries
