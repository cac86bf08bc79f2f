"""The searcher on a real database, with no Ray in it."""

import logging
import math
import random

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from sqlalchemy import text

from nas.architecture import Architecture
from nas.cost import cost
from nas.metrics import ACCURACY, METRICS, unusable
from nas.samplers import NAMES, STARTUP
from nas.search.claims import TOLD_AT_ONCE
from nas.search.job import Job
from nas.space import SearchSpace
from nas.study.attempts import LEASE
from nas.study.check import violations
from nas.study.reader import open_study

POLICIES = {
    "random": {"random"},
    "qmc": {"quasi_random"},
    "largest": {"largest"},
    "model": {"largest", "guided"},
    "growing": {"guided"},
}


@pytest.mark.parametrize("sampler", [*NAMES, "optuna.samplers:RandomSampler"])
def test_every_sampler_runs_to_the_end_within_the_space(search, sampler):
    one = search(sampler=sampler, trials=24)
    one.run()
    trials = one.store.trials()
    assert len(trials) == 24
    assert one.searcher.finished
    assert {t.state for t in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in trials:
        architecture = one.space.architecture(trial.params)
        assert trial.user_attrs["key"] == architecture.key
    policies = {t.user_attrs["policy"] for t in trials} - {"reused"}
    assert policies == POLICIES.get(sampler, {"random", "guided"})


@pytest.mark.parametrize("sampler", [*NAMES, "optuna.samplers:RandomSampler"])
def test_equal_seeds_make_equal_studies_and_others_do_not(search, sampler):
    one, same, other = (
        search(study="one", sampler=sampler, seed=1),
        search(study="same", sampler=sampler, seed=1),
        search(study="other", sampler=sampler, seed=2),
    )
    for each in (one, same, other):
        each.run()
    assert one.trials() == same.trials()
    assert one.trials() != other.trials()


@pytest.mark.parametrize("sampler", NAMES)
def test_a_study_that_was_interrupted_ends_as_if_it_had_not_been(search, clock, sampler):
    whole = search(study="whole", sampler=sampler, trials=20)
    whole.run()
    for stop in range(0, 20, 3):
        part = search(study="part", sampler=sampler, trials=20)
        while len(part.store.trials()) <= stop:
            job = part.searcher.next_job()
            part.train(job, epochs=1 if len(part.store.trials()) > stop else 10**6)
        part.searcher.interrupt()
    last = search(study="part", sampler=sampler, trials=20)
    last.run()
    assert last.trials() == whole.trials()


@pytest.mark.parametrize("scheduler", ["hyperband", "pasha", "curves"])
def test_stopping_is_the_same_through_interruptions_and_for_several_drivers(search, scheduler):
    options = {"sampler": "random", "scheduler": scheduler, "trials": 10, "reduction": 2}
    whole = search(study="whole", **options)
    whole.run()
    stopped = {t.number: t.state for t in whole.store.trials()}
    assert {TrialState.COMPLETE, TrialState.PRUNED} == set(stopped.values())
    drivers = [search(study="part", owner=owner, **options) for owner in "ab"]
    while (job := drivers[0].searcher.next_job()) is not None:
        if job.number % 5 == 0 and job.attempt == 1:
            drivers[0].train(job, epochs=1)
            drivers[0].searcher.interrupt()
        else:
            drivers[0].train(job)
        drivers.reverse()
    assert drivers[0].trials() == whole.trials()
    study = open_study(whole.config.storage, "part")
    assert violations(study, now=whole.store.clock) == []


@pytest.mark.parametrize(("sampler", "trials"), [("tpe", 9), ("qmc", 12)])
def test_under_narrow_limits_every_trial_is_inside_and_the_budget_is_kept(search, sampler, trials):
    space = SearchSpace.load("resnet_vs_plain").with_limits({"macs": ("7M", "7050k")})
    assert space.sampler == "exact"
    one = search(study=sampler, space=space.to_dict(), sampler=sampler, trials=trials)
    plain = search(study="random", space=space.to_dict(), sampler="random", trials=trials)
    one.run()
    plain.run()
    done = one.store.trials()
    assert len(done) == trials
    fallen_back = 0
    for trial, drawn in zip(done, plain.store.trials(), strict=True):
        assert 7_000_000 <= cost(space.architecture(trial.params)).macs <= 7_050_000
        # what the sampler does not find is one of the space's own draws
        fallen_back += trial.params == drawn.params
    assert fallen_back
    assert sampler != "tpe" or fallen_back >= STARTUP


def test_the_budget_counts_what_earlier_drivers_tried(search):
    search(trials=5).run()
    more = search(trials=8)
    more.run()
    assert len(more.store.trials()) == 8
    assert search(trials=3).searcher.next_job() is None


def test_a_network_that_was_trained_in_full_is_not_trained_again(search):
    one = search(
        space={
            "name": "two",
            "stem": {"width": 8},
            "stages": [{"block": "basic", "depth": {"int": [1, 2]}, "width": 8, "stride": 2}],
        },
        scheduler="none",
        sampler="random",
        trials=10,
    )
    one.run()
    reused = [t for t in one.store.trials() if t.user_attrs["policy"] == "reused"]
    assert len(reused) == 8
    for trial in reused:
        source = one.store.trials()[trial.user_attrs["source"]]
        assert source.user_attrs["policy"] != "reused"
        assert (trial.value, trial.params) == (source.value, source.params)
    trained = [event for event in one.watcher.events if event[0] == "started"]
    assert len(trained) == 2


def test_equal_networks_with_other_hyper_parameters_are_other_trials(search):
    one = search(
        space={
            "name": "lr",
            "stem": {"width": 8},
            "stages": [{"block": "basic", "depth": 1, "width": 8, "stride": 2}],
            "training": {"peak_lr": {"choice": [0.1, 0.2]}},
        },
        scheduler="none",
        trials=6,
    )
    one.run()
    started = [event for event in one.watcher.events if event[0] == "started"]
    assert len(started) == 2
    assert {t.params["training.peak_lr"] for t in one.store.trials()} == {0.1, 0.2}


def test_a_searched_hyper_parameter_reaches_the_training(search):
    one = search(
        space={
            "name": "lr",
            "stem": {"width": 8},
            "stages": [{"block": "basic", "depth": 1, "width": 8}],
            "training": {"peak_lr": {"float": [0.05, 0.5], "log": True}},
        }
    )
    job = one.searcher.next_job()
    assert job.training["peak_lr"] == one.store.trials()[0].params["training.peak_lr"]
    assert job.training["epochs"] == 4


def test_poor_trials_are_stopped_early_with_their_fidelity(search):
    one = search(trials=30, sampler="random", grace=1, reduction=3, epochs=9)
    one.run()
    frame = _rows(one.store)
    pruned = [row for row in frame if row["state"] == "PRUNED"]
    complete = [row for row in frame if row["state"] == "COMPLETE"]
    assert {row["epochs"] for row in pruned} <= {1, 3}
    assert {row["epochs"] for row in complete} == {9}
    assert len(pruned) > len(complete) > 0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ({"val_accuracy": math.nan}, "val_accuracy is not finite (nan)"),
        ({"val_loss": math.inf}, "val_loss is not finite (inf)"),
        ({"val_accuracy": None}, "val_accuracy is None, not a number"),
        ({"val_accuracy": "0.9"}, "val_accuracy is '0.9', not a number"),
        ({"val_accuracy": 90.0}, "val_accuracy is 90.0, not a fraction of 1"),
        ({"seconds": True}, "seconds is True, not a number"),
        ({"epoch": None}, "the result names no epoch: None"),
        ({"epoch": 3}, "the result is of epoch 3, not 1"),
        ({"failure": "loss is not finite (nan) in epoch 1"}, "loss is not finite (nan) in epoch 1"),
    ],
)
def test_a_result_that_is_no_measurement_fails_that_trial_alone(search, spoil, said):
    one = search(trials=3)
    job = one.searcher.next_job()
    result = {**one.objective(job).epoch(), **spoil}
    assert not one.searcher.report(job, result)
    one.run()
    states = [(row["state"], row["reason"]) for row in _rows(one.store)]
    assert states[0] == ("FAIL", said)
    assert all(state != "FAIL" for state, _ in states[1:])


