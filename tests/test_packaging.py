"""The package list, the links of packages at the root, and what `import forecast` costs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import forecast

tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11 or later")

ROOT = Path(__file__).parents[1]
AT_THE_ROOT = ("data", "eval", "configs")
in_checkout = pytest.mark.skipif(not (ROOT / "forecast").is_dir(), reason="not run from a checkout")


def python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(cwd)}
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True)


@in_checkout
def test_the_package_list_is_the_tree() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = []
    for top, name in [("forecast", "forecast"), *((name, f"forecast.{name}") for name in AT_THE_ROOT)]:
        for path in (ROOT / top).rglob("__init__.py"):
            parts = path.parent.relative_to(ROOT / top).parts
            if top != "forecast" or parts[:1] not in [(part,) for part in AT_THE_ROOT]:
                found.append(".".join((name, *parts)))
    assert sorted(listed) == sorted(set(found))


@in_checkout
def test_packages_at_the_root_are_relative_links() -> None:
    for package in AT_THE_ROOT:
        assert (ROOT / "forecast" / package).readlink() == Path("..") / package


@in_checkout
@pytest.mark.parametrize("package", AT_THE_ROOT)
def test_a_bare_import_is_refused(package: str) -> None:
    done = python(f"import {package}", ROOT)
    assert f"forecast.{package}" in done.stderr
    assert "ImportError" in done.stderr


@in_checkout
def test_a_missing_link_is_reported_with_the_setting_that_restores_it(tmp_path: Path) -> None:
    (tmp_path / "forecast").mkdir()
    # What git writes where it may not make links: a text file that holds the target.
    (tmp_path / "forecast" / "data").write_text("../data")
    (tmp_path / "forecast" / "__init__.py").write_text((ROOT / "forecast" / "__init__.py").read_text())
    done = python("import forecast", tmp_path)
    assert "git config core.symlinks true && git checkout -- forecast/data" in done.stderr.strip().splitlines()[-1]


def test_importing_the_package_and_asking_for_help_load_nothing_heavy() -> None:
    code = (
        "import sys, forecast\n"
        "from forecast.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pytorch_lightning', 'nuscenes', 'matplotlib', 'shapely', 'pyarrow'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_configs_and_the_typing_marker_are_inside() -> None:
    package = Path(forecast.__file__).parent
    assert (package / "py.typed").is_file()
    assert (package / "configs" / "cab.yaml").is_file()


def test_the_shipped_weights_load_and_tell_no_ones_folders() -> None:
    from forecast.prediction.checkpoint import load_checkpoint

    shipped = load_checkpoint("town")
    assert shipped.path.stat().st_size < 2_200_000
    assert shipped.notes["config"]["data"]["dataroot"] == "out/weights/town"
    # What docs/results.md tells of the training's own validation.
    assert shipped.notes["metrics"]["val/ade_ml"] < shipped.notes["metrics"]["val_without_context/ade_ml"] < 5


@in_checkout
def test_the_version_is_said_once() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == forecast.__version__
    newest = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is None or newest[1] == forecast.__version__
