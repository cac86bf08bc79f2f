"""Where an option's value comes from, and what no option may be."""

import numpy as np
import pytest

from nas.errors import ConfigError, NasError
from nas.search.config import SearchConfig, read_config_file, resolve
from nas.search.machine import Machine

LAPTOP = Machine(cpus=2, gpus=0)
SERVER = Machine(cpus=64, gpus=8)


def test_defaults_suit_the_machine():
    small, large = resolve({}, None, LAPTOP), resolve({}, None, SERVER)
    assert (small.concurrency, small.gpus_per_trial) == (2, 0)
    assert small.time_budget is not None
    assert (large.concurrency, large.gpus_per_trial) == (32, 0.25)
    assert large.train_images is None
    assert large.time_budget is None
    assert large.trials > small.trials


def test_what_is_given_goes_before_what_is_stored_before_defaults():
    stored = resolve({"epochs": 7, "trials": 50, "seed": 3}, None, LAPTOP).to_dict()
    config = resolve({"trials": 60}, stored, SERVER)
    assert (config.trials, config.epochs, config.seed) == (60, 7, 3)


def test_a_continued_study_takes_its_place_from_the_machine_it_is_continued_on():
    stored = resolve({}, None, LAPTOP).to_dict()
    assert resolve({}, stored, Machine(cpus=8, gpus=0)).concurrency == 8


def test_limits_may_be_written_with_a_suffix():
    config = resolve({"max_params": "500k", "max_macs": "1.5M"}, None, LAPTOP)
    assert (config.max_params, config.max_macs) == (500_000, 1_500_000)


def test_the_storage_is_not_among_what_is_stored():
    config = resolve({"storage": "postgresql+psycopg://me:canary@host/db"}, None, LAPTOP)
    assert "canary" not in str(config.to_dict())


