"""What an exported file says of itself: everything a reader needs who has nothing but the file."""

from __future__ import annotations

import dataclasses
import hashlib
from importlib.metadata import version
from typing import Any

import forecast
from forecast.core.agents import STATE_CHANNELS, AgentType
from forecast.export.exported_network import TensorSpec, input_specs, output_specs
from forecast.model.scaling import FUTURE_M, NEIGHBOUR_RADIUS_M, PAST_M
from forecast.prediction.checkpoint import Checkpoint
from forecast.prediction.onnx_predictor import METADATA_VERSION

_FRAMES = {
    "agent": "of each target at time 0: origin at its centre, x forward, y left, angles counter-clockwise",
    "world": "position_world = rotate(position_agent, heading) + position of the target, in float64",
}
_UNITS = {"length": "m", "time": "s", "speed": "m/s", "acceleration": "m/s²", "angle": "rad", "yaw rate": "rad/s"}
_STATES = (
    "velocity, acceleration and yaw rate are backward differences over the real time stamps; 0 where there is no "
    "earlier observation within 1.5 s"
)


def metadata_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The metadata block, plain JSON values: frames, units, steps, channels, normalisation, versions, tensors."""
    config = checkpoint.model.config
    horizon, crop = config.horizon, config.crop
    return {
        "metadata_version": METADATA_VERSION,
        "frames": _FRAMES,
        "units": _UNITS,
        "steps": {**dataclasses.asdict(horizon), "history_rows": horizon.history_rows},
        "channels": {"names": list(STATE_CHANNELS), "about": _STATES},
        "agent_types": {kind.name.lower(): int(kind) for kind in AgentType},
        "modes": config.answered_modes,
        "crop": _crop(config.uses_map, dataclasses.asdict(crop), list(crop.shape)),
        "normalisation": {
            "where": "inside the network: inputs and outputs are in SI units, the crop is 0 outside the map",
            "past_m": PAST_M,
            "future_m": FUTURE_M,
            "neighbour_radius_m": {kind.name.lower(): radius for kind, radius in NEIGHBOUR_RADIUS_M.items()},
        },
        "inputs": _described(input_specs(config)),
        "outputs": _described(output_specs(config)),
        "versions": {"cab-forecast": forecast.__version__, **{name: version(name) for name in ("torch", "onnx")}},
        "checkpoint": _origin(checkpoint),
    }


def _origin(checkpoint: Checkpoint) -> dict[str, Any]:
    """Which weights these are; where their data lay on somebody's disk is nobody's business."""
    notes = dict(checkpoint.notes)
    if isinstance(config := notes.get("config"), dict):
        notes["config"] = {name: section for name, section in config.items() if name != "data"}
    digest = hashlib.sha256(checkpoint.path.read_bytes()).hexdigest()
    return {"file": checkpoint.path.name, "sha256": digest, "notes": notes}


def _crop(used: bool, spec: dict[str, Any], shape: list[int]) -> dict[str, Any] | None:
    if not used:
        return None
    where = "pixel (row, column) has its centre at x = (row + ½) / px_per_m - behind_m, y = (column + ½) / px_per_m"
    return {**spec, "shape": shape, "pixels": f"{where} - right_m"}


def _described(specs: dict[str, TensorSpec]) -> dict[str, Any]:
    return {name: {**dataclasses.asdict(spec), "axes": list(spec.axes)} for name, spec in specs.items()}
