"""What a network is to the rest of the package: training, checkpoints, export and prediction know this alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from forecast.core.batch import AgentBatch
from forecast.core.forecast import Forecast
from forecast.core.shapes import Float
from forecast.model.attention import Attention
from forecast.model.branch import Branch
from forecast.model.medoids import medoids
from forecast.model.merging import merge_modes
from forecast.model.mode_attention import ModeAttention
from forecast.model.network_config import NetworkConfig


class Network(nn.Module, ABC):
    """Base of all networks: from a batch of agents to a mixture of futures, one a mode.

    A subclass says what its configuration is (``config_class``), answers :meth:`mixture`, and in training
    :meth:`forward`. It is made from its configuration alone.

    Attributes:
        config_class: the dataclass behind ``model`` in a configuration.
        has_posterior: whether its branches have a posterior q(z | X, C, y).

    Args:
        config: sizes and switches.
    """

    config_class: ClassVar[type[NetworkConfig]]
    has_posterior: ClassVar[bool] = False

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def forward(self, batch: AgentBatch, *, without_context: bool = False) -> tuple[Branch, Branch | None]:
        """What the objectives need of a batch with its true futures.

        Args:
            batch: agent frame, with futures, and with crops where the network reads the map.
            without_context: also pass over the agents' own past alone, with the same parameters. All random draws of
                the pass with context come first, so that the other one does not change them.

        Returns:
            The pass with context, and the one without or None.
        """

    @abstractmethod
    def mixture(self, batch: AgentBatch, *, null_context: bool = False) -> Forecast:
        """The distribution that is learnt, near-equal modes not merged.

        Args:
            batch: agent frame, with crops where the network reads the map; futures are not read.
            null_context: forecast from the agents' own past alone.

        Returns:
            Agent frame; positions (batch, modes, steps, 2) metres, probabilities (batch, modes), headings (batch,
            modes, steps) rad, covariances (batch, modes, steps, 2, 2) m².
        """

    def predict(self, batch: AgentBatch, *, null_context: bool = False) -> Forecast:
        """Forecast a batch: what :meth:`answer` makes of the mixture.

        Args:
            batch: as for :meth:`mixture`.
            null_context: forecast from the agents' own past alone.
        """
        return self.answer(self.mixture(batch, null_context=null_context))

    def answer(self, mixture: Forecast) -> Forecast:
        """What is answered of a distribution: ``config.medoids`` of its modes, or all, near-equal ones merged.

        Args:
            mixture: as :meth:`mixture` gives it.
        """
        config = self.config
        if config.medoids:
            return medoids(mixture, config.medoids, config.medoid_power)
        return merge_modes(mixture, config.merge_radius_m)

    @property
    def tells_attention(self) -> bool:
        """Whether :meth:`attention` says where modes look."""
        return type(self).attention is not Network.attention

    def attention(self, batch: AgentBatch) -> ModeAttention | None:
        """Where each mode of :meth:`mixture` looks; None of networks that cannot say.

        Args:
            batch: as for :meth:`mixture`.
        """
        return None

    def encoding(self, batch: AgentBatch) -> Float[Tensor, "batch size"] | None:
        """What the network makes of a scene before it says futures, without a unit; None of networks that have none.

        Args:
            batch: as for :meth:`mixture`.
        """
        return None

    def map_tokens(
        self, crop: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch rows columns size"] | None:
        """What is read of each cell of a crop, which pre-training teaches; None of networks that read no cells.

        Args:
            crop: in 0…1.

        Returns:
            (batch, rows, columns, size) of cells that divide the crop, no unit.
        """
        return None

    def attention_parameters(self) -> set[str]:
        """Names of the parameters of attention, positions and heads, which can be tuned alone for a new city.

        By default those of all :class:`~forecast.model.attention.Attention`; none where a network has none.
        """
        layers = {name: layer for name, layer in self.named_modules() if isinstance(layer, Attention)}
        return {f"{name}.{own}" for name, layer in layers.items() for own, _ in layer.named_parameters()}

    def map_parameters(self) -> list[nn.Parameter]:
        """Parameters that learn at ``optimiser.map_learning_rate``, those of a map encoder; by default none."""
        return []
