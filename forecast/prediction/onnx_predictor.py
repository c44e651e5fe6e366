"""An exported file at work in ONNX Runtime, on the batches that the rest of the package speaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.core.errors import CheckpointError, ConfigError
from forecast.core.extras import optional_module
from forecast.core.forecast import Forecast
from forecast.core.horizon import Horizon
from forecast.model.network_config import NetworkConfig

#: Under this key an exported file's metadata hold one JSON object.
METADATA_KEY = "cab-forecast"
#: Of that object; raised when a key changes its meaning.
METADATA_VERSION = 1

Arrays = dict[str, NDArray[Any]]
_AGENTS_A_BLOCK = 32


class OnnxPredictor:
    """Forecasts batches with an exported file.

    Large batches are computed in blocks of agents, on several threads at once: a block stays in a core's cache, and
    threads never wait for each other within one.

    Args:
        model: the file's name or its content.
        threads: of one call.

    Attributes:
        metadata: what the file says of itself; ``docs/export.md`` lists the keys.
        config: what the exported network reads and answers, from the metadata.
        device: where batches and crops are expected: the CPU.

    Raises:
        CheckpointError: not an exported file of this package.
        MissingExtraError: ONNX Runtime is not installed.
    """

    def __init__(self, model: Path | str | bytes, *, threads: int = 1) -> None:
        runtime = optional_module("onnxruntime", "onnx")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = 1, 1
        options.log_severity_level = 3
        where = "the model" if isinstance(model, bytes) else str(model)
        if not isinstance(model, bytes) and not Path(model).is_file():
            raise CheckpointError(f"{where}: no such file; 'forecast export' writes one")
        try:
            given = model if isinstance(model, bytes) else str(model)
            self._session = runtime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no common class that it exports
            said = " ".join(str(error).split())[:160]
            raise CheckpointError(f"{where}: ONNX Runtime cannot read it ({said})") from error
        self.metadata = _metadata(self._session.get_modelmeta().custom_metadata_map, where)
        self.config, self.device = _config(self.metadata), torch.device("cpu")
        self._inputs = [given.name for given in self._session.get_inputs()]
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def predict(self, batch: AgentBatch, *, null_context: bool = False) -> Forecast:
        """Forecast a batch (with crops where the model reads the map): all modes, agent frame, float32.

        Raises:
            ConfigError: ``null_context``: an exported file holds the network with context alone.
        """
        if null_context:
            raise ConfigError("an exported file holds no network without context; use the run that it is from")
        if not len(batch):
            return self._nobody()
        given = batch.tensors()
        arrays = {name: given[name].cpu().numpy() for name in self._inputs}
        parts = (self._pool.map if self._pool else map)(self._run, self._blocks(arrays, len(batch)))
        positions_m, probabilities, headings, covariances = (
            torch.from_numpy(np.concatenate(tensors)) for tensors in zip(*parts, strict=True)
        )
        return Forecast(positions_m, probabilities, headings, covariances)

    def _run(self, arrays: Arrays) -> list[NDArray[np.float32]]:
        answered: list[NDArray[np.float32]] = self._session.run(None, arrays)
        return answered

    def _blocks(self, arrays: Arrays, agents: int) -> Iterator[Arrays]:
        """Parts of almost equal size, at least one a thread."""
        count = min(agents, max(self._threads, -(-agents // _AGENTS_A_BLOCK)))
        ends = np.linspace(0, agents, count + 1).round().astype(int).tolist()
        for first, end in pairwise(ends):
            yield {name: array[first:end] for name, array in arrays.items()}

    def _nobody(self) -> Forecast:
        """The forecast of no agents: ONNX Runtime ends the whole process on an LSTM without rows."""
        modes, steps = self.metadata["modes"], self.metadata["steps"]["future_steps"]
        return Forecast(
            torch.zeros(0, modes, steps, 2),
            torch.zeros(0, modes),
            torch.zeros(0, modes, steps),
            torch.zeros(0, modes, steps, 2, 2),
        )


def _config(metadata: dict[str, Any]) -> NetworkConfig:
    """What the exported network reads, as the rest of the package asks for it."""
    crop, steps = metadata["crop"], metadata["steps"]
    names = {field.name for field in fields(CropSpec)} & set(crop or {})
    spec = {name: crop[name] for name in names}
    if spec:
        spec["channels"] = tuple(tuple(layers) for layers in spec["channels"])
    return NetworkConfig(
        uses_map=crop is not None,
        uses_neighbours="neighbours" in metadata["inputs"],
        modes=metadata["modes"],
        crop=CropSpec(**spec),
        horizon=Horizon(**{field.name: steps[field.name] for field in fields(Horizon)}),
    )


def _metadata(held: dict[str, str], where: str) -> dict[str, Any]:
    if METADATA_KEY not in held:
        raise CheckpointError(f"{where}: an ONNX file, but not one of 'forecast export': it lacks {METADATA_KEY!r}")
    metadata: dict[str, Any] = json.loads(held[METADATA_KEY])
    if metadata.get("metadata_version") != METADATA_VERSION:
        raise CheckpointError(
            f"{where}: metadata version {metadata.get('metadata_version')}, this package reads {METADATA_VERSION}; "
            "export the checkpoint again"
        )
    return metadata
