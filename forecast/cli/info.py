"""Print what a model is: parameters, configuration, data, epochs, scores, files; or, without one, all versions.

Of a run's folder, a file of weights, shipped weights, or an exported file. The versions are for bug reports.
"""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import forecast

_PACKAGES = (
    "torch pytorch-lightning torchmetrics nuscenes-devkit numpy shapely pyarrow safetensors jsonargparse "
    "matplotlib tensorboard onnx onnxruntime onnxscript rerun-sdk"
).split()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which model, if any."""
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="run folder, .safetensors file, name of shipped weights (town), or exported file (.onnx); none: versions",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> None:
    """Print one line a fact."""
    import json

    from forecast.cli.model_facts import fact_lines, model_facts
    from forecast.core.json_files import finite

    facts = _versions() if args.model is None else model_facts(args.model)
    if args.json:
        print(json.dumps(finite(facts), indent=1, ensure_ascii=False))
    elif args.model is None:
        for name, what in facts.items():
            print(f"devices: {what}" if name == "devices" else f"{name} {what}")
    else:
        for line in fact_lines(facts):
            print(line)


def _versions() -> dict[str, Any]:
    import torch

    found = {"cab-forecast": forecast.__version__, "python": f"{platform.python_version()} on {platform.platform()}"}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    found["devices"] = f"cpu ({torch.get_num_threads()} threads), {torch.cuda.device_count()} CUDA"
    return found
