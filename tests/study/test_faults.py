"""The points where a test lets a driver die: named once, met in order, and harmless otherwise."""

import os
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import nas
from nas.errors import ConfigError
from nas.faults import POINTS, crash_point
from nas.study.store import StudyStore


def test_every_point_of_the_code_is_named_and_every_name_is_a_point():
    source = "".join(path.read_text() for path in Path(nas.__file__).parent.rglob("*.py"))
    assert sorted(set(re.findall(r'crash_point\("([^"]+)"\)', source))) == sorted(POINTS)
    assert len(set(POINTS)) == len(POINTS)


def passed(*names):
    """How a process ends that comes to these points, and at which it was."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            for name in names:
                crash_point(name)
                os.write(writer, b".")
        finally:
            os._exit(0)
    os.close(writer)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with os.fdopen(reader, "rb") as told:
        return code, len(told.read())


@pytest.mark.parametrize(
    ("wanted", "ending"),
    [
        (None, (0, 4)),
        ("", (0, 4)),
        ("ask.end", (0, 4)),
        ("epoch.half", (-signal.SIGKILL, 0)),
        ("epoch.written", (-signal.SIGKILL, 1)),
        ("epoch.half:1", (-signal.SIGKILL, 0)),
        ("epoch.half:2", (-signal.SIGKILL, 2)),
        ("epoch.half:3", (0, 4)),
        ("epoch.half:", (-signal.SIGKILL, 0)),
    ],
)
def test_a_process_dies_at_its_point_when_it_comes_there_so_often(wanted, ending, monkeypatch):
    monkeypatch.delenv("NAS_CRASH_AT", raising=False)
    if wanted is not None:
        monkeypatch.setenv("NAS_CRASH_AT", wanted)
    assert passed("epoch.half", "epoch.written", "epoch.half", "epoch.written") == ending


@pytest.mark.parametrize("wanted", ["epoch.hal", "epoch.half:x", "epoch.half:-1", ":2"])
def test_a_point_that_there_is_not_is_refused(wanted, monkeypatch):
    monkeypatch.setenv("NAS_CRASH_AT", wanted)
    with pytest.raises(ConfigError) as refused:
        crash_point("epoch.half")
    assert str(refused.value).startswith(f"NAS_CRASH_AT: no point {wanted!r}; ")
    assert str(refused.value).endswith(f"accepted: {', '.join(POINTS)}")
    if wanted == "epoch.hal":
        assert "; did you mean epoch.half? accepted" in str(refused.value)


COUNTED = {
    "networks": "SELECT COUNT(*) FROM nas_architectures",
    "trials": "SELECT COUNT(*) FROM trials",
    "epochs": "SELECT COUNT(*) FROM nas_epochs",
    "values": "SELECT COUNT(*) FROM trial_intermediate_values",
    "attempt": "SELECT MAX(state) FROM nas_attempts",
    "reasons": "SELECT COUNT(*) FROM trial_user_attributes WHERE key IN ('cause', 'reason')",
    "trial": "SELECT MAX(state) FROM trials",
}


@pytest.mark.parametrize(
    ("point", "left"),
    [
        ("trial.half", (0, 0, 0, 0, None, 0, None)),
        ("trial.written", (1, 1, 0, 0, "running", 0, "RUNNING")),
        ("epoch.half", (1, 1, 0, 0, "running", 0, "RUNNING")),
        ("epoch.written", (1, 1, 1, 1, "running", 0, "RUNNING")),
        ("end.begin", (1, 1, 1, 1, "running", 0, "RUNNING")),
        ("end.half", (1, 1, 1, 1, "running", 0, "RUNNING")),
        ("end.written", (1, 1, 1, 1, "interrupted", 0, "WAITING")),
        ("resume.half", (1, 1, 1, 1, "interrupted", 0, "WAITING")),
        ("resume.written", (1, 1, 1, 1, "running", 0, "RUNNING")),
        ("end.half:2", (1, 1, 1, 1, "running", 0, "RUNNING")),
        ("end.written:2", (1, 1, 1, 0, "interrupted", 2, "FAIL")),
    ],
)
def test_each_point_of_a_writer_leaves_what_was_written_before_it(
    point, left, tmp_path, helpers, monkeypatch
):
    monkeypatch.setenv("NAS_CRASH_AT", point)
    pid = os.fork()
    if not pid:  # a driver, from its first write to its last
        try:
            store = StudyStore(f"sqlite:///{tmp_path}/nas.db", "s", helpers.record, owner="a")
            number = helpers.add(store, begins=True)
            store.record_epoch(number, 1, helpers.result(1))
            store.end_attempt(number, 1, "interrupted", "so")
            store.end_attempt(number, store.resume_trial(number), "failed", "no")
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    with closing(sqlite3.connect(tmp_path / "nas.db")) as connection:
        found = [connection.execute(query).fetchone()[0] for query in COUNTED.values()]
    assert dict(zip(COUNTED, found, strict=True)) == dict(zip(COUNTED, left, strict=True))
