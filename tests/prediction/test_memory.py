"""The memory of tracks, against a plain dictionary."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.core.agents import AgentType
from forecast.core.horizon import Horizon
from forecast.prediction.track_memory import TrackMemory


@pytest.mark.parametrize("seed", range(3))
def test_what_it_holds_was_given_is_sorted_and_ends_with_the_newest(seed: int) -> None:
    random = np.random.default_rng(seed)
    memory = TrackMemory(Horizon(), max_tracks=100)
    given: dict[int, dict[int, float]] = {}
    now_us = 0
    for step in range(4000):
        now_us += int(random.integers(0, 60_000))
        agent, value = int(random.integers(0, 12)), float(random.normal())
        late_us = int(random.integers(0, 3_000_000)) if random.random() < 0.3 else 0
        memory.add(agent, AgentType.VEHICLE, now_us - late_us, np.array([value, 0, 0]), None)
        given.setdefault(agent, {})[now_us - late_us] = value
        if step % 40 == 0:
            memory.forget(now_us)
    ids, _, _, row_agent, time_us, pose = memory.columns(now_us)
    assert len(ids) == 12
    for number, agent in enumerate(ids):
        own = time_us[row_agent == number]
        assert (np.diff(own) > 0).all()
        assert own[-1] == max(given[agent])
        assert [given[agent][t] for t in own.tolist()] == pose[row_agent == number, 0].tolist()
        # Thinned, but never so much that a gap opens which was not there.
        everything = np.array(sorted(t for t in given[agent] if t >= own[0]))
        assert np.diff(own).max() <= np.diff(everything).max() + 50_000


def test_thinning_keeps_the_newest_and_nothing_further_apart_than_it_must() -> None:
    memory = TrackMemory(Horizon(), max_tracks=5)
    for time_us in range(0, 1_000_001, 5_000):
        memory.add("a", AgentType.VEHICLE, time_us, np.zeros(3), None)
    time_us = memory.columns(1_000_000)[4]
    assert time_us[-1] == 1_000_000
    assert np.diff(time_us).max() <= 50_000
    assert len(time_us) <= 2 * 20 + 2
