"""Forecasts for a driving stack: one call a planning cycle, NumPy in and out, world frame.

Needs torch, NumPy, shapely and safetensors, nothing else. ``docs/integrate.md`` shows how it is put to use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.core.batch import AgentBatch
from forecast.core.errors import ConfigError, SceneError
from forecast.core.forecast import Forecast
from forecast.data.agent_batches import agent_batch
from forecast.data.track_columns import TrackColumns
from forecast.data.windows import NeighbourRule
from forecast.model.network_config import NetworkConfig
from forecast.prediction.checkpoint import check_forecasts, load_checkpoint, on_device
from forecast.prediction.clock_notes import clock_notes
from forecast.prediction.given_velocities import unknown_velocity_notes
from forecast.prediction.plausible import plausible
from forecast.prediction.readings import shown as written
from forecast.prediction.resample import NEVER_US, Silence, has_velocity, observed, resample
from forecast.prediction.scene import Scene
from forecast.prediction.scene_columns import Part, SceneObservations, columns_of, parts_of
from forecast.prediction.scene_forecast import SceneForecast
from forecast.prediction.scene_maps import MapLike, SceneMaps, all_zero
from forecast.prediction.stream import Observation, Stream

#: Gives all modes of a batch (with crops where the model reads the map) in the agent frame.
Engine = Callable[[AgentBatch], Forecast]
#: Agents and agent-neighbour pairs that are computed at once; larger scenes are answered in parts.
_AGENTS_AT_ONCE, _PAIRS_AT_ONCE = 256, 1 << 18


class Forecaster:
    """A trained model and its maps: forecasts of whole scenes.

    Every answer depends on its scene alone: calls leave nothing behind and may come from several threads at once. Equal
    scenes get equal answers, to the last bit, on the same device with the same number of threads. Only
    :meth:`update` keeps something: the tracks of :meth:`stream`.

    A forecaster can be copied and pickled, for workers, where its engine and its maps can (a function that is a map
    must be importable by its name): the copy has the same maps and tracks, and gives the same answers.

    Args:
        engine: gives all modes of a batch, e.g. ``Network.predict`` or an ONNX session.
        config: of the model behind the engine.
        maps: by name; see :class:`~forecast.prediction.scene_maps.SceneMaps` for what can be a map.
        device: where crops are made and the engine expects its batches.
        silence: what is done about agents that were not observed now.
        neighbour_rule: who counts as a neighbour; that of the training data by default.

    Raises:
        ConfigError: ``silence`` or ``neighbour_rule`` is none, or the model's inputs are not causal.
        DataError: a map cannot be read.
    """

    def __init__(
        self,
        engine: Engine,
        config: NetworkConfig,
        maps: Mapping[str, MapLike] | None = None,
        device: torch.device | str = "cpu",
        *,
        silence: Silence = Silence(),  # noqa: B008 - frozen
        neighbour_rule: NeighbourRule = NeighbourRule(),  # noqa: B008 - frozen
    ) -> None:
        self.engine, self.config, self.device = engine, config, torch.device(device)
        for name, given, kind in (("silence", silence, Silence), ("neighbour_rule", neighbour_rule, NeighbourRule)):
            if not isinstance(given, kind):
                raise ConfigError(f"{name}: expected a {kind.__name__}, found {written(given)}")
        if config.features != "causal":
            raise ConfigError(
                f"weights of model.features {config.features} read up to 1 s of the future, which a live scene does "
                "not have; train with model.features causal"
            )
        self.silence, self.neighbour_rule = silence, neighbour_rule
        self.maps = SceneMaps({} if maps is None else maps, config.map_crop, self.device)
        self._own_stream: Stream | None = None
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        weights: Path | str = "town",
        maps: Mapping[str, MapLike] | None = None,
        device: torch.device | str = "cpu",
        *,
        silence: Silence = Silence(),  # noqa: B008 - frozen
        merge_radius_m: float | None = None,
        medoids: int | None = None,
        city: str | None = None,
    ) -> Forecaster:
        """Load a model.

        Args:
            weights: a run's folder, a .safetensors file, or ``"town"``: weights that come with the package, trained
                on synthetic towns.
            maps: by name: a path of a baked raster, a :class:`~forecast.core.maps.MapSource`, or a callable.
            device: where to compute.
            silence: what is done about agents that were not observed now.
            city: one city of weights that hold cities, their ``base``, or ``guessed``; by default each scene is
                answered by the city whose map it names.
            merge_radius_m, medoids: how modes are answered, in place of what the checkpoint says
                (:func:`~forecast.prediction.checkpoint.load_checkpoint`).

        Raises:
            CheckpointError: the weights cannot be used.
            ConfigError: there is no such device, radius, number of medoids, or city.
            DataError: a map cannot be read.
        """
        checkpoint = load_checkpoint(weights, merge_radius_m=merge_radius_m, medoids=medoids, city=city)
        check_forecasts(checkpoint)
        model = on_device(checkpoint.model, device)
        return cls(model.predict, model.config, maps, device, silence=silence)

    def forecast(self, scene: Scene, agents: Iterable[Hashable] | None = None) -> SceneForecast:
        """Forecast a scene.

        Args:
            scene: all that was observed; nothing after its ``time_s`` is read.
            agents: ids of those to forecast; all by default. The others are seen as neighbours.

        Returns:
            Of each agent that was observed within ``silence.hold_s``: all modes, world frame. Its ``notes`` say what
            was left out or put right, the scene's own first.

        Raises:
            SceneError: the scene is none, its map is unknown, or an id is.
        """
        with torch.inference_mode():
            known = self._known(scene, agents)
            parts = self._parts(known)
            said = []
            blind = np.zeros(len(known.targets), np.bool_)
            for part in parts:
                batch = self._batch(scene, known, part)
                said.append(self.engine(batch))
                if batch.crop is not None and scene.map_name is not None:
                    blind[part.targets] = all_zero(batch.crop)
            return self._answer(scene, known, _in_order(said, parts) if said else self._nobody(), blind)

    def batches(self, scene: Scene, agents: Iterable[Hashable] | None = None) -> Iterator[AgentBatch]:
        """What the engine is given of a scene, crops included, in as many batches as :meth:`forecast` would use.

        Raises:
            SceneError: the scene's map is unknown, or an id is.
        """
        known = self._known(scene, agents)
        for part in self._parts(known):
            yield self._batch(scene, known, part)

    def stream(self, map_name: str | None = None, **settings: Any) -> Stream:
        """A memory of tracks for one vehicle's drive, which asks this forecaster.

        Args:
            map_name: where it drives.
            settings: see :class:`~forecast.prediction.stream.Stream`.
        """
        return Stream(self, map_name, **settings)

    def update(self, observations: Iterable[Observation], time_s: Any, map_name: str | None = None) -> SceneForecast:
        """Take in what was observed since the last call, and forecast everyone now.

        The tracks are kept in a stream of this forecaster's own; for several vehicles, or settings, make streams.

        Args:
            observations: any order, late ones and repetitions too; see :class:`~forecast.prediction.stream.Stream`.
            time_s: now.
            map_name: where.

        Raises:
            SceneError: time goes backwards, or the map is unknown; nothing of the call is then taken in.
        """
        with self._lock:
            if self._own_stream is None:
                self._own_stream = self.stream()
        return self._own_stream.update(observations, time_s, map_name)

    def reset(self) -> None:
        """Forget what :meth:`update` has taken in: a new drive begins, at any time."""
        with self._lock:
            self._own_stream = None

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = dict(self.__dict__)
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def _known(self, scene: Scene, agents: Iterable[Hashable] | None) -> _Known:
        """Resample a scene, and find whom to forecast."""
        if not isinstance(scene, Scene):
            raise SceneError(
                f"expected a Scene, found {type(scene).__name__}: make one with Scene.of(time_s, tracks, map_name)"
            )
        self.maps.check(scene.map_name)
        horizon = self.config.horizon
        seen = observed(
            scene.row_agent,
            scene.row_time_s,
            scene.row_pose_world,
            len(scene),
            scene.time_s,
            horizon,
            scene.row_velocity_world_mps,
        )
        notes = clock_notes(
            scene.row_agent, scene.row_time_s, scene.agent_ids, scene.time_s, seen, horizon, self.silence
        )
        seen, told = plausible(seen, scene.agent_types, scene.agent_ids, horizon)
        steps = resample(seen, horizon, self.silence)
        last_us = seen.last_us
        newest_us = last_us.max(initial=NEVER_US)
        shown = last_us >= newest_us - round(self.silence.shown_s * 1e6)
        columns, present = columns_of(steps, scene.agent_types, scene.size_m, shown)
        wanted = np.arange(len(scene)) if agents is None else scene.indices(agents)
        targets = wanted[present[wanted] >= 0]
        unknown = ~has_velocity(steps.step_us, steps.valid)[targets] & (scene.agent_types[targets] != AgentType.OTHER)
        notes += told + unknown_velocity_notes(targets[unknown], scene.agent_ids)
        return _Known(columns, wanted, targets, present[targets], -last_us[targets] * 1e-6, tuple(notes))

    def _parts(self, known: _Known) -> list[Part]:
        reach_m = float(self.neighbour_rule.radii_m().max())
        return parts_of(known.columns, known.rows, reach_m, _AGENTS_AT_ONCE, _PAIRS_AT_ONCE)

    def _batch(self, scene: Scene, known: _Known, part: Part) -> AgentBatch:
        seen = SceneObservations(part.columns, scene.map_name)
        batch = agent_batch(seen, known.rows[part.targets], self.config.horizon, self.neighbour_rule).to(self.device)
        if not self.config.uses_map:
            return batch
        return replace(batch, crop=self.maps.crops(scene.map_name, batch.pose_world))

    def _answer(self, scene: Scene, known: _Known, whole: Forecast, blind: NDArray[np.bool_]) -> SceneForecast:
        horizon, tracks = self.config.horizon, known.columns.tracks
        pose = np.concatenate([tracks.row_position_m[known.rows], tracks.row_heading_rad[known.rows, None]], 1)
        world = whole.to_world(torch.from_numpy(pose).to(whole.positions_m.device))
        assert world.headings_rad is not None
        assert world.covariances_m2 is not None
        probabilities = world.probabilities.double().cpu().numpy()
        answered = set(known.targets.tolist())
        return SceneForecast(
            time_s=float(scene.time_s),
            lead_s=horizon.step_s * np.arange(1, horizon.future_steps + 1),
            agent_ids=tuple(scene.agent_ids[agent] for agent in known.targets.tolist()),
            positions_m=world.positions_m.cpu().numpy(),
            headings_rad=world.headings_rad.cpu().numpy(),
            covariances_m2=world.covariances_m2.cpu().numpy(),
            probabilities=probabilities,
            most_likely=probabilities.argmax(1).astype(np.int64),
            pose_world=pose,
            silent_s=known.silent_s,
            size_m=scene.size_m[known.targets],
            unanswered=tuple(scene.agent_ids[agent] for agent in known.wanted.tolist() if agent not in answered),
            # All that is to be said of one call, wherever it was noticed.
            notes=(*scene.notes, *known.notes, *self.maps.notes(scene.map_name, pose[:, :2], blind)),
        )

    def _nobody(self) -> Forecast:
        shape = (0, self.config.answered_modes, self.config.horizon.future_steps)
        return Forecast(torch.zeros(*shape, 2), torch.zeros(shape[:2]), torch.zeros(shape), torch.zeros(*shape, 2, 2))


@dataclass(frozen=True)
class _Known:
    """A scene on the model's steps; the targets are agents known at the last one. The notes are for the answer."""

    columns: TrackColumns
    wanted: NDArray[np.int64]
    targets: NDArray[np.int64]
    rows: NDArray[np.int64]
    silent_s: NDArray[np.float64]
    notes: tuple[str, ...]


def _in_order(said: list[Forecast], parts: list[Part]) -> Forecast:
    """Put the answers of several parts together, in the targets' order."""
    if len(said) == 1:
        return said[0]
    order = torch.from_numpy(np.concatenate([part.targets for part in parts]).argsort())

    def whole(name: str) -> torch.Tensor:
        joined = torch.cat([getattr(answer, name) for answer in said])
        return joined[order.to(joined.device)]

    return Forecast(whole("positions_m"), whole("probabilities"), whole("headings_rad"), whole("covariances_m2"))
