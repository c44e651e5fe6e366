"""Writes a trained model as an ONNX file with a free number of agents and neighbours."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import torch

import forecast
from forecast.core.extras import optional_module
from forecast.core.files import written_whole
from forecast.export.exported_network import ExportedNetwork, TensorSpec, example_batch, input_specs, output_specs
from forecast.export.metadata import metadata_of
from forecast.model.network_protocol import Network
from forecast.prediction.checkpoint import Checkpoint
from forecast.prediction.onnx_predictor import METADATA_KEY

#: Read by ONNX Runtime 1.17 and later, and by what is built on it.
OPSET = 20
#: Axes of free length, by the names that the specs give them.
_FREE = ("batch", "neighbours")


def onnx_model(checkpoint: Checkpoint) -> Any:
    """Translate a model.

    Returns:
        An ``onnx.ModelProto`` that the checker accepted, with the metadata block.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
    """
    onnx = optional_module("onnx", "onnx")
    optional_module("onnxscript", "onnx")
    config = checkpoint.model.config
    inputs, outputs = input_specs(config), output_specs(config)
    with warnings.catch_warnings(), torch.no_grad():
        # About the exporter's own code, and about LSTM weights that are kept twice.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            _traced(checkpoint.model),
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=OPSET,
            custom_translation_table=_translations(),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _describe(model, {**inputs, **outputs}, checkpoint)
    onnx.checker.check_model(model, full_check=True)
    return model


def _traced(model: Network) -> torch.export.ExportedProgram:
    """The model's operations, traced in a way that fails where an axis that must be free is not."""
    specs = input_specs(model.config)
    # Lengths that differ and are neither 0 nor 1: the exporter must take no axis for another, or for a constant.
    example = example_batch(model.config, batch=7, neighbours=2).tensors()
    free = {name: torch.export.Dim(f"{name}_size", min=0) for name in _FREE}
    shapes = tuple({at: free[axis] for at, axis in enumerate(spec.axes) if axis in free} for spec in specs.values())
    inputs = tuple(example[name] for name in specs)
    return torch.export.export(ExportedNetwork(model).eval(), inputs, dynamic_shapes=(shapes,), strict=False)


def _translations() -> dict[Any, Any]:
    """ONNX for operators of the model, right for any input.

    torch's exporter does not know ``hypot`` and ``prod``, and makes of ``lerp`` two ways and a choice between them.
    """
    op = optional_module("onnxscript", "onnx").opset20

    def hypot(x: Any, y: Any) -> Any:
        return op.Sqrt(op.Add(op.Mul(x, x), op.Mul(y, y)))

    def prod(values: Any, axes: list[int], output_dtype: object = None) -> Any:
        return op.ReduceProd(values, op.Constant(value_ints=list(axes)), keepdims=0)

    def lerp(start: Any, end: Any, weight: Any) -> Any:
        return op.Add(start, op.Mul(weight, op.Sub(end, start)))

    return {
        torch.ops.prims.hypot.default: hypot,
        torch.ops.prims.prod.default: prod,
        torch.ops.aten.lerp.Tensor: lerp,
    }


def _describe(model: Any, specs: dict[str, TensorSpec], checkpoint: Checkpoint) -> None:
    """Add metadata, and name the axes of inputs and outputs as the specs do."""
    model.producer_name, model.producer_version = "cab-forecast", forecast.__version__
    for value in (*model.graph.input, *model.graph.output):
        spec = specs[value.name]
        value.doc_string = spec.about
        for axis, dimension in zip(spec.axes, value.type.tensor_type.shape.dim, strict=True):
            if axis in _FREE:
                dimension.dim_param = axis
    write_metadata(model, metadata_of(checkpoint))


def write_metadata(model: Any, metadata: dict[str, Any]) -> None:
    """Set the metadata block of an ``onnx.ModelProto``."""
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=json.dumps(metadata, ensure_ascii=False))


def write_onnx(path: Path | str, model: Any) -> None:
    """Write an ``onnx.ModelProto``; the file is whole or not there."""
    with written_whole(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
