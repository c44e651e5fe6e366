"""What is trained where a run adapts trained weights to a city."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from forecast.core.errors import ConfigError
from forecast.data.dataset import AgentDataset
from forecast.data.prepared import Dataset
from forecast.data.samples import Samples
from forecast.model.cities.city_network import CityNetwork
from forecast.model.cities.city_record import BASE, CityRecord
from forecast.model.network_protocol import Network
from forecast.prediction.checkpoint import Checkpoint, load_checkpoint
from forecast.training.config import as_dict, load_config, parsed
from forecast.training.module import AddCrops
from forecast.training.schema import AdaptConfig, TrainingConfig

#: What is learnt from differs from the run that the weights are of; how it is varied does not.
_KEPT_OF_DATA = ("mirror", "heading_noise_rad", "drop_neighbours", "crop_memory_mib")
#: Agent-samples by which the look of a city is known.
_SEEN = 1024
#: A city has fewer agent-samples than the data that the weights are of.
_EPOCHS = 10
#: Share of the learning rates by which the weights were trained: all of a trained network moves slower than a new part.
_RATES = {"full": 0.25}


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
    share = _RATES.get(settings.get("adapt", {}).get("method", ""), 1.0)
    earlier = _RATES.get(before["adapt"]["method"], 1.0)  # what is recorded is that run's own
    for key in ("learning_rate", "map_learning_rate"):
        before["optimiser"][key] *= share / earlier
    values = {
        **{section: before[section] for section in ("objective", "schedules", "consistency", "optimiser")},
        "model": as_dict(network),
        "data": {key: before["data"][key] for key in _KEPT_OF_DATA},
        "run": run,
    }
    for section, given in settings.items():
        values[section] = {**values.get(section, {}), **given}
    return parsed(values, str(checkpoint.path), overrides)


def check_model(config: TrainingConfig, network: Network, weights: str) -> None:
    """Trained weights begin a run of their own network alone.

    Also what the parameters' shapes do not tell, such as the crop, must be theirs: it changes what they mean. Which
    modes are answered need not.

    Raises:
        ConfigError: the configuration names another network, or another size of it.
    """
    ours, theirs = as_dict(config.model), as_dict(network.config)
    for key, value in theirs.items():
        if ours.get(key) != value and key not in ("merge_radius_m", "medoids", "medoid_power"):
            raise ConfigError(
                f"run.start_from {weights}: these weights have model.{key} {value}, the configuration says "
                f"{ours.get(key)}"
            )


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
    check_model(config, network, weights)
    try:
        if adapt.shared:
            return _shared(network, adapt)
        cities = network if isinstance(network, CityNetwork) else CityNetwork(network, ())
        locations = tuple(dict.fromkeys(config.data.locations))
        with torch.random.fork_rng():
            torch.manual_seed(config.run.seed)
            cities.add(CityRecord(adapt.city or "+".join(locations), locations, adapt.method, adapt.rank))
        cities.learn(cities.records[-1].name)
    except ValueError as fault:
        raise ConfigError(f"run.start_from {weights}: {fault}") from None
    return cities


def know_scenes(
    network: Network, config: TrainingConfig, dataset: Dataset, split: str, add_crops: AddCrops | None
) -> None:
    """Let a network with cities see what scenes of the new city look like, and those elsewhere, to guess by.

    Args:
        network: as :func:`network_to_adapt` gives it; nothing happens to one without cities.
        config: of the run.
        dataset: all locations.
        split: that is learnt.
        add_crops: makes the crops of a batch; None where the network reads none.
    """
    if not isinstance(network, CityNetwork):
        return
    claimed = {location for record in network.records for location in record.locations}
    assert network.training_city is not None
    places = {
        network.training_city: config.data.locations or (),
        BASE: [name for name in dataset.map_names if name not in claimed],
    }
    for city, locations in places.items():
        view = dataset.at(locations) if locations else None
        if view is None or split not in view.splits:
            continue
        rows = np.random.default_rng(0).permutation(view.samples(split).rows)[:_SEEN]
        source = AgentDataset.read_by(network.config, view, Samples(np.sort(rows)))
        with torch.no_grad():
            base = network.base.eval()
            blocks = source.batch(range(len(rows))).blocks()
            parts = [base.encoding(batch if add_crops is None else add_crops(batch)) for batch in blocks]
            network.train()
        seen = [part for part in parts if part is not None]
        if seen and len(rows) > 1:
            network.know(city, torch.cat(seen))


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
