"""The pages say what is there: Python in them parses and imports, blocks marked as runnable run, links lead somewhere.

A block runs where ``<!-- runs -->`` stands in the line before it, in a folder that holds ``town``, a synthetic town
(v1.0-mini). Links between pages and their anchors are checked by ``make docs`` too.
"""

import ast
import importlib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from forecast.data.synthetic.town_writer import write_town

ROOT = Path(__file__).parents[2]
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if path.is_file()]
_BLOCK = re.compile(r"^(?P<marked><!-- runs -->\n)?```python\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|mailto:)(?P<target>[^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A piece of Python in a page, and the line where it begins."""

    page: str
    line: int
    code: str
    runs: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> list[Block]:
    found = []
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text[: match.start("code")].count("\n") + 1
            found.append(Block(str(path.relative_to(ROOT)), line, match["code"], match["marked"] is not None))
    return found


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_python_parses_and_what_it_imports_is_there(block: Block) -> None:
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "forecast":
                    importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "forecast":
            module = importlib.import_module(str(node.module))
            missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
            assert not missing, f"{block}: {node.module} has no {', '.join(missing)}"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("docs") / "town"
    write_town(root, scenes=10, seed=1, version="v1.0-mini")
    return root


@pytest.mark.parametrize("block", [block for block in blocks() if block.runs], ids=str)
def test_what_is_marked_as_runnable_runs(block: Block, town: Path, tmp_path: Path) -> None:
    (tmp_path / "town").symlink_to(town)
    (tmp_path / "block.py").write_text(block.code, encoding="utf-8")
    done = subprocess.run([sys.executable, "block.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, f"{block}\n{done.stderr}"


def test_some_blocks_run() -> None:
    assert any(block.runs for block in blocks())


def slug(heading: str) -> str:
    """The anchor that GitHub, and the site, make of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    if not (ROOT / "forecast").is_dir():
        pytest.skip("not run from a checkout")
    for match in _LINK.finditer(_FENCED.sub("", path.read_text(encoding="utf-8"))):
        name, _, anchor = match["target"].partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{path.name}: {match['target']} leads nowhere"
        if anchor and target.suffix == ".md":
            text = _FENCED.sub("", target.read_text(encoding="utf-8"))
            anchors = {slug(line.lstrip("#").strip()) for line in text.splitlines() if line.startswith("#")}
            assert anchor in anchors, f"{path.name}: {match['target']}: there is no such heading"


def pages_of(entry: object) -> list[str]:
    """All pages that a navigation names."""
    if isinstance(entry, str):
        return [entry]
    values = entry.values() if isinstance(entry, dict) else entry
    return [page for value in values for page in pages_of(value)]  # type: ignore[attr-defined]


def test_every_page_stands_in_the_navigation() -> None:
    if not (ROOT / "mkdocs.yml").is_file():
        pytest.skip("not run from a checkout")
    text = re.sub(r"!!python\S+", "", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = pages_of(yaml.safe_load(text)["nav"])
    there = [path.relative_to(ROOT / "docs").as_posix() for path in PAGES if path.is_relative_to(ROOT / "docs")]
    assert sorted(listed) == sorted(there)
