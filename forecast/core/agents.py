"""Kinds of agents, and the channels of an agent's state."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Literal


class AgentType(IntEnum):
    """What a forecaster distinguishes; ``PADDING`` marks an empty neighbour slot."""

    PADDING = -1
    VEHICLE = 0
    PEDESTRIAN = 1
    CYCLIST = 2
    OTHER = 3


def types_named(names: Iterable[str]) -> tuple[AgentType, ...]:
    """The agent types of these names, in lower case.

    Raises:
        KeyError: there is no such type.

    >>> types_named(["pedestrian"])
    (<AgentType.PEDESTRIAN: 1>,)
    """
    return tuple(AgentType[name.upper()] for name in names)


#: Length and width where nobody measured them, metres. Present models do not read sizes.
USUAL_SIZE_M = {
    AgentType.VEHICLE: (4.6, 1.9),
    AgentType.PEDESTRIAN: (0.7, 0.7),
    AgentType.CYCLIST: (1.8, 0.6),
    AgentType.OTHER: (0.5, 0.5),
}

#: Category of the recording vehicle's own track, one per scene; its type is that of a vehicle.
EGO_CATEGORY = "vehicle.ego"

#: Channels of a state, in this order. Positions in metres, velocities in m/s, accelerations in m/s²,
#: heading in radians counter-clockwise from the frame's x axis, yaw rate in rad/s.
STATE_CHANNELS = ("x", "y", "vx", "vy", "ax", "ay", "heading", "yaw_rate")


#: Beginnings of nuScenes' own names that are no road users.
_OBJECTS = ("movable_object", "static_object", "animal", "noise", "flat.", "static.")
#: Names in other public data sets (Lyft Level 5, KITTI, Argoverse 2, Waymo), and nuScenes' own cut short.
_ELSEWHERE = {
    AgentType.VEHICLE: (
        "car van truck bus trailer other_vehicle emergency_vehicle construction_vehicle construction emergency police "
        "ambulance regular_vehicle large_vehicle box_truck truck_cab school_bus articulated_bus vehicular_trailer "
        "type_vehicle"
    ),
    AgentType.PEDESTRIAN: "pedestrian person adult child person_sitting type_pedestrian",
    AgentType.CYCLIST: "bicycle motorcycle cyclist bicyclist motorcyclist bike motorbike type_cyclist",
    AgentType.OTHER: (
        "barrier traffic_cone trafficcone construction_cone bollard debris pushable_pullable bicycle_rack sign "
        "stop_sign traffic_sign dog misc dontcare type_sign type_other other unknown"
    ),
}
_TYPE_ELSEWHERE = {name: kind for kind, names in _ELSEWHERE.items() for name in names.split()}


def known_type(category: str) -> AgentType | None:
    """Map a category's name, nuScenes' own or one that is common elsewhere, to an agent type; None if it is neither.

    Two-wheelers (``vehicle.bicycle``, ``vehicle.motorcycle``) are cyclists, as in the published evaluation,
    whose vehicles are those with four or more wheels.

    >>> known_type("emergency vehicle"), known_type("hovercraft")
    (<AgentType.VEHICLE: 0>, None)
    """
    if category.startswith(("vehicle.bicycle", "vehicle.motorcycle")):
        return AgentType.CYCLIST
    if category.startswith("vehicle"):
        return AgentType.VEHICLE
    if category.startswith("human.pedestrian"):
        return AgentType.PEDESTRIAN
    if category.startswith(_OBJECTS):
        return AgentType.OTHER
    return _TYPE_ELSEWHERE.get(category.strip().lower().replace(" ", "_").replace("-", "_"))


def agent_type(category: str) -> AgentType:
    """The same, where a name that is not known counts as other.

    >>> agent_type("vehicle.bus.rigid")
    <AgentType.VEHICLE: 0>
    """
    known = known_type(category)
    return AgentType.OTHER if known is None else known


def named_by_nuscenes(category: str) -> bool:
    """Whether a category has a name as nuScenes gives it."""
    return category.startswith(("vehicle.", "human.", *_OBJECTS))


#: How the rates among them come about: from the present and the past, or as published, which reads the future.
Features = Literal["causal", "as_published"]
