"""The benchmark of a planning cycle runs, and its scenes are what it says they are."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from shapely import Point

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "latency.py"


def test_one_row_per_engine_and_scene(monkeypatch, capsys) -> None:
    threads = torch.get_num_threads()
    options = ["--engines", "eager", "--threads", "1", "--agents", "1,3", "--cycles", "3", "--seconds", "0"]
    monkeypatch.setattr(sys, "argv", [str(BENCHMARK), *options])
    try:
        runpy.run_path(str(BENCHMARK), run_name="__main__")
    finally:
        torch.set_num_threads(threads)
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[4:]]
    assert [[entry.strip() for entry in row[:3]] for row in rows] == [["eager", "1", "1"], ["eager", "1", "3"]]
    for row in rows:
        p50, p99, network, *_ = map(float, row[3:])
        assert 0 < network <= p50 <= p99


@pytest.mark.parametrize("agents", [1, 64, 256])
def test_everybody_drives_on_a_road(agents: int) -> None:
    names = runpy.run_path(str(BENCHMARK))
    area = names["lattice"]().geometries("drivable_area")[0]
    scene = names["scene"](agents, cycle=2)
    assert len(scene.agent_ids) == agents
    now = scene.row_pose_world[scene.row_time_s == scene.time_s]
    assert len(now) == agents
    assert np.mean([area.covers(Point(pose[:2])) for pose in now]) > 0.99
    others = names["scene"](agents, cycle=3)
    assert not np.array_equal(others.row_pose_world, scene.row_pose_world)
