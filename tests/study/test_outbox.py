"""Results that wait for the database: none lost, none doubled, none against another driver."""

import fcntl
import json
import os
import sqlite3
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from nas.study.attempts import LostAttemptError
from nas.study.database.outages import UnavailableError
from nas.study.outbox import Outbox
from nas.study.store import StudyStore


@pytest.fixture
def ledger(tmp_path):
    """Somewhere to write to, which is ``away`` after so many more writes, and the outbox to it."""
    ledger = SimpleNamespace(written=[], left=10**9, lost=set(), drops=0, during=lambda: None)

    def write(number, attempt, value=None):
        if number in ledger.lost:
            raise LostAttemptError(f"attempt {attempt} of trial {number} is another driver's now")
        ledger.during()
        if ledger.drops:
            ledger.drops -= 1
            raise UnavailableError("the connection was dropped")
        if ledger.left == 0:
            raise UnavailableError("away")
        ledger.left -= 1
        ledger.written.append((number, value))

    ledger.path = tmp_path / "runs" / "outbox.jsonl"
    ledger.open = lambda: Outbox(ledger.path, {"write": write})
    ledger.box = ledger.open()
    ledger.send = lambda number, value=None: ledger.box.write(
        "write", number=number, attempt=1, value=value
    )
    return ledger


def test_a_write_that_can_be_done_leaves_no_file(ledger):
    ledger.send(0, "a")
    assert ledger.written == [(0, "a")]
    assert not ledger.path.exists()


def test_what_cannot_be_written_is_on_the_disk_and_is_written_in_order_later(ledger):
    ledger.left = 1
    for value in "abcd":
        ledger.send(0, value)
    assert ledger.written == [(0, "a")]
    assert [json.loads(line)["arguments"]["value"] for line in ledger.path.open()] == list("bcd")
    ledger.left = 100
    ledger.send(0, "e")
    assert ledger.written == [(0, value) for value in "abcde"]
    assert not ledger.path.exists()


def test_an_outage_in_the_middle_of_a_replay_keeps_the_rest(ledger):
    ledger.left = 0
    for value in "abcd":
        ledger.send(0, value)
    ledger.left = 2
    with pytest.raises(UnavailableError):
        ledger.box.flush()
    assert len(ledger.path.read_text().splitlines()) == 2
    ledger.left = 100
    ledger.box.flush()
    assert ledger.written == [(0, value) for value in "abcd"]


def test_the_next_process_finds_what_an_earlier_one_kept(ledger):
    ledger.left = 0
    ledger.send(0, "a")
    ledger.left = 100
    ledger.open().flush()
    assert ledger.written == [(0, "a")]


def test_what_another_driver_carries_on_is_dropped_with_a_note(ledger, caplog):
    ledger.left = 0
    ledger.send(0, "a")
    ledger.send(1, "b")
    ledger.left, ledger.lost = 100, {0}
    caplog.clear()
    ledger.box.flush()
    assert ledger.written == [(1, "b")]
    assert "write of trial 0, attempt 1: attempt 1 of trial 0 is another" in caplog.text
    with pytest.raises(LostAttemptError):
        ledger.send(0, "c")


def test_a_line_cut_off_by_a_power_failure_takes_no_other_with_it(ledger, caplog):
    ledger.left = 0
    ledger.send(0, "a")
    with ledger.path.open("ab") as file:
        file.write(b'{"operation": "wri')
    ledger.send(0, "b")
    ledger.left = 100
    ledger.box.flush()
    assert ledger.written == [(0, "a"), (0, "b")]
    assert "an incomplete line" in caplog.text
    assert not ledger.path.exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.lists(st.tuples(st.booleans(), st.floats(allow_nan=False) | st.text(), st.integers(0, 3)))
)
def test_whatever_fails_when_everything_arrives_once_and_in_order(ledger, writes):
    ledger.written.clear()
    for restart, value, left in writes:
        ledger.left = left
        if restart:
            ledger.box = ledger.open()
        ledger.send(0, value)
    ledger.left = 10**9
    ledger.box.flush()
    assert ledger.written == [(0, value) for _, value, _ in writes]


# --- nothing is said to be kept before it is on the disk, and one process at a time keeps it ---


def kept(*values):
    """The file's content, with a line for each value."""
    arguments = [{"number": 0, "attempt": 1, "value": value} for value in values]
    lines = [json.dumps({"operation": "write", "arguments": each}) + "\n" for each in arguments]
    return "".join(lines).encode()


