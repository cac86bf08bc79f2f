"""`nas latency` on a real study: what it chooses, stores and prints."""

import pytest
from populous import write_study

from nas.cli.app import main
from nas.errors import StorageError
from nas.search.latency import measure_study
from nas.study.check import violations
from nas.study.reader import open_study


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path}/nas.db"
    write_study(url, "s", trials=12, epochs=3)
    write_study(url, "none", trials=0)
    return url


@pytest.mark.parametrize("which", ["front", "best", "all"])
def test_the_chosen_networks_are_measured_and_stored(url, which):
    study = open_study(url, "s")
    chosen = {"front": study.front, "best": lambda: study.best(5), "all": study.frame}[which]()
    measured = measure_study(study, which)
    stored = study.frame().set_index("key")["latency_ms"].dropna()
    assert set(stored.index) == set(chosen["key"])
    assert list(measured.values()) == sorted(stored.groupby(level=0).first())
    assert (study.latencies()["device"].str.startswith("cpu")).all()
    assert violations(study) == []


def test_the_command_prints_a_row_per_network(url, capsys):
    assert main(["latency", "s", "--batch", "4", "--storage", url]) == 0
    printed = capsys.readouterr().out
    study = open_study(url, "s")
    assert printed.count(" ms ") == len(study.front())
    assert set(study.latencies()["batch"]) == {4}


def test_a_study_without_a_trial_has_nothing_to_measure(url, capsys):
    with pytest.raises(StorageError, match="has no trial to measure yet"):
        measure_study(open_study(url, "none"))
    assert main(["latency", "s", "--trials", "fronts", "--storage", url]) == 2
    assert "did you mean front?" in capsys.readouterr().err
