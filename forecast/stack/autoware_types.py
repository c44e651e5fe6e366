"""Autoware's message types, for bags that do not hold their definitions, and for writing.

Names, order and numbers of the fields are those of ``autoware_perception_msgs``
(https://github.com/autowarefoundation/autoware_msgs). The older package, ``autoware_auto_perception_msgs``, has the
same fields in the same order.
"""

from __future__ import annotations

from typing import Any

from forecast.core.extras import optional_module
from forecast.stack import stack_message

#: Both message packages, the newer one first.
PACKAGES = ("autoware_perception_msgs", "autoware_auto_perception_msgs")
#: Label of an ObjectClassification → kind.
KINDS = dict(enumerate(stack_message.KINDS))
LABELS = {kind: label for label, kind in KINDS.items()}
_DEFINITIONS = {
    "ObjectClassification": "uint8 label\nfloat32 probability",
    "Shape": "uint8 type\ngeometry_msgs/Polygon footprint\ngeometry_msgs/Vector3 dimensions",
    "PredictedPath": "geometry_msgs/Pose[] path\nbuiltin_interfaces/Duration time_step\nfloat32 confidence",
    "PredictedObjectKinematics": (
        "geometry_msgs/PoseWithCovariance initial_pose_with_covariance\n"
        "geometry_msgs/TwistWithCovariance initial_twist_with_covariance\n"
        "geometry_msgs/AccelWithCovariance initial_acceleration_with_covariance\n"
        "PACKAGE/PredictedPath[] predicted_paths"
    ),
    "TrackedObjectKinematics": (
        "geometry_msgs/PoseWithCovariance pose_with_covariance\n"
        "geometry_msgs/TwistWithCovariance twist_with_covariance\n"
        "geometry_msgs/AccelWithCovariance acceleration_with_covariance\n"
        "uint8 orientation_availability\nbool is_stationary"
    ),
    "PredictedObject": (
        "unique_identifier_msgs/UUID object_id\nfloat32 existence_probability\n"
        "PACKAGE/ObjectClassification[] classification\nPACKAGE/PredictedObjectKinematics kinematics\n"
        "PACKAGE/Shape shape"
    ),
    "TrackedObject": (
        "unique_identifier_msgs/UUID object_id\nfloat32 existence_probability\n"
        "PACKAGE/ObjectClassification[] classification\nPACKAGE/TrackedObjectKinematics kinematics\n"
        "PACKAGE/Shape shape"
    ),
    "PredictedObjects": "std_msgs/Header header\nPACKAGE/PredictedObject[] objects",
    "TrackedObjects": "std_msgs/Header header\nPACKAGE/TrackedObject[] objects",
}


def type_name(package: str, name: str) -> str:
    """Of a message type, as bags say it."""
    return f"{package}/msg/{name}"


def typestore() -> Any:
    """A ``rosbags`` typestore that knows both packages.

    Raises:
        MissingExtraError: rosbags is not installed.
    """
    typesys = optional_module("rosbags.typesys", "ros")
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    for package in PACKAGES:
        types: dict[str, Any] = {}
        for name, definition in _DEFINITIONS.items():
            types.update(typesys.get_types_from_msg(definition.replace("PACKAGE", package), type_name(package, name)))
        store.register(types)
    return store
