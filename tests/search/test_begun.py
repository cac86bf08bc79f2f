"""What goes wrong while one trial is being begun concerns that trial alone."""

import json

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from sqlalchemy import text

from nas.study.check import violations
from nas.study.reader import open_study


def optuna_study(one):
    return optuna.load_study(study_name=one.config.study, storage=one.config.storage)


def states(one):
    return [trial.state for trial in one.store.trials()]


def complaints(one):
    return violations(open_study(one.config.storage, one.config.study), now=one.store.clock)


def spoil_params(one, number):
    """Give a trial a setting that the space does not have, as an earlier nas could have."""
    with one.store.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE trial_params SET param_value = 0, distribution_json = :json WHERE "
                "param_name = 'stages.0.width' AND trial_id = "
                "(SELECT trial_id FROM trials WHERE number = :number)"
            ),
            {
                "number": number,
                "json": json.dumps(
                    {"name": "CategoricalDistribution", "attributes": {"choices": [9]}}
                ),
            },
        )


@pytest.fixture
def stuck(search, clock):
    """A study whose trial 1 runs with a setting that cannot be begun, its driver dead."""
    one = search(trials=6, scheduler="none")
    one.train(one.searcher.next_job())
    assert one.searcher.next_job().number == 1
    spoil_params(one, 1)
    clock.pass_(120)
    return one


def test_a_running_trial_that_nothing_can_finish_is_reported_by_the_check(stuck):
    found = complaints(stuck)
    assert any(line.startswith("trial 1: is RUNNING, but its lease ended") for line in found)
    assert any(line.startswith("trial 1: its setting is outside the space") for line in found)


def test_a_trial_that_cannot_be_begun_fails_and_the_next_driver_goes_on(search, stuck):
    other = search(trials=6, scheduler="none", owner="b")
    other.run()
    assert states(other) == [
        TrialState.COMPLETE, TrialState.FAIL, *[TrialState.COMPLETE] * 4
    ]  # fmt: skip
    reason = other.store.trials()[1].user_attrs["reason"]
    assert reason == "it cannot be begun: stages.0.width is 9; accepted: 8, 16, 32"
    assert ("refused", 1, reason) in other.watcher.events
    assert other.searcher.hopeless is None
    assert other.searcher.finished


def test_a_trial_whose_training_cannot_be_is_reported_by_the_check(search):
    one = search(trials=2, scheduler="none")
    one.run()
    with one.store.engine.begin() as connection:
        connection.execute(
            text("UPDATE nas_studies SET config = REPLACE(config, :old, :new)"),
            {"old": '"training": {}', "new": '"training": {"batch_size": 1}'},
        )
    assert [line.partition(":")[2][:40] for line in complaints(one)] == [
        " it cannot be trained: training: batch_s"
    ] * 2


@pytest.mark.parametrize("error", [ValueError("no such\nthing"), KeyError("x")])
def test_a_sampler_that_fails_once_costs_one_trial(search, monkeypatch, error):
    one = search(trials=5, scheduler="none", sampler="random")
    propose = one.searcher.claims.sampler.propose

    def fail_at_two(number, trials):
        if number == 2:
            raise error
        return propose(number, trials)

    monkeypatch.setattr(one.searcher.claims.sampler, "propose", fail_at_two)
    running = one.searcher.next_job()
    one.run()
    one.train(running)
    assert states(one).count(TrialState.COMPLETE) == 4
    failed = one.store.trials()[2]
    assert failed.state == TrialState.FAIL
    said = str(error).splitlines()[0]
    assert failed.user_attrs["reason"] == f"it cannot be begun: {type(error).__name__}: {said}"
    assert complaints(one) == []


def test_a_sampler_that_always_fails_ends_the_search_with_its_reason(search, monkeypatch):
    one = search(trials=50, scheduler="none", max_consecutive_failures=3)

    def fail(number, trials):
        raise RuntimeError("out of ideas")

    monkeypatch.setattr(one.searcher.claims.sampler, "propose", fail)
    assert one.searcher.next_job() is None
    assert one.searcher.hopeless == (
        "3 trials in a row failed, the last one with: "
        "it cannot be begun: RuntimeError: out of ideas"
    )
    assert len(states(one)) == 3


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2", "qmc"])
def test_trials_that_another_program_added_do_not_end_the_search(search, sampler):
    one = search(trials=30, scheduler="none", sampler=sampler)
    for _ in range(4):
        one.train(one.searcher.next_job())
    theirs = optuna_study(one)
    theirs.add_trial(
        create_trial(params={"x": 1.5}, distributions={"x": FloatDistribution(0, 2)}, value=0.5)
    )
    theirs.add_trial(
        create_trial(
            params={"stages.0.width": 8},
            distributions={"stages.0.width": CategoricalDistribution([8, 16, 32])},
            value=0.99,
        )
    )
    theirs.add_trial(create_trial(state=TrialState.FAIL))
    theirs.add_trial(create_trial(state=TrialState.RUNNING))
    theirs.enqueue_trial({"stages.0.width": "wide", "no": [1]})
    one.run()
    assert len(states(one)) == 30 or one.searcher.exhausted
    assert all(state.is_finished() for state in states(one))
    assert states(one)[7:9] == [TrialState.FAIL] * 2
    assert states(one).count(TrialState.COMPLETE) == len(states(one)) - 3


def test_a_knob_that_another_program_took_for_something_else_disturbs_nothing(search):
    one = search(trials=6, sampler="tpe", scheduler="none")
    other_kind = {"stages.0.width": FloatDistribution(0, 2)}
    optuna_study(one).add_trial(
        create_trial(params={"stages.0.width": 1.5}, distributions=other_kind, value=0.5)
    )
    one.run()
    assert states(one) == [TrialState.COMPLETE] * 6
    theirs, *ours = optuna_study(one).trials
    assert theirs.params == {"stages.0.width": 1.5}
    assert [trial.params for trial in ours] == [t.params for t in one.store.trials()[1:]]
