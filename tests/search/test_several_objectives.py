"""A study that minimizes costs beside its accuracy, from the searcher to Optuna, without Ray."""

import io
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState
from rich.console import Console
from searches import Search

from nas.cli.app import main
from nas.cli.best import print_best
from nas.cli.view import LinesView
from nas.errors import ConfigError, StorageError
from nas.metrics import ACCURACY, Measure
from nas.search.config import Scope, SearchConfig, options
from nas.search.machine import Machine
from nas.search.plan import prepare
from nas.search.resolving import checked, resolve
from nas.stopping.halving import outranked
from nas.study.check import violations
from nas.study.exchange.transfer import export_study, import_study
from nas.study.reader import open_study, studies
from nas.study.record import StudyRecord, read_record

MACS = {"minimize": ["macs"], "epochs": 2, "scheduler": "none"}


def values(one):
    """What must be the same in an equal study."""
    return [(t.number, t.state.name, t.values, t.params) for t in one.store.trials()]


def theirs(url, name="resnext"):
    return optuna.load_study(study_name=name, storage=url)


def edit(url, statement):
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        assert connection.execute(statement).rowcount


@pytest.mark.parametrize("sampler", ["tpe", "evolution"])
def test_the_front_is_optunas_own_for_every_sampler_that_learns(search, sampler):
    one = search(sampler=sampler, trials=10, minimize="macs", epochs=1)
    one.run()
    url = one.config.storage
    study, optunas = open_study(url, "resnext"), theirs(url)
    assert [direction.name for direction in optunas.directions] == ["MAXIMIZE", "MINIMIZE"]
    frame = study.frame().set_index("number")
    for trial in optunas.trials:
        assert trial.values == frame.loc[trial.number, ["val_accuracy", "macs"]].tolist()
    front = study.front()
    assert front["macs"].is_monotonic_increasing
    assert {t.number for t in optunas.best_trials if t.user_attrs["policy"] != "reused"} >= {
        *front["number"]
    }
    assert {tuple(t.values) for t in optunas.best_trials} == {
        (row.val_accuracy, row.macs) for row in front.itertuples()
    }
    assert [t.number for t in study.best_trials] == front["number"].tolist()
    assert study.best_trial.number == front["number"].iloc[-1]
    assert violations(study) == []
    assert frame["minimize"].unique().tolist() == ["macs"]


def test_a_study_of_three_objectives_is_stored_moved_and_read_on_any_database(
    database_url, tmp_path, clock
):
    one = Search(
        database_url, clock, sampler="random", trials=5, epochs=1, minimize=["params", "macs"]
    )
    one.run()
    one.store.close()
    assert one.config.minimize == ("macs", "params")
    study = open_study(database_url, "resnext")
    assert violations(study) == []
    pairs = {tuple(t.values) for t in theirs(database_url).best_trials}
    assert pairs == {tuple(row) for row in study.front()[["val_accuracy", "macs", "params"]].values}
    assert len(study.front()) >= len(study.front("macs"))
    export_study(database_url, "resnext", tmp_path / "moved.sqlite")
    import_study(tmp_path / "moved.sqlite", database_url, "again")
    assert open_study(database_url, "again").front()["key"].equals(study.front()["key"])
    assert studies(database_url)["minimize"].tolist() == ["macs, params"] * 2


def test_a_study_that_was_interrupted_ends_as_if_it_had_not_been(search):
    whole = search(study="whole", sampler="nsga2", trials=11, **MACS)
    whole.run()
    for stop in (2, 9):
        part = search(study="part", sampler="nsga2", trials=11, **MACS)
        while len(part.store.trials()) <= stop:
            job = part.searcher.next_job()
            part.train(job, epochs=1 if len(part.store.trials()) > stop else 10**6)
        part.searcher.interrupt()
    last = search(study="part", sampler="nsga2", trials=11, **MACS)
    last.run()
    assert values(last) == values(whole)


def test_two_drivers_share_a_front_and_one_that_died_is_carried_on(search, clock):
    a = search(owner="a", trials=3, sampler="random", **MACS)
    b = search(owner="b", trials=3, sampler="random", **MACS)
    dead = a.searcher.next_job()
    a.train(dead, epochs=1)  # and then its driver is gone
    b.train(b.searcher.next_job())
    clock.pass_(60)
    b.run()
    trials = b.store.trials()
    assert [len(t.values) for t in trials] == [2] * 3
    assert b.store.attempts.last(dead.number).attempt == 2
    assert violations(open_study(b.config.storage, "resnext"), clock) == []


