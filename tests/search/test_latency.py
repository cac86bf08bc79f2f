"""`nas latency` on a real study: what it chooses, stores and prints."""

import pytest
from study_factory import write_study

from nas.cli.app import main
from nas.errors import ConfigError, StorageError
from nas.search import latency
from nas.search.latency import measure_study
from nas.study.check import violations
from nas.study.provenance import processor
from nas.study.reader import open_study
from nas.training.latency import Latency


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


def timed(monkeypatch):
    """Makes up a time for each network: its milliseconds are its depth; and notes what is asked."""
    asked = []

    def measure(networks, shape, classes, **options):
        asked.append((len(networks), shape, classes, options))
        return [Latency(network.depth / 1000, 0.0) for network in networks]

    monkeypatch.setattr(latency, "measure_latencies", measure)
    return asked


def test_networks_take_turns_in_groups_and_come_from_the_fastest(url, monkeypatch):
    asked, study = timed(monkeypatch), open_study(url, "s")
    monkeypatch.setattr(latency, "TOGETHER", 5)
    measured = measure_study(study, "all", batch=3)
    networks = study.frame().drop_duplicates("key")
    groups, left = divmod(len(networks), 5)
    assert [size for size, *_ in asked] == [5] * groups + [left] * bool(left)
    assert {tuple(other) for _, *other in [(a, b, c, str(d)) for a, b, c, d in asked]} == {
        ((1, 28, 28), 10, "{'batch': 3}")
    }
    assert set(measured) == set(networks["number"])
    assert all(measured[n] == study.architecture(n).depth for n in measured)
    assert list(measured.values()) == sorted(measured.values())
    stored = study.latencies()
    assert set(stored["batch"]) == {3}
    assert set(stored["threads"]) == {1}
    assert set(stored["device"]) == {f"cpu {processor()}".strip()}
    assert dict(zip(stored["key"], stored["milliseconds"], strict=True)) == {
        row["key"]: measured[row["number"]] for row in networks.to_dict("records")
    }


def test_the_front_is_measured_by_default_one_image_at_a_time(url, monkeypatch):
    asked, study = timed(monkeypatch), open_study(url, "s")
    assert set(measure_study(study)) == set(study.front()["number"])
    assert [options for *_, options in asked] == [{"batch": 1}]
    assert latency.TOGETHER == 32
    assert len(measure_study(study, "best")) == 5


@pytest.mark.parametrize(
    ("which", "hint"),
    [
        ("front", "; --trials all takes those that were not trained in full, too"),
        ("best", "; --trials all takes those that were not trained in full, too"),
        ("all", ""),
    ],
)
def test_nothing_to_measure_is_said_with_what_would_be(url, which, hint):
    with pytest.raises(StorageError) as refused:
        measure_study(open_study(url, "none"), which)
    assert str(refused.value) == f"study 'none' has no trial to measure yet{hint}"


def test_another_choice_of_trials_is_refused(url):
    with pytest.raises(ConfigError, match=r"^trials is 'some'; accepted: front, best, all$"):
        measure_study(open_study(url, "s"), "some")
