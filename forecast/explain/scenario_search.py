"""Finds scenarios like one, but with one thing changed: by tags, by a vector that turns one into the other, or both.

After SIMAT (Jacob and others' group, arXiv 2112.03162): a transformation is the difference of two classes' means in the
space of the frozen encoder. ``docs/search.md`` says which way is the default and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forecast.core.batch import AgentBatch
from forecast.core.errors import ConfigError, DataError
from forecast.core.shapes import Float64
from forecast.explain.scenario_tags import Labels

Floats = NDArray[np.float64]
Way = Literal["tags", "vectors"]


class Encodes(Protocol):
    """A network that has an encoding."""

    def encoding(self, batch: AgentBatch) -> Tensor | None:
        """(agents, size), without a unit."""


@dataclass(frozen=True)
class Encoder:
    """A frozen network's encoding, each number brought to mean 0 and deviation 1 over some agents.

    Attributes:
        network: that has an encoding.
        mean, deviation: (size,) of the agents, without a unit.
    """

    network: Encodes
    mean: Float64[Floats, "size"]
    deviation: Float64[Floats, "size"]

    @classmethod
    def of(cls, network: Encodes, batch: AgentBatch) -> Encoder:
        """Made to measure for these agents.

        Raises:
            ConfigError: the network has no encoding.
        """
        found = _encoded(network, batch)
        return cls(network, found.mean(0), np.maximum(found.std(0), 1e-9))

    def __call__(self, batch: AgentBatch) -> Float64[Floats, "agents size"]:
        """Encodings of agents, without a unit."""
        return np.asarray((_encoded(self.network, batch) - self.mean) / self.deviation)


def _encoded(network: Encodes, batch: AgentBatch) -> Floats:
    parts = []
    for block in batch.blocks():
        with torch.inference_mode():
            part = network.encoding(block)
        if part is None:
            raise ConfigError("this network has no encoding to search by; query and cvae have")
        parts.append(part.double())
    return np.asarray(torch.cat(parts).numpy())


@dataclass(frozen=True)
class Scenarios:
    """What is searched.

    Attributes:
        encodings: (agents, size) without a unit.
        tags: tag → (agents,) values.
        scenes: (agents,) of the same scene are not answered: they are the same scenario a moment later.
        tracks: (agents,) of each only the best moment is answered.
    """

    encodings: Float64[Floats, "agents size"]
    tags: Labels
    scenes: NDArray[np.str_]
    tracks: NDArray[np.str_]

    def transformation(self, tag: str, source: str, target: str) -> Float64[Floats, "size"]:
        """The difference between the mean encodings of two values of a tag, without a unit.

        Raises:
            DataError: no agent has one of them.
        """
        for value in (source, target):
            if not (self.tags[tag] == value).any():
                raise DataError(f"no agent here is tagged {tag} '{value}'; choose another split or another --but")
        target_mean = self.encodings[self.tags[tag] == target].mean(0)
        return np.asarray(target_mean - self.encodings[self.tags[tag] == source].mean(0))

    def search(
        self, like: int, change: tuple[str, str], *, way: Way = "tags", strength: float = 1.0, top: int = 10
    ) -> tuple[NDArray[np.int64], Floats]:
        """Agents like one, with one tag changed.

        Args:
            like: index of the agent.
            change: tag and the value that is wanted.
            way: ``vectors``: nearest to the encoding plus ``strength`` times the transformation. ``tags``: first those
                that have the wanted tag and keep most of the others, nearest so among equals.
            strength: λ.
            top: how many.

        Returns:
            (found,) indices, the best first, at most one a track, and their (found,) distances.

        Raises:
            DataError: nobody has the wanted tag.
        """
        tag, value = change
        source = str(self.tags[tag][like])
        aim = self.encodings[like]
        if source != value:
            aim = aim + strength * self.transformation(tag, source, value)
        distance = np.linalg.norm(self.encodings - aim, axis=1)
        others = self.scenes != self.scenes[like]
        kept = self.kept(like, change)
        order = np.lexsort((distance, -kept)) if way == "tags" else np.argsort(distance, kind="stable")
        wanted = others & (self.tags[tag] == value) if way == "tags" else others
        order = order[wanted[order]]
        _, first = np.unique(self.tracks[order], return_index=True)
        order = order[np.sort(first)][:top]
        return order, distance[order]

    def kept(self, like: int, change: tuple[str, str]) -> NDArray[np.int64]:
        """(agents,) how many of the other tags each agent shares with one."""
        others = [values == values[like] for tag, values in self.tags.items() if tag != change[0]]
        return np.asarray(np.sum(others, axis=0))

    def right(self, like: int, change: tuple[str, str]) -> NDArray[np.bool_]:
        """(agents,) who has the wanted tag and keeps all others, in another scene: what a search should find."""
        tag, value = change
        return np.asarray(
            (self.tags[tag] == value)
            & (self.kept(like, change) == len(self.tags) - 1)
            & (self.scenes != self.scenes[like])
        )


def most_like(scenarios: Scenarios, encoding: Float64[Floats, "size"], tags: Mapping[str, str], scene: str) -> int:
    """The agent that shares most of some tags, and among equals is nearest to an encoding (without a unit).

    Args:
        scenarios: what is searched.
        encoding: of what is looked for.
        tags: that it has; those that it lacks are not asked for.
        scene: whose agents are not answered.

    Raises:
        DataError: there is no other scene.
    """
    shared = np.sum([scenarios.tags[tag] == value for tag, value in tags.items()], axis=0)
    distance = np.linalg.norm(scenarios.encodings - encoding, axis=1)
    order = np.lexsort((distance, -shared))
    order = order[scenarios.scenes[order] != scene]
    if not len(order):
        raise DataError("the split has no other scene to retrieve from")
    return int(order[0])


def tags_at(tags: Mapping[str, NDArray[np.str_]], agent: int) -> dict[str, str]:
    """The tags of one agent of (agents,) values."""
    return {tag: str(values[agent]) for tag, values in tags.items()}
