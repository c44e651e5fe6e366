"""Whether two checkouts of this package give the same figures. Prints a table; exits with 1 where they do not.

    python benchmarks/before_after.py --before OLD_CHECKOUT --after NEW_CHECKOUT
        [--before-python PYTHON] [--after-python PYTHON] [--scratch DIR] [--only PATTERN ...] [--perturb CHECK]

The same commands are run on both, each with its own Python and in a folder of its own: a synthetic town, its crops and
batches, steps of training, forecasts, baselines, scores, an ONNX file, scenes and a stream. Real data take part where
NUSCENES_DATAROOT (v1.0-mini) is set. Everything goes through the command line and the modules that stay
(``forecast.prediction.forecaster``, ``forecast.eval.metrics``), so that the insides may move.

Figures are equal within 1e-9, losses within 1e-6, relative above 1. What may differ is listed in ``RENAMED_CONFIGS``,
``RENAMED`` and ``LEFT_OUT``, and nowhere else. ``--perturb`` changes one figure of a check's result on the new side, to
show that the comparison sees it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from before_after_compare import Rules, compare_files

PROBE = Path(__file__).with_name("before_after_probe.py")
FIGURES, LOSSES = 1e-9, 1e-6
#: Configurations by their old names → new names, where the new checkout has them.
RENAMED_CONFIGS = {"cab": "gain", "cab_divergence": "cab", "blind": "no_context"}
#: Keys, columns and fields: old → new.
RENAMED: dict[str, str] = {}
#: What is not compared, and why.
LEFT_OUT = {"$.package_version": "every version has its own"}
SHIPPED = Path("forecast/weights/town.safetensors")
#: Arguments that make a network small: differences show on a small one just as well.
SMALL = "--model.decoder_size 16 --model.modes 6 --run.batch_size 16 --run.epochs 1 --run.accelerator cpu".split()
CONFIGS = ("cab", "cab_divergence", "cab_paper", "reweight", "rubiz", "trajectron", "blind")


@dataclass(frozen=True)
class Side:
    """A checkout, the Python that runs it, and where its results go."""

    name: str
    checkout: Path
    python: str
    folder: Path

    def forecast(self, *arguments: str | Path) -> None:
        """Run ``forecast``."""
        self._run("-m", "forecast", *arguments)

    def probe(self, *arguments: str | Path) -> None:
        """Run ``before_after_probe.py``."""
        self._run(PROBE, *arguments)

    def config(self, name: str) -> str:
        """A configuration by its old name, as this checkout calls it."""
        names = {path.stem for path in (self.checkout / "configs").glob("*.yaml")}
        return RENAMED_CONFIGS.get(name, name) if set(RENAMED_CONFIGS.values()) <= names else name

    def _run(self, *arguments: str | Path) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.checkout),
            "FORECAST_CACHE": str(self.folder / "cache"),
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
        }
        command = [self.python, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            told = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
            raise RuntimeError(f"{self.name}: exit code {done.returncode} from {' '.join(command[1:4])} …: {told}")


@dataclass(frozen=True)
class Check:
    """Something to run on both sides, and the files to compare afterwards.

    ``files`` are patterns within a side's folder. Where a check names ``shared`` work, that is done before on the old
    side alone, and both sides read its results.
    """

    name: str
    run: Callable[[Side], None]
    files: tuple[str, ...]
    tolerance: float = FIGURES
    shared: Callable[[Side], None] | None = None


def checks(data: dict[str, tuple[str, str, str]]) -> Iterator[Check]:
    """All checks, in the order in which one needs another's results; ``data``: name → dataroot, version, split."""
    yield Check(
        "town", lambda side: side.forecast(*"town --out town --scenes 10 --seed 3".split()), ("town/**/*.json",)
    )
    junction = "town --out junction --world junction --scenes 10 --samples-per-scene 8"
    yield Check("junction world", lambda side: side.forecast(*junction.split()), ("junction/**/*.json",))
    for name, (dataroot, version, split) in data.items():
        yield from _data_checks(name, dataroot, version, split)
    for config in CONFIGS:
        yield from _training_checks(config)
    yield Check("ONNX", _export, ("onnx.npz",))
    map_file = "town/maps/expansion/boston-seaport.json"
    yield Check(
        "scenes and a stream", lambda side: side.probe("answers", "town", map_file, "answers.npz"), ("answers.npz",)
    )
    yield Check("metric classes", lambda side: side.probe("metrics", "metrics.npz"), ("metrics.npz",))