@pytest.mark.parametrize("name", ["val_accuracy", "seconds"])
def test_a_missing_metric_fails_the_trial(search, name):
    one = search(trials=1)
    job = one.searcher.next_job()
    result = one.objective(job).epoch()
    del result[name]
    assert not one.searcher.report(job, result)
    assert _rows(one.store)[0]["reason"].startswith(f"{name} is missing")


def test_a_worker_that_dies_is_replaced_as_often_as_allowed(search):
    one = search(trials=1, max_failures=2)
    for attempt in (1, 2, 3):
        job = one.searcher.next_job()
        assert (job.number, job.attempt) == (0, attempt)
        one.searcher.fail(job, "its process died", retry=True)
    assert one.searcher.next_job() is None
    (row,) = _rows(one.store)
    assert (row["state"], row["attempts"], row["reason"]) == ("FAIL", 3, "its process died")


def test_an_interrupted_trial_goes_on_from_its_checkpoint(search, tmp_path):
    one = search(trials=1, scheduler="none")
    job = one.searcher.next_job()
    one.train(job, epochs=2)
    one.searcher.checkpoint(job, str(tmp_path))
    one.searcher.interrupt()
    again = search(trials=1, scheduler="none").searcher.next_job()
    assert (again.number, again.attempt, again.checkpoint) == (0, 2, str(tmp_path))


