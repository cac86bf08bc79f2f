"""Faults on demand, for the tests: a process that dies at a named point, trials that misbehave.

``NAS_CRASH_AT=epoch.written`` kills the process, as ``kill -9`` does, when it comes to that point;
``NAS_CRASH_AT=epoch.written:7`` when it comes there for the seventh time. The points stand between
the transactions of a driver, and within each, so that each prefix of them is left behind once by
the tests, and no half of one.

``NAS_MISBEHAVE=nan:3,exit:5`` spoils the trials 3 and 5 in each of their attempts, of
the synthetic objective: ``silent`` from the first epoch on, the other kinds from the second one.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from math import inf, nan
from typing import Any

from nas.errors import ConfigError, choose

Result = dict[str, Any]

POINTS = (
    "ask.begin",  # the lock on "which trial is next" is held
    "trial.half",  # a network and its trial are written, without an attempt, not committed
    "trial.written",
    "resume.half",  # a trial that waited is RUNNING, without a new attempt, not committed
    "resume.written",
    "ask.end",
    "report.begin",
    "epoch.half",  # in our tables, not among Optuna's intermediate values, not committed
    "epoch.written",
    "checkpoint.begin",
    "checkpoint.written",
    "end.begin",
    "end.half",  # the attempt has ended, its trial is RUNNING, not committed
    "end.written",
)
_passed: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Die here if NAS_CRASH_AT says so.

    Raises:
        ConfigError: NAS_CRASH_AT names no point.
    """
    wanted = os.environ.get("NAS_CRASH_AT")
    if not wanted:
        return
    where, _, times = wanted.partition(":")
    if where not in POINTS or not (times or "1").isdecimal():
        raise ConfigError(f"NAS_CRASH_AT: no point {wanted!r}; {choose(where, POINTS)}")
    if name == where:
        _passed[name] += 1
        if _passed[name] == int(times or 1):
            os.kill(os.getpid(), signal.SIGKILL)


class UnpicklableError(Exception):
    """One that cannot be sent to another process."""

    def __reduce__(self) -> str:
        raise TypeError("this exception cannot be pickled")


def _raise(error: Exception) -> Result:
    raise error


def _die(how: Callable[[], None]) -> Result:
    how()
    raise AssertionError("the process lives")


def _hang(_: Result) -> Result:
    while True:
        time.sleep(60)


KINDS: dict[str, Callable[[Result], Result]] = {
    "nan": lambda result: {**result, "val_accuracy": nan},
    "inf": lambda result: {**result, "val_loss": inf},
    "missing": lambda result: {k: v for k, v in result.items() if k != "val_accuracy"},
    "string": lambda result: {**result, "val_accuracy": "0.9"},
    "none": lambda result: {**result, "val_accuracy": None},
    "raises": lambda _: _raise(ValueError("this network cannot be trained")),
    "unpicklable": lambda _: _raise(UnpicklableError("it stays here")),
    "memory": lambda _: _raise(MemoryError("cannot allocate 1 TiB")),
    "exit": lambda _: _die(lambda: os._exit(3)),
    "killed": lambda _: _die(lambda: os.kill(os.getpid(), signal.SIGKILL)),
    "hangs": _hang,
    "silent": _hang,
}


def misbehave(result: Result, trial: int) -> Result:
    """The result of an epoch of a trial, or what NAS_MISBEHAVE makes of it.

    Raises:
        ConfigError: NAS_MISBEHAVE names no kind of misbehaviour.
    """
    for entry in filter(None, os.environ.get("NAS_MISBEHAVE", "").split(",")):
        kind, _, number = entry.partition(":")
        if kind not in KINDS or not number.isdecimal():
            raise ConfigError(f"NAS_MISBEHAVE: no kind:trial in {entry!r}; {choose(kind, KINDS)}")
        if int(number) == trial and (result["epoch"] > 1 or kind == "silent"):
            return KINDS[kind](result)
    return result
