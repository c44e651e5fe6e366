"""A trained network made smaller without data, beside the usual ways: what is lost, and what is gained?

    python benchmarks/compact.py run --checkpoint RUN --dataroot DIR --version V --split val --out RUNS
    python benchmarks/compact.py time --checkpoint RUN --dataroot DIR --version V --split val

The first forecasts and scores the split by each way, the second times all of them in turns (leave the machine alone
meanwhile). Figures go into benchmarks/figures/compact.json.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from judged import Judge
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from forecast.core.batch import AgentBatch
from forecast.core.json_files import write_json
from forecast.core.rows import ForecastRows
from forecast.data.cache import open_dataset
from forecast.data.dataset import AgentDataset
from forecast.data.map_crops import crop_adder
from forecast.data.prepared import Dataset
from forecast.export.compact import compact
from forecast.model.network_protocol import Network
from forecast.prediction.predictor import Predictor, predict_dataset

FIGURES = Path(__file__).parent / "figures" / "compact.json"
PAGE = Path(__file__).parent.parent / "docs" / "results" / "data" / "compact.json"
BANDWIDTHS = (0.02, 0.05, 0.1, 0.2)
_FLOAT = 4


def int8(network: nn.Module) -> tuple[nn.Module, float]:
    """Linear layers with weights of a byte, activations in int8 as they come."""
    names = _linear(network)
    quantised = torch.ao.quantization.quantize_dynamic(copy.deepcopy(network), set(names), dtype=torch.qint8)
    linear = sum(network.get_submodule(name).weight.numel() for name in names)  # type: ignore[operator, union-attr]
    return quantised, linear + _FLOAT * (_numbers(network) - linear)


def low_rank(network: nn.Module, share: float) -> tuple[nn.Module, float]:
    """Each linear layer as two of the rank that leaves this share of its weights, where that is fewer."""
    smaller = copy.deepcopy(network)
    for name in _linear(network):
        layer = cast(nn.Linear, smaller.get_submodule(name))
        if min(layer.weight.shape) < 32:
            continue
        rank = int(share * layer.weight.numel() / sum(layer.weight.shape))
        u, s, v = torch.linalg.svd(layer.weight.detach(), full_matrices=False)
        first, second = nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features)
        first.weight, second.weight = nn.Parameter(v[:rank]), nn.Parameter(u[:, :rank] * s[:rank])
        second.bias = layer.bias
        parent, _, last = name.rpartition(".")
        setattr(smaller.get_submodule(parent), last, nn.Sequential(first, second))
    return smaller, _FLOAT * _numbers(smaller)


def pruned(network: nn.Module, share: float) -> tuple[nn.Module, float]:
    """The smallest weights of each matrix are 0, so that this share is left: values and a bit a place are kept."""
    smaller, bits = copy.deepcopy(network), 0.0
    with torch.no_grad():
        for one in smaller.parameters():
            if one.ndim < 2:
                bits += 32 * one.numel()
                continue
            least = one.abs().flatten().kthvalue(max(1, round((1 - share) * one.numel()))).values
            one[one.abs() <= least] = 0.0
            bits += one.numel() + 32 * int((one != 0).sum())
    return smaller, bits / 8


def hashed(network: nn.Module, bandwidth: float) -> tuple[nn.Module, float, dict[str, float]]:
    """Folded, hashed and merged; a weight is kept as its number among its layer's values."""
    found = compact(network, bandwidth)
    bits = 0.0
    for one in found.network.parameters():
        values = len(one.detach().unique())
        bits += 32 * one.numel() if one.ndim < 2 else one.numel() * np.ceil(np.log2(max(values, 2))) + 32 * values
    told = {"units": found.units, "kept": found.kept, "values": found.values, "weights": found.weights}
    return found.network, bits / 8, told


def ways(network: nn.Module) -> dict[str, Callable[[], tuple[Any, ...]]]:
    """Name → the smaller network, its bytes, and what else is told."""
    found: dict[str, Callable[[], tuple[Any, ...]]] = {
        "as trained": lambda: (network, _FLOAT * _numbers(network)),
        "folded and merged": lambda: (compact(network).network, _FLOAT * _numbers(network)),
    }
    for width in BANDWIDTHS:
        found[f"hashed, bandwidth {width:g}"] = lambda width=width: hashed(network, width)  # type: ignore[misc]
    found["int8, linear layers"] = lambda: int8(network)
    found["low rank, half"] = lambda: low_rank(network, 0.5)
    found["pruned to half"] = lambda: pruned(network, 0.5)
    return found


def _linear(network: nn.Module) -> list[str]:
    """Names of the linear layers, but for those whose weights the network reads itself."""
    names = [name for name, one in network.named_modules() if isinstance(one, nn.Linear)]
    return [name for name in names if not name.startswith("map.") and not name.endswith((".cells", ".step"))]


