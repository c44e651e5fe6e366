"""Runs the parts of an audit one after another; what is finished is kept and not run again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from forecast.core.json_files import write_json
from forecast.core.progress import progress
from forecast.data.prepared import Dataset
from forecast.eval.context import context_gap
from forecast.explain.audit.agent_removal import agent_removal
from forecast.explain.audit.agents_of import agents_of, some_of
from forecast.explain.audit.asked import Agents, ask, error_m, moved_m, told
from forecast.explain.audit.hardest_agents import hardest_agents
from forecast.explain.audit.junction_parts import JunctionWorld, causal_error, gap_closed, junction_world
from forecast.explain.audit.scene_attack import scene_attack
from forecast.explain.audit.subsets import subsets
from forecast.explain.audit.swaps import swaps
from forecast.explain.audit.town_parts import can_be_driven_on, town_causal_error
from forecast.explain.null_inputs import jittered
from forecast.prediction.predictor import BatchPredictor


@dataclass(frozen=True)
class AuditSettings:
    """How much is asked.

    Attributes:
        agents: of the split, at most.
        targets: of the junction world.
        seed: of the choice of agents, and of what is drawn.
    """

    agents: int = 500
    targets: int = 400
    seed: int = 0


QUICK = AuditSettings(agents=100, targets=200)


def noise(model: BatchPredictor, agents: Agents) -> dict[str, Any]:
    """What a jitter of all tracked poses by 5 cm and 1° does: changes that are smaller are nothing, metres."""
    before = ask(model, agents.batch)
    after = ask(model, jittered(agents.batch, torch.Generator().manual_seed(0)))
    rises = context_gap(error_m(after, agents.batch), error_m(before, agents.batch))
    return {
        "end_moves_m": told(moved_m(after, before), agents.scenes),
        "fde_rises_m": told(rises, agents.scenes),
        "fde_m": told(error_m(before, agents.batch), agents.scenes),
    }


OnAgents = Callable[[BatchPredictor, Agents], dict[str, Any]]
OnJunction = Callable[[BatchPredictor, JunctionWorld], dict[str, Any]]
#: In the order of the report.
ON_AGENTS: dict[str, OnAgents] = {
    "noise": noise,
    "subsets": subsets,
    "swaps": swaps,
    "scene_attack": scene_attack,
    "agent_removal": agent_removal,
    "hardest_agents": hardest_agents,
}
ON_JUNCTION: dict[str, OnJunction] = {"causal_error": causal_error, "gap_closed": gap_closed}
#: Where the data are a town's, of half as many agents: each of them is driven on many times.
ON_TOWN = "town_causal_error"


class Audit:
    """An audit of one model on one split.

    Args:
        model: the forecaster.
        named: what the model was called, and what tells it from others of that name (a hash of its files).
        dataset: open.
        split: whose agent-samples are asked about.
        folder: where finished parts are kept.
        settings: how much.
    """

    def __init__(
        self,
        model: BatchPredictor,
        named: tuple[str, str],
        dataset: Dataset,
        split: str,
        folder: Path,
        settings: AuditSettings,
    ) -> None:
        self._model, self._named, self._dataset, self._split = model, named, dataset, split
        self._folder, self._settings = folder, settings

    @cached_property
    def _agents(self) -> Agents:
        samples = some_of(self._dataset, self._split, self._settings.agents, self._settings.seed)
        return agents_of(self._model.config, self._dataset, samples)

    @cached_property
    def _junction(self) -> JunctionWorld:
        return junction_world(self._model, self._folder / f"junction-{self._settings.targets}", self._settings.targets)

    @property
    def _about(self) -> dict[str, Any]:
        dataset = {"where": self._dataset.where, "fingerprint": self._dataset.fingerprint, "split": self._split}
        if self._dataset.locations is not None:
            dataset["locations"] = ", ".join(sorted(self._dataset.locations))
        return {
            "model": self._named[0],
            "model_hash": self._named[1],
            "remark": self._model.config.remark or None,
            "dataset": dataset,
            "settings": asdict(self._settings),
        }

    def run(self) -> dict[str, Any]:
        """All parts, each from its file where that is of this audit.

        Raises:
            ForecastError: the data or the model cannot be used.
        """
        document = self._about
        key = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
        names = [*ON_AGENTS, *ON_JUNCTION]
        if can_be_driven_on(self._dataset):
            names.append(ON_TOWN)
        parts = {}
        for name in progress(names, "auditing", total=len(names)):
            parts[name] = self._part(name, key)
        return {**document, "parts": parts}

    def _part(self, name: str, key: str) -> dict[str, Any]:
        kept = self._folder / "parts" / f"{name}.json"
        if kept.is_file():
            found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
            if found["key"] == key:
                return dict(found["part"])
        if name in ON_AGENTS:
            part = ON_AGENTS[name](self._model, self._agents)
        elif name == ON_TOWN:
            some = some_of(self._dataset, self._split, self._settings.agents // 2, self._settings.seed)
            part = town_causal_error(self._model, self._dataset, some)
        else:
            part = ON_JUNCTION[name](self._model, self._junction)
        write_json(kept, {"key": key, "part": part})
        return part