def test_a_trial_whose_checkpoint_is_not_here_begins_anew_and_says_so(search, tmp_path, caplog):
    one = search(trials=1, scheduler="none")
    job = one.searcher.next_job()
    one.train(job, epochs=2)
    one.searcher.checkpoint(job, str(tmp_path / "on another machine"))
    one.searcher.interrupt()
    other = search(trials=1, scheduler="none")
    with caplog.at_level(logging.WARNING, "nas"):
        again = other.searcher.next_job()
    assert (again.number, again.attempt, again.checkpoint) == (0, 2, None)
    told = (
        f"begins again at epoch 1: the checkpoint {tmp_path}/on another machine is not here; "
        "--runs must name a folder that all drivers and nodes share"
    )
    assert caplog.messages[-1] == f"trial 0: attempt 2 {told}"
    other.train(again)
    assert other.store.attempts.last(0).reason == told  # after its end, too
    assert other.trials()[0][1] == "COMPLETE"
    assert list(other.store.attempts.curve(0, 2)) == [1, 2, 3, 4]


def test_drivers_of_one_study_share_its_budget(search):
    drivers = [search(owner=name, trials=9, sampler="random") for name in "abc"]
    jobs = [(driver, driver.searcher.next_job()) for driver in drivers for _ in range(3)]
    assert sorted(job.number for _, job in jobs) == list(range(9))
    assert all(driver.searcher.next_job() is None for driver in drivers)
    for driver, job in jobs:
        driver.train(job)
    assert all(driver.searcher.finished for driver in drivers)


def test_a_driver_whose_trial_was_taken_away_stops_it(search, clock):
    asleep = search(owner="asleep", trials=1)
    job = asleep.searcher.next_job()
    clock.pass_(60)
    awake = search(owner="awake", trials=1)
    assert awake.searcher.next_job().attempt == 2
    assert not asleep.searcher.report(job, asleep.objective(job).epoch())
    assert asleep.searcher.running == {}


