"""An objective and a network from outside the package: those of the pages on how to write them."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from network_contract import check_learning, check_network

from forecast.cli.main import main
from forecast.core.errors import CheckpointError, ConfigError
from forecast.model.network_registry import make_network, network_class, network_names
from forecast.prediction.checkpoint import load_checkpoint
from forecast.prediction.predictor import Predictor
from forecast.training.config import load_config
from forecast.training.key_reference import reference
from forecast.training.run import train_on

PAGES = Path(__file__).parents[2] / "docs"
if not PAGES.is_dir():
    pytest.skip("not run from a checkout", allow_module_level=True)
CROP = {"model.crop": {"ahead_m": 8.0, "behind_m": 4.0, "left_m": 4.0, "right_m": 4.0, "px_per_m": 1.0}}
QUICK = {**CROP, "run.epochs": 2, "run.batch_size": 16, "run.accelerator": "cpu"}


def block(page: str, language: str) -> str:
    """The first block of a language in a page."""
    text = (PAGES / "extend" / page).read_text(encoding="utf-8")
    return re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)[1]


@pytest.fixture
def own_objective(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One function with its dataclass, and one YAML file."""
    (tmp_path / "focus.py").write_text(block("objective.md", "python"))
    (tmp_path / "focus.yaml").write_text(block("objective.md", "yaml"))
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "focus.yaml"
    sys.modules.pop("focus", None)