@pytest.mark.parametrize("sampler", ["tpe", "model"])
def test_stopped_and_failed_trials_are_no_hindrance_to_a_sampler(search, sampler):
    one = search(sampler=sampler, trials=12, **MACS)
    while (job := one.searcher.next_job()) is not None:
        if job.number % 4 == 1:
            one.searcher.report(job, {"failure": "loss is not finite"})
        elif job.number % 4 == 2:
            one.train(job, epochs=1)
            one.searcher._end(job, "pruned")
        else:
            one.train(job)
    trials = one.store.trials()
    stopped = [t for t in trials if t.state == TrialState.PRUNED]
    assert trials[-1].user_attrs["policy"] == "guided"
    assert all(len(t.values) == 2 for t in stopped)
    assert all(t.values is None for t in trials if t.state == TrialState.FAIL)
    assert violations(open_study(one.config.storage, "resnext")) == []
    front = {t.number for t in theirs(one.config.storage).best_trials}
    assert not front & {t.number for t in stopped}


@pytest.mark.parametrize("minimize", ["params", "latency"])
def test_a_trial_is_stopped_by_its_rank_among_those_at_the_rung(search, minimize):
    options = {"trials": 12, "epochs": 3, "sampler": "random", "reduction": 3}
    one = search(minimize=minimize, scheduler="asha", objective="mytask:train", **options)
    measure(one, lambda number: {"latency": 1 / (1 + number % 5)})
    at_rung = []
    stopped = []
    for trial in one.store.trials():  # they came to each rung in the order of their numbers
        if "source" in trial.user_attrs:
            continue
        own = [trial.intermediate_values[1], trial.values[1]]
        stopped.append(outranked(own, at_rung, 3, ["maximize", "minimize"]))
        assert (trial.state == TrialState.PRUNED) == stopped[-1]
        assert trial.values[0] == trial.intermediate_values[1 if stopped[-1] else 3]
        at_rung.append(own)
    assert 2 <= sum(stopped) < 10
    assert violations(open_study(one.config.storage, "resnext")) == []


def test_a_network_that_comes_again_is_told_all_values(search):
    space = {
        "name": "two",
        "stem": {"width": 8},
        "stages": [{"block": "basic", "depth": {"int": [1, 2]}, "width": 8, "stride": 2}],
    }
    one = search(space=space, sampler="random", trials=6, **MACS)
    first = one.searcher.next_job()
    while (job := one.searcher.next_job()) is not None:  # those equal to the first one wait
        one.train(job)
    one.train(first)
    one.run()
    trials = one.store.trials()
    told = [t for t in trials if "source" in t.user_attrs]
    assert len(told) == 4
    assert all(t.values == trials[t.user_attrs["source"]].values for t in told)
    study = open_study(one.config.storage, "resnext")
    assert violations(study) == []
    assert len(study.best_trials) == 2 < len(theirs(one.config.storage).best_trials)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE trial_values SET value = 7 WHERE objective = 1", "its macs is 7.0, its network's"),
        ("UPDATE trial_values SET value = 0.5 WHERE objective = 0", "its value is 0.5, its last"),
        ("DELETE FROM trial_values WHERE objective = 1", "is COMPLETE with 1 values"),
        ("UPDATE trial_values SET objective = 2 WHERE objective = 1", "is COMPLETE with 2 values"),
        (
            "UPDATE study_directions SET direction = 'MAXIMIZE'",
            "direction of the study is maximize and maximize, not maximize and minimize",
        ),
    ],
)
def test_a_value_that_is_not_the_networks_is_a_violation(search, statement, said):
    one = search(trials=1, **MACS)
    one.run()
    edit(one.config.storage, statement)
    [violation] = violations(open_study(one.config.storage, "resnext"))
    assert said in violation


# --- costs that a trial measures ---


