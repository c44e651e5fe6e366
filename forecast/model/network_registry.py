"""Networks by name: those of this package, and those that installed packages offer."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from forecast.core.errors import ConfigError, one_of
from forecast.core.plugins import load_plugin, plugins
from forecast.model.cvae import CVAE
from forecast.model.network_config import NetworkConfig
from forecast.model.network_protocol import Network
from forecast.model.query.query_network import QueryNetwork

#: Packages offer networks under this group: ``name = "package.module:Class"``.
ENTRY_POINTS = "forecast.networks"
#: What ``model.network`` is when nothing is said.
DEFAULT_NETWORK = "cvae"
_OWN: dict[str, type[Network]] = {"cvae": CVAE, "query": QueryNetwork}


def network_names() -> list[str]:
    """Names of all networks that are there."""
    return sorted({*_OWN, *plugins(ENTRY_POINTS, _OWN)})


def network_class(name: str) -> type[Network]:
    """The class behind a name.

    Raises:
        ConfigError: there is none, or it cannot be used; one line.
    """
    if name in _OWN:
        return _OWN[name]
    offered = plugins(ENTRY_POINTS, _OWN)
    if name not in offered:
        raise ConfigError(
            f"model.network: no network is called '{name}': {one_of(network_names(), name)}; another one comes with "
            f"an installed package that has an entry point '{name}' in the group '{ENTRY_POINTS}'"
        )
    return _loaded(offered[name])


def make_network(config: NetworkConfig) -> Network:
    """A network of a configuration, with random parameters.

    Raises:
        ConfigError: there is no such network.
    """
    return network_class(config.network)(config)


def _loaded(point: EntryPoint) -> type[Network]:
    where = f"model.network: the entry point '{point.name} = {point.value}'"
    found = load_plugin(point, where, ConfigError)
    if not (isinstance(found, type) and issubclass(found, Network)):
        raise ConfigError(f"{where} is no subclass of forecast.model.network_protocol.Network")
    config = getattr(found, "config_class", None)
    if not (isinstance(config, type) and issubclass(config, NetworkConfig)):
        raise ConfigError(f"{where}: its config_class is no subclass of forecast.model.network_config.NetworkConfig")
    return found
