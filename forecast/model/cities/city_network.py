"""A network that holds a base and cities, and answers each agent by the city whose map it drives on."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from forecast.core.batch import AgentBatch
from forecast.core.forecast import Forecast
from forecast.core.shapes import Float, Int64
from forecast.model.branch import Branch
from forecast.model.cities.city_guess import CityGuess, guessed
from forecast.model.cities.city_part import CityPart
from forecast.model.cities.city_record import BASE, CityRecord
from forecast.model.mode_attention import ModeAttention
from forecast.model.network_protocol import Network

_Said = TypeVar("_Said", Forecast, ModeAttention)


class CityNetwork(Network):
    """A base, which never changes again, and what each city changes of it.

    Each city that occurs in a batch answers the whole batch, and each agent is given its own city's answer. So an
    answer depends on no other city, to the last bit; a batch of one city costs what the base costs.

    Args:
        base: answers everywhere that no city claims.
        records: of the cities; no two claim a location.
        encoding_size: numbers in the base's encodings, where cities are to be guessed by them; 0 for no guesses.

    Attributes:
        guessing: whether agents are answered by the city that their scene looks like, whatever map they are on.
        training_city: the city that :meth:`forward` trains; the others and the base are frozen.

    Raises:
        ValueError: two cities of one name or location, or one that the base cannot have.
    """

    def __init__(self, base: Network, records: Iterable[CityRecord], encoding_size: int = 0) -> None:
        super().__init__(base.config)
        self.base = base
        self.has_posterior = base.has_posterior  # type: ignore[misc]  # the base's, which differs by network
        self.parts, self.guesses = nn.ModuleDict(), nn.ModuleDict()
        self.encoding_size, self.guessing = encoding_size, False
        if encoding_size:
            self.guesses[BASE] = CityGuess(encoding_size)
        self.training_city: str | None = None
        self._merged: dict[str, tuple[object, Network]] = {}
        for record in records:
            self.add(record)

    @property
    def records(self) -> tuple[CityRecord, ...]:
        """Of the cities, in the order in which they were added."""
        return tuple(self._part(name).record for name in self.parts)

    def add(self, record: CityRecord) -> None:
        """Add a city, which answers as the base does until it is trained.

        Raises:
            ValueError: its name or a location is taken, or the base cannot have it.
        """
        for other in self.records:
            both = set(other.locations) & set(record.locations)
            if other.name == record.name or both:
                raise ValueError(
                    f"the weights hold the city '{other.name}' ({', '.join(other.locations)}) already; adapt to "
                    "others, or begin from weights without it"
                )
        self.parts[record.name] = CityPart(record, self.base)
        if self.encoding_size:
            self.guesses[record.name] = CityGuess(self.encoding_size)

    def know(self, name: str, encodings: Float[Tensor, "agents size"]) -> None:
        """Learn what scenes of a city look like, so that it can be guessed where no map is named.

        Args:
            name: of the city; ``base`` for where the base drives.
            encodings: the base's, of two agents or more, no unit.
        """
        if not self.encoding_size:
            self.encoding_size = encodings.shape[1]
            for each in (BASE, *self.parts):
                self.guesses[each] = CityGuess(self.encoding_size).to(encodings)
        guess = self.guesses[name]
        assert isinstance(guess, CityGuess)
        guess.learn(encodings)

    @property
    def knows_all(self) -> bool:
        """Whether all cities, and where the base drives, have been seen, so that each can be guessed."""
        guesses = [guess for guess in self.guesses.values() if isinstance(guess, CityGuess)]
        return len(guesses) == 1 + len(self.parts) and all(bool(guess.known) for guess in guesses)

    def learn(self, name: str) -> None:
        """Choose the city that is trained, and freeze everything else."""
        self.requires_grad_(False)
        self.parts[name].requires_grad_(True)
        self.training_city = name

    def network_of(self, name: str | None) -> Network:
        """The network of a city, its changes merged in, or the base; what is exported, and asked for answers.

        Args:
            name: of the city; None for the base.
        """
        if name is None:
            self.base.config = self.config
            return self.base
        part = self._part(name)
        # Changed in place, by whatever way, parameters count their changes.
        now = tuple(map(_stamp, (*part.parameters(), *self.base.parameters())))
        if name not in self._merged or self._merged[name][0] != now:
            # Not in inference mode, whatever asks first: who explains an answer wants gradients.
            with torch.inference_mode(False), torch.no_grad():
                made = copy.deepcopy(self.base).requires_grad_(False)
                made.load_state_dict({**self.base.state_dict(), **part.changed(dict(self.base.named_parameters()))})
            self._merged[name] = now, made.eval()
        merged = self._merged[name][1]
        merged.config = self.config
        return merged

    def forward(self, batch: AgentBatch, *, without_context: bool = False) -> tuple[Branch, Branch | None]:
        """See :meth:`Network.forward`; of the city that is trained, whatever map the agents are on."""
        if self.training_city is None:
            raise ValueError("no city is trained: call learn(name) first")
        changed = self._part(self.training_city).changed(dict(self.base.named_parameters()))
        given = {"without_context": without_context}
        both: tuple[Branch, Branch | None] = functional_call(self.base, changed, (batch,), given)
        return both

    def mixture(self, batch: AgentBatch, *, null_context: bool = False) -> Forecast:
        """See :meth:`Network.mixture`; each agent's by its own city."""
        return self._by_city(batch, lambda network: network.mixture(batch, null_context=null_context))

    @property
    def tells_attention(self) -> bool:
        """See :attr:`Network.tells_attention`; the base decides."""
        return self.base.tells_attention

    def attention(self, batch: AgentBatch) -> ModeAttention | None:
        """See :meth:`Network.attention`; each agent's by its own city."""
        if not self.tells_attention:
            return None
        return self._by_city(batch, lambda network: _there(network.attention(batch)))

    def encoding(self, batch: AgentBatch) -> Float[Tensor, "batch size"] | None:
        """See :meth:`Network.encoding`: the base's, so that scenes of all cities can be compared."""
        return self.base.encoding(batch)

    def map_parameters(self) -> list[nn.Parameter]:
        """Changes of what reads the map, in the city that is trained."""
        of_map = {id(parameter) for parameter in self.base.map_parameters()}
        if self.training_city is None:
            return []
        return self._part(self.training_city).of(name for name, p in self.base.named_parameters() if id(p) in of_map)

    def cities_of(self, batch: AgentBatch) -> Int64[Tensor, "batch"]:
        """Which city each agent is in: its place in :attr:`records`, −1 for the base.

        Args:
            batch: with the names of its maps; without them the base answers.

        Raises:
            ValueError: cities are to be guessed, and nothing is known of how they look.
        """
        if self.guessing:
            return self._guess(batch)
        place = {location: k for k, record in enumerate(self.records) for location in record.locations}
        of_map = torch.tensor([place.get(name, -1) for name in batch.map_names] + [-1])
        index = batch.map_index.cpu()
        return of_map[torch.where((index >= 0) & (index < len(batch.map_names)), index, len(batch.map_names))]

    def _guess(self, batch: AgentBatch) -> Tensor:
        encodings = self.base.encoding(batch)
        guesses = [guess for guess in self.guesses.values() if isinstance(guess, CityGuess)]
        if encodings is None or not guesses:
            raise ValueError("these weights do not know what their cities look like")
        return guessed(encodings, guesses).cpu() - 1  # the base comes first

    def _by_city(self, batch: AgentBatch, ask: Callable[[Network], _Said]) -> _Said:
        cities = self.cities_of(batch)
        names = [record.name for record in self.records]
        said: _Said | None = None
        for city in sorted(set(cities.tolist())) or [-1]:
            answer = ask(self.network_of(None if city < 0 else names[city]))
            said = answer if said is None else _chosen((cities == city).to(batch.history.device), answer, said)
        assert said is not None
        return said

    def _part(self, name: str) -> CityPart:
        part = self.parts[name]
        assert isinstance(part, CityPart)
        return part


def _stamp(parameter: Tensor) -> tuple[int, int]:
    """Where a parameter lies and how often it was changed there; tensors of inference mode do not count."""
    return parameter.data_ptr(), 0 if parameter.is_inference() else parameter._version


def _there(attention: ModeAttention | None) -> ModeAttention:
    assert attention is not None
    return attention


def _chosen(which: Tensor, these: _Said, others: _Said) -> _Said:
    """Some rows of one answer, the rest of another; both of the same shapes."""
    picked: dict[str, Any] = {}
    for field in dataclasses.fields(these):
        one, other = getattr(these, field.name), getattr(others, field.name)
        if isinstance(one, Tensor):
            picked[field.name] = torch.where(which.view(-1, *[1] * (one.ndim - 1)), one, other)
    return dataclasses.replace(these, **picked)
