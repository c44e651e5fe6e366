"""What the true driver does in an edited scene of a town: the traffic is driven on by the town's own rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.core.errors import DataError
from forecast.core.frames import agent_from_world, rotate, world_from_agent
from forecast.data.synthetic.nuscenes_writer import STEP_US
from forecast.data.synthetic.town_changes import (
    ArmClosed,
    CarAdded,
    Change,
    VehicleGone,
    VehicleMoved,
    WalkerGone,
)
from forecast.data.synthetic.town_moment import TownMoment
from forecast.explain.outcomes import MANOEUVRES, manoeuvre_of, true_paths_m
from forecast.explain.scene_editor import Knob, SceneEditor, standing_car_at
from forecast.explain.world_truth import DrivenAgain

Floats = NDArray[np.float64]

#: Boxes of towns are set by hand: driven on without a change, a vehicle is within this distance of them, metres.
_BOX_ERROR_M = 2.0


class TownDriver:
    """The vehicles around one agent of a town, who can be asked again.

    Args:
        moment: the key frame of the agent-sample.
        editor: of its scene.

    Raises:
        DataError: the town was written by other rules than those of this version.
    """

    def __init__(self, moment: TownMoment, editor: SceneEditor) -> None:
        self._moment, self._editor, self._step_s = moment, editor, STEP_US * 1e-6
        self._pose = editor.batch.pose_world[0].double().numpy()
        target = moment.vehicle_at(*self._pose[:2])
        recorded = true_paths_m(editor.batch)[0]
        driven = None if target is None else self._path(target, [])
        known = np.isfinite(recorded).all(-1)
        if driven is None or np.linalg.norm((driven - recorded)[known], axis=-1).max(initial=0.0) > _BOX_ERROR_M:
            raise DataError(
                "driven on, the vehicles of this town do not do what was recorded: it was written by another version; "
                "write it anew with 'forecast town'"
            )
        assert target is not None
        self._target, self._unchanged = target, driven

    def __call__(self, changes: Sequence[tuple[Knob, float]]) -> DrivenAgain | None:
        """Drive on from the scene with some changes.

        Args:
            changes: knobs and their amounts.

        Returns:
            None where the town has no rule for a change: the own past, the road's cross-section, a bent or a new arm,
            people on foot elsewhere, or an arm that the target is already in.
        """
        made = self._made(changes)
        path = None if made is None else self._path(self._target, made) if made else self._unchanged
        if path is None:
            return None
        shares = (manoeuvre_of(path[None], self._step_s)[:, None] == np.array(MANOEUVRES))[0].astype(np.float64)
        return DrivenAgain(shares, path[None], np.ones(1))

    def _path(self, target: int, changes: Sequence[Change]) -> Floats | None:
        """(steps, 2) in the agent's frame, metres."""
        driven = self._moment.drive(target, changes)
        return None if driven is None else np.asarray(agent_from_world(driven[:, :2], self._pose[None]))

    def _made(self, changes: Sequence[tuple[Knob, float]]) -> list[Change] | None:
        """The changes in the town's terms; None where it has no rule for one."""
        found: list[Change] = []
        arms = {arm.name: arm for arm in self._editor.arms}
        of_neighbour: dict[str, list[tuple[Knob, float]]] = defaultdict(list)
        for knob, amount in changes:
            if not amount:
                continue
            if knob.region in arms and knob.verb == "close":
                arm = arms[knob.region]
                found.append(ArmClosed(self._world(arm.fork_m), self._world(arm.far_end_m)))
            elif knob.region.startswith("neighbour:"):
                of_neighbour[knob.region].append((knob, amount))
            elif (place := standing_car_at(knob)) is not None:
                found.append(CarAdded((*self._world(place), float(self._pose[2]))))
            else:
                return None
        for region, turned in of_neighbour.items():
            change = self._of_neighbour(region, turned)
            if change is None:
                return None
            found += change
        return found

    def _of_neighbour(self, region: str, turned: list[tuple[Knob, float]]) -> list[Change] | None:
        """What becomes of one neighbour; nothing where it stands parked and is taken away."""
        slot = self._editor.slot_of(region)
        before = self._editor.batch.neighbours[0, slot, -1].double().numpy()
        edited = self._editor.changed(turned)
        gone = not bool(edited.neighbours_valid[0, slot, -1])
        if int(self._editor.batch.neighbour_types[0, slot]) == AgentType.PEDESTRIAN:
            walker = self._moment.walker_at(*self._world(before[:2]))
            return [WalkerGone(walker)] if gone and walker is not None else None
        after = edited.neighbours[0, slot, -1].double().numpy()
        vehicle = self._moment.vehicle_at(*self._world(before[:2]))
        if vehicle is None:  # parked beside the road
            moved = (*self._world(after[:2]), float(self._pose[2] + after[6]))
            return [] if gone else [CarAdded(moved)]
        if gone:
            return [VehicleGone(vehicle)]
        by_m = rotate((after - before)[:2], self._pose[2])
        faster = float(np.hypot(*after[2:4]) - np.hypot(*before[2:4]))
        stands = any(knob.verb == "stops" for knob, _ in turned)
        return [VehicleMoved(vehicle, (float(by_m[0]), float(by_m[1])), faster, stands)]

    def _world(self, place_m: Sequence[float] | Floats) -> tuple[float, float]:
        """World x, y of a place in the agent's frame, metres."""
        x, y = world_from_agent(np.asarray(place_m, dtype=np.float64)[None, :2], self._pose[None])[0]
        return float(x), float(y)
