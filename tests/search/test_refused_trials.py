"""A trial that cannot be begun fails alone and says why; the others run, and the search ends."""

import random
from datetime import UTC, datetime, timedelta

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from sqlalchemy import text

from nas.errors import ArchitectureError, ConfigError, SpaceError
from nas.search.machine import Machine
from nas.search.plan import prepare
from nas.space import SearchSpace
from nas.study.attempts import LEASE
from nas.study.check import violations
from nas.study.reader import open_study

EARLIER = {  # as an earlier version let it in
    "name": "earlier",
    "stem": {"width": 8},
    "stages": [{"block": "basic", "depth": {"int": [1, 3]}, "width": 8, "stride": 2}],
    "training": {"label_smoothing": {"choice": [0.1, 1]}, "momentum": {"choice": [0, 0.9]}},
}


def states(one):
    return [trial.state.name for trial in one.store.trials()]


def reasons(one):
    return [trial.user_attrs.get("reason") for trial in one.store.trials()]


def problems(one, now=None):
    return violations(open_study(one.config.storage, one.config.study), now or one.store.clock)


def fail_once(monkeypatch, owner, name, error, at):
    """Make the call number ``at`` (from 1 on) of a method fail."""
    real, calls = getattr(owner, name), []

    def call(*arguments, **options):
        calls.append(arguments)
        if len(calls) == at:
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize(
    ("part", "error", "said"),
    [
        ("cost", ArchitectureError("no pixel is left"), "no pixel is left"),
        ("cost", ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        ("training", ConfigError("training: odd"), "training: odd"),
        ("training", SpaceError("odd\nand more"), "odd"),
    ],
)
def test_whatever_goes_wrong_while_a_trial_is_begun_fails_that_trial_alone(
    search, monkeypatch, part, error, said
):
    one = search(trials=5, scheduler="none", sampler="random")
    running = one.searcher.next_job()
    owner, name = {
        "cost": (SearchSpace, "cost"),
        "training": (one.searcher.config.__class__, "training_config"),
    }[part]
    fail_once(monkeypatch, owner, name, error, at=1)
    job = one.searcher.next_job()
    assert job.number == 2
    assert list(one.searcher.running) == [(0, 1), (2, 1)]
    one.train(running)
    one.train(job)
    one.run()
    assert states(one)[1] == "FAIL"
    assert set(states(one)) == {"FAIL", "COMPLETE"}
    assert reasons(one)[1] == f"it cannot be begun: {said}"
    assert ("refused", 1, f"it cannot be begun: {said}") in one.watcher.events
    assert problems(one) == []


@pytest.mark.parametrize("table", ["nas_architectures", "nas_attempts"])
def test_a_trial_that_the_database_does_not_take_fails_alone(search, table):
    one = search(trials=6, scheduler="none", sampler="random")
    running = one.searcher.next_job()
    last = {"nas_architectures": "NEW.depth > 2", "nas_attempts": "NEW.trial = 1"}[table]
    with one.store.engine.begin() as connection:
        connection.execute(
            text(
                f"CREATE TRIGGER odd BEFORE INSERT ON {table} WHEN {last} "
                "BEGIN SELECT RAISE(ABORT, 'this one is odd'); END"
            )
        )
    one.run()
    one.train(running)
    with one.store.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER odd"))
    said = "it cannot be begun: IntegrityError: (sqlite3.IntegrityError) this one is odd"
    assert said in reasons(one)
    assert states(one).count("FAIL") == reasons(one).count(said)
    assert set(states(one)) == {"COMPLETE", "FAIL"}
    assert problems(one) == []


def test_a_network_too_large_to_be_stored_fails_alone(search):
    space = {
        "name": "huge",
        "stem": {"width": 8},
        "stages": [
            {"block": "basic", "depth": {"choice": [1, 1_000_000]}, "width": 1_000_000},
        ],
    }
    one = search(space=space, trials=8, scheduler="none", sampler="random")
    one.run()
    assert set(states(one)) == {"COMPLETE", "FAIL"}
    assert {r for r in reasons(one) if r} == {
        "it cannot be begun: OverflowError: Python int too large to convert to SQLite INTEGER"
    }
    assert problems(one) == []


# --- studies of an earlier version, whose space had no bounds of hyper-parameters ---


@pytest.fixture
def earlier(search, monkeypatch):
    """A driver of a study whose space searches a label_smoothing of 1 and a momentum of 0."""

    def open_(**options):
        real = SearchSpace.from_dict
        with monkeypatch.context() as patch:
            patch.setattr(SearchSpace, "from_dict", lambda content: real(content, stored=True))
            return search(study="old", space=EARLIER, **options)

    return open_


def test_a_study_of_an_earlier_version_is_carried_on_and_what_it_left_fails(earlier, clock):
    with pytest.raises(SpaceError, match=r"training.label_smoothing: 1 is not a number of 0"):
        SearchSpace.from_dict(EARLIER)
    one = earlier(trials=12, scheduler="none", sampler="random")
    odd = {"stages.0.depth": 1, "training.label_smoothing": 1.0, "training.momentum": 0.9}
    architecture = one.space.architecture(odd)
    store = one.store
    left = store.add_trial(
        odd,
        one.searcher.claims.sampler.distributions,
        architecture,
        one.space.cost(architecture),
        policy="random",
    )
    store.attempts.start(left)  # and there the driver died
    message = (
        "trial 0: it cannot be trained: training: label_smoothing is 1.0; it must be less than 1"
    )
    assert problems(one) == [message]
    clock.pass_(LEASE.total_seconds() + 1)
    plan = prepare(
        {"storage": one.config.storage, "study": "old", "objective": "synthetic"},
        Machine(cpus=2, gpus=0),
    )
    assert plan.continued
    assert plan.space.parameters["training.momentum"].values == (0.0, 0.9)
    one.run()
    assert len(states(one)) == 12
    for trial in one.store.trials():
        fits = trial.params["training.label_smoothing"] < 1 and trial.params["training.momentum"]
        assert (trial.state == TrialState.COMPLETE) == bool(fits)
        assert bool(fits) or trial.user_attrs["reason"].startswith("it cannot be begun: training: ")
    assert problems(one) == []
    assert not open_study(one.config.storage, "old").best().empty


def test_a_trial_that_waits_and_can_no_longer_be_begun_keeps_its_curve(search, clock, monkeypatch):
    one = search(trials=1, scheduler="none", epochs=4)
    job = one.searcher.next_job()
    one.train(job, epochs=2)
    one.searcher.interrupt()
    fail_once(monkeypatch, SearchSpace, "cost", ConfigError("no more"), at=1)
    assert one.searcher.next_job() is None
    (trial,) = one.store.trials()
    assert trial.state == TrialState.FAIL
    assert sorted(trial.intermediate_values) == [1, 2]
    assert trial.user_attrs["reason"] == "it cannot be begun: no more"
    assert problems(one) == []


# --- what nas check says of a trial that runs ---


def test_a_trial_that_was_just_claimed_is_no_violation(search):
    one = search(trials=2)
    one.store.clock = lambda: datetime.now(UTC).replace(tzinfo=None)
    setting = one.space.sample_setting(random.Random(0))
    architecture = one.space.architecture(setting)
    costs = one.space.cost(architecture)
    distributions = one.searcher.claims.sampler.distributions
    one.store.add_trial(setting, distributions, architecture, costs, policy="random")

    def after(**time):
        return lambda: datetime.now(UTC).replace(tzinfo=None) + timedelta(**time)

    assert problems(one, after()) == []
    assert problems(one, after(seconds=LEASE.total_seconds() - 2)) == []
    stuck = ["trial 0: is RUNNING with 0 running attempts"]
    assert problems(one, after(seconds=LEASE.total_seconds() + 1)) == stuck
    # one that was interrupted long ago and resumed this moment
    one.store.attempts.start(0)
    with one.store.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE nas_attempts SET state = 'interrupted', "
                "started = '2026-01-01 00:00:00.000000', ended = '2026-01-01 00:00:00.000000'"
            )
        )
    assert problems(one, after()) == []
    assert problems(one, after(seconds=LEASE.total_seconds() + 1)) == stuck


