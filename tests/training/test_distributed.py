"""Two processes train as one would."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import distributed

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.data.synthetic.town_writer import write_town
from forecast.model.cvae import CVAE
from forecast.model.cvae_config import CVAEConfig, Dropout, MapEncoderConfig
from forecast.model.objective_registry import objective_terms
from forecast.model.objectives.divergence import Divergence
from forecast.model.own_loss import Annealed

STEPS = 6
#: Nothing drawn: neither dropout nor controls.
SMALL = """
extends: gain
model:
  modes: 4
  decoder_size: 16
  control_noise: false
  dropout: {encoders: 0.0, prior: 0.0, map: 0.0}
  crop: {ahead_m: 24.0, behind_m: 8.0, left_m: 16.0, right_m: 16.0, px_per_m: 0.5}
  map_encoder: {channels: [4], kernels: [3], strides: [2], padded: true}
run: {epochs: 2, accelerator: cpu}
"""

SMALL_QUERY = """
extends: query_gain
model:
  modes: 5
  medoids: 3
  size: 16
  heads: 2
  dropout: 0.0
  trunk: {width: 8}
  crop: {ahead_m: 24.0, behind_m: 8.0, left_m: 16.0, right_m: 16.0, px_per_m: 0.5}
data: {heading_noise_rad: 0.0, drop_neighbours: 0.0}
run: {epochs: 2, accelerator: cpu}
"""


def _losses(whole: AgentBatch, rank: int, world: int, folder: str) -> None:
    """Train a few steps on this process' share; rank 0 writes the losses of the whole batch and the weights."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet{world}", rank=rank, world_size=world)
    torch.manual_seed(0)
    config = CVAEConfig(
        modes=4,
        decoder_size=16,
        control_noise=False,
        dropout=Dropout(0.0, 0.0, 0.0),
        crop=CropSpec(ahead_m=8.0, behind_m=4.0, left_m=4.0, right_m=4.0, px_per_m=1.0),
        map_encoder=MapEncoderConfig((4,), (3,), (2,)),
    )
    model = CVAE(config)
    wrapped = torch.nn.parallel.DistributedDataParallel(model)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    size = len(whole) // world
    part = whole[rank * size : (rank + 1) * size]
    losses = []
    for step in range(STEPS):
        # The free bits are far below the KL at some steps and above it at others, so that both sides are met.
        objective = Divergence(free_bits=0.0 if step % 2 else 5.0)
        branches = wrapped(part, without_context=True)
        loss = objective_terms(*branches, part.future_valid, objective, Annealed(20.0, 2.0)).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    if rank == 0:
        torch.save({"losses": torch.stack(losses), "weights": weights}, f"{folder}/of{world}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


def _process(rank: int, world: int, folder: str) -> None:
    tensors = torch.load(f"{folder}/batch.pt", weights_only=True)
    _losses(AgentBatch(**tensors), rank, world, folder)


@pytest.mark.slow  # starts three processes
@pytest.mark.timeout(180)
def test_two_processes_give_the_losses_and_weights_of_one(tmp_path: Path, made_up) -> None:
    torch.save(made_up(16).whole.tensors(), tmp_path / "batch.pt")
    for world in (1, 2):
        arguments = [[sys.executable, __file__, str(rank), str(world), str(tmp_path)] for rank in range(world)]
        running = [subprocess.Popen(command) for command in arguments]
        assert [process.wait(60) for process in running] == [0] * world
    one, two = (torch.load(tmp_path / f"of{world}.pt", weights_only=True) for world in (1, 2))
    torch.testing.assert_close(two["losses"], one["losses"], atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(two["weights"], one["weights"], atol=2e-4, rtol=1e-3)


@pytest.mark.timeout(480)
@pytest.mark.parametrize("small", [SMALL, pytest.param(SMALL_QUERY, marks=pytest.mark.slow)], ids=["gain", "query"])
def test_the_command_on_two_processes_gives_the_figures_and_weights_of_one(tmp_path: Path, small: str) -> None:
    town = tmp_path / "town"
    write_town(town, scenes=6, seed=3, version="v1.0-trainval")
    (tmp_path / "small.yaml").write_text(small)
    train = [sys.executable, "-m", "forecast", "train", "--config", tmp_path / "small.yaml", "--dataroot", town]
    train += ["--version", "v1.0-trainval", "--cache", tmp_path / "cache"]
    in_two = ["--run.devices", "2", "--run.strategy", "ddp", "--run.batch_size", "4"]
    tables, weights = [], []
    for name, arguments in (("one", ["--run.batch_size", "8"]), ("two", in_two)):
        command = [*map(str, train), *arguments, "--out", str(tmp_path / name)]
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=220, check=False, env=one_thread)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("weights: ") == 1
        with (tmp_path / name / "metrics.csv").open() as file:
            tables.append([{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)])
        weights.append(load_file(tmp_path / name / "last.safetensors"))
    assert len(tables[0]) == len(tables[1]) == 2
    for one, two in zip(*tables, strict=True):
        assert one.keys() == two.keys()
        assert two == pytest.approx({**one, "agents_per_s": two["agents_per_s"]}, rel=2e-3, abs=2e-3)
    for tensors in weights:
        for name, tensor in tensors.items():
            # What adds to all logits, or to all scores, alike: its gradient is rounding, which Adam scales up.
            if name.endswith("head.layers.1.2.bias"):
                tensor[0] = 0
            if name.endswith("attention.key.bias"):
                tensor.zero_()
    torch.testing.assert_close(weights[1], weights[0], atol=2e-4, rtol=1e-3)


if __name__ == "__main__":
    _process(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
