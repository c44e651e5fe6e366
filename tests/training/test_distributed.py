"""Two processes train as one would."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed

from forecast.core.batch import AgentBatch
from forecast.core.crops import CropSpec
from forecast.model.cab import CAB
from forecast.model.config import Dropout, MapEncoderConfig, ModelConfig
from forecast.model.objectives import Annealed, ObjectiveConfig, objective_terms

STEPS = 6


def _losses(whole: AgentBatch, rank: int, world: int, folder: str) -> None:
    """Train a few steps on this process' share; rank 0 writes the losses of the whole batch and the weights."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet{world}", rank=rank, world_size=world)
    torch.manual_seed(0)
    config = ModelConfig(
        modes=4,
        decoder_size=16,
        control_noise=False,
        dropout=Dropout(0.0, 0.0, 0.0),
        crop=CropSpec(ahead_m=8.0, behind_m=4.0, left_m=4.0, right_m=4.0, px_per_m=1.0),
        map_encoder=MapEncoderConfig((4,), (3,), (2,)),
    )
    model = CAB(config)
    wrapped = torch.nn.parallel.DistributedDataParallel(model)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    size = len(whole) // world
    part = whole[rank * size : (rank + 1) * size]
    losses = []
    for step in range(STEPS):
        # The free bits are far below the KL at some steps and above it at others, so that both sides are met.
        objective = ObjectiveConfig("cab", free_bits=0.0 if step % 2 else 5.0)
        branches = wrapped(part, blind=True)
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


if __name__ == "__main__":
    _process(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
