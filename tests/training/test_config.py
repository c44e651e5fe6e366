"""Configuration: shipped files, overrides, and mistakes in one line."""

import warnings

import pytest

from forecast.cli.main import main
from forecast.core.crops import PAPER_CROP
from forecast.core.errors import ConfigError
from forecast.model.cvae import CVAE
from forecast.model.objectives.gain import Gain
from forecast.model.objectives.plain import Plain
from forecast.training.config import as_dict, as_yaml, config_names, load_config, parsed, settings_of
from forecast.training.schema import TrainingConfig

UNPADDED = ["--model.map_encoder.padded", "false"]


def test_all_planned_configurations_ship() -> None:
    assert config_names() == [
        "cab",
        "cab_paper",
        "default",
        "demo",
        "gain",
        "no_context",
        "query",
        "query_cab",
        "query_gain",
        "reweight",
        "rubiz",
        "town",
        "trajectron",
    ]


def test_the_defaults_are_those_of_gain() -> None:
    assert load_config("gain") == TrainingConfig()


@pytest.mark.parametrize("name", config_names())
def test_a_configuration_says_differences_from_the_defaults_alone(name: str) -> None:
    config = load_config(name)
    defaults = TrainingConfig(model=type(config.model)(), objective=type(config.objective)())

    def at(values: object, key: str) -> object:
        for part in key.split("."):
            values = getattr(values, part)
        return values

    for key in settings_of(name):
        same = at(config, key) == at(defaults, key)
        assert not same or key in ("objective.name", "model.network"), key


@pytest.mark.parametrize("name", config_names())
def test_what_is_printed_of_a_configuration_is_one(name: str, tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--config", name, "--print-config", "--run.epochs", "3"]) == 0
    (tmp_path / "printed.yaml").write_text(capsys.readouterr().out)
    assert load_config(tmp_path / "printed.yaml") == load_config(name, ["--run.epochs", "3"])


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
        (["--run.epochs", "many"], "run.epochs: expected int, got many"),
        (["--run.epochs", "0"], "at least 1"),
        (["--run.epochs"], "needs a value"),
        (["--objective.name", "gaim"], "objective.name: no objective is called 'gaim': did you mean 'gain'"),
        (["--optimiser.decay", "linear"], "optimiser.decay: expected one of 'cosine', 'exponential', got linear"),
        (["--data.mirror", "-0.5"], "expected a share of 0…1, got -0.5"),
        (["--data.mirror", "0.5", "--model.crop.left_m", "30"], "as far left as right; model.crop has left_m 30.0"),
        (["--optimiser.warmup", "1"], "expected a share in [0, 1), got 1.0"),
        (
            ["--objective.name", "plain", "--objective.gain_weight", "2"],
            "'plain' does not read 'objective.gain_weight'",
        ),
        (
            ["--objective.divergence_cap", "2"],
            "'gain' does not read 'objective.divergence_cap', a constant of divergence",
        ),
        (
            ["--objective.name", "divergence", "--objective.without_context", "twin"],
            "expected one of 'shared', got twin",
        ),
        (
            ["--objective.name", "nowhere.here:mine"],
            "objective.name nowhere.here:mine: nowhere.here cannot be imported (ModuleNotFoundError",
        ),
        (["--objective.name", "math:mine"], "math has no mine"),
        (["--objective.name", "math:sqrt"], "expected a function of (with_context, without, valid, config, annealed)"),
        (["--objective.name", "a b:c"], "objective.name a b:c: expected module:name"),
        (["--model.own_blind", "maybe"], "'model.own_blind' is 'maybe'; expected true or false"),
        (
            ["--objective.divergence_weight", "1", "--objective.gain_weight", "2"],
            "'objective.divergence_weight' and 'objective.gain_weight' are the same key",
        ),
        (
            ["--model.own_blind", "true", "--objective.divergence_cap", "3"],
            "'gain' does not read 'objective.divergence_cap'",
        ),
        (["--model.network", "cvaf"], "no network is called 'cvaf': did you mean 'cvae'"),
        (["--schedules.logit_bound", "7"], "schedules.logit_bound: expected a mapping of its keys, or null"),
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
        ("gain", ["--objective.divergence_weight", "1.0"], "gain", "'objective.gain_weight'"),
        ("gain", ["--model.own_blind", "true"], "gain", "there is since version 0.2: objective.without_context twin"),
        ("trajectron", ["--model.own_blind", "false"], "trajectron", "nothing, since 'plain' has no use for it"),
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
    (tmp_path / "mine.yaml").write_text("extends: blind\nobjective: {name: cab, blind_weight: 0.5}\n")
    with pytest.warns(UserWarning, match="since version") as told:
        config = load_config(tmp_path / "mine.yaml")
    names = {str(one.message).split(" is called ")[1].split(" ")[0] for one in told}
    assert names == {"'no_context'", "'divergence'", "'objective.without_context_weight'"}
    assert (config.objective.name, config.model.uses_map) == ("divergence", False)


def test_the_default_is_what_a_run_trains_when_no_configuration_is_named() -> None:
    assert load_config("default") == load_config("query_cab")


def test_the_constants_of_another_objective_do_not_carry_over(tmp_path) -> None:
    (tmp_path / "base.yaml").write_text(
        "extends: cab_paper\nobjective: {without_context_weight: 0.5}\nmodel: {modes: 7}\n"
    )
    (tmp_path / "mine.yaml").write_text(f"extends: {tmp_path}/base.yaml\nobjective: {{name: gain}}\n")
    mine = load_config(tmp_path / "mine.yaml")
    # What every objective reads stays: the clips and free bits of the published settings.
    assert mine.objective == Gain(lower_clip=-6.0, soft_clip=None, free_bits=0.07)
    assert mine.model.modes == 7


def test_whole_records_of_earlier_versions_are_read(tmp_path) -> None:
    constants = (
        "blind_weight: 1.0, divergence_weight: 1.0, entropy_weight: 0.0, divergence_cap: 2.0, weighted_odds: true"
    )
    (tmp_path / "old.yaml").write_text(f"model: {{own_blind: true}}\nobjective: {{name: gain, {constants}}}\n")
    with pytest.warns(UserWarning, match="since version"):
        assert load_config(tmp_path / "old.yaml") == load_config("gain")


def test_settings_of_a_configuration_can_be_put_on_another() -> None:
    config = load_config("query_cab", settings=settings_of("no_context"))
    assert (config.model.network, config.model.uses_map, config.objective) == ("query", False, Plain())
    assert config.run == load_config("query_cab").run
    assert as_yaml(config) != as_yaml(load_config("query_cab"))