def is_locked(path):
    with path.with_name(f"{path.name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_kept_write_and_its_folder_are_synced_before_the_writer_goes_on(ledger, disk):
    ledger.left = 0
    ledger.send(0, "a")
    assert disk == [("sync", "outbox.jsonl", kept("a")), ("sync", "runs", None)]
    ledger.send(0, "b")
    assert disk[2:] == [("sync", "outbox.jsonl", kept("a", "b")), ("sync", "runs", None)]


def test_what_is_left_takes_the_files_place_once_it_is_synced(ledger, disk):
    ledger.left = 0
    for value in "abc":
        ledger.send(0, value)
    disk.clear()
    ledger.left = 1
    with pytest.raises(UnavailableError):
        ledger.box.flush()
    assert disk == [
        ("sync", "outbox.new", kept("b", "c")),
        ("rename", "outbox.new", "outbox.jsonl"),
        ("sync", "runs", None),
    ]
    assert ledger.path.read_bytes() == kept("b", "c")


def test_one_process_at_a_time_keeps_or_replays(ledger, monkeypatch):
    seen = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (seen.append(is_locked(ledger.path)), fsync(fd)))
    ledger.left = 0
    ledger.send(0, "a")
    assert seen == [True, True]
    assert not is_locked(ledger.path)
    ledger.left = 100
    ledger.during = lambda: seen.append(is_locked(ledger.path))
    ledger.box.flush()
    assert seen == [True, True, True]
    assert not is_locked(ledger.path)


def test_a_file_that_another_process_emptied_meanwhile_is_no_loss(ledger, monkeypatch):
    ledger.left = 0
    ledger.send(0, "a")
    monkeypatch.setattr(type(ledger.path), "exists", lambda path: True)  # as it was a moment ago
    ledger.path.write_bytes(b"")
    ledger.box.flush()
    monkeypatch.undo()
    assert not ledger.path.exists()


def test_a_connection_that_was_dropped_is_tried_again_at_once(ledger):
    ledger.drops = 1
    ledger.send(0, "a")
    assert ledger.written == [(0, "a")]
    assert not ledger.path.exists()
    ledger.drops = 2
    ledger.send(0, "b")
    assert ledger.path.read_bytes() == kept("b")
    ledger.drops = 1
    ledger.box.flush()
    assert ledger.written == [(0, "a"), (0, "b")]


def test_the_log_says_what_is_kept_and_what_is_dropped_and_where(ledger, caplog):
    ledger.left = 0
    ledger.send(0, "a")
    assert caplog.messages == [f"away; kept in {ledger.path}: write of trial 0, attempt 1"]
    caplog.clear()
    ledger.lost = {0}
    ledger.path.open("ab").write(b'{"oper')
    ledger.box.flush()
    assert caplog.messages == [
        f"dropped from {ledger.path}: an incomplete line",
        f"dropped from {ledger.path}: write of trial 0, attempt 1: "
        "attempt 1 of trial 0 is another driver's now",
    ]


# --- the operations of a store: what is done twice is done once ---


def test_an_operation_that_came_through_unnoticed_can_be_repeated(store, helpers):
    number = helpers.add(store)
    attempt = store.attempts.start(number)
    for _ in range(2):
        store.record_epoch(number, attempt, helpers.result(1, 0.5))
    for _ in range(2):
        store.record_checkpoint(number, attempt, "there")
    store.record_epoch(number, attempt, helpers.result(2, 0.6))
    for _ in range(2):
        store.end_attempt(number, attempt, "pruned")
    store.record_epoch(number, attempt, helpers.result(2, 0.6))
    (trial,) = store.trials()
    assert (trial.state, trial.value) == (TrialState.PRUNED, 0.6)
    assert trial.intermediate_values == store.attempts.curve(number, attempt) == {1: 0.5, 2: 0.6}


def test_an_end_that_comes_again_leaves_the_next_attempt_alone(open_store, helpers):
    one, other = open_store("one"), open_store("other")
    number = helpers.add(one)
    attempt = one.attempts.start(number)
    one.end_attempt(number, attempt, "interrupted")
    assert other.resume_trial(number) == attempt + 1
    one.end_attempt(number, attempt, "interrupted")
    assert other.trials()[0].state == TrialState.RUNNING


def test_leases_that_ran_out_unnoticed_are_renewed(open_store, clock, helpers):
    ours, other = open_store("ours"), open_store("other")
    number = helpers.add(ours)
    live = [(number, ours.attempts.start(number))]
    clock.pass_(100)  # the database was away
    assert ours.repair(3, live) == []
    ours.attempts.renew_leases(live)
    assert other.repair(3) == []
    ours.record_epoch(*live[0], helpers.result(1))


