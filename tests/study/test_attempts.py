"""Each operation on an attempt, row by row: what it changes, and that it changes nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from nas.study.attempts import LEASE, LostAttemptError

STUDIES, TRIALS, ATTEMPTS = ("s", "t"), (0, 1, 2), (1, 2)


@pytest.fixture
def database_url(tmp_path):
    """SQLite alone: the statements are the same on PostgreSQL, where test_store.py runs them."""
    return f"sqlite:///{tmp_path}/nas.db"


def accuracy(study, trial, attempt, epoch):
    """Another one for each epoch of the database."""
    return round(0.4 * STUDIES.index(study) + 0.1 * trial + 0.03 * attempt + 0.01 * epoch, 2)


@pytest.fixture
def crowd(open_store, helpers):
    """Two studies of three trials; of each, attempt 1 died after two epochs and 2 has begun anew.

    Trial 2 is the driver b's, the others are a's. The stores, by (study, owner).
    """
    stores = {}
    for study in STUDIES:
        for owner in "ab":
            stores[study, owner] = open_store(owner, study)
        for trial in TRIALS:
            store = stores[study, "b" if trial == 2 else "a"]
            helpers.add(store, trial + 1)
            for attempt in ATTEMPTS:
                store.attempts.start(trial)
                for epoch in (1, 2)[: 3 - attempt]:
                    measured = helpers.result(epoch, accuracy(study, trial, attempt, epoch))
                    store.attempts.record_epoch(trial, attempt, measured)
                if attempt == 1:
                    store.attempts.end(trial, attempt, "died", "its process did")
    return stores


@pytest.fixture
def ours(crowd):
    """The attempts of the study s, as the driver a sees them."""
    return crowd["s", "a"].attempts


def attempts(store):
    return _by(store, "SELECT * FROM nas_attempts", "study_id", "trial", "attempt")


def epochs(store):
    return _by(store, "SELECT * FROM nas_epochs", "study_id", "trial", "attempt", "epoch")


def _by(store, query, *keys):
    with store.engine.connect() as connection:
        rows = [dict(row._mapping) for row in connection.execute(text(query))]
    return {tuple(row[key] for key in keys): row for row in rows}


def changes(before, after):
    """Row -> what became of its columns; a new row is whole."""
    return {
        key: {
            name: value for name, value in row.items() if before.get(key, {}).get(name, "") != value
        }
        for key, row in after.items()
        if before.get(key) != row
    }


def stamp(time):
    return f"{time:%Y-%m-%d %H:%M:%S.%f}"


def test_a_lease_lasts_half_a_minute():
    assert timedelta(seconds=30) == LEASE


def test_start_adds_one_row_behind_the_last_attempt(ours, clock):
    ours.record_checkpoint(1, 2, "there")
    ours.end(1, 2, "interrupted", None)
    before = attempts(ours)
    clock.pass_(7)
    assert ours.start(1) == 3
    assert changes(before, attempts(ours)) == {
        (ours.study_id, 1, 3): {
            "study_id": ours.study_id,
            "trial": 1,
            "attempt": 3,
            "owner": "a",
            "lease": stamp(clock() + LEASE),
            "host": None,
            "device": None,
            "numerics": None,
            "checkpoint": "there",
            "state": "running",
            "reason": None,
            "started": stamp(clock()),
            "ended": None,
        }
    }
    assert ours.start(7) == 1


def test_an_epoch_is_one_row_and_renews_one_lease(ours, clock, helpers):
    before, curves = attempts(ours), epochs(ours)
    clock.pass_(7)
    measured = helpers.result(2, 0.99) | {"host": "h/2", "device": "cuda", "numerics": "bfloat16"}
    ours.record_epoch(1, 2, measured)
    where = {name: measured.pop(name) for name in ("host", "device", "numerics")}
    lease = {"lease": stamp(clock() + LEASE)}
    assert changes(before, attempts(ours)) == {(ours.study_id, 1, 2): where | lease}
    row = {"study_id": ours.study_id, "trial": 1, "attempt": 2, **measured, "metrics": None}
    assert changes(curves, epochs(ours)) == {(ours.study_id, 1, 2, 2): row}
    ours.record_epoch(1, 2, measured | {"val_accuracy": 0.1})  # again: nothing is done
    assert changes(curves, epochs(ours)) == {(ours.study_id, 1, 2, 2): row}


def test_what_a_result_does_not_say_of_its_machine_stays_as_it_was(ours, helpers):
    measured = helpers.result(2)
    del measured["host"], measured["numerics"]
    before = attempts(ours)
    ours.record_epoch(1, 2, measured | {"device": "cuda"})
    assert changes(before, attempts(ours)) == {(ours.study_id, 1, 2): {"device": "cuda"}}


def test_an_epoch_of_a_dead_owner_renews_no_lease(ours, clock, helpers):
    before = attempts(ours)
    clock.pass_(7)
    replace(ours, alive=False).record_epoch(1, 2, helpers.result(2))
    assert changes(before, attempts(ours)) == {}


def test_an_attempt_that_went_on_takes_over_the_latest_whole_curve_and_no_more(ours, helpers):
    ours.end(1, 2, "interrupted", None)
    third = ours.start(1)
    before = epochs(ours)
    ours.record_epoch(1, third, helpers.result(2, 0.99))  # from a checkpoint after epoch 1
    added = changes(before, epochs(ours))
    assert list(added) == [(ours.study_id, 1, 3, 1), (ours.study_id, 1, 3, 2)]
    taken = before[ours.study_id, 1, 2, 1]
    assert added[ours.study_id, 1, 3, 1] == taken | {"attempt": 3}
    assert ours.curve(1, third) == {1: accuracy("s", 1, 2, 1), 2: 0.99}
    ours.end(1, third, "interrupted", None)
    fourth = ours.start(1)
    ours.record_epoch(1, fourth, helpers.result(1, 0.5))  # it began anew
    assert ours.curve(1, fourth) == {1: 0.5}
    ours.record_epoch(1, fourth, helpers.result(2, 0.6))  # and has its own first epoch
    assert ours.curve(1, fourth) == {1: 0.5, 2: 0.6}


def test_a_checkpoint_is_noted_in_one_row(ours):
    before = attempts(ours)
    ours.record_checkpoint(1, 2, "there")
    assert changes(before, attempts(ours)) == {(ours.study_id, 1, 2): {"checkpoint": "there"}}


def test_an_end_is_written_into_one_row_and_once(ours, clock):
    before = attempts(ours)
    clock.pass_(7)
    assert ours.end(1, 2, "died", "again")  # as attempt 1 did
    ended = {"state": "died", "reason": "again", "ended": stamp(clock())}
    assert changes(before, attempts(ours)) == {(ours.study_id, 1, 2): ended}
    clock.pass_(7)
    assert not ours.end(1, 2, "died", "and again")
    assert changes(before, attempts(ours)) == {(ours.study_id, 1, 2): ended}


@pytest.mark.parametrize(
    ("trial", "attempt"), [(2, 2), (1, 1), (1, 3)], ids=["another's", "ended", "not there"]
)
def test_nobody_writes_to_what_is_not_running_or_not_his(ours, helpers, trial, attempt):
    before, curves = attempts(ours), epochs(ours)
    lost = rf"attempt {attempt} of trial {trial} is another driver's now"
    with pytest.raises(LostAttemptError, match=lost):
        ours.record_epoch(trial, attempt, helpers.result(3))
    with pytest.raises(LostAttemptError, match=lost):
        ours.record_checkpoint(trial, attempt, "there")
    with pytest.raises(LostAttemptError, match=lost):
        ours.end(trial, attempt, "pruned", None)
    assert (attempts(ours), epochs(ours)) == (before, curves)


def test_an_end_that_another_driver_wrote_is_not_ours(ours, crowd):
    crowd["s", "b"].attempts.end(2, 2, "pruned", None)
    with pytest.raises(LostAttemptError):
        ours.end(2, 2, "pruned", None)


def test_one_lease_expires_after_its_last_moment(ours, clock):
    before = attempts(ours)
    clock.pass_(30)
    assert not ours.expire(1, 2, "interrupted", "its driver died")
    clock.pass_(0.001)
    assert ours.expire(1, 2, "interrupted", "its driver died")
    ended = {"state": "interrupted", "reason": "its driver died", "ended": stamp(clock())}
    assert changes(before, attempts(ours)) == {(ours.study_id, 1, 2): ended}
    assert not ours.expire(1, 2, "interrupted", "its driver died")
    assert not ours.expire(1, 1, "interrupted", None)


def test_leases_are_renewed_of_our_own_live_attempts_alone(ours, clock):
    before = attempts(ours)
    clock.pass_(7)
    ours.renew_leases([(1, 1), (1, 2), (2, 2)])  # one ended, one is b's
    lease = {"lease": stamp(clock() + LEASE)}
    assert changes(before, attempts(ours)) == {(ours.study_id, 1, 2): lease}


def test_readers_see_one_study_one_trial_one_attempt(ours, clock):
    assert (ours.last(1).study_id, ours.last(1).trial, ours.last(1).attempt) == (
        ours.study_id,
        1,
        2,
    )
    assert ours.last(9) is None
    assert (ours.deaths(1), ours.deaths(9)) == (1, 0)
    assert ours.curve(1, 1) == {epoch: accuracy("s", 1, 1, epoch) for epoch in (1, 2)}
    assert ours.curve(1, 2) == {1: accuracy("s", 1, 2, 1)}
    for first, also, read in ((0, [], TRIALS), (2, [0], (0, 2)), (3, [1], (1,)), (3, [], ())):
        found = ours.measured(first, also)
        for trial in read:
            latest = (trial, 1, accuracy("s", trial, 2, 1))
            earlier = [(trial, epoch, accuracy("s", trial, 1, epoch)) for epoch in (1, 2)]
            rows = [row for row in found if row[0] == trial]
            assert (sorted(rows[:2]), rows[2:]) == (earlier, [latest])
        assert {row[0] for row in found} == set(read)


def test_an_epoch_of_a_dead_owner_that_says_nothing_of_its_machine_is_written(ours, helpers):
    measured = helpers.result(2)
    for name in ("host", "device", "numerics"):
        del measured[name]
    before, curves = attempts(ours), epochs(ours)
    replace(ours, alive=False).record_epoch(1, 2, measured)
    assert changes(before, attempts(ours)) == {}
    assert list(changes(curves, epochs(ours))) == [(ours.study_id, 1, 2, 2)]