def measure(one, first):
    """Train all, the first epoch of trial n with the further metrics ``first(n)``."""
    while (job := one.searcher.next_job()) is not None:
        objective = one.objective(job)
        goes_on = True
        while goes_on:
            result = objective.epoch()
            more = first(job.number) if result["epoch"] == 1 else {"latency": 9.0}
            goes_on = one.searcher.report(job, {**result, "metrics": more})


def test_a_cost_that_trials_measure_is_that_of_the_first_epoch_also_after_a_restart(search):
    options = {"trials": 4, "epochs": 2, "sampler": "random", "scheduler": "none"}
    options |= {"minimize": ["latency", "params"]}
    one = search(objective="mytask:train", **options)
    job = one.searcher.next_job()
    result = one.objective(job).epoch()
    one.searcher.report(job, {**result, "metrics": {"latency": 0.5, "memory": 3e6}})
    one.searcher.checkpoint(job, str(one.config.storage.removeprefix("sqlite:///")))
    one.searcher.interrupt()
    again = one.searcher.next_job()
    objective = one.objective(again)
    objective.epoch()
    while one.searcher.report(again, {**objective.epoch(), "metrics": {"latency": 9.0}}):
        pass
    measure(one, lambda number: {"latency": 0.5 / (1 + number), "memory": 1e6})
    study = open_study(one.config.storage, "resnext")
    assert violations(study) == []
    assert [t.values[2] for t in one.store.trials()] == [0.5, 0.25, 0.5 / 3, 0.125]
    frame = study.frame()
    assert frame["latency"].tolist() == [0.5, 0.25, 0.5 / 3, 0.125]
    assert frame["memory"].tolist() == [3e6, 1e6, 1e6, 1e6]
    assert study.front("latency")["number"].tolist()[0] == 3
    assert len(study.front(("latency", "params"))) == len(study.front())


@pytest.mark.parametrize(("metrics", "said"), [({}, "missing"), ({"latency": 0.0}, "not above 0")])
def test_a_first_epoch_without_the_cost_fails_the_trial_and_says_so(search, metrics, said):
    one = search(objective="mytask:train", trials=1, minimize=["latency"])
    measure(one, lambda _: metrics)
    [trial] = one.store.trials()
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs["reason"].startswith("latency is ")
    assert said in trial.user_attrs["reason"]


# --- which study it is ---


def test_a_study_with_other_objectives_is_another_one():
    of_before, one, two = (
        StudyRecord({}, "h", config, "synthetic", {}, fixed=options(Scope.FIXED))
        for config in ({}, MACS, {**MACS, "minimize": ["macs", "params"]})
    )
    of_before.refuse_another(replace(of_before, config={"minimize": []}), "s")
    with pytest.raises(StorageError, match=r'minimize is "none", not "macs"'):
        of_before.refuse_another(one, "s")
    with pytest.raises(StorageError, match=r'minimize is "macs, params", not "macs"'):
        two.refuse_another(one, "s")


def test_a_study_of_before_says_nothing_of_it_and_opens_as_it_did(search):
    one = search(trials=2)
    one.run()
    url = one.config.storage
    config = {k: v for k, v in one.config.to_dict().items() if k != "minimize"}
    edit(url, f"UPDATE nas_studies SET config = '{json.dumps(config)}'")
    study = open_study(url, "resnext")
    assert study.record.directions == ("maximize",)
    assert (violations(study), study.frame()["minimize"].isna().all()) == ([], True)
    assert [t.number for t in study.best_trials] == [study.best_trial.number]
    more = search(trials=3)
    more.run()
    assert len(more.store.trials()) == 3


def test_a_config_of_unknown_costs_is_damage(search):
    one = search(trials=1, **MACS)
    edit(one.config.storage, """UPDATE nas_studies SET config = replace(config, '"macs"', '"x"')""")
    with pytest.raises(StorageError, match="damaged: its config cannot be read: minimize is 'x'"):
        open_study(one.config.storage, "resnext")


def test_an_empty_study_of_optunas_is_taken_over_where_its_directions_are_ours(tmp_path, search):
    url = f"sqlite:///{tmp_path}/nas.db"
    optuna.create_study(
        storage=url, study_name="resnext", directions=["maximize", "minimize"]
    ).enqueue_trial({"lr": 1})
    with pytest.raises(StorageError, match="its direction is maximize and minimize, not maximize;"):
        read_record(url, "resnext")
    assert read_record(url, "resnext", ("maximize", "minimize")) is None
    one = search(trials=3, **MACS)
    one.run()
    assert [t.state.name for t in theirs(url).trials] == ["FAIL", "COMPLETE", "COMPLETE"]