@pytest.fixture
def own_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package as pip leaves it: a module, and metadata with the entry point; and one YAML file."""
    (tmp_path / "lines.py").write_text(block("network.md", "python"))
    (tmp_path / "lines.yaml").write_text(block("network.md", "yaml"))
    group, line = re.search(r'entry-points\."([\w.]+)"\]\n(.*)\n', block("network.md", "toml")).groups()
    metadata = tmp_path / "lines-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lines\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "lines.yaml"
    sys.modules.pop("lines", None)


def test_an_objective_from_outside_trains(own_objective: Path, small_settings, made_up: Callable) -> None:
    config = load_config(own_objective, settings={**small_settings, "run.epochs": 2})
    assert (config.objective.name, config.objective.power) == ("focus:focus", 0.5)
    out = train_on(config, own_objective.parent / "run", made_up(32), made_up(8, seed=1), None, progress=False)
    assert "train/focused" in (out / "metrics.csv").read_text().splitlines()[0]
    assert not (out / "best_without_context.safetensors").exists()
    batch = made_up(4).whole
    before = Predictor.load(out).predict(batch)
    assert load_config(out / "config.yaml") == config
    # Weights do not need the objective that they were trained by.
    sys.modules.pop("focus")
    own_objective.with_name("focus.py").unlink()
    torch.testing.assert_close(Predictor.load(out).predict(batch).positions_m, before.positions_m)
    with pytest.raises(ConfigError, match="focus cannot be imported"):
        load_config(own_objective)


def test_a_constant_that_an_own_objective_does_not_read_is_refused(own_objective: Path) -> None:
    with pytest.raises(ConfigError, match=r"key 'objective\.powr': did you mean 'objective\.power'"):
        load_config(own_objective, ["--objective.powr", "2"])


def test_a_network_from_outside_is_listed_trains_loads_and_predicts(
    own_network: Path, made_up: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "networks"]) == 0
    assert "lines  Straight paths at constant velocity" in capsys.readouterr().out
    config = load_config(own_network, settings=QUICK)
    assert (config.model.hidden_size, config.model.modes, config.objective.name) == (64, 6, "gain")
    out = train_on(config, own_network.parent / "run", made_up(32), made_up(8, seed=1), None, progress=False)
    loaded = load_checkpoint(out)
    assert loaded.model.config == config.model
    batch = made_up(4).whole
    predictor = Predictor(loaded)
    forecast, without = predictor.predict(batch), predictor.predict(batch, null_context=True)
    assert forecast.positions_m.shape == without.positions_m.shape == (4, 6, 12, 2)
    assert not torch.equal(forecast.positions_m, without.positions_m)
    assert "`model.hidden_size`" in reference()


def test_a_network_from_outside_keeps_the_contract(own_network: Path, made_up: Callable) -> None:
    torch.manual_seed(0)
    network = make_network(load_config(own_network, settings=QUICK).model)
    check_network(network, made_up(12).whole)
    check_learning(network, made_up(12).whole)


def test_a_network_from_outside_is_exported(own_network: Path, made_up: Callable) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    from forecast.export.onnx_file import onnx_model
    from forecast.prediction.onnx_predictor import OnnxPredictor

    config = load_config(own_network, settings={**QUICK, "run.epochs": 1})
    out = train_on(config, own_network.parent / "run", made_up(16), made_up(8, seed=1), None, progress=False)
    checkpoint = load_checkpoint(out)
    exported = OnnxPredictor(onnx_model(checkpoint).SerializeToString())
    batch = made_up(5).whole
    ours, theirs = exported.predict(batch), Predictor(checkpoint).predict(batch)
    torch.testing.assert_close(ours.positions_m, theirs.positions_m, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.probabilities, theirs.probabilities, rtol=1e-4, atol=1e-4)


def test_without_the_package_its_weights_say_what_is_missing(own_network: Path, made_up: Callable, monkeypatch) -> None:
    config = load_config(own_network, settings={**QUICK, "run.epochs": 1})
    out = train_on(config, own_network.parent / "run", made_up(16), made_up(8, seed=1), None, progress=False)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(own_network.parent)])
    wanted = r"no network is called 'lines'.* 'lines' in the group 'forecast\.networks'"
    with pytest.raises(CheckpointError, match=wanted):
        load_checkpoint(out)


def test_objectives_that_need_a_posterior_refuse_networks_without_one(own_network: Path) -> None:
    with pytest.raises(ConfigError, match=r"'rubiz' needs a network with a posterior, which model\.network 'lines'"):
        load_config(own_network, ["--objective.name", "rubiz"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nowhere:Lines", "cannot be loaded (ModuleNotFoundError"),
        ("math:sqrt", "is no subclass of forecast.model.network_protocol.Network"),
        ("lines:Lonely", "its config_class is no subclass"),
    ],
)
def test_entry_points_that_are_wrong_are_one_line(own_network: Path, value: str, message: str) -> None:
    module = own_network.with_name("lines.py")
    module.write_text(module.read_text() + "\n\nclass Lonely(Network):\n    config_class = dict\n")
    own_network.parent.joinpath("lines-1.0.dist-info", "entry_points.txt").write_text(
        f"[forecast.networks]\nlines = {value}\n"
    )
    with pytest.raises(ConfigError) as caught:
        network_class("lines")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_reference_of_keys_is_that_of_the_dataclasses() -> None:
    written = (PAGES / "reference" / "configuration.md").read_text(encoding="utf-8")
    assert written == reference(), "write it anew: python -m forecast.training.key_reference"
    # Every key says what it means.
    assert not [line for line in written.splitlines() if line.startswith("| `") and line.endswith("|  |")]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise RuntimeError('no\\nluck')", "objective.name wrong:mine: RuntimeError: no luck"),
        ("return 3", "objective.name wrong:mine: gave int; expected forecast.model.own_loss.Terms"),
        (
            "return Terms(valid.float(), {})",
            "objective.name wrong:mine: ",
        ),  # while tests run, Terms compares shapes itself
    ],
)
def test_an_own_objective_that_fails_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_settings, made_up: Callable, body: str, told: str
) -> None:
    lines = (
        "from forecast.model.objective_config import ObjectiveConfig",
        "from forecast.model.own_loss import Terms",
        "def mine(with_context, without, valid, config: ObjectiveConfig, annealed):",
        f"    {body}",
    )
    (tmp_path / "wrong.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wrong", raising=False)
    settings = {**small_settings, "objective.name": "wrong:mine", "run.epochs": 1, "run.batch_size": 4}
    with pytest.raises(ConfigError) as caught:
        train_on(
            load_config("trajectron", settings=settings), tmp_path / "run", made_up(8), made_up(4), None, progress=False
        )
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_under_a_name_of_this_package_is_told_and_not_used(own_network: Path) -> None:
    entry = own_network.parent / "lines-1.0.dist-info" / "entry_points.txt"
    entry.write_text(entry.read_text().replace("lines =", "cvae ="))
    with pytest.warns(UserWarning, match="'cvae = lines:.*' in the group 'forecast.networks' is not used"):
        assert network_names() == ["cvae", "query"]
    assert network_class("cvae").__module__.startswith("forecast.")
