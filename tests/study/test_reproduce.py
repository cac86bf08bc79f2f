"""The files and the command that make a study again."""

import shlex
from contextlib import suppress

import pytest
import yaml

from nas.errors import NasError
from nas.search.config import Scope, SearchConfig, options, typed
from nas.search.machine import Machine
from nas.search.resolving import read_config_file, resolve
from nas.space import SearchSpace, available
from nas.study.exchange.reproduce import (
    CONFIG_FILE,
    DURATIONS,
    SPACE_FILE,
    UNLIMITED,
    command,
    config_file,
    space_file,
)
from nas.study.record import StudyRecord

MACHINE, TWO_CORES = Machine(cpus=8, gpus=0), Machine(cpus=2, gpus=0)
FIXED = options(Scope.FIXED)


def recorded(space, **options) -> StudyRecord:
    given = {"space": space.name, "study": "s", "trials": 7, "objective": "synthetic", **options}
    config = resolve(given, None, MACHINE)
    return StudyRecord(space.to_dict(), space.hash, config.to_dict(), "synthetic", {}, FIXED)


@pytest.mark.parametrize("name", available())
def test_the_files_give_the_same_study(name, tmp_path):
    record = recorded(SearchSpace.load(name), seed=5, training={"peak_lr": 0.3}, time_budget="9m")
    (tmp_path / SPACE_FILE).write_text(space_file(record))
    (tmp_path / CONFIG_FILE).write_text(config_file(record))
    space = SearchSpace.load(tmp_path / SPACE_FILE)
    options = read_config_file(tmp_path / CONFIG_FILE)
    again = resolve({**options, "space": space.name, "study": "s"}, None, MACHINE)
    found = StudyRecord(space.to_dict(), space.hash, again.to_dict(), "synthetic", {}, FIXED)
    assert record.differences(found) == []
    assert found.config == record.config


def test_the_command_takes_any_name_as_one_word():
    name = "a'; rm -rf ~ #"
    words = shlex.split(command(name))
    assert words[words.index("--study") + 1] == name


def test_a_search_with_flips_in_a_band_is_whole_again(tmp_path):
    space = SearchSpace.load("resnet_vs_plain")
    record = recorded(space, sampler="random", flip="residual", band="macs=4M:8M")
    (tmp_path / CONFIG_FILE).write_text(config_file(record))
    options = read_config_file(tmp_path / CONFIG_FILE)
    assert (options["flip"], options["band"]) == ("residual", "macs=4M:8M")
    again = resolve({**options, "space": space.name, "study": "s"}, None, MACHINE)
    assert again.to_dict() == record.config


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ({"trial_timeout": 1800, "time_budget": 5400.0}, ["1h30m", "30m"]),
        ({"trial_timeout": "none", "time_budget": 0.25, "train_images": "none"}, ["0.25s", "none"]),
    ],
)
def test_times_and_what_has_no_limit_are_written_as_a_person_types_them(options, written, tmp_path):
    record = recorded(SearchSpace.load("resnext"), **options)
    (tmp_path / CONFIG_FILE).write_text(config_file(record))
    found = yaml.safe_load(config_file(record))
    assert [found[name] for name in ("time-budget", "trial-timeout")] == written
    again = resolve(read_config_file(tmp_path / CONFIG_FILE), None, MACHINE)
    for name in (*DURATIONS, *UNLIMITED):
        assert getattr(again, name) == record.config[name]


def test_the_options_of_time_and_those_without_a_limit_are_those_of_a_search():
    left_out = resolve({}, None, TWO_CORES)
    assert {name for name in SearchConfig.model_fields if typed(name, 60) == "1m"} == {*DURATIONS}
    unlimited = set()
    for name in SearchConfig.model_fields:
        with suppress(NasError):
            none = resolve({name: "none"}, None, TWO_CORES)
            if getattr(none, name) is None and getattr(left_out, name) is not None:
                unlimited.add(name)
    assert unlimited == {*UNLIMITED}


HAND = StudyRecord(
    space={"name": "ö", "stem": {"width": 8}, "classes": 10, "stages": [{"depth": (1, 2)}]},
    space_hash="0" * 64,
    config={
        "trials": 7,
        "space": "somewhere/s.yaml",
        "study": "x",
        "runs": "there",
        "data": "images",
        "max_failures": 2,
        "time_budget": None,
        "training": {"peak_lr": 0.3},
        "description": "wor " + "word " * 19 + "end",
    },
    dataset="synthetic",
    provenance={},
)


def test_the_space_is_written_whole_and_in_its_own_order():
    assert space_file(HAND) == (
        "name: ö\nstem:\n  width: 8\nclasses: 10\nstages:\n- depth:\n  - 1\n  - 2\n"
    )


def test_the_options_are_written_without_those_of_the_call():
    assert config_file(HAND) == (
        "trials: 7\nmax-failures: 2\ntime-budget: none\ntraining:\n  peak_lr: 0.3\n"
        f"description: wor {'word ' * 16}word\n  word word end\n"  # 101 characters are too many
    )


def test_the_command_names_both_files_and_another_database():
    assert command("s") == (
        "nas search --space space.yaml --config search.yaml --study s --storage sqlite:///again.db"
    )
