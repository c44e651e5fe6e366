"""Apollo's PredictionObstacles as protobuf messages, made without its compiler: the fields that are read and written.

Names and numbers of the fields are those of https://github.com/ApolloAuto/apollo (``modules/prediction/proto``,
``modules/perception/proto``, ``modules/common/proto``). Fields that are not listed are skipped.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from forecast.core.extras import optional_module

#: Number of PerceptionObstacle.Type → kind.
KINDS = {0: "unknown", 1: "unknown", 2: "unknown", 3: "pedestrian", 4: "bicycle", 5: "car"}
_TYPES = ("UNKNOWN", "UNKNOWN_MOVABLE", "UNKNOWN_UNMOVABLE", "PEDESTRIAN", "BICYCLE", "VEHICLE")
#: Kind → number; what Apollo does not tell apart is a vehicle.
NUMBERS = {
    "unknown": 0, "pedestrian": 3, "bicycle": 4, "motorcycle": 4, "car": 5, "truck": 5, "bus": 5, "trailer": 5,
}  # fmt: skip
#: Message → its fields: name, number and type; a type that begins with * is repeated.
_FIELDS: dict[str, tuple[tuple[str, int, str], ...]] = {
    "Header": (("timestamp_sec", 1, "double"), ("module_name", 2, "string"), ("sequence_num", 3, "uint32")),
    "Point3D": (("x", 1, "double"), ("y", 2, "double"), ("z", 3, "double")),
    "PathPoint": (
        ("x", 1, "double"), ("y", 2, "double"), ("z", 3, "double"), ("theta", 4, "double"), ("lane_id", 9, "string"),
    ),
    "TrajectoryPoint": (
        ("path_point", 1, "PathPoint"), ("v", 2, "double"), ("a", 3, "double"), ("relative_time", 4, "double"),
    ),
    "Trajectory": (("probability", 1, "double"), ("trajectory_point", 2, "*TrajectoryPoint")),
    "PerceptionObstacle": (
        ("id", 1, "int32"), ("position", 2, "Point3D"), ("theta", 3, "double"), ("velocity", 4, "Point3D"),
        ("length", 5, "double"), ("width", 6, "double"), ("height", 7, "double"), ("tracking_time", 9, "double"),
        ("type", 10, "Type"), ("timestamp", 11, "double"),
    ),
    "PredictionObstacle": (
        ("perception_obstacle", 1, "PerceptionObstacle"), ("timestamp", 2, "double"), ("predicted_period", 3, "double"),
        ("trajectory", 4, "*Trajectory"),
    ),
    "PredictionObstacles": (("header", 1, "Header"), ("prediction_obstacle", 2, "*PredictionObstacle")),
}  # fmt: skip


@cache
def prediction_obstacles() -> Any:
    """The class of PredictionObstacles.

    Raises:
        MissingExtraError: protobuf is not installed.
    """
    descriptor = optional_module("google.protobuf.descriptor_pb2", "apollo")
    pool = optional_module("google.protobuf.descriptor_pool", "apollo").DescriptorPool()
    factory = optional_module("google.protobuf.message_factory", "apollo")
    field = descriptor.FieldDescriptorProto
    file = descriptor.FileDescriptorProto(name="prediction_obstacles.proto", package="apollo", syntax="proto2")
    numbered = file.enum_type.add(name="Type")
    for number, name in enumerate(_TYPES):
        numbered.value.add(name=name, number=number)
    scalars = {
        "double": field.TYPE_DOUBLE,
        "string": field.TYPE_STRING,
        "int32": field.TYPE_INT32,
        "uint32": field.TYPE_UINT32,
    }
    for message, fields in _FIELDS.items():
        made = file.message_type.add(name=message)
        for name, number, kind in fields:
            base = kind.removeprefix("*")
            label = field.LABEL_REPEATED if kind != base else field.LABEL_OPTIONAL
            one = made.field.add(name=name, number=number, label=label)
            if base in scalars:
                one.type = scalars[base]
            else:
                one.type = field.TYPE_ENUM if base == "Type" else field.TYPE_MESSAGE
                one.type_name = f".apollo.{base}"
    pool.Add(file)
    return factory.GetMessageClass(pool.FindMessageTypeByName("apollo.PredictionObstacles"))
