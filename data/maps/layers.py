"""The layers of a map, declared once: how each is read, drawn and coloured."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from forecast.core.errors import DataError


@dataclass(frozen=True)
class Layer:
    """How one layer is read, drawn and coloured.

    Attributes:
        kind: where its geometry comes from in a nuScenes map expansion: records that name polygons, records that
            name lines, or the centre lines (arc-line paths) of lanes and connectors. A ``direction`` has none of its
            own: it is a component of the direction of ``lane_centre``, see :mod:`forecast.data.maps.direction`.
        colour: RGB for pictures.
        line_width_m: width that lines are given on a raster. Wider than paint on asphalt (0.15 m), so that a
            network still sees them on pixels of 0.3–1 m. Polygons have 0.
        mirrored_sign: what its values are multiplied by where left and right are swapped.
    """

    kind: Literal["polygon", "line", "centre_line", "direction"]
    colour: str
    line_width_m: float = 0.0
    mirrored_sign: int = 1


#: Every layer by name. A new layer of the expansion is one entry here; its records are found under its name.
LAYERS: dict[str, Layer] = {
    "drivable_area": Layer("polygon", "#a6cee3"),
    "road_segment": Layer("polygon", "#1f78b4"),
    "road_block": Layer("polygon", "#b2df8a"),
    "lane": Layer("polygon", "#33a02c"),
    "lane_connector": Layer("polygon", "#8fd19e"),
    "ped_crossing": Layer("polygon", "#fb9a99"),
    "walkway": Layer("polygon", "#e31a1c"),
    "stop_line": Layer("polygon", "#fdbf6f"),
    "carpark_area": Layer("polygon", "#ff7f00"),
    "road_divider": Layer("line", "#cab2d6", line_width_m=0.6),
    "lane_divider": Layer("line", "#6a3d9a", line_width_m=0.6),
    "traffic_light": Layer("line", "#7e772e", line_width_m=0.6),
    "lane_centre": Layer("centre_line", "#444444", line_width_m=0.6),
    "lane_direction_ahead": Layer("direction", "#1b9e77", line_width_m=3.0),
    "lane_direction_left": Layer("direction", "#d95f02", line_width_m=3.0, mirrored_sign=-1),
}
#: The two channels of a direction, in the order that they must have.
DIRECTION = tuple((name,) for name, layer in LAYERS.items() if layer.kind == "direction")


def drawn_from(layer: str) -> str:
    """The layer whose geometry shows another one: of a direction the centre lines, of all else itself."""
    return "lane_centre" if (layer,) in DIRECTION else layer


def directed_channels(channels: Sequence[Sequence[str]]) -> slice | None:
    """Which two channels of a crop hold the direction of traffic, if any do.

    Raises:
        DataError: a direction is joined with other layers, or the two are not next to each other in their order.
    """
    named = [tuple(channel) for channel in channels]
    using = [number for number, layers in enumerate(named) if any((layer,) in DIRECTION for layer in layers)]
    if not using:
        return None
    pair = slice(using[0], using[0] + 2)
    if len(using) != 2 or tuple(named[pair]) != DIRECTION:
        wanted = ", ".join(str(list(channel)) for channel in DIRECTION)
        raise DataError(f"channels {named}: a direction takes two channels of its own, one after the other: {wanted}")
    return pair


def mirrored_signs(channels: Sequence[Sequence[str]]) -> list[int]:
    """What the values of each channel are multiplied by where left and right are swapped."""
    return [min(LAYERS[layer].mirrored_sign if layer in LAYERS else 1 for layer in layers) for layers in channels]


def near_layer(name: str, layers: Iterable[str]) -> str | None:
    """The one of some layers that a name was probably meant to be, whatever its capitals and hyphens; None if none.

    >>> near_layer("Driveable-Area", ["lane", "drivable_area"])
    'drivable_area'
    """
    plain, given = {_plain(layer): layer for layer in layers}, _plain(name)
    begun = [known for known in plain if len(given) >= 6 and known.startswith(given)]
    found = difflib.get_close_matches(given, plain, n=1, cutoff=0.8) or begun
    return plain[found[0]] if found else None


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().casefold())


def did_you_mean(held: Iterable[str], wanted: Sequence[str]) -> str:
    """The tail of a message about layers that are not there: which of the held names are near which of the wanted."""
    near = {name: near_layer(name, wanted) for name in held if name not in LAYERS and name not in wanted}
    said = [f"did you mean '{meant}' by '{name}'?" for name, meant in near.items() if meant]
    return "".join(f"; {line}" for line in said[:3])


def line_width_m(layer: str) -> float:
    """Width at which lines of a layer are drawn, metres; a layer that is not declared here gets 0.6 m."""
    declared = LAYERS.get(layer)
    return declared.line_width_m if declared and declared.line_width_m else 0.6
