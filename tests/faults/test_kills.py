"""``kill -9`` of real drivers and real workers, at random moments."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from faults.driving import twice
from sqlalchemy import create_engine, text, update

from nas.study.check import violations
from nas.study.reader import open_study
from nas.study.tables import attempts

STUDY = "resnext"
OPTIONS = ["--objective", "synthetic", "--sampler", "random", "--scheduler", "none"]


class Search:
    """``nas search`` on one database, and all processes that it ever started."""

    def __init__(self, folder, url, *options):
        self.folder = folder
        self.url = url
        self.options = [*OPTIONS, *options]
        self.mark = f"NAS_TEST_MARK={uuid.uuid4().hex}"

    def start(self):
        name, _, value = self.mark.partition("=")
        here = {"NAS_STORAGE": self.url, name: value, "RAY_ADDRESS": "", "COLUMNS": "200"}
        return subprocess.Popen(
            [sys.executable, "-m", "nas", "search", *self.options],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **here},
        )

    def finish(self):
        process = self.start()
        said = process.communicate(timeout=500)[0]
        assert process.returncode == 0, said

    def processes(self):
        """All but the agents of Ray, which wait for a dead server for a fixed 60 s."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                ours = self.mark.encode() in (folder / "environ").read_bytes().split(b"\0")
                if ours and b"agent" not in (folder / "cmdline").read_bytes().lower():
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def wait_until_no_process_is_left(self, seconds=60):
        deadline = time.monotonic() + seconds
        while left := self.processes():
            assert time.monotonic() < deadline, left
            time.sleep(0.2)

    def study(self):
        return open_study(self.url, STUDY)

    def ended(self):
        """What may not change any more: the rows of the trials that came to an end."""
        frame = self.study().frame()
        done = frame[frame["state"].isin(["COMPLETE", "PRUNED", "FAIL"])].astype(object)
        return done.where(done.notna(), None).set_index("number").to_dict("index")

    def time_passes(self, seconds):
        """For the database: its drivers did all that they did so much earlier."""
        engine = create_engine(self.url)
        back = timedelta(seconds=seconds)
        with engine.begin() as connection:
            for row in connection.execute(attempts.select()).all():
                times = {n: getattr(row, n) for n in ("lease", "started", "ended")}
                earlier = {n: t - back for n, t in times.items() if t is not None}
                connection.execute(
                    update(attempts)
                    .where(
                        attempts.c.study_id == row.study_id,
                        attempts.c.trial == row.trial,
                        attempts.c.attempt == row.attempt,
                    )
                    .values(**earlier)
                )
        engine.dispose()

    def check(self, trials):
        study = self.study()
        assert violations(study) == []
        assert twice(study) == []
        assert list(study.frame()["number"]) == list(range(trials))
        assert set(study.frame()["state"]) <= {"COMPLETE", "PRUNED", "FAIL"}


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
        after = search.ended() if (before or lines < 0) and has_study(search) else {}
        assert {n: after.get(n) for n in before} == before  # none lost, none changed
        before = after
        if before:
            search.time_passes(60)
    search.finish()
    after = search.ended()
    assert {n: after[n] for n in before} == before
    search.check(trials)
    search.wait_until_no_process_is_left()


def has_study(search):
    from nas.study.record import read_record

    return read_record(search.url, STUDY) is not None


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_driver_is_carried_on_by_the_same_command(database_url, tmp_path, kills):
    trials = 12 * (kills + 1)
    search = Search(tmp_path, database_url, "--trials", str(trials), "--epochs", "3")
    kill_and_carry_on(search, kills, trials, random.Random(kills))


@pytest.mark.slow
def test_nothing_is_running_a_minute_after_the_driver_was_killed(database_url, tmp_path):
    search = Search(tmp_path, database_url, "--trials", "60", "--epochs", "20")
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


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_workers_cost_an_attempt_and_no_trial(database_url, tmp_path, kills):
    trials = 6 * kills
    options = ["--trials", str(trials), "--epochs", "10", "--max-failures", "3"]
    search = Search(tmp_path, database_url, *options)
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
    assert 0 < states["died"] + states.get("failed", 0) <= len(killed)
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
