"""What the end of an attempt makes of its trial, and what becomes of those of drivers that died."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from sqlalchemy import Connection, Row

from nas.causes import MACHINE, OWN
from nas.study.attempts import LEASE, Attempts
from nas.study.lineage import Inherits
from nas.study.networks import read_costs
from nas.study.trials import Trials

log = logging.getLogger(__name__)

ENDED = {  # how an attempt ends, and what that makes of its trial
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "inherited": TrialState.PRUNED,  # to its end, but not in full: a fidelity of its own
    "failed": TrialState.FAIL,  # by what it is: out of memory, a loss that is not finite, …
    "died": TrialState.WAITING,  # its process did; the trial gets another attempt
    "abandoned": TrialState.FAIL,  # its process died, once more than is allowed
    "interrupted": TrialState.WAITING,  # until a driver carries it on
}
CAUSES = {"failed": OWN, "abandoned": MACHINE}  # of a FAIL, by how the last attempt ended


@dataclass(frozen=True)
class Endings:
    """Those of one study."""

    trials: Trials
    attempts: Attempts
    minimize: Sequence[str]  # costs that are values of a trial, beside its measure

    def of_trial(
        self, connection: Connection, number: int, attempt: int, ending: str, reason: str | None
    ) -> None:
        """Give a trial the end, or the wait, that an attempt of it came to."""
        state = ENDED[ending]
        if not state.is_finished():
            with suppress(UpdateFinishedTrialError):
                self.trials.set_state(connection, number, state)
            return
        curve = self.attempts.curve(number, attempt, connection)
        told = {"reason": reason.splitlines()[0]} if reason else {}
        values = None
        if state == TrialState.FAIL:
            told["cause"] = CAUSES[ending]
        else:
            values = [curve[max(curve)], *self._costs(connection, number, attempt)]
        with suppress(UpdateFinishedTrialError):  # by an Optuna tool: then that is what it is
            self.trials.set_state(connection, number, state, values)
            self.trials.set_attributes(connection, number, told)
            self.trials.set_curve(connection, number, curve)

    def repair(self, epochs_in_full: int, live: Collection[tuple[int, int]]) -> list[int]:
        """``StudyStore.repair``."""
        self.trials.read()
        running = [t.number for t in self.trials.unfinished() if t.state == TrialState.RUNNING]
        latest = self.attempts.latest(running) if running else {}
        freed = [n for n in running if self._repair(n, latest.get(n), epochs_in_full, live)]
        if freed:
            self.trials.read()
        return freed

    def _repair(
        self,
        number: int,
        last: Row[Any] | None,
        epochs_in_full: int,
        live: Collection[tuple[int, int]],
    ) -> bool:
        """Free one RUNNING trial, whose last attempt is ``last``, if nobody runs it."""
        if last is None:  # an Optuna tool began it, or a version of nas with several transactions
            with suppress(UpdateFinishedTrialError), self.attempts.engine.begin() as connection:
                self.trials.set_state(connection, number, TrialState.WAITING)
            return True
        if last.state == "running":
            if (number, last.attempt) in live or last.lease >= self.attempts.clock():
                return False
            curve = self.attempts.curve(number, last.attempt)
            inherits = Inherits.of(self.trials.known[number].user_attrs)
            whole = max(curve, default=0) >= (inherits.epochs if inherits else epochs_in_full)
            ending = "inherited" if inherits else "complete"
            state, reason = (ending, None) if whole else ("interrupted", "its driver died")
            with self.attempts.engine.begin() as connection:
                if not self.attempts.expire(number, last.attempt, state, reason, connection):
                    return False
                self.of_trial(connection, number, last.attempt, state, reason)
            log.warning(
                "trial %d: attempt %d of %s, whose lease is over, ended: %s",
                number, last.attempt, last.owner, reason or state,
            )  # fmt: skip
            return True
        # A version of nas that ended the trial after its attempt may be about to do so.
        ours = last.owner == self.attempts.owner
        if ours or last.ended < self.attempts.clock() - LEASE:
            with self.attempts.engine.begin() as connection:
                self.of_trial(connection, number, last.attempt, last.state, last.reason)
            return True
        return False

    def _costs(self, connection: Connection, number: int, attempt: int) -> list[float]:
        """Of a trial's network, those that the study minimizes."""
        if not self.minimize:
            return []
        key = self.trials.attribute(connection, number, "key")
        known = {
            **self.attempts.first_metrics(number, attempt, connection),
            **read_costs(connection, self.attempts.study_id, key),
        }
        return [float(known[name]) for name in self.minimize]