# --- options ---


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("macs", ("macs",)),
        ("params, macs", ("macs", "params")),
        (["memory"], ("memory",)),
        ([], ()),
    ],
)
def test_costs_are_named_in_any_order_and_kept_in_one(given, found):
    config = resolve({"minimize": given}, None, Machine(cpus=2, gpus=0))
    assert config.minimize == found
    assert SearchConfig(**config.to_dict(), storage="sqlite:///x").minimize == found
    assert checked({"minimize": given}) == {"minimize": found}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minimize": ["mac"]}, "minimize: 'mac'; did you mean macs?"),
        ({"minimize": 3}, "minimize: 3; accepted: a list of macs, params"),
        ({"minimize": ["macs", "macs"]}, "minimize: macs, macs; accepted: each cost once"),
        (
            {"minimize": ["macs", "params", "latency"]},
            "minimize: macs, params, latency; accepted: 2 costs at most",
        ),
    ],
)
def test_what_cannot_be_minimized_is_refused_in_one_line(options, message):
    with pytest.raises(ConfigError) as refused:
        resolve(options, None, Machine(cpus=2, gpus=0))
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"minimize": "macs", "sampler": "optuna.samplers:CmaEsSampler"},
            "sampler optuna.samplers:CmaEsSampler cannot propose for several objectives",
        ),
    ],
)
def test_an_objective_or_sampler_that_cannot_is_refused_before_it_begins(
    tmp_path, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    given = {"objective": "synthetic", "storage": "sqlite:///nas.db", **options}
    with pytest.raises(ConfigError, match=message):
        prepare(given, Machine(cpus=2, gpus=0))
    assert not list(tmp_path.iterdir())


# --- what a person sees ---


def test_the_view_counts_the_front_of_what_it_saw(search):
    one = search(trials=6, sampler="random", study="seen", **MACS)
    file = io.StringIO()
    view = LinesView(Console(file=file, width=200), one.config, None, ACCURACY)
    one.searcher._watcher = view
    assert "front" not in view.status()
    one.run()
    study = open_study(one.config.storage, "seen")
    assert f"front of {len(study.front())} (hypervolume 0." in view.status()
    console = Console(file=io.StringIO(), width=200)
    assert print_best(console, study, rows=2)
    shown = " ".join(console.file.getvalue().split())
    assert "The front of seen, from the cheapest to the most accurate" in shown
    assert f"The most accurate one, trial {study.best_trial.number}:" in shown
    assert f"2 of {len(study.front())}, evenly" in shown
    volume = view.front.text.split()[-1].rstrip(")")
    assert f"Hypervolume {volume}:" in shown


def test_a_front_of_scores_has_no_hypervolume(search):
    one = search(trials=6, sampler="random", measure=Measure("score", "minimize"), **MACS)
    view = LinesView(Console(file=io.StringIO()), one.config, None, one.store.measure)
    one.searcher._watcher = view
    while (job := one.searcher.next_job()) is not None:
        for epoch in (1, 2):
            score = {"score": job.cost.params / 1e3}
            one.searcher.report(job, {"epoch": epoch, "seconds": 1.0, "metrics": score})
    study = open_study(one.config.storage, "resnext")
    assert study.front()["score"].is_monotonic_decreasing
    assert f"front of {len(study.front())}  ·" in view.status()
    console = Console(file=io.StringIO(), width=200)
    print_best(console, study)
    assert "Hypervolume" not in console.file.getvalue()
    assert "The best-scoring one, trial" in console.file.getvalue()


def test_show_and_studies_say_what_the_best_is(search, capsys):
    one = search(trials=6, sampler="random", **MACS)
    one.run()
    for command in (["show", "resnext"], ["studies"]):
        assert main([*command, "--storage", one.config.storage]) == 0
    shown = capsys.readouterr().out
    assert "The front of synthetic accuracy against MACs has" in shown
    assert "most accurate of a front" in re.sub(r"[│\s]+", " ", shown)
