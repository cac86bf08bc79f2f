"""What the one writer promises, on real SQLite and real PostgreSQL."""

import multiprocessing
from dataclasses import replace

import optuna
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from optuna.trial import TrialState
from small_studies import optuna_study
from sqlalchemy import event, text

from nas.errors import StorageError
from nas.study.attempts import LostAttemptError
from nas.study.database.tables import metadata
from nas.study.record import read_record
from nas.study.store import StudyStore


def rows(store, query):
    with store.engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(text(query))]


def complete(store, helpers, depth=1, accuracies=(0.5, 0.6, 0.7), **options):
    number = helpers.add(store, depth, **options)
    attempt = store.attempts.start(number)
    for epoch, accuracy in enumerate(accuracies, start=1):
        store.record_epoch(number, attempt, helpers.result(epoch, accuracy))
    store.end_attempt(number, attempt, "complete")
    return number


def test_a_completed_trial_is_one_readable_row(store, helpers):
    complete(store, helpers)
    (row,) = rows(store, "SELECT * FROM nas_trials")
    architecture = helpers.network()
    assert row.pop("params") > 0
    assert row.pop("macs") > 0
    assert row.pop("activations") > 0
    assert row == {
        "study": "s",
        "number": 0,
        "state": "COMPLETE",
        "policy": "random",
        "epochs": 3,
        "val_accuracy": 0.7,
        "val_loss": 1.5,
        "seconds": 6.0,
        "attempts": 1,
        "reason": None,
        "key": architecture.key,
        "metrics": None,
    }


