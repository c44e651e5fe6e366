"""A network in training, and the twin that is trained beside it where the objective asks for one."""

from __future__ import annotations

from torch import nn

from forecast.core.batch import AgentBatch
from forecast.core.forecast import Forecast
from forecast.model.branch import Branch
from forecast.model.network_config import NetworkConfig
from forecast.model.network_protocol import Network
from forecast.model.network_registry import make_network
from forecast.model.objective_config import ObjectiveConfig


class TrainingPair(nn.Module):
    """A network, and what gives the pass without context: nothing, the network itself, or a twin.

    A twin is of the same kind and reads the agents' own past alone. It is made after the network and draws after it, so
    that the network begins and trains the same with and without it.

    Args:
        model: of the network.
        objective: says where the pass without context comes from.
        network: to train in place of a new one.
    """

    def __init__(self, model: NetworkConfig, objective: ObjectiveConfig, network: Network | None = None) -> None:
        super().__init__()
        self.without_context = objective.without_context
        self.network: Network = make_network(model) if network is None else network
        self.twin: Network | None = (
            make_network(model.without_context()) if objective.without_context == "twin" else None
        )

    def forward(self, batch: AgentBatch) -> tuple[Branch, Branch | None]:
        """Pass over a batch with its true futures.

        Returns:
            The pass with context, and the one without or None.
        """
        if self.twin is None:
            both: tuple[Branch, Branch | None] = self.network(batch, without_context=self.without_context == "shared")
            return both
        return self.network(batch)[0], self.twin(batch)[0]

    def mixtures(self, batch: AgentBatch) -> dict[str, Forecast]:
        """Forecast a batch ``with`` context, and ``without`` where that is learnt."""
        made = {"with": self.network.mixture(batch)}
        if self.without_context != "none":
            made["without"] = (self.twin or self.network).mixture(batch, null_context=True)
        return made
