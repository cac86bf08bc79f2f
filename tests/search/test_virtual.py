"""Searches on a table: the searcher and the database of all searches, in virtual time."""

import json
import re
import sqlite3

import pytest
from tables import EPOCHS, NETWORKS, SPACE

import nas
from nas.cli.app import main
from nas.errors import NasError
from nas.study import requests
from nas.study.table import table_of


class Watch(nas.Watcher):
    """How many attempts are under way at most, and whether Ray starts."""

    def __init__(self):
        self.running = self.most = 0
        self.epochs = []
        self.ray = False

    def starting(self):
        self.ray = True

    def started(self, job):
        self.running += 1
        self.most = max(self.most, self.running)

    def measured(self, job, result):
        self.epochs.append((job.number, result["epoch"]))

    def ended(self, job, state, reason):
        self.running -= 1


@pytest.fixture
def on_table(table_file, tmp_path, monkeypatch):
    """``on_table(trials=…)``: a search of it; the study."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def run(file=table_file, **options):
        given = {"trials": 12, "sampler": "random", "scheduler": "none"}
        storage = {"storage": f"sqlite:///{tmp_path}/nas.db", "runs": f"{tmp_path}/runs"}
        return nas.run_search(objective=f"table:{file}", **storage, **given | options)

    return run


class Asks(Watch):
    """``ask`` is called after the third epoch."""

    def __init__(self, ask):
        super().__init__()
        self.ask = ask

    def measured(self, job, result):
        super().measured(job, result)
        if len(self.epochs) == 3:
            self.ask()


def curves(study):
    found = study.epochs()
    return {n: list(rows["val_accuracy"]) for n, rows in found.groupby("number")}


def test_a_search_on_a_table_replays_its_curves_without_ray(on_table, table_file):
    watch = Watch()
    study = on_table(watcher=watch, seed=5)
    table = table_of(f"table:{table_file}")
    trials = study.frame()
    trained = trials[trials["policy"] != "reused"]
    assert len(trials) == 12 and set(trials["state"]) == {"COMPLETE"} and not watch.ray
    for number, key in zip(trained["number"], trained["key"], strict=True):
        told = [result["val_accuracy"] for result in table.curve(key, 5)]
        assert curves(study)[number] == told and len(told) == EPOCHS
    assert study.record.untrained == (
        "The objective is a table: no network was trained by this study, learning curves were "
        "replayed."
    )
    assert study.space.name == "tiny" and study.record.config["epochs"] == EPOCHS


def test_studies_of_different_seeds_see_different_trainings_of_a_network(table_file):
    table = table_of(f"table:{table_file}")
    seen = {json.dumps(table.curve(key, s)) for key in table.curves for s in range(20)}
    every = {json.dumps(curve) for curves in table.curves.values() for curve in curves}
    assert seen == every and len(every) == 2 * NETWORKS


def test_virtual_workers_are_as_many_as_asked_for_whatever_the_machine_has(on_table):
    watch = Watch()
    on_table(trials=17, concurrency=16, watcher=watch, sampler="qmc")  # no network twice
    assert watch.most == 16


def test_results_come_in_the_order_of_the_times_in_the_table(on_table, table_file):
    with sqlite3.connect(table_file) as table:  # some take 50 times longer
        table.execute("UPDATE nas_epochs SET seconds = 1.0")
        table.execute("UPDATE nas_epochs SET seconds = 50.0 WHERE trial % 2 = 0")
    watch = Watch()
    study = on_table(trials=6, concurrency=2, watcher=watch)
    table = table_of(f"table:{table_file}")
    trials = study.frame()
    seconds = {n: table.seconds(k) for n, k in zip(trials["number"], trials["key"], strict=True)}
    clock, free = {}, {0: 0.0, 1: 0.0}  # by trial, by worker
    for number in trials[trials["policy"] != "reused"]["number"]:
        worker = min(free, key=free.get)
        clock[number] = free[worker]
        free[worker] += EPOCHS * seconds[number]
    expected = sorted(
        (clock[n] + epoch * seconds[n], n, epoch) for n in clock for epoch in range(1, EPOCHS + 1)
    )
    ends = {(n, epoch): end for end, n, epoch in expected}
    assert [ends[one] for one in watch.epochs] == sorted(ends.values())


def test_a_search_that_ran_out_of_virtual_time_is_carried_on_to_the_same_end(on_table, table_file):
    table = table_of(f"table:{table_file}")
    second = min(table.seconds(key) for key in table.curves)
    stopped = on_table(study="two", time_budget=8 * second, trials=7)
    assert 0 < (stopped.frame()["state"] == "COMPLETE").sum() < 7
    again = on_table(study="two", trials=7)
    whole = on_table(study="one", trials=7)
    columns = ["state", "key", "val_accuracy", "epochs"]
    assert again.frame()[columns].equals(whole.frame()[columns])


def test_a_study_goes_on_with_a_table_that_was_moved_and_not_with_one_that_was_changed(
    on_table, table_file
):
    on_table(trials=2)
    moved = table_file.rename(table_file.with_name("moved.sqlite"))
    assert on_table(moved, trials=4).trials == 4
    with sqlite3.connect(moved) as table:
        table.execute("UPDATE nas_epochs SET val_accuracy = 0.5 WHERE trial = 7")
    with pytest.raises(NasError, match=r"dataset is table:.*choose another --study"):
        on_table(moved, trials=6)


def test_early_stopping_works_as_in_any_search(on_table):
    states = on_table(trials=8, scheduler="asha", reduction=2).frame()["state"].value_counts()
    assert states["PRUNED"] > 0 and states["COMPLETE"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 2}, "epochs is 2, but the table was trained with 3; leave it out"),
        ({"max_latency": "2ms"}, "max-latency 2 ms is measured by the worker of a"),
        ({"space": "resnext"}, "resnext has more than 4,096 settings"),
        ({"space": "resnext_bench"}, "the table has not all of resnext_bench: it lacks 378 of its"),
        ({"file": "nowhere.sqlite"}, "there is no table .*nowhere.sqlite"),
    ],
)
def test_what_a_table_has_not_is_refused_before_anything_begins(
    on_table, tmp_path, options, message
):
    with pytest.raises(NasError, match=message):
        on_table(**options)
    assert not (tmp_path / "nas.db").exists()


def test_a_part_of_its_space_can_be_searched(on_table):
    study = on_table(max_macs=500_000, trials=4)
    assert study.frame()["macs"].max() <= 500_000
    assert study.space.name == SPACE["name"]


def test_a_search_that_was_asked_to_stop_ends_as_by_a_signal_and_a_later_one_goes_on(
    on_table, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(requests, "LOOK_SECONDS", 0)
    storage = f"sqlite:///{tmp_path}/nas.db"

    def stop():
        assert main(["stop", "tiny", "--storage", storage]) == 0

    with pytest.raises(KeyboardInterrupt, match="tiny was stopped by nas stop"):
        on_table(watcher=Asks(stop), concurrency=2)
    assert re.fullmatch(r"Asked 1 driver of tiny to stop: .+/\d+/.+\n", capsys.readouterr().out)
    states = nas.open_study(storage, "tiny").frame()["state"]
    assert set(states) <= {"COMPLETE", "WAITING"} and "WAITING" in set(states)
    stop()
    assert "no driver works on it at present" in capsys.readouterr().out
    assert set(on_table().frame()["state"]) == {"COMPLETE"}  # neither request is for this search


def test_a_running_search_goes_on_to_the_trials_that_another_call_asks_for(
    on_table, table_file, tmp_path, monkeypatch
):
    monkeypatch.setattr(requests, "LOOK_SECONDS", 0)
    table = table_of(f"table:{table_file}")
    seconds = EPOCHS * max(table.seconds(key) for key in table.curves)

    def more():
        # it asks, and its time is over before it would wait for the trial that runs here
        on_table(trials="+3", time_budget=seconds)

    storage = f"sqlite:///{tmp_path}/nas.db"
    study = on_table(trials=4, watcher=Asks(more))
    assert study.trials == 7
    assert nas.open_study(storage, "tiny").record.config["trials"] == 7
    assert on_table(trials=9).trials == 9
    assert on_table(trials="+1").trials == 10  # to those that it has, where they are more
    assert on_table(study="new", trials="+5").trials == 5
    with pytest.raises(NasError, match="trials is 'five'; it must be a whole number"):
        on_table(trials="+five")
