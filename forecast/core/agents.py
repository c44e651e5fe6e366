"""Kinds of agents, and the channels of an agent's state."""

from __future__ import annotations

from enum import IntEnum


class AgentType(IntEnum):
    """What a forecaster distinguishes; ``PADDING`` marks an empty neighbour slot."""

    PADDING = -1
    VEHICLE = 0
    PEDESTRIAN = 1
    CYCLIST = 2
    OTHER = 3


#: Channels of a state, in this order. Positions in metres, velocities in m/s, accelerations in m/s²,
#: heading in radians counter-clockwise from the frame's x axis, yaw rate in rad/s.
STATE_CHANNELS = ("x", "y", "vx", "vy", "ax", "ay", "heading", "yaw_rate")


def agent_type(category: str) -> AgentType:
    """Map a nuScenes category name to an agent type.

    Two-wheelers (``vehicle.bicycle``, ``vehicle.motorcycle``) are cyclists, as in the published evaluation,
    whose vehicles are those with four or more wheels.

    >>> agent_type("vehicle.bus.rigid")
    <AgentType.VEHICLE: 0>
    """
    if category.startswith(("vehicle.bicycle", "vehicle.motorcycle")):
        return AgentType.CYCLIST
    if category.startswith("vehicle"):
        return AgentType.VEHICLE
    if category.startswith("human.pedestrian"):
        return AgentType.PEDESTRIAN
    return AgentType.OTHER