def test_a_trial_that_an_optuna_tool_enqueued_is_run_or_refused(search):
    one = search(trials=5, scheduler="none")
    setting = one.space.sample_setting(random.Random(7))
    optuna.load_study(study_name="resnext", storage=one.config.storage).enqueue_trial(setting)
    study = optuna.load_study(study_name="resnext", storage=one.config.storage)
    study.enqueue_trial({**setting, "stages.0.width": 9})
    study.enqueue_trial({"stages.0.width": 32, "stages.1.width": 16})  # no order of theirs
    study.enqueue_trial({"stages.0.width": 32})
    one.run()
    rows = _rows(one.store)
    assert [row["policy"] for row in rows[:4]] == ["enqueued"] * 4
    assert [row["state"] for row in rows] == ["COMPLETE", "FAIL", "FAIL", "COMPLETE", "COMPLETE"]
    assert one.store.trials()[0].params == setting
    assert "stages.0.width" in rows[1]["reason"]
    assert rows[2]["reason"].startswith("it cannot be begun: ")
    assert one.store.trials()[3].params["stages.0.width"] == 32
    assert violations(open_study(one.config.storage, "resnext"), now=one.store.clock) == []


def test_what_an_enqueued_trial_was_not_given_is_drawn_by_seed_and_number(search):
    def drawn(study, seed):
        one = search(trials=2, epochs=1, scheduler="none", study=study, seed=seed)
        theirs = optuna.load_study(study_name=study, storage=one.config.storage)
        for part in ({"stages.0.width": 16}, {}):
            theirs.enqueue_trial(part)
        one.run()
        return [trial.params for trial in one.store.trials()]

    first = drawn("a", 0)
    assert first[0]["stages.0.width"] == 16
    assert drawn("b", 0) == first
    assert drawn("c", 1) != first


def test_the_watcher_sees_each_step_once(search):
    one = search(trials=1, scheduler="none", epochs=2)
    one.run()
    assert one.watcher.events == [
        ("started", 0, 1),
        ("measured", 0, 1),
        ("measured", 0, 2),
        ("complete", 0, None),
    ]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_any_seed_proposes_valid_networks(search, seed):
    one = search(study=f"s{seed}", seed=seed, trials=3)
    job = one.searcher.next_job()
    assert Architecture.from_dict(job.architecture.to_dict()) == job.architecture
    assert one.space.contains(job.architecture)


def _rows(store):
    with store.engine.connect() as connection:
        query = text("SELECT * FROM nas_trials ORDER BY number")
        return [dict(row._mapping) for row in connection.execute(query)]


def _pruned(one, job):
    """Report ``job`` as worse than all others at its first rung."""
    result = {**one.objective(job).epoch(), "val_accuracy": 0.0}
    assert not one.searcher.report(job, result)
    assert one.store.trials()[job.number].state == TrialState.PRUNED


@pytest.mark.parametrize("between", ["complete", "pruned"])
def test_a_trial_with_a_result_ends_a_row_of_failures(search, between):
    one = search(trials=8, sampler="random", max_consecutive_failures=2, grace=1)
    one.train(one.searcher.next_job(), epochs=1)  # the first one at a rung goes on
    one.searcher.fail(one.searcher.next_job(), "out of memory", retry=False)
    job = one.searcher.next_job()
    if between == "pruned":
        _pruned(one, job)
    else:
        one.train(job)
    one.searcher.fail(one.searcher.next_job(), "out of memory", retry=False)
    assert one.searcher.hopeless is None
    one.searcher.fail(one.searcher.next_job(), "out of disk\nat line 1", retry=False)
    said = "2 trials in a row failed, the last one with: out of disk"
    assert one.searcher.hopeless == said


def test_what_was_interrupted_or_died_and_is_tried_again_is_no_failure_in_a_row(search):
    one = search(trials=4, sampler="random", max_consecutive_failures=1, max_failures=1)
    one.searcher.fail(one.searcher.next_job(), "its process died", retry=True, lost=True)
    one.searcher.interrupt()
    assert one.searcher.restarted(one.searcher.next_job(), "its node went away") is not None
    assert one.searcher.hopeless is None
    (job,) = one.searcher.running.values()
    one.searcher.fail(job, "its process died", retry=True, lost=True)
    assert one.searcher.hopeless is not None


