"""Named points where a test lets the process die; nothing happens unless NAS_CRASH_AT is set.

``NAS_CRASH_AT=epoch.written`` kills the process, as ``kill -9`` does, when it comes to that point;
``NAS_CRASH_AT=epoch.written:7`` when it comes there for the seventh time. The points stand between
the writes of a driver, so that each prefix of them is left behind once by the tests.
"""

import os
import signal
from collections import Counter

from nas.errors import ConfigError, choose

POINTS = (
    "ask.begin",  # the lock on "which trial is next" is held
    "trial.architecture",  # the network is stored, its trial is not
    "trial.written",  # a trial without an attempt
    "trial.resumed",  # a trial that waited is RUNNING, without a new attempt
    "attempt.written",
    "ask.end",
    "report.begin",
    "epoch.ours",  # in our tables, not yet among Optuna's intermediate values
    "epoch.written",
    "checkpoint.begin",
    "checkpoint.written",
    "end.begin",
    "end.attempt",  # the attempt has ended, its trial is RUNNING
    "end.reason",  # a failed trial has its reason, not yet its state
    "end.trial",
)
_passed: Counter[str] = Counter()


def point(name: str) -> None:
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
