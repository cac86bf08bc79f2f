"""What the writer puts into Optuna's tables, value by value, on SQLite."""

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import TrialState
from sqlalchemy import text

from nas.cost import cost
from nas.study.networks import drop_orphans, read_architectures


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


def test_an_enqueued_trial_is_adopted_or_refused_with_its_policy(store, helpers):
    for depth in (1, 2):
        store._study.enqueue_trial({"stages.0.depth": depth})
    network = helpers.network(1)
    domains = {"stages.0.depth": IntDistribution(1, 8)}
    store.adopt_trial(0, {"stages.0.depth": 1}, domains, network, cost(network))
    store.refuse_trial(1, "no network", "enqueued")
    adopted, refused = store.trials()
    assert adopted.user_attrs == {"policy": "enqueued", "key": network.key}
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
