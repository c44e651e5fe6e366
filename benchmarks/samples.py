"""Agents per second that reach a network: batches of histories, neighbours and truth, and crops of the map.

Also says how many agents leave the crops that they are given.

python benchmarks/samples.py --dataroot DIR [--version v1.0-mini] [--split mini_train] [--device cpu]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from forecast.core.batch import AgentBatch
from forecast.core.crops import PAPER_CROP, CropSpec
from forecast.data.dataset import AgentDataset
from forecast.data.map_crops import cropper_for


def agents_per_second(make: Callable[[torch.Tensor], AgentBatch], parts: list[torch.Tensor], device: str) -> float:
    make(parts[0])
    start, count = time.perf_counter(), 0
    for indices in parts:
        count += len(make(indices))
    if device != "cpu":
        torch.cuda.synchronize()
    return count / (time.perf_counter() - start)


def leaving(batch: AgentBatch, spec: CropSpec) -> float:
    """Share of agents whose annotated future leaves the crop within the horizon."""
    ahead, left = batch.future.unbind(-1)
    outside = (ahead > spec.ahead_m) | (ahead < -spec.behind_m) | (left > spec.left_m) | (left < -spec.right_m)
    return float((outside & batch.future_valid).any(1).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataroot", required=True)
    parser.add_argument("--version", default="v1.0-mini")
    parser.add_argument("--split", default="mini_train")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    data = AgentDataset(args.dataroot, args.version, args.split, dense=True)
    parts = [part for _ in range(args.epochs) for part in torch.randperm(len(data)).split(args.batch)]

    def plain(indices: torch.Tensor) -> AgentBatch:
        return data.batch(indices).to(args.device)

    def cropped(spec: CropSpec) -> Callable[[torch.Tensor], AgentBatch]:
        cropper = cropper_for(data.dataset, spec)

        def make(indices: torch.Tensor) -> AgentBatch:
            batch = plain(indices)
            cropper(batch.pose_world, batch.map_index)
            return batch

        for index in range(len(data.dataset.map_names)):  # bake every city before the clock runs
            cropper(
                torch.zeros(1, 3, dtype=torch.float64, device=args.device), torch.tensor([index], device=args.device)
            )
        return make

    print(f"{len(data):,} agents, batches of {args.batch}, {torch.get_num_threads()} threads, {args.device}")
    print(f"{'what':<40}{'agents/s':>12}")
    rows = {"without crops": plain, "with the paper's crop": cropped(PAPER_CROP), "with our crop": cropped(CropSpec())}
    for what, make in rows.items():
        print(f"{what:<40}{agents_per_second(make, parts, args.device):>12,.0f}")
    whole = data.batch(range(len(data)))
    for what, spec in (("paper's", PAPER_CROP), ("our", CropSpec())):
        print(f"leave {what} crop within {data.horizon.future_s:g} s: {leaving(whole, spec):.1%} of all agents")


if __name__ == "__main__":
    main()