def test_a_death_counts_against_the_limit_and_an_interruption_does_not(search):
    one = search(trials=1, max_failures=1)
    states = []
    for _ in range(3):  # any number of interruptions is allowed
        one.searcher.next_job()
        one.searcher.interrupt()
    one.searcher.fail(one.searcher.next_job(), "its process died", retry=True, lost=True)
    one.searcher.fail(one.searcher.next_job(), "its process died", retry=True, lost=True)
    states = [one.store.attempts.last(0).state, one.store.trials()[0].state]
    assert states == ["abandoned", TrialState.FAIL]
    assert one.store.attempts.deaths(0) == 1
    assert [event[0] for event in one.watcher.events if event[0] != "started"] == [
        *["interrupted"] * 3, "died", "abandoned"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("retry", "lost", "state", "cause"),
    [
        (False, False, "failed", "trial"),
        (True, False, "failed", "trial"),
        (True, True, "abandoned", "machine"),
    ],
)
def test_what_made_a_trial_fail_is_kept_for_other_drivers(search, retry, lost, state, cause):
    one = search(trials=1, max_failures=0)
    one.searcher.fail(one.searcher.next_job(), "it failed", retry=retry, lost=lost)
    other = search(trials=1, owner="b")
    assert other.store.attempts.last(0).state == state
    assert other.store.trials()[0].user_attrs["cause"] == cause
    assert violations(open_study(one.config.storage, "resnext"), now=one.store.clock) == []


def test_the_cause_is_kept_where_the_driver_dies_before_it_ends_the_trial(search, clock):
    one = search(trials=1, max_failures=0)
    job = one.searcher.next_job()
    one.store.attempts.end(0, job.attempt, "abandoned", "its process died")
    clock.pass_(100)
    other = search(trials=1, owner="b")
    assert other.searcher.next_job() is None
    (trial,) = other.store.trials()
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs["cause"] == "machine"


# --- what is a measurement ---

GOOD = {
    "epoch": 1, "train_loss": 1.0, "val_loss": 2, "val_accuracy": 0.5, "learning_rate": 0.1,
    "seconds": 3.0, "images_per_second": 4.0,
}  # fmt: skip


def test_a_measurement_has_finite_numbers_and_the_next_epoch():
    assert METRICS == (
        "train_loss", "val_loss", "val_accuracy", "learning_rate", "seconds", "images_per_second"
    )  # fmt: skip
    assert unusable(GOOD, ACCURACY, 0) is None
    assert unusable({**GOOD, "epoch": 7}, ACCURACY, 6) is None
    assert unusable({**GOOD, "epoch": 7}, ACCURACY, None) is None  # where a checkpoint goes on
    assert unusable({**GOOD, "epoch": 7}, ACCURACY, 5) == "the result is of epoch 7, not 6"
    assert unusable({**GOOD, "epoch": True}, ACCURACY, 0) == "the result names no epoch: True"
    assert unusable({**GOOD, "epoch": 1.0}, ACCURACY, 0) == "the result names no epoch: 1.0"
    assert unusable({}, ACCURACY, 0) == "the result names no epoch: None"
    for name in METRICS:
        bad = float("-inf")
        assert unusable({**GOOD, name: "1"}, ACCURACY, 0) == f"{name} is '1', not a number"
        assert unusable({**GOOD, name: False}, ACCURACY, 0) == f"{name} is False, not a number"
        assert unusable({**GOOD, name: bad}, ACCURACY, 0) == f"{name} is not finite (-inf)"
        without = {key: value for key, value in GOOD.items() if key != name}
        required = name in ("val_accuracy", "seconds")
        assert (unusable(without, ACCURACY, 0) or "").startswith(f"{name} is ") == required
    for accuracy in (0, 1):
        assert unusable({**GOOD, "val_accuracy": accuracy}, ACCURACY, 0) is None
    for accuracy in (-0.01, 1.01):
        said = f"val_accuracy is {accuracy}, not a fraction of 1"
        assert unusable({**GOOD, "val_accuracy": accuracy}, ACCURACY, 0) == said


