"""What is trained where a run adapts trained weights to a city."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from forecast.core.errors import ConfigError
from forecast.model.cities.city_network import CityNetwork
from forecast.model.cities.city_record import CityRecord
from forecast.model.network_protocol import Network
from forecast.prediction.checkpoint import Checkpoint, load_checkpoint
from forecast.training.config import as_dict, load_config, parsed
from forecast.training.schema import AdaptConfig, TrainingConfig

#: What is learnt from differs from the run that the weights are of; how it is varied does not.
_KEPT_OF_DATA = ("mirror", "heading_noise_rad", "drop_neighbours", "crop_memory_mib")
#: A city has fewer agent-samples than the data that the weights are of.
_EPOCHS = 10


def adapting_config(
    checkpoint: Checkpoint, settings: Mapping[str, Mapping[str, Any]], overrides: Sequence[str] = ()
) -> TrainingConfig:
    """The configuration of a run that adapts weights: as they were trained, but for what is said.

    Args:
        checkpoint: the weights.
        settings: by section and key, of this run.
        overrides: command line arguments, which win.

    Raises:
        ConfigError: an unknown key, or values that do not go together.
    """
    network = checkpoint.model.config
    recorded = checkpoint.notes.get("config")
    if recorded is None:
        before = as_dict(load_config("default", settings={"model.network": network.network}))
    else:
        before = as_dict(parsed(recorded, where=""))
    if before["objective"]["without_context"] == "twin":  # which has no cities
        before["objective"] = {"name": "plain"}
    run = {"epochs": _EPOCHS, **{key: before["run"][key] for key in ("batch_size", "monitor")}}
    values = {
        **{section: before[section] for section in ("objective", "schedules", "consistency", "optimiser")},
        "model": as_dict(network),
        "data": {key: before["data"][key] for key in _KEPT_OF_DATA},
        "run": run,
    }
    for section, given in settings.items():
        values[section] = {**values.get(section, {}), **given}
    return parsed(values, str(checkpoint.path), overrides)


def network_to_adapt(config: TrainingConfig) -> Network:
    """The weights of ``run.start_from``, with what the method trains free and everything else frozen.

    Args:
        config: of the run.

    Returns:
        A :class:`~forecast.model.cities.city_network.CityNetwork` with one city more, which answers as the base does
        until it is trained; where ``adapt.shared``, the network itself.

    Raises:
        ConfigError: the method does not go with these weights.
        CheckpointError: they cannot be used.
    """
    adapt, weights = config.adapt, config.run.start_from
    assert weights is not None
    assert config.data.locations is not None
    assert adapt.method != "none"
    network = load_checkpoint(weights).model.train()
    try:
        if adapt.shared:
            return _shared(network, adapt)
        cities = network if isinstance(network, CityNetwork) else CityNetwork(network, ())
        name = adapt.city or "+".join(config.data.locations)
        cities.add(CityRecord(name, config.data.locations, adapt.method, adapt.rank))
        cities.learn(name)
    except ValueError as fault:
        raise ConfigError(f"run.start_from {weights}: {fault}") from None
    return cities


def _shared(network: Network, adapt: AdaptConfig) -> Network:
    if isinstance(network, CityNetwork):
        raise ValueError(
            f"these weights hold cities ({', '.join(record.name for record in network.records)}), which rest on a base "
            "that must not change: leave adapt.shared out"
        )
    if adapt.method == "attention":
        chosen = network.attention_parameters()
        if not chosen:
            raise ValueError(f"model.network '{network.config.network}' has no attention that could be tuned alone")
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name in chosen)
    return network
