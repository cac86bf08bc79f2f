"""The points where a test lets a driver die: named once, met in order, and harmless otherwise."""

import os
import re
import signal
from pathlib import Path

import pytest

import nas
from nas.errors import ConfigError
from nas.study import crash


def test_every_point_of_the_code_is_named_and_every_name_is_a_point():
    source = "".join(path.read_text() for path in Path(nas.__file__).parent.rglob("*.py"))
    assert sorted(set(re.findall(r'crash\.point\("([^"]+)"\)', source))) == sorted(crash.POINTS)
    assert len(set(crash.POINTS)) == len(crash.POINTS)


def passed(*names):
    """How a process ends that comes to these points, and at which it was."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        for name in names:
            crash.point(name)
            os.write(writer, b".")
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
        ("epoch.ours", (-signal.SIGKILL, 0)),
        ("epoch.written", (-signal.SIGKILL, 1)),
        ("epoch.ours:1", (-signal.SIGKILL, 0)),
        ("epoch.ours:2", (-signal.SIGKILL, 2)),
        ("epoch.ours:3", (0, 4)),
        ("epoch.ours:", (-signal.SIGKILL, 0)),
    ],
)
def test_a_process_dies_at_its_point_when_it_comes_there_so_often(wanted, ending, monkeypatch):
    monkeypatch.delenv("NAS_CRASH_AT", raising=False)
    if wanted is not None:
        monkeypatch.setenv("NAS_CRASH_AT", wanted)
    assert passed("epoch.ours", "epoch.written", "epoch.ours", "epoch.written") == ending


@pytest.mark.parametrize("wanted", ["epoch.our", "epoch.ours:x", "epoch.ours:-1", ":2"])
def test_a_point_that_there_is_not_is_refused(wanted, monkeypatch):
    monkeypatch.setenv("NAS_CRASH_AT", wanted)
    with pytest.raises(ConfigError) as refused:
        crash.point("epoch.ours")
    assert str(refused.value).startswith(f"NAS_CRASH_AT: no point {wanted!r}; ")
    assert str(refused.value).endswith(f"accepted: {', '.join(crash.POINTS)}")
    if wanted == "epoch.our":
        assert "; did you mean epoch.ours? accepted" in str(refused.value)
