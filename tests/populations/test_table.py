"""A table of real trainings, by a real search of each seed."""

import sqlite3

import pytest

from nas.errors import ConfigError
from nas.populations.table import make_table
from nas.space import SearchSpace
from nas.study.check import violations
from nas.study.reader import open_study

SPACE = SearchSpace.from_dict(
    {
        "name": "pair",
        "stem": {"width": 8},
        "stages": [{"block": "basic", "stride": 2, "width": {"choice": [8, 16]}, "depth": 1}],
    }
)


def test_a_table_of_real_images_has_a_test_accuracy_and_a_latency_of_each_network(tmp_path):
    file = tmp_path / "pair.sqlite"
    options = {"dataset": "digits", "epochs": 1, "runs": str(tmp_path / "runs")}
    table = make_table(SPACE, file, seeds=1, **options)
    assert (len(table.curves), table.epochs) == (2, 1)
    study = open_study(f"sqlite:///{file}", "pair-seed0")
    assert violations(study) == []
    tested = sqlite3.connect(file).execute("SELECT trial, test_accuracy FROM nas_evaluations")
    assert [(number, 0 < accuracy < 1) for number, accuracy in tested] == [(0, True), (1, True)]
    assert set(study.latencies()["key"]) == set(study.frame()["key"])
    assert len(make_table(SPACE, file, seeds=1, **options).curves) == 2  # all is there


def test_what_a_table_says_by_itself_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"^keep is given, but a table has every network once"):
        make_table(SPACE, tmp_path / "pair.sqlite", keep=3)
    assert list(tmp_path.iterdir()) == []
