"""What the writer puts into Optuna's tables, value by value, on SQLite."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import TrialState
from small_studies import optuna_study
from sqlalchemy import text

from nas.causes import OWN
from nas.cli.app import main
from nas.cost import cost
from nas.errors import DamagedError
from nas.report.question import question
from nas.study.database.clock import utc_now
from nas.study.endings import ENDED
from nas.study.networks import (
    add_architecture,
    drop_orphans,
    find_architectures,
    read_architectures,
    stored_architecture,
)
from nas.study.reader import open_study
from nas.study.store import StudyStore


@pytest.fixture
def database_url(tmp_path):
    return f"sqlite:///{tmp_path}/nas.db"


def keys(store):
    with store.engine.connect() as connection:
        found = connection.execute(text("SELECT study_id, key FROM nas_architectures"))
        return {tuple(row) for row in found}


def test_a_study_is_maximised_and_made_when_the_clock_says(store, clock, database_url):
    directions = optuna.load_study(study_name="s", storage=database_url).directions
    assert directions == [optuna.study.StudyDirection.MAXIMIZE]
    with store.engine.connect() as connection:
        created = connection.execute(text("SELECT created FROM nas_studies")).scalar_one()
    assert created == f"{clock():%Y-%m-%d %H:%M:%S.%f}"


def test_optuna_s_tools_are_told_what_values_are_and_of_which_network(
    open_store, helpers, database_url
):
    config = {**helpers.record.config, "minimize": ["macs"]}
    store = open_store(record=replace(helpers.record, config=config))
    helpers.add(store)
    study = optuna.load_study(study_name="s", storage=database_url)
    assert study.metric_names == ["validation accuracy", "MACs"]
    assert study.user_attrs == {"space": "s", "epochs": 3, "images": "Fashion-MNIST"}
    spent = cost(helpers.network(1))
    (trial,) = study.trials
    assert (trial.user_attrs["params"], trial.user_attrs["macs"]) == (spent.params, spent.macs)


def test_an_enqueued_trial_is_adopted_or_refused_with_its_policy(store, helpers):
    for depth in (1, 2):
        optuna_study(store).enqueue_trial({"stages.0.depth": depth})
    network = helpers.network(1)
    domains = {"stages.0.depth": IntDistribution(1, 8)}
    store.adopt_trial(0, {"stages.0.depth": 1}, domains, network, cost(network))
    store.refuse_trial(1, "no network", "enqueued")
    adopted, refused = store.trials()
    spent = cost(network)
    sizes = {"params": spent.params, "macs": spent.macs}
    assert adopted.user_attrs == {"policy": "enqueued", "key": network.key, **sizes}
    assert (adopted.state, adopted.params) == (TrialState.WAITING, {"stages.0.depth": 1})
    assert refused.user_attrs == {"policy": "enqueued", "reason": "no network"}
    assert refused.state == TrialState.FAIL


@pytest.mark.parametrize(("seconds", "freed"), [(30, []), (30.001, [0])])
def test_another_drivers_last_words_are_waited_for_as_long_as_a_lease(
    open_store, helpers, clock, seconds, freed
):
    one, other = open_store("one"), open_store("other")
    attempt = one.attempts.start(helpers.add(one))
    one.attempts.end(0, attempt, "interrupted", None)
    clock.pass_(seconds)
    assert other.repair(3) == freed


def test_networks_are_of_one_study_and_those_of_no_trial_are_dropped_there(open_store, helpers):
    one, other = open_store("a", "s"), open_store("a", "t")
    for store in (one, other):
        helpers.add(store, 1)
        helpers.add(store, 2)
    kept, orphan = helpers.network(1), helpers.network(2)
    with one.engine.begin() as connection:
        connection.execute(
            text("UPDATE trial_user_attributes SET value_json = '\"x\"' WHERE value_json = :k"),
            {"k": f'"{orphan.key}"'},
        )
    assert read_architectures(one.engine, 1, [kept.key, "x"]) == {kept.key: kept}
    drop_orphans(one.engine, 1)
    assert keys(one) == {(1, kept.key), (2, kept.key), (2, orphan.key)}


def test_networks_of_all_studies_are_found_by_how_their_keys_begin(open_store, helpers):
    one, other = open_store("a", "s"), open_store("a", "t")
    for store, depth in ((one, 1), (one, 2), (other, 2), (other, 3)):
        helpers.add(store, depth)
    networks = {network.key: network for network in map(helpers.network, (1, 2, 3))}
    assert find_architectures(one.engine, "") == networks
    for key, network in networks.items():
        assert find_architectures(one.engine, key[:12]) == {key: network}
    assert find_architectures(one.engine, "g") == {}


# --- trials, value by value ---


def optuna_trial(store, number=-1):
    trial = store.trials()[number]
    return trial.state.name, trial.value, attributes(trial), trial.intermediate_values


def attributes(trial):
    """Those of a user, but for the sizes that each trial has for Optuna's tools."""
    return {n: v for n, v in trial.user_attrs.items() if n not in ("params", "macs")}