def _data_checks(name: str, dataroot: str, version: str, split: str) -> Iterator[Check]:
    where = ("--dataroot", dataroot, "--version", version)

    def prepare(side: Side) -> None:
        side.forecast("prepare", *where, "--truth", f"{name}/truth.parquet")

    def predict(side: Side) -> None:
        for out, model, more in (
            ("town.json", "town", ()),
            ("town.parquet", "town", ()),
            ("town.csv", "town", ()),
            ("dense.json", "town", ("--dense",)),
            ("null.json", _shipped(side), ("--null-context", "--merge-radius-m", "0")),
        ):
            side.forecast("predict", "--checkpoint", model, *where, "--split", split, "--out", f"{name}/{out}", *more)

    def baselines(side: Side) -> None:
        side.forecast("baselines", *where, "--split", split, "--out", f"{name}/baselines")

    def score(side: Side) -> None:
        files = [f"{name}/{file}" for file in ("town.json", "null.json", "baselines/constant_velocity_heading.json")]
        scored = (*where, "--split", split)
        details = ("--per-sample", f"{name}/samples.parquet", "--per-point", f"{name}/points.parquet")
        side.forecast("score", *files, *scored, "--out", f"{name}/report.json", *details)
        side.forecast(
            "score", f"{name}/dense.json", *scored, "--population", "dense", "--exact-off-road", "--transport",
            "--out", f"{name}/report_dense.json",
        )  # fmt: skip
        rows = (f"{name}/town.parquet", f"{name}/town.csv")
        side.forecast("score", *rows, *scored, "--out", f"{name}/report_rows.json")
        side.forecast("score", rows[0], "--truth", f"{name}/truth.parquet", "--out", f"{name}/report_truth.json")

    yield Check(f"{name}: prepare --truth", prepare, (f"{name}/truth.parquet",))
    yield Check(f"{name}: predict", predict, (f"{name}/*.json", f"{name}/town.*"))
    yield Check(f"{name}: baselines", baselines, (f"{name}/baselines/*.json",))
    yield Check(f"{name}: score", score, (f"{name}/report*.json", f"{name}/samples.parquet", f"{name}/points.parquet"))


def _training_checks(config: str) -> Iterator[Check]:
    data = ("--dataroot", "town", "--version", "v1.0-mini")

    def train(side: Side, out: str, *more: str | Path) -> None:
        files = (f"{out}.json", f"{out}.npz")
        side.probe("train", *files, "--config", side.config(config), *data, "--out", out, *SMALL, *more)

    def from_seed(side: Side) -> None:
        train(side, f"seed_{config}")

    def from_weights(side: Side) -> None:
        train(side, f"steps_{config}", "--run.start_from", _initial(side, config), "--run.seed", "1")

    def predict(side: Side) -> None:
        for name, more in (("own", ()), ("null", ("--null-context",))):
            out = f"of_{config}_{name}.parquet"
            split = ("--split", "mini_val", "--out", out, *more)
            side.forecast("predict", "--checkpoint", _initial(side, config), *data, *split)

    seeded, stepped = f"seed_{config}", f"steps_{config}"
    yield Check(f"{config}: batches and crops", from_seed, (f"{seeded}.npz",))
    yield Check(f"{config}: losses from a seed", lambda side: None, (f"{seeded}.json",), LOSSES)
    yield Check(f"{config}: losses from one initial state", from_weights, (f"{stepped}.json", f"{stepped}.npz"), LOSSES)
    yield Check(f"{config}: forecasts of the old checkpoint", predict, (f"of_{config}_*.parquet",))


def _initial(side: Side, config: str) -> Path:
    """Weights that the old side trained from a seed: where both sides begin, and what both must be able to read."""
    return side.folder.parent / "before" / f"seed_{config}" / "last.safetensors"


def _shipped(side: Side) -> Path:
    """The shipped weights of the old side, whose file holds a network without context too."""
    return side.folder.parent / SHIPPED.name


def _export(side: Side) -> None:
    side.forecast("export", "--checkpoint", "town", "--out", "town.onnx", "--samples", "50")
    side.probe("onnx", "town.onnx", "onnx.npz")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    files: int
    found: list[str]
    seconds: float


