"""Audit a model's use of context: does it use the map and the neighbours, and does it use them rightly? One report.

Eight sets of inputs, wrong maps, a bent world, agents taken away and added, causal errors and the gap closed on a
junction world. Of files of forecasts, the parts that pairs of files allow. docs/audit.md says what proves what.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from forecast.cli.data_options import add_data_options, open_named
from forecast.cli.model_files import MODEL_HELP, add_device

if TYPE_CHECKING:
    from pathlib import Path

_FILES = ("with", "without_map", "without_neighbours", "without_both")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which model or files, which data, and where to."""
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help=MODEL_HELP,
    )
    add_data_options(parser, split=True)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for audit.json, audit.md and audit.html")
    parser.add_argument("--agents", type=int, metavar="N", help="agent-samples of the split, at most (default: 500)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of their choice (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="100 agent-samples and a smaller junction world")
    add_device(parser)
    for name in _FILES:
        what = "with all inputs" if name == "with" else f"of the same model {name.replace('_', ' ')}"
        parser.add_argument(
            f"--{name.replace('_', '-')}", dest=name, metavar="FILE", help=f"in place of MODEL: forecasts {what}"
        )


def run(args: argparse.Namespace) -> None:
    """Audit and write."""
    from pathlib import Path

    from forecast.core.files import check_outputs, check_place, written_whole
    from forecast.core.json_files import write_json
    from forecast.report.audit_tables import audit_markdown, write_audit_page

    files = {name: getattr(args, name) for name in _FILES if getattr(args, name) is not None}
    _check(args, files)
    out = Path(args.out)
    check_place(out, folder=True)
    outputs = {f"--out {name}": out / name for name in ("audit.json", "audit.md", "audit.html")}
    check_outputs(outputs, files.values(), dataroot=args.dataroot)
    document = _of_files(args, files) if files else _of_model(args, out)
    write_json(out / "audit.json", document)
    text = audit_markdown(document)
    with written_whole(out / "audit.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    write_audit_page(out / "audit.html", document)
    print(text)
    print(f"wrote {', '.join(str(path) for path in outputs.values())}")


def _check(args: argparse.Namespace, files: dict[str, str]) -> None:
    from forecast.core.errors import ConfigError

    if (args.model is None) == (not files):
        raise ConfigError("audit a MODEL, or files of forecasts: --with FILE and --without-map FILE or another one")
    if files and ("with" not in files or len(files) < 2):
        raise ConfigError("files of forecasts: expected --with FILE and at least one of --without-…")
    if args.agents is not None and args.agents < 1:
        raise ConfigError(f"--agents {args.agents}: expected 1 or more")
    if args.quick and args.agents is not None:
        raise ConfigError("--quick says itself how many agents are asked about: leave out --agents")
    if args.seed < 0:
        raise ConfigError(f"--seed {args.seed}: expected 0 or more")


def _of_model(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    import dataclasses

    from forecast.cli.model_files import model_files
    from forecast.core.files import file_hash
    from forecast.explain.audit.audit_run import QUICK, Audit, AuditSettings
    from forecast.prediction.model_names import open_model

    model = open_model(args.model, args.device)
    dataset = open_named(args)
    settings = QUICK if args.quick else AuditSettings()
    changes = {"seed": args.seed} | ({} if args.agents is None else {"agents": args.agents})
    settings = dataclasses.replace(settings, **changes)
    weights = [path for path in model_files(args.model) if path.is_file() and path.suffix in (".safetensors", ".onnx")]
    of_files = "-".join(file_hash(path)[:12] for path in weights)
    return Audit(model, (str(args.model), of_files), dataset, args.split, out, settings).run()


def _of_files(args: argparse.Namespace, files: dict[str, str]) -> dict[str, Any]:
    import sys

    from forecast.explain.audit.forecast_files import audit_files

    dataset = open_named(args)
    warnings: list[str] = []
    part = audit_files(files, dataset, warnings)
    for line in warnings:
        print(f"forecast: warning: {line}", file=sys.stderr)
    return {
        "model": "files of forecasts",
        "remark": None,
        "dataset": {"where": dataset.where, "fingerprint": dataset.fingerprint, "split": args.split},
        "parts": {"files": part},
    }
