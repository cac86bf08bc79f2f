"""What a continued study keeps, and what belongs to the machine or the call."""

import pytest

from nas.errors import ConfigError
from nas.search.config import SearchConfig
from nas.search.machine import Machine
from nas.search.resolving import resolve

LAPTOP = Machine(cpus=2, gpus=0)
SERVER = Machine(cpus=64, gpus=8)
OTHERWISE = {
    "space": "anynet_a",
    "study": "mine",
    "storage": "sqlite:///other.db",
    "runs": "elsewhere",
    "address": "head:6379",
    "insecure": True,
    "dataset": "digits",
    "resize": True,
    "objective": "synthetic",
    "minimize": ("macs",),
    "trials": 7,
    "epochs": 9,
    "sampler": "random",
    "scheduler": "none",
    "grace": 4,
    "reduction": 4,
    "time_budget": 60.0,
    "concurrency": 3,
    "cpus_per_trial": 2.0,
    "gpus_per_trial": 1.0,
    "max_failures": 5,
    "max_consecutive_failures": 6,
    "trial_timeout": 77.0,
    "keep": 3,
    "seed": 8,
    "data": "images",
    "train_images": 3000,
    "epoch_images": 1000,
    "device": "cuda",
    "max_params": 1_000_000,
    "max_macs": 2_000_000,
    "band": "macs=1M:2M",
    "max_latency": 0.002,
    "max_memory": 64_000_000,
    "latency_batch": 256,
    "flip": "residual",
    "stream": "apart",
    "log_to": "tensorboard",
    "training": {"flip": False},
}
OF_THE_CALL = {
    "study", "storage", "runs", "time_budget", "max_consecutive_failures", "trial_timeout",
    "concurrency", "cpus_per_trial", "gpus_per_trial", "data", "device", "log_to",
    "address", "insecure",
}  # fmt: skip


def test_every_option_has_another_value_here():
    # a search that pairs trials cannot start from others, nor inherit: see test_starting.py and
    # test_inheriting.py
    others = {"start_from", "inherit", "inherit_epochs"}
    assert OTHERWISE.keys() == SearchConfig.model_fields.keys() - others
    defaults = resolve({}, None, LAPTOP)
    assert all(getattr(defaults, name) != value for name, value in OTHERWISE.items())


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_continued_study_keeps_an_option_unless_it_is_of_the_call(name):
    stored = resolve(OTHERWISE, None, SERVER).model_dump(mode="json")
    defaults = resolve({}, None, LAPTOP)
    continued = resolve({}, stored, LAPTOP)
    if name == "concurrency":
        assert continued.concurrency == 2  # as many as fit there
    elif name in OF_THE_CALL:
        assert getattr(continued, name) == getattr(defaults, name)
    else:
        assert getattr(continued, name) == getattr(
            SearchConfig(**{**OTHERWISE, "study": "x"}), name
        )


def test_the_defaults_are_these():
    assert resolve({}, None, Machine(cpus=3, gpus=0)).to_dict() == {
        "space": "resnext",
        "study": "resnext",
        "runs": "nas-runs",
        "address": None,
        "insecure": False,
        "dataset": "fashion_mnist",
        "resize": False,
        "objective": "fashion_mnist",
        "trials": 18,
        "epochs": 4,
        "minimize": [],
        "sampler": "model",
        "start_from": [],
        "inherit": False,
        "inherit_epochs": None,
        "scheduler": "asha",
        "grace": 2,
        "reduction": 3,
        "time_budget": 420.0,
        "concurrency": 3,
        "cpus_per_trial": 1.0,
        "gpus_per_trial": 0.0,
        "max_failures": 2,
        "max_consecutive_failures": 10,
        "trial_timeout": 1800.0,
        "keep": 0,
        "seed": 0,
        "data": None,
        "train_images": 20_000,
        "epoch_images": None,
        "device": "auto",
        "max_params": None,
        "max_macs": None,
        "band": None,
        "max_latency": None,
        "max_memory": None,
        "latency_batch": 1,
        "flip": None,
        "stream": None,
        "log_to": "none",
        "training": {},
    }
    assert resolve({}, None, LAPTOP).storage == "sqlite:///nas.db"


def test_who_asks_for_a_number_of_trials_gets_the_time_that_they_take():
    assert resolve({"trials": 35}, None, LAPTOP).time_budget is None
    assert resolve({"trials": 35, "time_budget": "7m"}, None, LAPTOP).time_budget == 420
    # a study that goes on without a number has the machine's budget again
    assert resolve({}, {"trials": 35}, LAPTOP).time_budget == 420


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("trials", [1, 10_000_000], [0, 10_000_001]),
        ("epochs", [1, 10_000], [0, 10_001]),
        ("grace", [1, 4], [0, 5]),
        ("reduction", [2, 100], [1, 101]),
        ("max_failures", [0, 1000], [-1, 1001]),
        ("max_consecutive_failures", [1, 10_000_000], [0, 10_000_001]),
        ("cpus_per_trial", [0.001, 1024], [0, 1025]),
        ("gpus_per_trial", [0, 0.5, 1, 2, 64], [-0.1, 1.5, 65]),
        ("seed", [0, 2**32 - 1], [-1, 2**32]),
        ("train_images", [10, 10_000_000], [9, 10_000_001]),
        ("study", ["x", "x" * 200, "a b"], ["", "x" * 201, " a", "a ", "a\x1f"]),
        ("space", ["x"], [""]),
        ("max_params", [1], [0]),
        ("time_budget", [0.1], [0]),
        ("trial_timeout", [0.1], [0]),
    ],
)
def test_a_bound_is_where_it_is_said_to_be(name, accepted, refused):
    large = Machine(cpus=4096, gpus=4096)
    base = {"epochs": 4} if name != "epochs" else {}
    for value in accepted:
        assert getattr(resolve({**base, name: value}, None, large), name) == value
    for value in refused:
        with pytest.raises(ConfigError, match=name.replace("_", "-")):
            resolve({**base, name: value}, None, large)


def test_a_trial_is_trained_as_the_search_says_and_its_setting_goes_first():
    config = resolve(
        {
            "epochs": 3,
            "seed": 5,
            "train_images": 2000,
            "training": {"momentum": 0.5, "flip": False},
        },
        None,
        LAPTOP,
    )
    training = config.training_config(momentum=0.7)
    assert (training.epochs, training.seed, training.split_seed) == (3, 5, 5)
    assert (training.train_images, training.flip, training.momentum) == (2000, False, 0.7)


def test_as_many_trials_run_at_once_as_fit_but_no_more_than_there_are():
    assert resolve({"trials": 2}, None, Machine(cpus=8, gpus=0)).concurrency == 2
    assert resolve({"trials": 9}, None, Machine(cpus=8, gpus=0)).concurrency == 8
    assert resolve({"concurrency": 8}, None, Machine(cpus=8, gpus=0)).concurrency == 8
    with pytest.raises(ConfigError) as refused:
        resolve({"concurrency": 5, "cpus_per_trial": 2}, None, Machine(cpus=8, gpus=0))
    assert str(refused.value) == (
        "concurrency is 5, but this machine (8 CPUs, 0 GPUs) has room for 4 trials of 2 CPUs and "
        "0 GPUs"
    )
