"""Twelve ways of a trial to be bad, through real Ray workers."""

import os
import subprocess
import sys
from collections import Counter

import pytest
from sqlalchemy import create_engine, text

from nas.faults import KINDS
from nas.study.check import violations
from nas.study.reader import open_study

REASONS = {  # of the trial, one line; attempt and host are said where a process died
    "nan": "val_accuracy is not finite (nan)",
    "inf": "val_loss is not finite (inf)",
    "missing": "val_accuracy is missing; the metrics are: ",
    "string": "val_accuracy is '0.9', not a number",
    "none": "val_accuracy is None, not a number",
    "raises": "ValueError: this network cannot be trained (attempt 1 on ",
    "unpicklable": "UnpicklableError: it stays here (attempt 1 on ",
    "memory": "MemoryError: cannot allocate 1 TiB (attempt 1 on ",
    "exit": "ActorDiedError: ",
    "killed": "ActorDiedError: ",
    "hangs": "no epoch for 4s (attempt 1 on ",
    "silent": "no epoch for 4s (attempt 1 on ",
}


def search(folder, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "nas", "search", "--objective", "synthetic", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "RAY_ADDRESS": "", "COLUMNS": "200", **environment},
        timeout=400,
    )


def attempts(folder):
    engine = create_engine(f"sqlite:///{folder}/nas.db")
    with engine.connect() as connection:
        query = text("SELECT * FROM nas_attempts ORDER BY trial, attempt")
        found = [dict(row._mapping) for row in connection.execute(query)]
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study in which every second trial is bad in a way of its own."""
    folder = tmp_path_factory.mktemp("bad")
    spoilt = ",".join(f"{kind}:{2 * i}" for i, kind in enumerate(KINDS))
    arguments = ["--trials", "24", "--scheduler", "none", "--sampler", "random", "--epochs", "3"]
    arguments += ["--max-failures", "0", "--trial-timeout", "4s"]
    done = search(folder, *arguments, NAS_MISBEHAVE=spoilt)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return folder


@pytest.fixture(scope="module")
def trials(folder):
    study = open_study(f"sqlite:///{folder}/nas.db", "resnext")
    assert violations(study) == []
    return study.frame().to_dict("records")


@pytest.mark.parametrize(("number", "kind"), [(2 * i, kind) for i, kind in enumerate(KINDS)])
def test_a_bad_trial_fails_alone_and_says_why(trials, number, kind):
    assert trials[number]["state"] == "FAIL"
    assert trials[number]["reason"].startswith(REASONS[kind])
    assert ("(attempt 1 on " in trials[number]["reason"]) == ("val_" not in REASONS[kind])
    assert "no host" not in trials[number]["reason"]


def test_what_failed_by_itself_is_told_from_what_was_lost(folder):
    states = {row["trial"]: row["state"] for row in attempts(folder) if row["trial"] % 2 == 0}
    lost = {"exit", "killed", "hangs", "silent"}
    assert states == {
        2 * i: "abandoned" if kind in lost else "failed" for i, kind in enumerate(KINDS)
    }


def test_the_trials_beside_bad_ones_are_complete(trials):
    assert Counter(t["state"] for t in trials) == {"COMPLETE": 12, "FAIL": 12}
    assert all(t["state"] == "COMPLETE" for t in trials[1::2])


def test_the_end_of_a_traceback_is_kept_with_the_attempt(folder):
    number = 2 * list(KINDS).index("raises")
    (raised,) = [a for a in attempts(folder) if a["trial"] == number]
    first, *lines = raised["reason"].splitlines()
    assert first.startswith("ValueError: this network cannot be trained (attempt 1 on ")
    assert "faults.py" in "".join(lines)
    assert lines[-1] == "ValueError: this network cannot be trained"


def test_a_search_in_which_all_fail_stops_and_says_why(tmp_path):
    spoilt = ",".join(f"nan:{i}" for i in range(20))
    arguments = ["--trials", "20", "--epochs", "3", "--max-consecutive-failures", "3"]
    done = search(tmp_path, *arguments, "--scheduler", "none", NAS_MISBEHAVE=spoilt)
    assert done.returncode == 1
    said = "Stopped: 3 trials in a row failed, the last one with: val_accuracy is not finite (nan)"
    assert said in done.stdout
    study = open_study(f"sqlite:///{tmp_path}/nas.db", "resnext")
    assert "COMPLETE" not in set(study.frame()["state"])
    begun = attempts(tmp_path)
    *_, third = sorted(one["ended"] for one in begun if one["state"] == "failed")[:3]
    assert all(one["started"] <= third for one in begun)  # what was under way may end, none begins
    assert violations(study) == []
