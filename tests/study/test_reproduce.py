"""The files and the command that make a study again."""

import shlex

import pytest

from nas.search.config import Scope, options, read_config_file, resolve
from nas.search.machine import Machine
from nas.space import SearchSpace, available
from nas.study.exchange.reproduce import CONFIG_FILE, SPACE_FILE, command, config_file, space_file
from nas.study.record import StudyRecord

MACHINE = Machine(cpus=8, gpus=0)
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
