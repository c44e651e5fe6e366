"""The measures of the source see what they are there for, and what is enforced holds."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not (ROOT / ".ci" / "house.py").is_file(), reason="not run from a checkout")


@pytest.fixture(scope="module")
def house() -> ModuleType:
    spec = importlib.util.spec_from_file_location("house", ROOT / ".ci" / "house.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["house"] = module
    spec.loader.exec_module(module)
    return module


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_what_is_enforced_holds(house: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert house.main([]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "second",
    [
        "from forecast.a import f\n",
        "def g():\n    from forecast.a import f\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from forecast import a\n",
        "from . import a\n",
        "from .a import f\n",
        "import forecast.a\n",
    ],
)
def test_a_circle_is_seen_however_it_is_closed(house: ModuleType, tmp_path: Path, second: str) -> None:
    folder = written(tmp_path, {"forecast/a.py": "from forecast.b import g\n", "forecast/b.py": second})
    assert house.circles(house.modules(folder)).behind == ["forecast.a ↔ forecast.b"]
    written(tmp_path, {"forecast/b.py": "import math\n"})
    assert house.circles(house.modules(folder)).figure == 0


def test_a_circle_over_three_files_of_two_folders_is_one(house: ModuleType, tmp_path: Path) -> None:
    files = {
        "forecast/model/a.py": "from forecast.data.b import x\n",
        "data/b.py": "from forecast.model.c import x\n",
        "forecast/model/c.py": "from forecast.model import a\n",
    }
    found = house.circles(house.modules(written(tmp_path, files)))
    assert found.behind == ["forecast.data.b ↔ forecast.model.a ↔ forecast.model.c"]


def test_a_file_name_that_stands_twice_is_seen(house: ModuleType, tmp_path: Path) -> None:
    files = {"forecast/core/crops.py": "", "data/crops.py": "", "eval/__init__.py": "", "data/__init__.py": ""}
    found = house.double_names(house.modules(written(tmp_path, files)))
    assert found.behind == ["crops.py: forecast/core/crops.py, data/crops.py"]


def test_lengths_are_of_whole_files_and_functions(house: ModuleType, tmp_path: Path) -> None:
    long = "def f():\n" + "    x = 1\n" * 70
    found = house.modules(written(tmp_path, {"forecast/a.py": long, "forecast/b.py": "x = 1\n"}))
    assert house.file_lines(found, largest=True).figure == 71
    assert house.file_lines(found, largest=False).figure == 36
    assert house.function_lines(found, largest=True).figure == 71


@pytest.mark.parametrize(
    ("function", "lacking"),
    [
        ('def f(x: Tensor) -> int:\n    """Do.\n\n    Args:\n        x: (batch, 2) metres.\n    """\n', ""),
        ('def f(x: Float[Tensor, "batch 2"]) -> int:\n    """Do, in metres."""\n', ""),
        ('def f(x_m: Float[Tensor, "batch 2"]) -> int:\n    """Do."""\n', ""),
        ('def f(valid: NDArray[np.bool_]) -> int:\n    """Do with (n, 3)."""\n', ""),
        ('def f(x: Float[Tensor, "batch 2"]) -> int:\n    """Do."""\n', "unit"),
        ('def f(x: Tensor) -> Tensor:\n    """Give metres."""\n', "shape"),
        ('def f(x: Tensor) -> Tensor:\n    """Do."""\n', "shape and unit"),
    ],
)
def test_shape_and_unit_are_asked_of_public_array_functions(
    house: ModuleType, tmp_path: Path, function: str, lacking: str
) -> None:
    found = house.untold(house.modules(written(tmp_path, {"forecast/a.py": function})))
    assert [line.partition(": ")[2] for line in found.behind] == ([lacking] if lacking else [])


@pytest.mark.parametrize(
    ("entries", "lacking"),
    [
        (("y, x: large", "    shares."), ""),
        (("x: large.", "y: a share."), "unit"),
        (("y: a mask, by index.",), "unit"),
    ],
)
def test_a_word_for_arrays_without_a_unit_counts_in_the_arrays_own_entry(
    house: ModuleType, tmp_path: Path, entries: tuple[str, ...], lacking: str
) -> None:
    told = "\n".join(["True where it is so.", "", "    Args:", *(f"        {line}" for line in entries), "    "])
    text = f'def f(x: Float[Tensor, "n 2"]) -> int:\n    """Do.\n\n    {told}"""\n'
    found = house.untold(house.modules(written(tmp_path, {"forecast/a.py": text})))
    assert [line.partition(": ")[2] for line in found.behind] == ([lacking] if lacking else [])


def test_functions_without_arrays_and_private_ones_do_not_count(house: ModuleType, tmp_path: Path) -> None:
    text = 'def f(x: int) -> str:\n    """Do."""\n\ndef _g(x: Tensor) -> Tensor:\n    return x\n'
    assert house.untold(house.modules(written(tmp_path, {"forecast/a.py": text}))).figure == 100


def test_a_broken_limit_fails(house: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path, {"forecast/a.py": "x = 1\n" * 400})
    assert house.main([str(folder), "--only", "median lines of a file"]) == 1
    assert "BROKEN" in capsys.readouterr().out


def test_imports_are_those_that_grimp_finds(house: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    grimp = pytest.importorskip("grimp", reason="import-linter brings it")
    monkeypatch.syspath_prepend(str(ROOT))
    graph = grimp.build_graph("forecast", cache_dir=None)
    found = house.modules(ROOT)
    names = {module.name for module in found}
    ours = {module.name: house.imports_of(module, names) for module in found}
    theirs = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert ours == theirs


def test_a_class_name_for_two_things_is_seen(house: ModuleType, tmp_path: Path) -> None:
    folder = written(tmp_path, {"forecast/a.py": "class Road:\n    x = 1\n", "data/b.py": "class Road:\n    y = 2\n"})
    assert [line.partition(":")[0] for line in house.double_classes(house.modules(folder)).behind] == ["Road"]
    written(tmp_path, {"data/b.py": "class _Road:\n    y = 2\n"})
    assert house.double_classes(house.modules(folder)).figure == 0
