"""Print versions of the package and its dependencies, for bug reports."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version

import forecast

_PACKAGES = (
    "torch pytorch-lightning torchmetrics nuscenes-devkit numpy shapely pyarrow safetensors jsonargparse "
    "matplotlib tensorboard onnx onnxruntime onnxscript rerun-sdk"
).split()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take no arguments."""


def run(args: argparse.Namespace) -> None:
    """Print one line per package."""
    print(f"cab-forecast {forecast.__version__}")
    print(f"python {platform.python_version()} on {platform.platform()}")
    for package in _PACKAGES:
        try:
            print(f"{package} {version(package)}")
        except PackageNotFoundError:
            print(f"{package} not installed")
    import torch

    print(f"devices: cpu ({torch.get_num_threads()} threads), {torch.cuda.device_count()} CUDA")