def test_an_attempt_whose_beginning_got_no_answer_expires(store, clock, helpers):
    number = helpers.add(store)
    store.attempts.start(number)  # and the driver never learned of it
    for _ in range(2):
        clock.pass_(20)
        store.attempts.renew_leases([])
    assert store.repair(3) == [number]
    assert store.trials()[0].state == TrialState.WAITING


def test_a_trial_whose_resumption_got_no_answer_waits_again_after_its_lease(store, clock, helpers):
    number = helpers.add(store)
    store.end_attempt(number, store.attempts.start(number), "interrupted")
    assert store.resume_trial(number)  # and the answer was lost
    assert store.repair(3) == []
    clock.pass_(31)
    assert store.repair(3) == [number]
    assert store.trials()[0].state == TrialState.WAITING


def test_a_result_passes_through_the_outbox_unchanged(open_store, helpers, tmp_path):
    path = tmp_path / "outbox.jsonl"
    first = open_store("first")
    number = helpers.add(first)
    attempt = first.attempts.start(number)
    entry = {"owner": "first", "number": number, "attempt": attempt}
    result = helpers.result(1, 0.1 + 0.2)
    lines = [
        {"operation": "record_epoch", "arguments": {**entry, "result": result}},
        {"operation": "record_checkpoint", "arguments": {**entry, "path": "there"}},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    second = open_store("second", outbox=path)  # for the first one, which died
    assert second.attempts.curve(number, attempt) == {1: 0.1 + 0.2}
    last = second.attempts.last(number)
    assert (last.owner, last.state, last.checkpoint) == ("first", "running", "there")
    assert (last.host, last.numerics) == ("h/1", "float32")
    assert not path.exists()


def test_what_a_dead_driver_left_renews_no_lease(open_store, clock, helpers, tmp_path):
    path = tmp_path / "outbox.jsonl"
    dead = open_store("dead")
    number = helpers.add(dead)
    attempt = dead.attempts.start(number)
    path.write_text(line("dead", number, attempt, helpers.result(1)))
    clock.pass_(31)
    alive = open_store("alive", outbox=path)
    assert alive.attempts.curve(number, attempt) == {1: 0.5}
    assert alive.repair(3) == [number]


def test_what_a_driver_left_is_dropped_where_another_one_carries_on(
    open_store, clock, helpers, tmp_path, caplog
):
    path = tmp_path / "outbox.jsonl"
    dead, other = open_store("dead"), open_store("other")
    number = helpers.add(dead)
    attempt = dead.attempts.start(number)
    path.write_text(line("dead", number, attempt, helpers.result(1)))
    clock.pass_(31)
    other.repair(3)
    again = other.resume_trial(number)
    open_store("next", outbox=path)
    assert "record_epoch of trial 0, attempt 1" in caplog.text
    assert not path.exists()
    other.record_epoch(number, again, helpers.result(1, 0.9))
    assert other.attempts.curve(number, attempt) == {}
    assert other.attempts.curve(number, again) == {1: 0.9}


def line(owner, number, attempt, result):
    arguments = {"owner": owner, "number": number, "attempt": attempt, "result": result}
    return json.dumps({"operation": "record_epoch", "arguments": arguments}) + "\n"


def test_results_of_an_outage_wait_and_come_back_with_the_next_claim(
    helpers, tmp_path, monkeypatch
):
    monkeypatch.setattr("nas.study.database.engines.BUSY_SECONDS", 0.05)
    path = tmp_path / "outbox.jsonl"
    url = f"sqlite:///{tmp_path}/busy.db"
    store = StudyStore(url, "s", helpers.record, owner="a", outbox=path)
    number = helpers.add(store)
    attempt = store.attempts.start(number)
    other = sqlite3.connect(tmp_path / "busy.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # keeps every writer out
    entry = {"owner": "a", "number": number, "attempt": attempt}
    store.record_epoch(number, attempt, helpers.result(1) | {"execution": "x"})
    store.record_checkpoint(number, attempt, "there")
    store.end_attempt(number, attempt, "pruned")
    epoch = {**entry, "result": helpers.result(1), "ending": None}
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"operation": "record_epoch", "arguments": epoch},
        {"operation": "record_checkpoint", "arguments": {**entry, "path": "there"}},
        {"operation": "end_attempt", "arguments": {**entry, "state": "pruned", "reason": None}},
    ]
    with pytest.raises(UnavailableError):
        store.flush()
    other.execute("ROLLBACK")
    other.close()
    with store.claiming():
        assert not path.exists()
        assert store.trials()[0].value == 0.5
        assert store.attempts.last(number).checkpoint == "there"
    store.close()
