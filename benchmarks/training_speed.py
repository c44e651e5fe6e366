"""How many agents a second training learns from, and what the processor could do.

Usage: python benchmarks/training_speed.py --dataroot DIR --version V [--config cab_paper]
       [--precision bf16] [--threads 1] [--by-autograd] [--profile]

On a machine that does something else as well, look at the figure by processor time, with one thread.
"""

from __future__ import annotations

import argparse
import time

import torch

import forecast.model.decoder
from forecast.data.dataset import AgentDataset
from forecast.data.map_crops import crop_adder
from forecast.model.objective_registry import objective_terms
from forecast.model.recurrence import unrolled
from forecast.training.config import load_config
from forecast.training.pair import TrainingPair


def matrix_rate(dtype: torch.dtype, seconds: float = 1.0) -> float:
    """GFLOP/s of products at the decoder's shapes: (12800, 128) × (128, 384)."""
    a, b = torch.randn(12_800, 128).to(dtype), torch.randn(128, 384).to(dtype)
    a @ b
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        a @ b
        count += 1
    return 2 * 12_800 * 128 * 384 * count / (time.perf_counter() - began) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataroot", required=True)
    parser.add_argument("--version", default="v1.0-mini")
    parser.add_argument("--split", default="mini_train")
    parser.add_argument("--config", default="cab_paper")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, help="of torch; default: its own choice")
    parser.add_argument("--by-autograd", action="store_true", help="leave the decoder's gradient to autograd, in fp32")
    parser.add_argument(
        "--profile", action="store_true", help="print which operations take the time of three more steps"
    )
    args = parser.parse_args()

    if args.threads:
        torch.set_num_threads(args.threads)
    if args.by_autograd:
        forecast.model.decoder.scan = unrolled
    config = load_config(args.config)
    source = AgentDataset(args.dataroot, args.version, args.split, dense=True)
    add_crops = crop_adder(source.dataset, config.model.crop)
    model, size = TrainingPair(config.model, config.objective), config.run.batch_size
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    parts = {"data": 0.0, "crops": 0.0, "forward": 0.0, "backward and step": 0.0}

    def learn(step: int) -> None:
        order = torch.randperm(len(source))[:size].tolist()
        times = [time.perf_counter()]
        batch = source.batch(order)
        times.append(time.perf_counter())
        batch = add_crops(batch)
        times.append(time.perf_counter())
        with torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16"):
            branches = model(batch)
            annealed = config.schedules.at(step, 1000)
            loss = objective_terms(*branches, batch.future_valid, config.objective, annealed).loss
        times.append(time.perf_counter())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        times.append(time.perf_counter())
        for name, begin, end in zip(parts, times, times[1:], strict=False):
            parts[name] += end - begin

    for step in range(2):  # maps are opened and kernels chosen by then
        learn(step)
    parts.update(dict.fromkeys(parts, 0.0))
    spent_s = time.process_time()
    for step in range(args.steps):
        learn(2 + step)
    total, spent_s = sum(parts.values()), time.process_time() - spent_s
    what = f"{args.config}, {args.precision}, batch {size}, {torch.get_num_threads()} threads"
    print(
        f"{what}: {args.steps * size / total:.0f} agents/s, "
        f"{args.steps * size / spent_s:.0f} a second of processor time"
    )
    for name, spent in parts.items():
        print(f"  {name}: {1000 * spent / args.steps:.0f} ms a step ({100 * spent / total:.0f} %)")
    for dtype in (torch.float32, torch.bfloat16):
        print(f"  matrix products, {dtype}: {matrix_rate(dtype):.0f} GFLOP/s")
    if args.profile:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            for step in range(3):
                learn(step)
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=30))


if __name__ == "__main__":
    main()
