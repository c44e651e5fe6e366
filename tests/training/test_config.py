"""Configuration: shipped files, overrides, and mistakes in one line."""

import warnings

import pytest

from forecast.core.crops import PAPER_CROP
from forecast.core.errors import ConfigError
from forecast.model.cvae import CVAE
from forecast.training.config import TrainingConfig, as_dict, config_names, load_config, parsed

UNPADDED = ["--model.map_encoder.padded", "false"]


def test_all_planned_configurations_ship() -> None:
    assert config_names() == [
        "cab",
        "cab_paper",
        "default",
        "demo",
        "gain",
        "no_context",
        "reweight",
        "rubiz",
        "town",
        "trajectron",
    ]


def test_the_defaults_are_those_of_the_papers_divergence() -> None:
    assert load_config("cab") == TrainingConfig()


@pytest.mark.parametrize("name", config_names())
def test_a_configuration_survives_being_written_down(name: str) -> None:
    config = load_config(name)
    assert parsed(as_dict(config)) == config


def test_the_papers_settings_have_the_published_number_of_parameters() -> None:
    config = load_config("cab_paper")
    assert config.model.crop == PAPER_CROP
    # 172,109 as published, of which 129 belong to a head (mixture weights) whose output is not used.
    assert sum(parameter.numel() for parameter in CVAE(config.model).parameters()) == 172_109 - 129


def test_keys_on_the_command_line_win() -> None:
    config = load_config(
        "gain", ["--run.epochs", "3", "--objective.lower_clip=-6", "--model.map_encoder.padded", "false"]
    )
    assert (config.run.epochs, config.objective.lower_clip, config.model.map_encoder.padded) == (3, -6.0, False)


def test_the_logits_clamp_can_be_left_out_and_its_parts_be_set() -> None:
    assert load_config("gain", ["--schedules.logit_bound", "null"]).schedules.at(3, 10).logit_bound is None
    schedules = load_config("gain", ["--schedules.logit_bound.finish", "4"]).schedules
    assert schedules.at(10, 10).logit_bound == pytest.approx(4.0)
    abrupt = load_config("gain", ["--schedules.alpha.width", "1e-9"]).schedules
    assert [abrupt.at(step, 10).alpha for step in (0, 1, 2, 3)] == [0.0, 0.0, 50.0, 100.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run.epoch", "3"], "unknown configuration key 'run.epoch': did you mean 'run.epochs'"),
        (["--run.epochs", "many"], "run.epochs"),
        (["--run.epochs", "0"], "at least 1"),
        (["--run.epochs"], "needs a value"),
        (["--objective.name", "cap"], "objective.name"),
        (["--optimiser.decay", "linear"], "optimiser.decay"),
        (["--data.mirror", "-0.5"], "expected a share of 0…1, got -0.5"),
        (["--data.mirror", "0.5", "--model.crop.left_m", "30"], "as far left as right; model.crop has left_m 30.0"),
        (["--optimiser.warmup", "1"], "expected a share in [0, 1), got 1.0"),
        (["--objective.name", "plain"], "add --model.own_blind false"),
        (["--data.standing", "1.5"], "expected a share of 0…1, got 1.5"),
        (["stray"], "neither an option"),
        (["--optimiser.learning_rate", "-1"], "optimiser.learning_rate: expected more than 0, got -1.0"),
        (["--run.precision", "64-true"], "run.precision: expected 32-true, bf16-mixed or 16-mixed, got '64-true'"),
        (["--model.crop.ahead_m", "1", "--model.crop.behind_m", "0", *UNPADDED], "the crop is smaller than the layers"),
        (["--run.seed", "-1"], "run.seed: expected 0 to 4294967295, got -1"),
        (["--run", "3"], "run: expected a mapping of its keys, got 3"),
        (["--model.crop", "3"], "model.crop: expected a mapping of its keys, got 3"),
        (["--model.map_encoder.strides", "[0, 2, 2, 2]"], "map_encoder.strides: expected at least 1 each"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("gain", arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_and_files(tmp_path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'cab_paper'"):
        load_config("cab_papre")
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_config(tmp_path / "mine.yaml")
    (tmp_path / "mine.yaml").write_text("extends: cab\nrun: {epochz: 2}\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: unknown configuration key 'run\.epochz'"):
        load_config(tmp_path / "mine.yaml")
    (tmp_path / "mine.yaml").write_bytes(b"extends: cab\nrun: {epochs: 2}\n\xff\xfe")
    with pytest.raises(ConfigError, match=r"mine\.yaml: not a text file \(invalid start byte at byte 30\)"):
        load_config(tmp_path / "mine.yaml")
    (tmp_path / "mine.yaml").write_text(f"extends: {tmp_path}/yours.yaml\n")
    (tmp_path / "yours.yaml").write_text(f"extends: {tmp_path}/mine.yaml\n")
    with pytest.raises(ConfigError, match=r"yours\.yaml: extends .*mine\.yaml, which is made from it"):
        load_config(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("name", "arguments", "now", "advice"),
    [
        ("cab_divergence", [], "cab", "'cab_divergence' is called 'cab' since version 0.2"),
        ("blind", [], "no_context", "'blind' is called 'no_context'"),
        ("cab", [], "cab", "what it trained before is called 'gain'"),
        ("gain", ["--objective.blind_weight", "1.0"], "gain", "'objective.without_context_weight'"),
        ("gain", ["--objective.weighted_odds", "true"], "gain", "'objective.weighted_probabilities'"),
    ],
)
def test_names_of_earlier_versions_are_read_with_one_line_of_advice(
    name: str, arguments: list[str], now: str, advice: str
) -> None:
    with pytest.warns(UserWarning, match=advice) as told:
        before = load_config(name, arguments)
    assert len(told) == 1
    assert "\n" not in str(told[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert before == load_config(now)


def test_files_of_earlier_versions_are_read(tmp_path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: blind\nobjective: {name: cab, weighted_odds: false}\n")
    with pytest.warns(UserWarning, match="since version") as told:
        config = load_config(tmp_path / "mine.yaml")
    assert [str(one.message).split(" is called ")[1].split(" ")[0] for one in told] == [
        "'divergence'",
        "'objective.weighted_probabilities'",
        "'no_context'",
    ]
    assert (config.objective.name, config.objective.weighted_probabilities) == ("divergence", False)
    assert not config.model.uses_map


def test_the_default_is_what_a_run_trains_when_no_configuration_is_named() -> None:
    assert load_config("default") == load_config("gain")
