"""Where an option's value comes from, and what no option may be."""

import numpy as np
import pytest
from pydantic import ValidationError

from nas.errors import ConfigError, NasError
from nas.search.config import SearchConfig
from nas.search.machine import Machine, Node
from nas.search.resolving import checked, complaint, read_config_file, resolve
from nas.space import SearchSpace

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


@pytest.mark.parametrize(
    ("latency", "seconds", "memory", "size"),
    [
        ("2ms", 0.002, "64MB", 64_000_000),
        (" 500 us", 0.0005, "1.5 gb", 1_500_000_000),
        ("0.1s", 0.1, "16KiB", 16_384),
        (0.25, 0.25, 1000.0, 1000),
        (np.float32(0.5), 0.5, np.int64(5), 5),
    ],
)
def test_measured_budgets_are_written_with_their_unit(latency, seconds, memory, size):
    config = resolve({"max_latency": latency, "max_memory": memory}, None, LAPTOP)
    assert (config.max_latency, config.max_memory) == (seconds, size)
    assert SearchConfig(**config.to_dict()) == config


def test_the_storage_is_not_among_what_is_stored():
    config = resolve({"storage": "postgresql+psycopg://me:canary@host/db"}, None, LAPTOP)
    assert "canary" not in str(config.to_dict())


def test_a_search_that_inherits_has_defaults_of_its_own():
    config = resolve({"inherit": True, "epochs": 7}, None, LAPTOP)
    assert (config.scheduler, config.inherit_epochs, config.keep) == ("none", 3, 50)
    plain = resolve({"epochs": 7}, None, LAPTOP)
    assert (plain.scheduler, plain.inherit_epochs, plain.keep) == ("asha", None, 0)


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
        (
            {"inherit": True, "scheduler": "asha"},
            "scheduler is asha, but inherit is given: a trial that began with the weights of",
        ),
        (
            {"inherit": True, "objective": "synthetic"},
            "inherit is given, but objective is synthetic; accepted: fashion_mnist",
        ),
        ({"inherit": True, "minimize": "macs"}, "inherit is given together with minimize"),
        ({"inherit": True, "keep": 0}, "keep is 0, but inherit is given"),
        (
            {"inherit": True, "epochs": 4, "inherit_epochs": 4},
            "inherit-epochs is 4, and epochs is 4; accepted: fewer than epochs",
        ),
        ({"inherit": True, "epochs": 1}, "inherit-epochs is 1, and epochs is 1"),
        ({"reduction": 1}, "reduction is 1; it must be greater than or equal to 2"),
        ({"max_failures": -5}, "max-failures is -5"),
        ({"max_consecutive_failures": 0}, "max-consecutive-failures is 0"),
        ({"trial_timeout": "0s"}, "trial-timeout"),
        ({"trial_timeout": "soon"}, "trial-timeout: 'soon' is no duration"),
        ({"seed": -1}, "seed is -1"),
        ({"sampler": "tp"}, "sampler: 'tp'; did you mean tpe? accepted: model, evolution, local"),
        (
            {"scheduler": "pashas"},
            "did you mean pasha? accepted: asha, curves, hyperband, none, pasha",
        ),
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
        ({"train_images": 9}, "train-images is 9"),
        ({"dataset": "cifar"}, "dataset: 'cifar'; did you mean cifar10? accepted: fashion_mnist"),
        ({"dataset": "folder"}, "dataset: 'folder'; accepted: folder:PATH"),
        ({"dataset": "digits:here"}, "dataset: 'digits:here'; accepted: digits"),
        ({"resize": "perhaps"}, "resize is 'perhaps'"),
        ({"study": ""}, "study is ''"),
        ({"study": "x" * 201}, "it must"),
        ({"study": " x"}, "begins or ends with a space"),
        ({"study": "a\nb"}, "control character"),
        ({"max_params": 0}, "max-params is 0"),
        ({"max_latency": "2"}, "max-latency: '2' is no latency; accepted: 2ms, 500us, 0.1s, or"),
        ({"max_latency": "64MB"}, "max-latency: '64MB' is no latency"),
        ({"max_latency": "0ms"}, "max-latency: '0ms' is no latency"),
        ({"max_latency": 0}, "max-latency is 0"),
        ({"max_latency": "2h"}, "max-latency: '2h' is no latency"),
        ({"max_memory": "64"}, "max-memory: '64' is no amount of memory; accepted: 64MB, 500kB"),
        ({"max_memory": "0.4B"}, "max-memory: '0.4B' is no amount of memory"),
        ({"max_memory": True}, "max-memory is True"),
        ({"latency_batch": 0}, "latency-batch is 0"),
        ({"max_macs": "60X"}, 'max-macs: "60X" is not a count; accepted: a whole number'),
        ({"training": {"lr": 1}}, "unknown key 'lr'"),
        ({"training": {"peak_lr": -1.0}}, "peak_lr is -1.0"),
        ({"training": {"epochs": 3}}, "epochs, train_images, epoch_images and seed stand outside"),
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