def test_a_trial_of_one_epoch_takes_fifteen_statements_and_two_more_where_others_write_beside_it(
    store, helpers
):
    complete(store, helpers)
    seen = []
    event.listen(store.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    with store.claiming():
        store.repair(1)
        number = helpers.add(store, 2, begins=True)
    store.record_epoch(number, 1, helpers.result(1), "complete")
    assert store.attempts.begun([number]) == {number}  # which takes none
    locks = 0 if store.engine.dialect.name == "sqlite" else 2
    assert len([one for one in seen if not one.startswith("BEGIN")]) == 15 + locks


def test_a_last_epoch_ends_its_trial_and_can_be_told_again(store, helpers):
    number = helpers.add(store, 1, begins=True)
    for _ in range(2):  # the first answer may get lost
        store.record_epoch(number, 1, helpers.result(1, 0.8), "complete")
    (row,) = rows(store, "SELECT * FROM nas_trials")
    assert (row["state"], row["epochs"], row["val_accuracy"]) == ("COMPLETE", 1, 0.8)
    (trial,) = optuna_study(store).trials
    assert (trial.state, trial.values, trial.intermediate_values) == (
        TrialState.COMPLETE,
        [0.8],
        {1: 0.8},
    )


def test_optuna_opens_the_study_and_sees_the_same_values(store, helpers, database_url):
    complete(store, helpers)
    study = optuna.load_study(study_name="s", storage=database_url)
    (trial,) = study.trials
    assert trial.value == study.best_value == 0.7
    assert trial.intermediate_values == {1: 0.5, 2: 0.6, 3: 0.7}
    assert trial.params == {"stages.0.depth": 1}


def test_a_pruned_trial_keeps_its_fidelity_and_is_not_the_best(store, helpers):
    full = complete(store, helpers)
    number = helpers.add(store, 2)
    attempt = store.attempts.start(number)
    store.record_epoch(number, attempt, helpers.result(1, 0.99))
    store.end_attempt(number, attempt, "pruned")
    row = rows(store, "SELECT * FROM nas_trials WHERE number = 1")[0]
    assert (row["state"], row["epochs"], row["val_accuracy"]) == ("PRUNED", 1, 0.99)
    assert optuna_study(store).best_trial.number == full


def test_a_failed_trial_is_a_row_with_its_reason_and_without_a_value(store, helpers):
    number = helpers.add(store)
    store.end_attempt(number, store.attempts.start(number), "failed", "loss is not finite")
    (row,) = rows(store, "SELECT * FROM nas_trials")
    assert (row["state"], row["reason"], row["epochs"]) == ("FAIL", "loss is not finite", None)
    assert store.trials()[0].value is None


def test_a_reused_result_is_a_complete_trial_that_cost_nothing(store, helpers):
    complete(store, helpers)
    helpers.add(store, policy="reused", source=store.trials()[0])
    row = rows(store, "SELECT * FROM nas_trials WHERE number = 1")[0]
    assert row["policy"] == "reused"
    assert (row["state"], row["val_accuracy"], row["epochs"]) == ("COMPLETE", 0.7, 3)
    assert (row["seconds"], row["attempts"]) == (0, 0)
    assert len(rows(store, "SELECT * FROM nas_architectures")) == 1


def test_an_attempt_that_goes_on_holds_one_whole_curve(store, helpers):
    number = helpers.add(store)
    first = store.attempts.start(number)
    for epoch in (1, 2):
        store.record_epoch(number, first, helpers.result(epoch, 0.1 * epoch))
    store.attempts.record_checkpoint(number, first, "there")
    store.end_attempt(number, first, "interrupted", "stopped")
    assert store.trials()[0].state == TrialState.WAITING
    second = store.resume_trial(number)
    assert store.attempts.last(number).checkpoint == "there"
    store.record_epoch(number, second, helpers.result(3, 0.3))
    assert store.attempts.curve(number, first) == {1: 0.1, 2: 0.2}
    assert store.attempts.curve(number, second) == {1: 0.1, 2: 0.2, 3: 0.3}


def test_an_attempt_that_began_anew_takes_over_nothing(store, helpers):
    number = helpers.add(store)
    first = store.attempts.start(number)
    store.record_epoch(number, first, helpers.result(1, 0.1))
    store.end_attempt(number, first, "died", "its process was killed")
    second = store.attempts.start(number)
    store.record_epoch(number, second, helpers.result(1, 0.2))
    assert store.attempts.curve(number, second) == {1: 0.2}


def test_optuna_too_sees_the_curve_of_one_attempt(store, helpers):
    number = helpers.add(store)
    first = store.attempts.start(number)
    for epoch in (1, 2):
        store.record_epoch(number, first, helpers.result(epoch, 0.1 * epoch))
    store.end_attempt(number, first, "died", "no checkpoint was written yet")
    second = store.resume_trial(number)
    store.record_epoch(number, second, helpers.result(1, 0.3))
    store.end_attempt(number, second, "pruned")
    assert store.trials()[0].intermediate_values == {1: 0.3}


def test_only_one_driver_carries_a_waiting_trial_on(open_store, helpers):
    one, other = open_store("one"), open_store("other")
    number = helpers.add(one)
    one.end_attempt(number, one.attempts.start(number), "interrupted")
    assert one.resume_trial(number)
    assert not other.resume_trial(number)


def test_a_trial_of_a_dead_driver_waits_after_its_lease(open_store, clock, helpers):
    dead, alive = open_store("dead"), open_store("alive")
    number = helpers.add(dead)
    attempt = dead.attempts.start(number)
    dead.record_epoch(number, attempt, helpers.result(1))
    clock.pass_(29)
    assert alive.repair(3) == []
    clock.pass_(2)
    assert alive.repair(3) == [number]
    assert alive.trials()[0].state == TrialState.WAITING
    assert alive.attempts.last(number).state == "interrupted"
    with pytest.raises(LostAttemptError):
        dead.record_epoch(number, attempt, helpers.result(2))
    assert alive.attempts.curve(number, attempt) == {1: 0.5}


def test_a_renewed_lease_keeps_a_slow_trial(open_store, clock, helpers):
    slow, other = open_store("slow"), open_store("other")
    number = helpers.add(slow)
    attempt = slow.attempts.start(number)
    for _ in range(5):
        clock.pass_(20)
        slow.attempts.renew_leases([(number, attempt)])
        assert other.repair(3) == []


def test_a_driver_that_died_before_its_last_words_completed_the_trial(open_store, clock, helpers):
    dead, alive = open_store("dead"), open_store("alive")
    number = helpers.add(dead)
    attempt = dead.attempts.start(number)
    for epoch in (1, 2, 3):
        dead.record_epoch(number, attempt, helpers.result(epoch, 0.9))
    clock.pass_(31)
    alive.repair(3)
    assert (alive.trials()[0].state, alive.trials()[0].value) == (TrialState.COMPLETE, 0.9)


def test_a_driver_that_died_between_attempt_and_trial_is_finished_for(open_store, clock, helpers):
    dead, alive = open_store("dead"), open_store("alive")
    number = helpers.add(dead)
    attempt = dead.attempts.start(number)
    dead.record_epoch(number, attempt, helpers.result(1, 0.4))
    dead.attempts.end(number, attempt, "pruned", None)
    clock.pass_(31)
    assert alive.repair(3) == [number]
    assert (alive.trials()[0].state, alive.trials()[0].value) == (TrialState.PRUNED, 0.4)


def test_a_driver_that_died_before_the_first_attempt_leaves_a_trial_to_carry_on(store, helpers):
    number = helpers.add(store)
    assert store.repair(3) == [number]
    assert store.trials()[0].state == TrialState.WAITING


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"space_hash": "1" * 64, "space": {"name": "t"}}, 'space.name is "s", not "t"'),
        ({"config": {"epochs": 4, "seed": 0}}, "epochs is 3, not 4"),
        ({"dataset": "e" * 64}, "dataset is dddddddddddd, not eeeeeeeeeeee"),
    ],
)
def test_another_study_under_the_same_name_is_refused(open_store, helpers, change, named):
    open_store()
    with pytest.raises(StorageError, match=named):
        open_store(record=replace(helpers.record, **change))


def test_more_trials_are_the_same_study(open_store, helpers):
    open_store()
    open_store(record=replace(helpers.record, config={"epochs": 3, "seed": 0, "trials": 99}))


def test_a_record_comes_back_as_it_was_written(store, helpers, database_url):
    assert read_record(database_url, "s") == helpers.record
    assert read_record(database_url, "t") is None


def test_migrations_lead_to_the_tables_that_the_code_knows(store):
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "nas_version"})
        ours = [
            difference
            for difference in compare_metadata(context, metadata)
            if "nas_" in repr(difference)
        ]
    assert ours == []


def _open(url, record, barrier):
    barrier.wait()
    StudyStore(url, "s", record, owner="x").close()


def test_processes_that_open_a_fresh_database_at_once_all_succeed(database_url, helpers):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    processes = [
        context.Process(target=_open, args=(database_url, helpers.record, barrier))
        for _ in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert read_record(database_url, "s") == helpers.record