# --- trials that somebody else put into the study ---


def test_bad_settings_that_others_enqueued_do_not_end_the_search(search):
    one = search(trials=8, scheduler="none", max_consecutive_failures=3)
    study = optuna.load_study(study_name="resnext", storage=one.config.storage)
    for setting in (
        {"stages.0": 8},
        {"lr": 1},
        {"stages.0.width": 10**400},
        {"stages.0.width": [8]},
        {"": None},
    ):
        study.enqueue_trial(setting)
    with one.store.engine.begin() as connection:  # no mapping at all
        connection.execute(
            text(
                "UPDATE trial_system_attributes SET value_json = '[1, 2]' "
                "WHERE key = 'fixed_params' AND trial_id = 2"
            )
        )
    one.run()
    assert states(one) == ["FAIL"] * 5 + ["COMPLETE"] * 3
    assert one.searcher.hopeless is None
    assert problems(one) == []


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "qmc", "random"])
def test_trials_of_others_in_a_study_of_ours_do_no_harm(search, sampler):
    one = search(trials=24, scheduler="none", sampler=sampler)
    one.train(one.searcher.next_job())
    study = optuna.load_study(study_name="resnext", storage=one.config.storage)
    copied = {"key": "0" * 64, "policy": "guided", "cause": "trial", "reason": "odd"}
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL):
        study.add_trial(theirs(state, {}))
    for state in (TrialState.PRUNED, TrialState.PRUNED, TrialState.FAIL):
        study.add_trial(theirs(state, copied))
    study.ask()  # and one that seems to run
    for number in range(10):
        job = one.searcher.next_job()
        if number % 3:
            one.train(job)
        else:
            one.searcher.fail(job, "out of memory", retry=False)
    one.run()
    assert len(states(one)) == 24
    assert one.searcher.finished
    assert states(one)[7] == "FAIL"
    found = open_study(one.config.storage, "resnext")
    assert found.best()["number"].item() not in range(1, 8)
    assert not {1, 2} & set(found.frame()["number"])
    named = {line.partition(":")[0] for line in problems(one)}
    assert {f"trial {number}" for number in range(1, 7)} <= named


def theirs(state, attributes, name="stages.0.depth"):
    """A trial of parameters that ours do not have, but for one, which has a value out of range."""
    return create_trial(
        state=state,
        value=None if state == TrialState.FAIL else 99.0,
        params={name: 1000, "lr": "a"},
        distributions={
            name: IntDistribution(1, 1000),
            "lr": CategoricalDistribution(["a", "b"]),
        },
        user_attrs=attributes,
    )