@pytest.mark.parametrize(
    "option", ["train_images", "max_macs", "time_budget", "max_latency", "max_memory"]
)
def test_none_lifts_a_limit(option):
    assert getattr(resolve({option: "none"}, None, LAPTOP), option) is None


def test_none_is_no_number_where_there_must_be_one():
    with pytest.raises(ConfigError, match="trials is 'none'"):
        resolve({"trials": "none"}, None, LAPTOP)


# --- defaults, bounds and messages, whole ---


def test_what_is_not_given_is_this():
    assert SearchConfig(trials=12, epochs=4).model_dump() == {
        "space": "resnext", "study": "resnext", "storage": "sqlite:///nas.db", "runs": "nas-runs",
        "address": None, "insecure": False, "dataset": "fashion_mnist", "resize": False,
        "objective": "fashion_mnist", "minimize": (), "trials": 12, "epochs": 4, "sampler": "model",
        "start_from": (), "inherit": False, "inherit_epochs": None, "scheduler": "asha", "grace": 2,
        "reduction": 3, "time_budget": None, "concurrency": None,
        "cpus_per_trial": 1, "gpus_per_trial": 0, "max_failures": 2, "max_consecutive_failures": 10,
        "trial_timeout": 1800.0, "keep": 0, "seed": 0, "data": None, "train_images": None,
        "epoch_images": None, "device": "auto",
        "max_params": None, "max_macs": None, "band": None, "max_latency": None,
        "max_memory": None, "latency_batch": 1, "flip": None, "stream": None,
        "log_to": "none", "training": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("option", "least", "most", "below", "above"),
    [
        ("trials", 1, 10_000_000, 0, 10_000_001),
        ("epochs", 1, 10_000, 0, 10_001),
        ("reduction", 2, 100, 1, 101),
        ("max_failures", 0, 1000, -1, 1001),
        ("max_consecutive_failures", 1, 10_000_000, 0, 10_000_001),
        ("keep", 0, 10_000_000, -1, 10_000_001),
        ("seed", 0, 2**32 - 1, -1, 2**32),
        ("train_images", 10, 10_000_000, 9, 10_000_001),
        ("epoch_images", 10, 10_000_000, 9, 10_000_001),
        ("cpus_per_trial", 0.001, 1024, 0, 1024.5),
        ("gpus_per_trial", 0, 64, -0.1, 65),
        ("max_params", 1, 10**15, 0, None),
        ("time_budget", 0.001, 1e9, 0, None),
        ("study", "x", "x" * 200, "", "x" * 201),
        ("space", "x", "x" * 300, "", None),
    ],
)
def test_an_option_may_be_from_its_least_to_its_most(option, least, most, below, above):
    for value in (least, most):
        assert getattr(SearchConfig(**{"trials": 1, "epochs": 1, option: value}), option) == value
    for value in (below, *([] if above is None else [above])):
        with pytest.raises((ValidationError, ConfigError)):
            SearchConfig(**{"trials": 1, "epochs": 1, option: value})