def compared(check: Check, before: Side, after: Side, perturb: bool) -> Row:
    """Run a check on both sides and compare."""
    began = time.monotonic()
    try:
        for side in (before, after):
            check.run(side)
    except RuntimeError as error:
        return Row(check.name, 0, [str(error)], time.monotonic() - began)
    if perturb:
        _perturb(next(path for pattern in check.files for path in sorted(after.folder.glob(pattern))))
    rules = Rules(check.tolerance, RENAMED, tuple(LEFT_OUT))
    names = {
        path.relative_to(side.folder)
        for side in (before, after)
        for pattern in check.files
        for path in side.folder.glob(pattern)
    }
    found = [line for name in sorted(names) for line in compare_files(before.folder / name, after.folder / name, rules)]
    if not names:
        found = ["nothing to compare: no side wrote a file"]
    return Row(check.name, len(names), found, time.monotonic() - began)


def _perturb(path: Path) -> None:
    """Change the first figure in a file by a millionth of itself and as much again."""
    import json

    import numpy as np

    def moved(value: object) -> tuple[object, bool]:
        if isinstance(value, float) and not isinstance(value, bool):
            return value * (1 + 1e-5) + 1e-5, True
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, entry in items:
            new, done = moved(entry)
            if done:
                value[key] = new  # type: ignore[index]
                return value, True
        return value, False

    if path.suffix == ".json":
        path.write_text(json.dumps(moved(json.loads(path.read_text()))[0]))
    elif path.suffix == ".npz":
        with np.load(path) as opened:
            arrays = {name: opened[name].copy() for name in opened.files}
        next(array for array in arrays.values() if array.dtype.kind == "f").flat[0] += 1e-5
        np.savez(path, **arrays)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        index = next(i for i, field in enumerate(table.schema) if pa.types.is_floating(field.type))
        column = table.column(index).to_numpy().copy()
        column[0] += 1e-5
        pq.write_table(table.set_column(index, table.schema.field(index), pa.array(column)), path)


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_sides(parser)
    parser.add_argument(
        "--only", nargs="+", default=["*"], metavar="PATTERN", help="of names of checks; town always runs"
    )
    parser.add_argument("--perturb", metavar="PATTERN", help="change a figure of these checks' results on the new side")
    return parser.parse_args(given)


def add_sides(parser: argparse.ArgumentParser) -> None:
    """Say which two checkouts, and where to work."""
    for name in ("before", "after"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="DIR", help=f"checkout {name} the change")
        parser.add_argument(f"--{name}-python", default=sys.executable, metavar="PYTHON", help="that runs it")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="keep results here (a new folder), else nowhere")


def sides(args: argparse.Namespace) -> Iterator[tuple[Side, Side]]:
    """Both sides, each in an empty folder; the folders go unless ``--scratch`` names them."""
    scratch = args.scratch or Path(tempfile.mkdtemp(prefix="before-after-"))
    found = []
    for name in ("before", "after"):
        folder = scratch.resolve() / name
        folder.mkdir(parents=True)  # an old result must not be taken for a new one
        checkout = getattr(args, name).resolve()
        if not (checkout / "forecast" / "__init__.py").is_file():
            raise SystemExit(f"--{name} {checkout}: not a checkout of this package")
        if name == "before":
            shutil.copy(checkout / SHIPPED, scratch)
        found.append(Side(name, checkout, getattr(args, f"{name}_python"), folder))
    try:
        yield found[0], found[1]
    finally:
        if args.scratch is None:
            shutil.rmtree(scratch)


def main(given: list[str] | None = None) -> int:
    """Compare; 0 where all is equal."""
    args = arguments(given)
    data = {"made": ("town", "v1.0-mini", "mini_val")}
    if os.environ.get("NUSCENES_DATAROOT"):
        data["real"] = (str(Path(os.environ["NUSCENES_DATAROOT"]).resolve()), "v1.0-mini", "mini_val")
    else:
        print("NUSCENES_DATAROOT is not set: nothing is compared on real data")
    rows = []
    for before, after in sides(args):
        for check in checks(data):
            if check.name != "town" and not any(fnmatch(check.name, pattern) for pattern in args.only):
                continue
            row = compared(check, before, after, bool(args.perturb) and fnmatch(check.name, args.perturb))
            rows.append(row)
            verdict = "equal" if not row.found else f"{len(row.found)} DIFFERENCES"
            print(f"{row.name:<48} {row.files:>4} files {row.seconds:>6.1f} s  {verdict}", flush=True)
            for line in row.found[:5]:
                print(f"    {line}")
    different = [row.name for row in rows if row.found]
    print(f"{len(rows) - len(different)} of {len(rows)} checks equal")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