# --- what a driver is given and what others are told ---


def test_a_job_has_all_that_a_worker_needs(search):
    one = search(trials=2, scheduler="none")
    assert one.searcher.running == {}
    job = one.searcher.next_job()
    (trial,) = one.store.trials()
    architecture = one.space.architecture(trial.params)
    training = one.config.training_config(**one.space.training(trial.params)).to_dict()
    costs = cost(architecture, one.space.input_shape, one.space.num_classes)
    assert job == Job(0, 1, architecture, costs, training, None)
    assert one.searcher.running == {(0, 1): job}
    assert one.watcher.events == [("started", 0, 1)]


def test_costs_are_those_of_the_images_and_classes_of_the_space(search):
    space = {
        "name": "colour", "input_shape": [3, 32, 32], "classes": 7, "stem": {"width": 8},
        "stages": [{"block": "basic", "depth": {"int": [1, 9]}, "width": 8}],
    }  # fmt: skip
    job = search(space=space, trials=1).searcher.next_job()
    assert job.cost == cost(job.architecture, (3, 32, 32), 7)


def test_a_trial_that_waits_is_told_with_a_word_to_the_watcher(search):
    """Two networks and four draws: the two that wait are told what became of the others."""
    two = {
        "name": "two",
        "stem": {"width": 8},
        "stages": [{"block": "basic", "depth": {"int": [1, 2]}, "width": 8, "stride": 2}],
    }
    one = search(space=two, scheduler="none", sampler="random", trials=6)
    jobs = [job for _ in range(4) if (job := one.searcher.next_job()) is not None]
    assert len(jobs) == 2
    for job in jobs:
        one.train(job)
    assert one.searcher.next_job() is None
    trials = one.store.trials()
    sources = {job.architecture.key: job.number for job in jobs}
    told = [("reused", t.number, sources[t.user_attrs["key"]]) for t in trials
            if t.number not in sources.values()]  # fmt: skip
    assert [event for event in one.watcher.events if event[0] == "reused"] == told
    assert len(told) == 4
    assert one.searcher.finished


def test_so_many_trials_are_told_before_others_get_their_turn(search, monkeypatch):
    assert TOLD_AT_ONCE == 100
    monkeypatch.setattr("nas.search.claims.TOLD_AT_ONCE", 3)
    two = {
        "name": "one",
        "stem": {"width": 8},
        "stages": [{"block": "basic", "depth": {"int": [1, 2]}, "width": 8, "stride": 2}],
    }
    one = search(space=two, scheduler="none", sampler="random", trials=20)
    one.train(one.searcher.next_job())
    job = one.searcher.next_job()
    while job is None:
        job = one.searcher.next_job()
    one.train(job)
    before = len(one.store.trials())
    assert one.searcher.next_job() is None
    assert len(one.store.trials()) == before + 3


def test_a_process_that_was_lost_goes_on_as_another_attempt(search):
    one = search(trials=1, scheduler="none")
    job = one.searcher.next_job()
    one.train(job, epochs=2)
    again = one.searcher.restarted(job, "its node went away")
    assert (again.number, again.attempt, again.architecture) == (0, 2, job.architecture)
    assert list(one.searcher.running) == [(0, 2)]
    assert one.watcher.events[-2:] == [
        ("interrupted", 0, "its node went away"), ("started", 0, 2)
    ]  # fmt: skip
    assert not one.searcher.report(job, {**GOOD, "epoch": 3})
    assert one.store.attempts.last(0).reason is None
    # whoever took it meanwhile keeps it
    assert one.searcher.restarted(job, "again") is None