def ended(store, helpers, state, reason=None, epochs=(0.5,), depth=1):
    """A trial whose one attempt ended so."""
    number = helpers.add(store, depth)
    attempt = store.attempts.start(number)
    for epoch, accuracy in enumerate(epochs, 1):
        store.record_epoch(number, attempt, helpers.result(epoch, accuracy))
    store.end_attempt(number, attempt, state, reason)
    return number


@pytest.mark.parametrize(
    ("state", "reason", "of_trial", "value", "more"),
    [
        ("complete", None, "COMPLETE", 0.6, {}),
        ("complete", "all of it", "COMPLETE", 0.6, {"reason": "all of it"}),
        ("pruned", "at rung 1\nof 3", "PRUNED", 0.6, {"reason": "at rung 1"}),
        ("failed", "no memory\n  line", "FAIL", None, {"cause": "trial", "reason": "no memory"}),
        ("abandoned", "died", "FAIL", None, {"cause": "machine", "reason": "died"}),
        ("died", "its process", "WAITING", None, {}),
        ("interrupted", "stopped", "WAITING", None, {}),
    ],
)
def test_how_an_attempt_ends_is_what_becomes_of_its_trial(
    store, helpers, state, reason, of_trial, value, more
):
    ended(store, helpers, state, reason, (0.7, 0.6))
    attributes = {"key": helpers.network().key, "policy": "random"} | more
    assert optuna_trial(store) == (of_trial, value, attributes, {1: 0.7, 2: 0.6})
    last = store.attempts.last(0)
    assert (last.state, last.reason) == (state, reason)


def test_these_are_the_ways_in_which_an_attempt_can_end():
    assert {name: state.name for name, state in ENDED.items()} == {
        "complete": "COMPLETE",
        "pruned": "PRUNED",
        "inherited": "PRUNED",
        "failed": "FAIL",
        "died": "WAITING",
        "abandoned": "FAIL",
        "interrupted": "WAITING",
    }
    assert OWN == "trial"


def test_a_new_trial_runs_or_waits_with_all_that_is_known_of_it(store, helpers):
    assert helpers.add(store, 3, policy="guided", system_attrs={"grid": 5}) == 0
    assert helpers.add(store, 2, waits=True) == 1
    assert store.add_empty_trial() == 2
    running, waiting, empty = store.trials()
    assert running.state == empty.state == TrialState.RUNNING
    assert waiting.state == TrialState.WAITING
    assert attributes(running) == {"key": helpers.network(3).key, "policy": "guided"}
    assert running.system_attrs == {"grid": 5} and waiting.system_attrs == {}
    assert running.params == {"stages.0.depth": 3}
    assert running.distributions == {"stages.0.depth": IntDistribution(1, 8)}
    assert (empty.user_attrs, empty.params) == ({}, {})


@pytest.mark.parametrize("state", ["complete", "pruned", "failed"])
def test_a_trial_is_told_all_that_another_one_had(store, helpers, state):
    ended(store, helpers, state, "so", (0.5, 0.6))
    source = store.trials()[0]
    helpers.add(store, policy="reused", source=source)
    helpers.add(store, policy="enqueued", waits=True)
    store.tell_trial(2, source)
    expected = attributes(source) | {"policy": "reused", "source": 0}
    name, value, _, curve = optuna_trial(store, 0)
    for told in (1, 2):
        assert optuna_trial(store, told) == (name, value, expected, curve)
    assert curve == {1: 0.5, 2: 0.6}


