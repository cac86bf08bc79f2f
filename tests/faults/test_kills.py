"""``kill -9`` of real drivers and real workers, at random moments."""

import os
import random
import signal
import subprocess
import time

import pytest
from faults.searching import FAST, Search
from sqlalchemy import create_engine, text

from nas.study.check import violations


def kill_and_carry_on(search, kills, trials, draw):
    before = {}
    for _ in range(kills):
        process = search.start()
        lines = draw.randint(0, 2 * trials // (kills + 1))  # of the trials that ended
        for line in process.stdout:
            lines -= line.startswith("trial") or line.startswith("Starting")
            if lines < 0:
                break
        try:
            process.wait(timeout=draw.uniform(0, 0.3))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.stdout.close()
        process.wait()
        after = search.ended() if not search.missing() else {}
        assert {n: after.get(n) for n in before} == before  # none lost, none changed
        before = after
        if before:
            search.time_passes(60)
    search.finish()
    after = search.ended()
    assert {n: after[n] for n in before} == before
    search.check(trials)
    search.wait_until_no_process_is_left()


@pytest.mark.parametrize(
    ("database_url", "kills"),
    [
        ("sqlite", 2),
        pytest.param("postgresql", 2, marks=pytest.mark.slow),
        pytest.param("sqlite", 20, marks=pytest.mark.slow),
        pytest.param("postgresql", 20, marks=pytest.mark.slow),
    ],
    indirect=["database_url"],
)
def test_a_killed_driver_is_carried_on_by_the_same_command(database_url, tmp_path, kills):
    trials = 12 * (kills + 1)
    search = Search(tmp_path, database_url, *FAST, "--trials", str(trials), "--epochs", "3")
    kill_and_carry_on(search, kills, trials, random.Random(kills))


@pytest.mark.slow
def test_nothing_is_running_a_minute_after_the_driver_was_killed(database_url, tmp_path):
    search = Search(tmp_path, database_url, *FAST, "--trials", "60", "--epochs", "20")
    process = search.start()
    for line in process.stdout:
        if line.startswith("trial"):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    search.wait_until_no_process_is_left()
    again = search.start()  # in real time, leases and all
    begun = time.monotonic()
    while time.monotonic() < begun + 60 and again.poll() is None:
        if not any("lease ended" in v for v in violations(search.study())):
            break
        time.sleep(1)
    else:
        raise AssertionError("a trial of the dead driver is RUNNING after a minute")
    again.communicate(timeout=400)
    assert again.returncode == 0
    search.check(60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("database_url", "kills"),
    [("postgresql", 4), ("postgresql", 50), ("sqlite", 50)],
    indirect=["database_url"],
)
def test_killed_workers_cost_an_attempt_and_no_trial(database_url, tmp_path, kills):
    trials = 6 * kills
    options = ["--trials", str(trials), "--epochs", "10", "--max-failures", "3"]
    search = Search(tmp_path, database_url, *FAST, *options)
    draw = random.Random(kills)
    process = search.start()
    for line in process.stdout:
        if line.startswith("trial"):
            break
    killed = set()
    while process.poll() is None and len(killed) < kills:
        for pid in workers(search):
            if pid not in killed and len(killed) < kills and draw.random() < 0.5:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        time.sleep(draw.uniform(0, 1))
    said = process.communicate(timeout=500)[0]
    assert process.returncode == 0, said
    assert len(killed) >= kills / 2
    search.check(trials)
    study = search.study()
    with study.engine.connect() as connection:
        states = dict(
            connection.execute(
                text("SELECT state, COUNT(*) FROM nas_attempts GROUP BY state")
            ).all()
        )
    assert 0 < states.get("died", 0) + states.get("abandoned", 0) <= len(killed)
    frame = study.frame()
    assert (frame[frame["state"] == "COMPLETE"]["epochs"] == 10).all()
    failed = frame[frame["state"] == "FAIL"]
    assert (failed["attempts"] == 4).all()
    assert set(frame[frame["attempts"] > 1]["state"]) <= {"COMPLETE", "FAIL"}
    search.wait_until_no_process_is_left()


def workers(search):
    """Processes of running attempts, as the study names them."""
    engine = create_engine(search.url)
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT host FROM nas_attempts WHERE state = 'running' AND host IS NOT NULL")
        ).all()
    engine.dispose()
    alive = set(search.processes())
    return [pid for (host,) in found if (pid := int(host.rpartition("/")[2])) in alive]