def test_an_attempt_that_began_at_a_checkpoint_may_report_any_epoch_first(search, tmp_path):
    one = search(trials=1, scheduler="none", epochs=4)
    job = one.searcher.next_job()
    one.train(job, epochs=2)
    one.searcher.checkpoint(job, str(tmp_path))
    again = one.searcher.restarted(job, "its node went away")
    assert again.checkpoint == str(tmp_path)
    assert one.searcher.report(again, {**GOOD, "epoch": 3})
    assert not one.searcher.report(again, {**GOOD, "epoch": 3})
    assert one.watcher.events[-1] == ("failed", 0, "the result is of epoch 3, not 4")


def test_what_another_driver_took_is_let_go_with_a_word(search, clock):
    for take in ("report", "checkpoint", "fail"):
        asleep = search(owner="asleep", trials=1, study=take)
        job = asleep.searcher.next_job()
        clock.pass_(60)
        assert search(owner="awake", trials=1, study=take).searcher.next_job().attempt == 2
        if take == "report":
            assert not asleep.searcher.report(job, GOOD)
        elif take == "checkpoint":
            asleep.searcher.checkpoint(job, "/nowhere")
        else:
            asleep.searcher.fail(job, "odd", retry=False)
        assert asleep.searcher.running == {}
        assert asleep.watcher.events[-1] == (
            "interrupted", 0, "another driver carries it on"
        )  # fmt: skip
        assert asleep.searcher.hopeless is None


def test_an_interruption_is_said_of_each_that_runs(search):
    one = search(trials=3, sampler="random", scheduler="none")
    for _ in range(3):
        one.searcher.next_job()
    one.searcher.interrupt()
    assert one.searcher.running == {}
    assert one.watcher.events[3:] == [
        ("interrupted", number, "the search was stopped") for number in range(3)
    ]


def test_trials_are_judged_at_rungs_by_others_and_to_the_end_without_them(search):
    one = search(trials=8, sampler="random", grace=1, reduction=2, epochs=4)
    first = one.searcher.next_job()
    assert one.searcher.report(first, {**GOOD, "val_accuracy": 0.2})
    second = one.searcher.next_job()
    assert one.searcher.report(second, {**GOOD, "val_accuracy": 0.6})  # the best of two
    third = one.searcher.next_job()
    assert not one.searcher.report(third, {**GOOD, "val_accuracy": 0.3})  # below 0.4
    assert one.watcher.events[-1] == ("pruned", third.number, None)
    fourth = one.searcher.next_job()
    assert one.searcher.report(fourth, {**GOOD, "val_accuracy": 0.31})  # 0.3 is the middle
    assert one.searcher.report(first, {**GOOD, "epoch": 2, "val_accuracy": 0.1})
    assert one.searcher.report(first, {**GOOD, "epoch": 3, "val_accuracy": 0.0})  # no rung
    assert not one.searcher.report(first, {**GOOD, "epoch": 4, "val_accuracy": 0.0})
    assert one.watcher.events[-1] == ("complete", first.number, None)
    free = search(trials=2, study="free", scheduler="none", grace=1, reduction=2, epochs=4)
    jobs = [free.searcher.next_job() for _ in range(2)]
    assert free.searcher.report(jobs[0], {**GOOD, "val_accuracy": 0.9})
    assert free.searcher.report(jobs[1], {**GOOD, "val_accuracy": 0.1})


def test_leases_are_renewed_after_a_third_and_no_sooner(search, clock):
    one = search(trials=2)
    assert not one.searcher._renew()
    clock.pass_(LEASE.total_seconds() / 3)
    assert not one.searcher._renew()
    clock.pass_(0.001)
    assert one.searcher._renew()
    assert not one.searcher._renew()


def test_a_search_is_over_when_all_trials_are_or_nothing_is_left(search):
    one = search(trials=2, sampler="random", scheduler="none")
    assert not one.searcher.finished
    one.train(one.searcher.next_job())
    assert not one.searcher.finished  # one of two
    job = one.searcher.next_job()
    assert not one.searcher.finished  # it runs
    one.train(job)
    assert one.searcher.finished
    assert one.searcher.exhausted is None
