"""The database goes away while a search runs: nothing is lost, nothing is done twice."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
from faults.driving import (
    diary_of,
    drive,
    open_driver,
    promises_broken,
    start,
    told,
    wait_for,
)
from faults.servers import CANARY

from nas.errors import StorageError
from nas.objectives.contract import TrialConfig
from nas.objectives.synthetic import Synthetic
from nas.study import store
from nas.study.database import engines
from nas.study.database.clock import utc_now
from nas.study.database.outages import UnavailableError

OPTIONS = {"trials": 4, "epochs": 60, "scheduler": "none", "at_a_time": 2}
TRIALS = OPTIONS["trials"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What the study comes to where nothing happens."""
    folder = tmp_path_factory.mktemp("undisturbed")
    url = f"sqlite:///{folder}/nas.db"
    process = start(drive, url, folder, "a", **OPTIONS)
    process.join()
    assert process.exitcode == 0
    return told(url)


@pytest.fixture
def outbox(tmp_path):
    return tmp_path / "runs" / "outbox.jsonl"


def outage(server, process, folder, outbox):
    """The server stops in the middle of the search, which fills its outbox from then on."""
    wait_for(process, 60, Path(folder) / "diary")
    server.stop()
    wait_for(process, 20, outbox)
    assert CANARY not in outbox.read_text()


def test_a_search_whose_connections_are_dropped_all_the_time_ends_as_if_they_were_not(
    server, tmp_path, outbox, undisturbed
):
    process = start(drive, server.url, tmp_path, "a", outbox=outbox, **OPTIONS)
    wait_for(process, 1, tmp_path / "diary")
    with server.dropping(0.05, growth=1.02) as counts:
        process.join()
    assert process.exitcode == 0
    assert sum(counts) > 10
    assert promises_broken(server.url, TRIALS, diary_of(tmp_path)) == []
    assert told(server.url) == undisturbed
    assert not outbox.exists()


@pytest.mark.parametrize("seconds", [0, pytest.param(60, marks=pytest.mark.slow)])
def test_a_search_trains_on_while_the_server_is_down_and_tells_it_afterwards(
    server, tmp_path, outbox, undisturbed, seconds
):
    process = start(drive, server.url, tmp_path, "a", outbox=outbox, **OPTIONS)
    outage(server, process, tmp_path, outbox)
    time.sleep(seconds)
    server.start()
    process.join()
    assert process.exitcode == 0
    assert promises_broken(server.url, TRIALS, diary_of(tmp_path)) == []
    assert told(server.url) == undisturbed
    assert not outbox.exists()


def test_a_search_killed_while_the_server_is_down_is_carried_on_with_all_its_results(
    server, tmp_path, outbox, undisturbed
):
    process = start(drive, server.url, tmp_path, "a", outbox=outbox, **OPTIONS)
    outage(server, process, tmp_path, outbox)
    process.kill()
    process.join()
    server.start()
    process = start(drive, server.url, tmp_path, "b", outbox=outbox, ahead=90.0, **OPTIONS)
    process.join()
    assert process.exitcode == 0
    assert promises_broken(server.url, TRIALS, diary_of(tmp_path), ahead=90.0) == []
    assert told(server.url) == undisturbed
    assert not outbox.exists()


@pytest.mark.slow
def test_connections_dropped_every_two_seconds_for_a_minute(server, tmp_path, outbox):
    trials, begun = 0, time.monotonic()
    with server.dropping(2) as counts:
        while time.monotonic() < begun + 60:
            trials += 50
            options = {**OPTIONS, "trials": trials, "outbox": outbox}
            process = start(drive, server.url, tmp_path, f"driver {trials}", **options)
            process.join()
            assert process.exitcode == 0
    assert len(counts) >= 20 and sum(counts) > 20
    assert promises_broken(server.url, trials, diary_of(tmp_path)) == []


def test_no_trial_is_begun_and_nothing_raises_while_the_server_is_down(server, outbox, caplog):
    checkpoint = str(outbox.parent)
    now = utc_now()
    searcher = open_driver(server.url, "a", lambda: now, outbox=outbox)
    job = searcher.next_job()
    server.stop()
    now += timedelta(hours=1)  # our leases ran out, and nobody noticed
    assert searcher.next_job() is None
    assert not searcher.finished
    searcher.heartbeat()
    searcher.checkpoint(job, checkpoint)
    searcher.fail(job, "its process died", retry=True)
    with pytest.raises(UnavailableError) as raised:
        searcher.store.trials()
    server.start()
    while (again := searcher.next_job()) is None:
        time.sleep(0.01)
    assert (again.number, again.attempt, again.checkpoint) == (0, 2, checkpoint)
    searcher.store.close()
    assert "end_attempt of trial 0, attempt 1" in caplog.text
    assert CANARY not in caplog.text + str(raised.value)


def test_a_driver_goes_on_with_attempts_that_it_could_not_renew(server, outbox):
    now = utc_now()
    searcher = open_driver(server.url, "a", lambda: now, outbox=outbox)
    job = searcher.next_job()
    server.stop()
    now += timedelta(hours=1)
    searcher.heartbeat()
    server.start()
    while (other := searcher.next_job()) is None:
        time.sleep(0.01)
    assert other.number == 1
    assert searcher.report(job, result(job))
    assert searcher.store.attempts.curve(job.number, job.attempt).keys() == {1}
    searcher.interrupt()
    searcher.store.close()


def test_a_driver_that_cannot_read_the_others_results_stops_no_trial(server, outbox):
    options = {"scheduler": "asha", "trials": 40, "outbox": outbox}
    searcher = open_driver(server.url, "a", **options)
    jobs = [searcher.next_job() for _ in range(8)]
    by_accuracy = sorted(jobs, key=lambda job: -result(job)["val_accuracy"])
    going = [searcher.report(job, result(job)) for job in by_accuracy[:-1]]
    assert going.count(False) > 0  # all but the first are below the best third
    server.stop()
    assert searcher.report(by_accuracy[-1], result(by_accuracy[-1]))
    searcher.interrupt()
    searcher.store.close()


def test_a_database_that_is_away_is_refused_without_its_password(server):
    server.stop()
    with pytest.raises(StorageError) as raised:
        open_driver(server.url, "a")
    assert CANARY not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_lock_that_is_lost_with_its_connection_is_given_back(server, outbox):
    searcher = open_driver(server.url, "a", outbox=outbox)
    with searcher.store.claiming():
        server.drop_connections()
    with searcher.store.claiming():
        assert searcher.store.trials() == []
    searcher.store.close()


def test_a_driver_that_hangs_with_the_lock_does_not_hang_the_others(database_url, monkeypatch):
    monkeypatch.setattr(store, "CLAIM_SECONDS", 0.1)
    searcher = open_driver(database_url, "a")
    engine = engines.engine_for(database_url)
    with engines.locked(engine):
        assert searcher.next_job() is None
    assert searcher.next_job().number == 0
    engine.dispose()
    searcher.store.close()


def result(job):
    """The first epoch of an attempt."""
    return Synthetic(job.architecture, TrialConfig.of(job.training)).epoch()
