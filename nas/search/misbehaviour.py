"""Bad trials on demand, to test everything around them; with the synthetic objective only.

``NAS_MISBEHAVE=nan:3,exit:5`` spoils the trials 3 and 5 in each of their attempts: ``silent`` from
the first epoch on, the other kinds from the second one on.
"""

import os
import signal
import time
from collections.abc import Callable
from math import inf, nan
from typing import Any

from nas.errors import ConfigError, choose
from nas.search.synthetic import Synthetic

Result = dict[str, Any]


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


class Misbehaving:
    """A synthetic trial whose results are spoilt."""

    def __init__(self, objective: Synthetic, kind: str) -> None:
        self._objective = objective
        self._kind = kind
        self.save = objective.save
        self.load = objective.load

    def epoch(self) -> Result:
        """The result of the next epoch, or what has become of it."""
        result = self._objective.epoch()
        spoilt = result["epoch"] > 1 or self._kind == "silent"
        return KINDS[self._kind](result) if spoilt else result


def misbehaving(objective: Synthetic, trial: int) -> Synthetic | Misbehaving:
    """The objective, or one that spoils its results as NAS_MISBEHAVE says of this trial.

    Raises:
        ConfigError: NAS_MISBEHAVE names no kind of misbehaviour.
    """
    for entry in filter(None, os.environ.get("NAS_MISBEHAVE", "").split(",")):
        kind, _, number = entry.partition(":")
        if kind not in KINDS or not number.isdecimal():
            raise ConfigError(f"NAS_MISBEHAVE: no kind:trial in {entry!r}; {choose(kind, KINDS)}")
        if int(number) == trial:
            return Misbehaving(objective, kind)
    return objective
