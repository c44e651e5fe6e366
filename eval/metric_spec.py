"""What the package knows of a metric of the report: one :class:`MetricSpec` is all that it takes to add one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from forecast.eval.results import PerItem

#: What a metric is measured from, and by that on which items: see :mod:`forecast.eval.evidence`.
Source = Literal[
    "agents",  # AgentEvidence: one value an agent-sample
    "samples",  # SampleEvidence: likewise, of draws of the full distribution
    "road",  # RoadEvidence of the modes, by the devkit's rule
    "road samples",  # RoadEvidence of the draws
    "polygons",  # RoadEvidence of the modes, against the polygons
    "polygon samples",  # RoadEvidence of the draws
    "hardest",  # HardnessEvidence of minFDE_1
    "points",  # PointEvidence of the most likely mode: one value a target point
    "closest points",  # PointEvidence of the mode closest to the truth
    "pairs",  # PairEvidence: one value a pair of successive forecasts
    "slow pairs",  # likewise, only where asked for
    "tracks",  # PairEvidence: one value a track
    "revisions",  # RevisionEvidence of all tracks: one value a track
]

#: Where the figures of a source stand in report.json, and what they are averaged over.
GROUPS: dict[Source, tuple[str, str]] = {
    "agents": ("metrics", "agent-samples"),
    "samples": ("metrics", "agent-samples"),
    "road": ("metrics", "agent-samples"),
    "road samples": ("metrics", "agent-samples"),
    "polygons": ("metrics", "agent-samples"),
    "polygon samples": ("metrics", "agent-samples"),
    "hardest": ("hardest", "the hardest agent-samples"),
    "points": ("temporal", "target points"),
    "closest points": ("temporal", "target points"),
    "pairs": ("temporal", "pairs of successive forecasts"),
    "slow pairs": ("temporal", "pairs of successive forecasts"),
    "tracks": ("temporal", "tracks"),
    "revisions": ("temporal", "tracks"),
}


@dataclass(frozen=True)
class MetricSpec:
    """A metric: what it is called, what it means, and how it is measured.

    Attributes:
        key: in report.json; what follows a dot is a key one level deeper (``convergence_s.0.2``).
        source: what it is measured from.
        measure: from that evidence to one value an item.
        definition: one line for people.
        unit: of the values: ``m``, ``s``, ``share`` (0 to 1) or ``nats``; empty where there is none to tell.
        heading: in tables; empty where it stands in report.json alone.
        short: whether the short tables (Markdown, LaTeX) have it, too.
        lower_is_better: False where larger values are better.
        zero_is_best: True where values nearer 0 are better; ``lower_is_better`` says nothing then.
        needs: what is measured only where it is there: ``covariances``, ``modes`` (all else needs no more).
        lacking: what report.json says it takes, where a file cannot give it; empty: nothing.
        function: the documented function, below ``forecast.eval``; empty for one from outside the package.
        torch_class: the torchmetrics class in :mod:`forecast.eval.metrics`, as it is called; empty where there is none.
        checked: what the tests compare it with.
        rigid: whether turning and shifting the world leaves it as it is.
    """

    key: str
    source: Source
    measure: Callable[[Any], PerItem]
    definition: str
    unit: str = ""
    heading: str = ""
    short: bool = True
    lower_is_better: bool = True
    zero_is_best: bool = False
    needs: tuple[str, ...] = ()
    lacking: str = ""
    function: str = ""
    torch_class: str = ""
    checked: str = ""
    rigid: bool = True

    @property
    def path(self) -> tuple[str, ...]:
        """Where its figure stands in a body of report.json."""
        group, _, deeper = self.key.partition(".")
        return (GROUPS[self.source][0], group, *([deeper] if deeper else []))

    @property
    def items(self) -> str:
        """What it is averaged over."""
        return GROUPS[self.source][1]