def test_a_config_is_frozen_knows_its_options_alone_and_takes_no_infinity():
    config = SearchConfig(trials=1, epochs=1)
    with pytest.raises(ValidationError):
        config.trials = 2
    with pytest.raises(ValidationError):
        SearchConfig(trials=1, epochs=1, trails=1)
    with pytest.raises(ValidationError):
        SearchConfig(trials=1, epochs=1, cpus_per_trial=float("inf"))


def said(**given):
    with pytest.raises(ConfigError) as refused:
        resolve(given, None, LAPTOP)
    return str(refused.value)


def test_what_two_options_contradict_each_other_in_is_said():
    assert said(epochs=4, grace=5) == (
        "grace: a trial is stopped after 5 epochs at the earliest, but epochs is 4; grace must not "
        "be above it"
    )
    assert resolve({"epochs": 4, "grace": 4}, None, LAPTOP).grace == 4
    assert said(gpus_per_trial=1.5) == "gpus-per-trial is 1.5; above 1 it must be a whole number"
    assert said(training={"seed": 1}) == (
        "training: epochs, train_images, epoch_images and seed stand outside of it, where the "
        "options of these names are; split_seed is the seed"
    )
    assert said(study="x\n") == "study: 'x\\n' begins or ends with a space"
    assert said(study="a\tb") == "study: 'a\\tb' has a control character in it"
    for share in (1, 2, 0.5):
        assert resolve({"gpus_per_trial": share}, None, SERVER).gpus_per_trial == share


def test_as_many_trials_at_a_time_as_fit_are_the_default_and_the_most():
    assert resolve({"trials": 1}, None, LAPTOP).concurrency == 1
    assert resolve({"trials": 50}, None, LAPTOP).concurrency == 2
    assert resolve({"concurrency": 2}, None, LAPTOP).concurrency == 2
    assert resolve({"trials": 50, "cpus_per_trial": 0.5}, None, LAPTOP).concurrency == 4
    assert said(concurrency=5, cpus_per_trial=0.5) == (
        "concurrency is 5, but this machine (2 CPUs, 0 GPUs) has room for 4 trials of 0.5 CPUs and "
        "0 GPUs"
    )
    with pytest.raises(ConfigError) as refused:
        resolve({"concurrency": 2, "gpus_per_trial": 1}, None, Machine(2, 1))
    cluster = Machine.of([Node(2, 1)], "the cluster")  # which may get more nodes
    assert resolve({"concurrency": 9}, None, cluster).concurrency == 9
    assert str(refused.value) == (
        "concurrency is 2, but this machine (2 CPUs, 1 GPU) has room for 1 trial of 1 CPU and 1 GPU"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"trails": 5}, "unknown option 'trails'"),
        ({"max_macs": None, "trials": None}, "trials has no value; give one, or leave it out"),
        ({"log_to": "nowhere"}, "log-to: 'nowhere'; accepted: none, tensorboard, tensorboard:FOL"),
        ({"sampler": "tp"}, "sampler: 'tp'; did you mean tpe? accepted: model, evolution, local, "),
        ({"sampler": "mine:"}, "sampler: 'mine:'; accepted: model, evolution, local, largest, "),
        ({"time_budget": ""}, "time-budget: '' is no duration; accepted: 90 (seconds), 45s, 10m"),
        ({"band": "x"}, "band: "),
        ({"max_macs": []}, "max-macs is []; it must be a whole number, such as 20, 1k or 1e3"),
        ({"max_macs": "0.5"}, "max-macs: "),
    ],
)  # fmt: skip
def test_a_complaint_names_the_option_as_it_is_typed(given, message):
    message = message.replace("leave it out", "leave the option out")
    with pytest.raises(ConfigError) as refused:
        resolve(given, None, LAPTOP)
    assert str(refused.value).startswith(message)


