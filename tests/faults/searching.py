"""``nas search`` as a process that can be killed, and what must hold of its study afterwards."""

import os
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path

from faults.driving import twice
from sqlalchemy import create_engine, update

from nas.study.check import violations
from nas.study.database.tables import attempts
from nas.study.reader import open_study
from nas.study.record import read_record

STUDY = "resnext"
FAST = ("--objective", "synthetic", "--sampler", "random", "--scheduler", "none")
FAST += ("--time-budget", "none")  # a slow machine takes longer than a first search may


class Search:
    """``nas search`` on one database, and all processes that it ever started."""

    def __init__(self, folder, url, *options):
        self.folder = folder
        self.url = url
        self.options = options
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

    def missing(self):
        """Whether the study has not been made yet."""
        return read_record(self.url, STUDY) is None

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
        assert list(self.folder.glob("nas-runs/*/*-*")) == []  # checkpoints, and Tune's snapshots
