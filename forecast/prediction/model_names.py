"""MODEL, as every command takes it: a run, shipped weights, an exported file, or a function of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from forecast.core.batch import AgentBatch
from forecast.core.errors import ConfigError
from forecast.core.forecast import Forecast
from forecast.core.user_code import is_outside, load_outside
from forecast.model.network_config import NetworkConfig
from forecast.prediction.predictor import BatchPredictor, Predictor


class OwnPredictor:
    """A function of the user's own as a model.

    Args:
        function: takes an :class:`~forecast.core.batch.AgentBatch` and gives a
            :class:`~forecast.core.forecast.Forecast` in the agent frame. It may have an attribute ``config``, a
            :class:`~forecast.model.network_config.NetworkConfig` that says which crop and horizon it reads. Without
            one it reads no map, and two seconds of past at 2 Hz.
        name: for messages.
        device: where it expects batches.

    Raises:
        ConfigError: it is no function, or its ``config`` is another thing.
    """

    def __init__(
        self, function: Callable[[AgentBatch], Forecast], name: str, device: torch.device | str = "cpu"
    ) -> None:
        config = getattr(function, "config", NetworkConfig(uses_map=False))
        if not callable(function) or not isinstance(config, NetworkConfig):
            found = f"config is {type(config).__name__}" if callable(function) else f"is {type(function).__name__}"
            raise ConfigError(
                f"{name}: {found}; expected a function of a batch, whose config is a NetworkConfig if any"
            )
        self._function, self._name = function, name
        self.config: NetworkConfig = config
        self.device = torch.device(device)

    def predict(self, batch: AgentBatch, *, null_context: bool = False) -> Forecast:
        """Call the function.

        Raises:
            ConfigError: ``null_context``; or the function fails, or gives no forecast of these agents in their frame.
        """
        if null_context:
            raise ConfigError(f"{self._name}: a function of one's own cannot be asked without context")
        try:
            forecast = self._function(batch)
        except Exception as fault:  # whatever a user's function raises
            told = " ".join(str(fault).split())[:160]
            raise ConfigError(f"{self._name}: failed on {len(batch)} agents: {type(fault).__name__}: {told}") from fault
        if not isinstance(forecast, Forecast):
            raise ConfigError(
                f"{self._name}: gave {type(forecast).__name__}; expected a forecast.core.forecast.Forecast"
            )
        shape = tuple(forecast.positions_m.shape)
        expected = (len(batch), shape[1], self.config.horizon.future_steps, 2)
        if forecast.frame != "agent" or shape != expected:
            raise ConfigError(
                f"{self._name}: gave positions {shape} in the {forecast.frame} frame; expected {expected}, agent frame"
            )
        return forecast


def open_model(
    model: Path | str,
    device: torch.device | str = "cpu",
    *,
    merge_radius_m: float | None = None,
    medoids: int | None = None,
    city: str | None = None,
) -> BatchPredictor:
    """Open what a command was given as MODEL.

    Args:
        model: a run's folder, a .safetensors file, the name of shipped weights (``town``), an exported file (.onnx), or
            ``module:function`` (:class:`OwnPredictor`).
        device: where to compute; exported files compute on the CPU.
        merge_radius_m, medoids, city: of trained models, in place of what their files say
            (:func:`~forecast.prediction.checkpoint.load_checkpoint`).

    Raises:
        ForecastError: it cannot be used; one line.
    """
    name = str(model)
    exported = name.lower().endswith(".onnx")
    if not exported and not (is_outside(name) and not Path(name).exists()):
        return Predictor.load(model, device, merge_radius_m=merge_radius_m, medoids=medoids, city=city)
    if city is not None:
        raise ConfigError(f"{name}: a city goes with weights that hold cities; this model is one for all places")
    for given, what in ((merge_radius_m, "a merge radius goes"), (medoids, "medoids go")):
        if given is not None:
            raise ConfigError(f"{name}: {what} with weights; this model merges its modes, or not, by itself")
    if exported:
        from forecast.prediction.onnx_predictor import OnnxPredictor

        if torch.device(device).type != "cpu":
            raise ConfigError(f"{name}: exported files compute on the CPU, not on {device}")
        return OnnxPredictor(name)
    return OwnPredictor(load_outside(name, "MODEL"), name, device)
