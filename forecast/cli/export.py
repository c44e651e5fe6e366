"""Export a trained model to ONNX; the file is kept only if it gives the same forecasts as the model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.export.parity import Parity
    from forecast.prediction.checkpoint import Checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which model, where to, and on which data to compare."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="MODEL",
        help="run folder, .safetensors file, or name of shipped weights (town)",
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write, e.g. model.onnx")
    parser.add_argument(
        "--city",
        metavar="NAME",
        help="of weights that hold cities, the one to export; 'base' for what answers elsewhere",
    )
    parser.add_argument(
        "--dataroot", metavar="DIR", help="folder of the data set to compare on (default: random agents)"
    )
    parser.add_argument("--version", metavar="V", help="version of a nuScenes data set, e.g. v1.0-trainval")
    parser.add_argument("--split", metavar="S", help="split: mini_train, mini_val, train, train_val or val")
    parser.add_argument(
        "--samples", type=int, default=1000, metavar="N", help="agents to compare (default: %(default)s)"
    )
    parser.add_argument("--cache", metavar="DIR", help="folder for prepared data")


def run(args: argparse.Namespace) -> None:
    """Export, compare, write."""
    from forecast.cli.model_files import model_files
    from forecast.core.errors import ExportError
    from forecast.core.extras import optional_module
    from forecast.core.files import check_outputs
    from forecast.export.metadata import metadata_of
    from forecast.export.onnx_file import onnx_model, write_metadata, write_onnx
    from forecast.prediction.checkpoint import load_checkpoint
    from forecast.prediction.onnx_predictor import OnnxPredictor

    _check(args)
    check_outputs({"--out": args.out}, model_files(args.checkpoint), dataroot=args.dataroot)
    for package in ("onnx", "onnxscript", "onnxruntime"):  # before the work, not after it
        optional_module(package, "onnx")
    checkpoint = load_checkpoint(args.checkpoint, city=args.city)
    _check_city(checkpoint)
    model = onnx_model(checkpoint)
    parity = _compare(args, checkpoint, OnnxPredictor(model.SerializeToString()))
    print("\n".join(parity.lines()))
    if not parity.accepted:
        raise ExportError(
            f"{args.out}: not written, the exported network differs from {checkpoint.path} by more than allowed"
        )
    write_metadata(model, {**metadata_of(checkpoint), "parity": parity.as_json()})
    write_onnx(args.out, model)
    print(f"exported: {args.out}")


def _check(args: argparse.Namespace) -> None:
    from forecast.core.errors import ConfigError

    missing = [f"--{name}" for name in ("dataroot", "version", "split") if getattr(args, name) is None]
    if 0 < len(missing) < 3:
        raise ConfigError(f"{', '.join(missing)} missing: a data set is named by --dataroot, --version and --split")
    if args.samples < 1:
        raise ConfigError(f"--samples {args.samples}: expected at least 1")


def _check_city(checkpoint: Checkpoint) -> None:
    from forecast.core.errors import ConfigError
    from forecast.model.cities.city_network import CityNetwork

    if isinstance(checkpoint.model, CityNetwork):
        names = ", ".join(record.name for record in checkpoint.model.records)
        raise ConfigError(
            f"{checkpoint.path}: holds cities, and a file holds one network: say which, --city base, {names}"
        )


def _compare(args: argparse.Namespace, checkpoint: Checkpoint, exported: Any) -> Parity:
    from forecast.export.parity import compare, varied_batches
    from forecast.prediction.predictor import Predictor

    predictor = Predictor(checkpoint)
    config = checkpoint.model.config
    if args.dataroot is None:
        import torch

        from forecast.export.exported_network import example_batch

        made_up = example_batch(config, batch=args.samples, neighbours=12)
        batches = varied_batches(len(made_up), args.samples, lambda indices: made_up[torch.tensor(indices)])
        return compare(predictor, exported, batches, "made-up agents (give --dataroot to compare on data)")
    from forecast.data.dataset import AgentDataset
    from forecast.data.map_crops import crop_adder

    source = AgentDataset(
        args.dataroot,
        args.version,
        args.split,
        horizon=config.horizon,
        dense=True,
        features=config.features,
        cache=args.cache,
    )
    add_crops = crop_adder(source.dataset, config.crop) if config.uses_map else lambda batch: batch
    batches = varied_batches(len(source), args.samples, lambda indices: add_crops(source.batch(indices)))
    return compare(predictor, exported, batches, f"agent-samples of {args.version} {args.split}")