def test_a_config_comes_back_from_what_is_stored():
    config = resolve({"training": {"peak_lr": 0.2}, "time_budget": "10m"}, None, LAPTOP)
    assert SearchConfig(**config.to_dict()) == config


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"trails": 5}, "unknown option 'trails'"),
        ({"trials": 0}, "trials is 0; it must be greater than or equal to 1"),
        ({"trials": -2}, "trials is -2"),
        ({"trials": True}, "trials is True; it must be a whole number, such as 20, 1k or 1e3"),
        ({"trials": "many"}, "trials is 'many'; it must be a whole number"),
        ({"trials": None}, "trials has no value; give one, or leave the option out"),
        ({"trials": "1.5"}, "trials is 1.5; it must be a whole number"),
        ({"trials": "1:30"}, "trials is '1:30'"),
        ({"trials": "x" * 5000}, "xxx…; it must be a whole number"),
        ({"space": ["a"]}, "space is ['a']; it must be text"),
        ({"study": 5}, "study is 5; it must be text; a number or a date in a file needs quotes"),
        ({"seed": {"a": 1}}, "seed is {'a': 1}; it must be a whole number"),
        ({"cpus_per_trial": True}, "cpus-per-trial is True; it must be a number"),
        ({"time_budget": True}, "time-budget: True is no duration"),
        ({"time_budget": [1]}, "time-budget: [1] is no duration"),
        ({"training": None}, "training has no value"),
        ({"training": [1]}, "training is [1]; it must be a mapping"),
        ({"band": 5}, "band is 5; it must be text"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 2.5}, "epochs is 2.5"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"concurrency": 3}, "concurrency is 3, but this machine (2 CPUs, 0 GPUs) has room for 2"),
        ({"epochs": 4, "grace": 5}, "grace: a trial is stopped after 5 epochs at the earliest"),
        ({"reduction": 1}, "reduction is 1; it must be greater than or equal to 2"),
        ({"max_failures": -5}, "max-failures is -5"),
        ({"max_consecutive_failures": 0}, "max-consecutive-failures is 0"),
        ({"trial_timeout": "0s"}, "trial-timeout"),
        ({"trial_timeout": "soon"}, "trial-timeout: 'soon' is no duration"),
        ({"seed": -1}, "seed is -1"),
        ({"sampler": "tp"}, "sampler is 'tp'; did you mean tpe? accepted: tpe, random"),
        ({"scheduler": "hyperband"}, "scheduler is 'hyperband'; accepted: asha, none"),
        ({"device": "gpu"}, "accepted: auto, cpu, cuda, mps"),
        (
            {"time_budget": "1:30"},
            "time-budget: '1:30' is no duration; accepted: 90 (seconds), 45s",
        ),
        ({"time_budget": -1.0}, "time-budget: -1.0 is no duration"),
        ({"gpus_per_trial": 1}, "gpus-per-trial is 1, but this machine (2 CPUs, 0 GPUs) has fewer"),
        ({"cpus_per_trial": 4}, "cpus-per-trial is 4, but this machine"),
        ({"cpus_per_trial": 0}, "cpus-per-trial is 0"),
        ({"cpus_per_trial": float("nan")}, "cpus-per-trial is nan"),
        ({"train_images": 60_000}, "train-images is 60000"),
        ({"train_images": 999}, "train-images is 999"),
        ({"study": ""}, "study is ''"),
        ({"study": "x" * 201}, "it must"),
        ({"study": " x"}, "begins or ends with a space"),
        ({"study": "a\nb"}, "control character"),
        ({"max_params": 0}, "max-params is 0"),
        ({"max_macs": "60X"}, 'max-macs: "60X" is not a count; accepted: a whole number'),
        ({"training": {"lr": 1}}, "unknown key 'lr'"),
        ({"training": {"peak_lr": -1.0}}, "peak_lr is -1.0"),
        ({"training": {"epochs": 3}}, "epochs, train_images and seed stand outside"),
        ({"training": {"split_seed": 3}}, "stand outside of it"),
        ({"training": 5}, "training is 5"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_option(given, said):
    with pytest.raises(ConfigError) as refused:
        resolve(given, None, LAPTOP)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_gpu_shares_fill_each_gpu_by_itself():
    assert Machine(cpus=64, gpus=2).slots(1, 0.25) == 8
    assert Machine(cpus=64, gpus=3).slots(1, 0.4) == 6
    assert Machine(cpus=4, gpus=2).slots(1, 0.25) == 4
    assert Machine(cpus=64, gpus=5).slots(1, 2) == 2


def test_a_file_gives_options_by_either_spelling(tmp_path):
    file = tmp_path / "search.yaml"
    file.write_text("max-params: 100000\ntime_budget: 5m\ntraining: {peak_lr: 0.3}\n")
    config = resolve(read_config_file(file), None, LAPTOP)
    assert (config.max_params, config.time_budget) == (100_000, 300)
    assert config.training_config().peak_lr == 0.3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trails: 5\n", "unknown option 'trails'; did you mean trials?"),
        ("- trials\n", "is not a mapping of options"),
        ("trials: [\n", "line"),
        ("", "is not a mapping of options"),
        ("space: [a]\n", "search.yaml: space is ['a']; it must be text"),
        ("trials:\n", "search.yaml: trials has no value"),
        ("trials: on\n", "search.yaml: trials is True; it must be a whole number"),
        ("study: 2024-01-01\n", "search.yaml: study is datetime.date(2024, 1, 1); it must be text"),
        ("max-macs: {a: 1}\n", "search.yaml: max-macs is {'a': 1}; it must be a whole number"),
        ("training: {peak_lr: [1]}\n", "search.yaml: training: peak_lr is [1]"),
        ("time-budget: 1:30\n", "search.yaml: time-budget: '1:30' is no duration"),
        ("max-macs: 1\nmax_macs: 2\n", "search.yaml: 'max_macs' occurs twice"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, text, said):
    file = tmp_path / "search.yaml"
    file.write_text(text)
    with pytest.raises(NasError) as refused:
        read_config_file(file)
    assert said in str(refused.value)
    assert "search.yaml" in str(refused.value)


@pytest.mark.parametrize(
    "written",
    ["20e6", "20e+6", "2.0e7", "20000000.0", "20M", "'20M'", "20_000_000", "20 M", "0.02G"],
)
def test_a_number_in_a_file_may_be_written_in_any_way(tmp_path, written):
    (tmp_path / "a.yaml").write_text(f"max-macs: {written}\ntrials: 1e2\nseed: 010\n")
    config = resolve(read_config_file(tmp_path / "a.yaml"), None, LAPTOP)
    assert (config.max_macs, config.trials, config.seed) == (20_000_000, 100, 10)


@pytest.mark.parametrize(
    "hundred", [100, 100.0, "100", "1e2", "0.1k", np.int64(100), np.float32(100)]
)
def test_what_means_a_whole_number_is_one(hundred):
    config = resolve({"trials": hundred, "max_params": hundred}, None, LAPTOP)
    assert (type(config.trials), config.trials) == (int, 100)
    assert (type(config.max_params), config.max_params) == (int, 100)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ("1d", 86400), ("1.5h", 5400), ("2h30", 9000), ("1:30:00", 5400), ("1e2", 100),
     ("none", None), ("null", None), ("~", None)],
)  # fmt: skip
def test_a_file_says_durations_as_people_do_and_no_limit(tmp_path, written, seconds):
    (tmp_path / "a.yaml").write_text(f"time-budget: {written}\ntrial-timeout: {written}\n")
    config = resolve(read_config_file(tmp_path / "a.yaml"), None, LAPTOP)
    assert (config.time_budget, config.trial_timeout) == (seconds, seconds)
    assert SearchConfig(**config.to_dict()) == config


@pytest.mark.parametrize("option", ["train_images", "max_params", "max_macs", "time_budget"])
def test_none_lifts_a_limit(option):
    assert getattr(resolve({option: "none"}, None, LAPTOP), option) is None


def test_none_is_no_number_where_there_must_be_one():
    with pytest.raises(ConfigError, match="trials is 'none'"):
        resolve({"trials": "none"}, None, LAPTOP)