def test_the_first_complaint_is_made_with_at_most_sixty_characters_of_a_word():
    with pytest.raises(ValidationError) as refused:
        SearchConfig(trials=0, epochs=0)
    assert complaint(refused.value).startswith("trials is 0; ")
    with pytest.raises(ValidationError) as refused:
        SearchConfig(trials=1, epochs=1, device="x" * 100)
    assert complaint(refused.value) == f"device is '{'x' * 59}; accepted: auto, cpu, cuda, mps"


def test_bands_and_limits_leave_a_part_of_a_space():
    space = SearchSpace.load("resnext")
    options = {"band": " macs=4M:8M ", "max_params": "500k", "max_macs": "7M"}
    config = resolve(options, None, LAPTOP)
    assert config.band == "macs=4M:8M"
    assert config.within(space) == space.with_limits(
        {"params": (None, 500_000), "macs": (4_000_000, 7_000_000)}
    )
    assert resolve({}, None, LAPTOP).within(space) == space
    assert resolve({"max_macs": "7M"}, None, LAPTOP).within(space) == space.with_limits(
        {"macs": (None, 7_000_000)}
    )
    assert resolve({"band": None}, None, LAPTOP).band is None


def test_a_training_has_the_options_of_the_search_over_what_is_searched_over_its_own():
    given = {"seed": 5, "epochs": 3, "train_images": 2000}
    config = resolve({**given, "training": {"peak_lr": 0.2, "momentum": 0.8}}, None, LAPTOP)
    training = config.training_config(peak_lr=0.3)
    assert (training.peak_lr, training.momentum) == (0.3, 0.8)
    assert (training.epochs, training.train_images) == (3, 2000)
    assert (training.seed, training.split_seed) == (5, 5)


def test_what_is_stored_is_plain_json():
    stored = resolve({"gpus_per_trial": 0.5, "time_budget": "1h"}, None, SERVER).to_dict()
    assert "storage" not in stored
    assert stored["time_budget"] == 3600
    kinds = {str, int, float, bool, dict, list, type(None)}
    assert {type(value) for value in stored.values()} <= kinds


def test_some_options_are_checked_each_by_itself_and_typed():
    given = {"grace": "5", "max_macs": "1k", "time_budget": "1m"}
    assert checked(given) == {"grace": 5, "max_macs": 1000, "time_budget": 60}
    assert checked({"grace": 10_000}) == {"grace": 10_000}
    assert checked({}) == {}
    with pytest.raises(ConfigError, match="grace: a trial is stopped after 10001"):
        checked({"grace": 10_001})
    with pytest.raises(ConfigError, match="grace: a trial is stopped after 3 epochs"):
        checked({"grace": 3, "epochs": 2})
    with pytest.raises(ConfigError, match=r"^trials is 0; it must be greater than or equal to 1$"):
        checked({"trials": 0})


def test_a_file_may_have_options_of_others_too_and_its_reader_may_be_another(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("bins: 3\nmax-params: 7\n")
    seen = []

    def check(options):
        seen.append(dict(options))
        return {"checked": True}

    assert read_config_file(file, check, also=("bins",)) == {"checked": True}
    assert seen == [{"bins": 3, "max_params": 7}]
    with pytest.raises(ConfigError) as refused:
        read_config_file(file)
    assert str(refused.value).startswith(f"{file}: unknown option 'bins'; ")
    file.write_text("max-parms: 7\n")
    with pytest.raises(ConfigError, match=r"unknown option 'max-parms'; did you mean max-params\?"):
        read_config_file(file)
    file.write_text("binz: 7\n")
    with pytest.raises(ConfigError, match=r"did you mean bins\?"):
        read_config_file(file, check, also=("bins",))
    file.write_text("- 1\n")
    with pytest.raises(ConfigError) as refused:
        read_config_file(file)
    assert str(refused.value) == f"{file} is not a mapping of options, such as trials: 20"
    file.write_text("max_macs: 1\nmax-macs: 2\n")
    with pytest.raises(ConfigError) as refused:
        read_config_file(file)
    assert str(refused.value) == f"{file}: 'max-macs' occurs twice, with - and with _"