def _numbers(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def _milliseconds(networks: dict[str, Network], batch: AgentBatch, threads: int) -> dict[str, float]:
    """Median of 30 forecasts of 64 agents, all networks in turns."""
    torch.set_num_threads(threads)
    took: dict[str, list[float]] = {name: [] for name in networks}
    with torch.inference_mode():
        for _ in range(33):
            for name, network in networks.items():
                began = time.perf_counter()
                network.predict(batch)
                took[name].append(time.perf_counter() - began)
    torch.set_num_threads(1)
    return {name: round(statistics.median(times[3:]) * 1e3, 2) for name, times in took.items()}


def _batch(model: Predictor, dataset: Dataset, split: str) -> AgentBatch:
    source = AgentDataset.read_by(model.config, dataset, dataset.samples(split))
    assert model.config.map_crop is not None
    return crop_adder(dataset, model.config.map_crop)(source.batch(list(range(64))))


def run(args: argparse.Namespace) -> None:
    """Make each, score it, and write what was found."""
    dataset, model = open_dataset(args.dataroot, args.version), Predictor.load(args.checkpoint)
    judge = Judge(
        args.dataroot, args.version, args.split, args.out / "forecasts", args.out / "reports", "challenge", ".parquet"
    )
    trained, batch = copy.deepcopy(model.model), _batch(model, dataset, args.split)
    reference: ForecastRows | None = None
    rows: dict[str, Any] = {}
    for name, make in ways(cast(nn.Module, trained)).items():
        smaller, size, *told = make()
        model.model = smaller.eval()
        found: dict[str, Any] = {"bytes": round(size), **(told[0] if told else {})}
        with FlopCounterMode(display=False) as counted, torch.inference_mode():
            model.model.predict(batch)
        found["multiply_adds_an_agent"] = round(counted.get_total_flops() / 2 / len(batch))
        forecasts = predict_dataset(model, dataset, args.split)
        reference = forecasts if reference is None else reference
        away = np.linalg.norm(forecasts.most_likely_m() - reference.most_likely_m(), axis=-1)
        found |= {"largest_change_m": float(away.max()), "median_end_change_m": float(np.median(away[:, -1]))}
        report = judge.score(name.replace(" ", "_").replace(",", ""), forecasts)
        found |= {
            "min_ade_5": report["metrics"]["min_ade_5"]["value"], "min_fde_1": report["metrics"]["min_fde_1"]["value"],
            "D": report["temporal"]["dispersion_m"]["value"], "C": report["temporal"]["convergence_s"]["1.0"]["value"],
            "calibration": report["calibration"]["error"],
        }  # fmt: skip
        rows[name] = found
        print(name, json.dumps(found), flush=True)
    _write(
        args.figures, {"network": model.config.network, "parameters": _numbers(cast(nn.Module, trained)), "ways": rows}
    )


def timed(args: argparse.Namespace) -> None:
    """Time all of them in turns, and add that to the figures."""
    dataset, model = open_dataset(args.dataroot, args.version), Predictor.load(args.checkpoint)
    batch = _batch(model, dataset, args.split)
    networks = {name: make()[0].eval() for name, make in ways(cast(nn.Module, model.model)).items()}
    document = json.loads(args.figures.read_text(encoding="utf-8"))
    for threads in (1, 2):
        for name, took_ms in _milliseconds(networks, batch, threads).items():
            document["ways"][name][f"ms_{threads}_threads"] = took_ms
    _write(args.figures, document)


def page(args: argparse.Namespace) -> None:
    """Write docs/results/data/compact.json."""
    told = json.loads(args.figures.read_text(encoding="utf-8"))
    heads = [
        "", "size, kB", "multiply–adds an agent, million", "64 agents, 1 thread, ms", "2 threads, ms", "units kept",
        "median change of the end, m", "largest change, m", "minADE_5, m", "minFDE_1, m", "D, m", "C(1 m), s",
        "calibration error",
    ]  # fmt: skip
    rows = []
    for name, one in told["ways"].items():
        kept = f"{one['kept']} of {one['units']}" if "units" in one else "–"
        rows.append([
            name, f"{one['bytes'] / 1000:.0f}", f"{one['multiply_adds_an_agent'] / 1e6:.1f}",
            f"{one['ms_1_threads']:.1f}", f"{one['ms_2_threads']:.1f}", kept, f"{one['median_end_change_m']:.3f}",
            f"{one['largest_change_m']:.2f}", f"{one['min_ade_5']:.3f}", f"{one['min_fde_1']:.3f}", f"{one['D']:.3f}",
            f"{one['C']:.3f}", f"{one['calibration']:.4f}",
        ])  # fmt: skip
    table = {
        "title": f"Ways to make the {told['network']} network smaller, {told['parameters']:,} numbers",
        "command": "python benchmarks/compact.py run --checkpoint RUN --dataroot DIR",
        "columns": [{"name": head, "unit": None} for head in heads],
        "rows": rows,
        "notes": [
            "*Hashed*: weights gather at the peaks of their density; each is stored as its number among its layer's "
            "values. *int8*: dynamic quantisation of the linear layers; the counter does not see their products. "
            "*Low rank* and *pruned* leave half of each linear layer, or of all weights.",
            "Times (`compact.py time`) are medians of 30 in turns on two cores. Hashing changes no shape, so no time.",
            "Real data: a reconstruction in which 45 % of the key frames have their original time stamps.",
        ],
    }
    document = {
        "title": "Smaller without data",
        "version": "0.2.0 with the changes that are not released yet",
        "data": "real (nuScenes v1.0-trainval, challenge's val), one trained query network",
        "intro": [
            "Can a trained network be made smaller from its weights alone, without data "
            "(`forecast.export.compact`, after RED++)? [Decision 19](../decisions/0019-compact.md) says what follows.",
        ],
        "tables": [table],
        "notes": [],
    }
    _write(PAGE, document)


def _write(path: Path, document: dict[str, Any]) -> None:
    write_json(path, document, indent=1)
    print(json.dumps(document, indent=1, ensure_ascii=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "time", "page"))
    parser.add_argument("--checkpoint")
    parser.add_argument("--dataroot", type=Path)
    parser.add_argument("--version", default="v1.0-trainval", help="default: %(default)s")
    parser.add_argument("--split", default="val", help="default: %(default)s")
    parser.add_argument(
        "--out", type=Path, default=Path("out/compact"), help="folder of forecasts and reports; outside the checkout"
    )
    parser.add_argument("--figures", type=Path, default=FIGURES, help="default: %(default)s")
    args = parser.parse_args()
    {"run": run, "time": timed, "page": page}[args.what](args)


if __name__ == "__main__":
    main()