def test_a_trial_that_is_told_takes_no_other_attribute_over(store, helpers):
    attempt = store.attempts.start(helpers.add(store))
    identifier = store.trials()[0]._trial_id
    optuna_study(store)._storage.set_trial_user_attr(identifier, "note", "mine")
    store.record_epoch(0, attempt, helpers.result(1))
    store.end_attempt(0, attempt, "complete")
    helpers.add(store, policy="reused", source=store.trials()[0])
    key = helpers.network().key
    assert attributes(store.trials()[1]) == {"key": key, "policy": "reused", "source": 0}


def test_a_trial_that_waited_is_refused_with_its_curve_and_the_first_line(store, helpers):
    ended(store, helpers, "interrupted", epochs=(0.5, 0.6))
    storage, (trial,) = optuna_study(store)._storage, store.trials()
    storage.set_trial_intermediate_value(trial._trial_id, 3, 0.9)  # of no attempt
    store.refuse_trial(0, "no network\n  more")
    attributes = {"key": helpers.network().key, "policy": "random", "reason": "no network"}
    assert optuna_trial(store) == ("FAIL", None, attributes, {1: 0.5, 2: 0.6})


def test_a_waiting_trial_is_resumed_once(store, helpers):
    ended(store, helpers, "interrupted")
    assert store.resume_trial(0) == 2
    assert store.resume_trial(0) is None
    assert store.trials()[0].state == TrialState.RUNNING


@pytest.mark.parametrize(("epochs", "state"), [(2, "interrupted"), (3, "complete")])
def test_a_dead_drivers_trial_is_complete_when_its_last_epoch_was_written(
    open_store, helpers, clock, epochs, state
):
    dead, alive = open_store("dead"), open_store("alive")
    attempt = dead.attempts.start(helpers.add(dead))
    for epoch in range(1, epochs + 1):
        dead.record_epoch(0, attempt, helpers.result(epoch, 0.1 * epoch))
    clock.pass_(30)
    assert alive.repair(3) == []
    clock.pass_(0.001)
    assert alive.repair(3, [(0, attempt + 1), (1, attempt)]) == [0]
    last = alive.attempts.last(0)
    assert (last.state, last.reason) == (
        state,
        None if state == "complete" else "its driver died",
    )
    assert optuna_trial(alive)[0] == ("COMPLETE" if state == "complete" else "WAITING")


def test_an_attempt_that_runs_here_is_not_freed_whatever_its_lease_says(store, helpers, clock):
    attempt = store.attempts.start(helpers.add(store))
    clock.pass_(99)
    assert store.repair(3, [(0, attempt)]) == []
    assert store.repair(3) == [0]


def test_what_this_driver_ended_itself_is_repaired_at_once(store, helpers):
    attempt = store.attempts.start(helpers.add(store))
    store.record_epoch(0, attempt, helpers.result(1, 0.4))
    store.attempts.end(0, attempt, "pruned", "so")
    assert store.repair(3) == [0]
    attributes = {"key": helpers.network().key, "policy": "random", "reason": "so"}
    assert optuna_trial(store) == ("PRUNED", 0.4, attributes, {1: 0.4})


def test_the_curve_that_optuna_has_is_made_that_of_the_last_attempt(store, helpers):
    number = helpers.add(store)
    attempt = store.attempts.start(number)
    for epoch in (1, 2):
        store.record_epoch(number, attempt, helpers.result(epoch, 0.1 * epoch))
    helpers.add(store, 2)
    storage = optuna_study(store)._storage
    ours, other = (trial._trial_id for trial in store.trials())
    for epoch, value in ((1, 0.9), (3, 0.8)):  # one is wrong, one of no attempt of ours
        storage.set_trial_intermediate_value(ours, epoch, value)
        storage.set_trial_intermediate_value(other, epoch, value)
    store.end_attempt(number, attempt, "pruned")
    assert store.trials()[0].intermediate_values == {1: 0.1, 2: 0.2}
    assert optuna_study(store).trials[1].intermediate_values == {1: 0.9, 3: 0.8}


def test_the_row_of_a_study_is_its_record(store, helpers, clock):
    with store.engine.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM nas_studies")).mappings()
    assert dict(row) == {
        "study_id": 1,
        "space": json.dumps(helpers.record.space),
        "space_hash": "0" * 64,
        "config": '{"epochs": 3, "seed": 0, "trials": 9}',
        "dataset": "d" * 64,
        "provenance": '{"python": "3.11"}',
        "created": "2026-01-01 00:00:00.000000",
        "objective": '{"metric": "val_accuracy", "direction": "maximize", "source": null}',
    }


