"""What attempts leave on disk: a checkpoint is needed until its trial is over, and goes then.

A trial that runs or waits to be carried on needs the last checkpoint of its attempts, on whatever
machine its next driver runs, and the weights that it began with. Of one that ended, nothing else is
read again: ``nas retrain`` trains anew, on all images.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection, Sequence

from optuna.trial import FrozenTrial

from nas.search.inheriting import is_trained, protected
from nas.search.stores import Store
from nas.text import one_line

log = logging.getLogger(__name__)

_ATTEMPT = re.compile(r"(\d{5,})-(\d+)")
MOST_SECONDS = 1.0  # that a driver with leases to renew deletes at a time


def attempt_folder(number: int, attempt: int) -> str:
    """The name of what an attempt writes into, below the folder of its study.

    >>> attempt_folder(7, 1)
    '00007-1'
    """
    return f"{number:05d}-{attempt}"


class Checkpoints:
    """The folders of attempts of one study, which several drivers may share."""

    def __init__(self, store: Store, keep: int = 0, *, minimizes: bool = False) -> None:
        """``keep`` of the trials that came to the end of their training keep the folder of their
        last attempt: those with the highest first value; the lowest, where that is minimized."""
        self._store = store
        self._keep = keep
        self._sign = -1 if minimizes else 1
        self._stuck: set[str] = set()  # what could not be deleted, and was said to be so

    def clear(
        self,
        trials: Sequence[FrozenTrial],
        busy: Collection[str] = (),
        seconds: float = MOST_SECONDS,
    ) -> None:
        """Delete the folders of trials that ended.

        Args:
            trials: as the database has them, by number: what it does not say to have ended stays.
            busy: names of folders that a process of ours may be writing into.
            seconds: that this may take; what is left is for the next time.
        """
        deadline = time.monotonic() + seconds
        over = self._of_ended(trials)
        in_full = {n for n, _ in over.values() if is_trained(trials[n])}
        best = sorted(in_full, key=lambda n: (-self._sign * trials[n].values[0], n))[: self._keep]
        last = {number: name for name, (number, _) in sorted(over.items(), key=lambda x: x[1])}
        needed = protected(trials)
        kept = {last[number] for number in (*best, *needed) if number in last}
        for name in sorted(over.keys() - kept):
            if name in busy or name in self._stuck:
                continue
            if time.monotonic() > deadline:
                return
            try:
                self._store.delete(name)
            except FileNotFoundError:  # another driver was faster
                continue
            except OSError as error:
                self._stuck.add(name)
                reason = error.strerror or one_line(error)[:200]  # pyarrow's have no number
                log.warning("cannot delete %s (%s)", self._store.place(name), reason)

    def _of_ended(self, trials: Sequence[FrozenTrial]) -> dict[str, tuple[int, int]]:
        """By name of a folder, the number of its trial and of its attempt."""
        names = self._store.names()
        numbers = {
            name: (int(m[1]), int(m[2])) for name in names if (m := _ATTEMPT.fullmatch(name))
        }
        return {
            name: (number, attempt)
            for name, (number, attempt) in numbers.items()
            if number < len(trials) and trials[number].state.is_finished()
        }