def test_the_time_of_the_database_is_utc_without_saying_so():
    now = utc_now()
    assert now.tzinfo is None
    assert abs(now.replace(tzinfo=UTC) - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_study_that_is_opened_again_is_the_same_and_another_one_is_not(open_store, helpers):
    first, second = open_store("a", "s"), open_store("a", "t")
    assert (first._study_id, second._study_id, open_store("b", "s")._study_id) == (1, 2, 1)
    assert helpers.add(first) == helpers.add(second) == 0  # numbers are a study's own
    assert len(first.trials()) == len(second.trials()) == 1


def test_the_row_of_a_network_is_written_once(store, helpers):
    for _ in range(2):
        helpers.add(store, 3)
    network = helpers.network(3)
    costs = cost(network)
    with store.engine.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM nas_architectures")).mappings()
    assert dict(row) == {
        "study_id": 1,
        "key": network.key,
        "description": json.dumps(network.to_dict()),
        "params": costs.params,
        "macs": costs.macs,
        "activations": costs.activations,
        "depth": network.depth,
    }
    with pytest.raises(DamagedError) as refused:
        stored_architecture("{")
    assert str(refused.value) == "the description of a network is not JSON"
    assert stored_architecture(row["description"]) == network


def test_begun_trials_are_those_with_an_attempt(open_store, helpers):
    one, other = open_store("a", "s"), open_store("a", "t")
    for _ in range(4):
        helpers.add(one)
        helpers.add(other)
    for number in (0, 2):
        one.attempts.start(number)
    one.attempts.start(2)
    other.attempts.start(1)
    assert one.attempts.begun([0, 1, 2, 3]) == {0, 2}
    assert one.attempts.begun([2]) == {2}
    assert one.attempts.begun([1, 3]) == set()
    assert one.attempts.begun([3, 0]) == {0}


def test_an_owner_of_this_moment_renews_its_lease_and_an_earlier_one_does_not(store):
    assert store._attempts_of("a").alive and store._attempts_of("a").owner == "a"
    assert not store._attempts_of("b").alive and store._attempts_of("b").owner == "b"


def test_a_study_without_an_outbox_raises_at_once_and_has_no_file(store, tmp_path):
    assert store.outbox is None
    store.flush()
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {
        "nas.db",
        "nas.db.lock",
    }


def test_a_store_that_is_closed_leaves_one_file_and_optuna_is_quiet(store, helpers, tmp_path):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    StudyStore(f"sqlite:///{tmp_path}/other.db", "s", helpers.record, owner="a").close()
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING
    assert sorted(path.name for path in tmp_path.glob("other.db*")) == ["other.db", "other.db.lock"]


def test_a_network_whose_driver_died_before_its_trial_is_gone_when_the_study_is_opened(
    open_store, helpers
):
    one = open_store()
    helpers.add(one, 1)
    orphan = helpers.network(2)
    with one.engine.begin() as connection:
        add_architecture(connection, 1, orphan, cost(orphan))
    assert keys(one) == {(1, helpers.network(1).key), (1, orphan.key)}
    open_store()
    assert keys(one) == {(1, helpers.network(1).key)}


@pytest.mark.parametrize(("accuracy", "learnt"), [(0.104, False), (0.9, True)])
def test_an_accuracy_near_chance_is_called_that_and_no_winner(
    accuracy, learnt, store, helpers, database_url, capsys
):
    number = helpers.add(store)
    attempt = store.attempts.start(number)
    for epoch in (1, 2, 3):
        store.record_epoch(number, attempt, helpers.result(epoch, accuracy))
    store.end_attempt(number, attempt, "complete")
    found = open_study(database_url, "s")
    guessing = "about what guessing one of 10 classes gives."
    said = "" if learnt else f"No network has learnt anything: 10.40 % is {guessing}"
    assert found.doubt == said
    assert main(["show", "s", "--storage", database_url]) == 0
    shown = capsys.readouterr().out
    assert ("The winner, trial 0" in shown) == learnt
    assert said in " ".join(shown.split())
    asked = question(found, found.frame(), found.best())
    assert (asked.answer == said) == (not learnt)
