"""The one writer of a study: Optuna's trials and our tables, kept consistent.

Optuna's tables hold the state and value of every trial, so that Optuna's tools read the study; ours
hold architectures with their cost, attempts, and whole learning curves. Writes go in an order of
which every prefix can be repaired: an attempt ends before its trial does.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Engine, insert, text
from sqlalchemy.exc import OperationalError

from nas.architecture import Architecture
from nas.cost import Cost
from nas.faults import crash_point
from nas.study.attempts import LEASE, MEASURED, Attempts
from nas.study.curves import Curves
from nas.study.database import engines
from nas.study.database.outages import UnavailableError
from nas.study.database.storage import open_storage
from nas.study.database.tables import studies
from nas.study.database.upgrade import create_tables
from nas.study.networks import add_architecture, drop_orphans, read_costs
from nas.study.outbox import Outbox
from nas.study.record import StudyRecord, record_from, record_of, refuse_foreign

log = logging.getLogger(__name__)

ENDED = {  # how an attempt ends, and what that makes of its trial
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,  # by what it is: out of memory, a loss that is not finite, …
    "died": TrialState.WAITING,  # its process did; the trial gets another attempt
    "abandoned": TrialState.FAIL,  # its process died, once more than is allowed
    "interrupted": TrialState.WAITING,  # until a driver carries it on
}
# What made a trial FAIL, as its user attribute ``cause`` says: itself, or what it ran on. Where
# there is none (a study of an earlier nas), nothing is concluded from the failure.
OWN_FAILURE = "trial"
CAUSES = {"failed": OWN_FAILURE, "abandoned": "machine"}  # by how the last attempt ended
ENQUEUED = "enqueued"  # user attribute: its place among those that the search began with
_ENDING = ("reason", "cause")  # user attributes of a trial that FAILed
# User attribute of a trial: where and how its latency and memory were measured. In a result, JSON.
MEASURED_ON = "measured_on"
CLAIM_SECONDS = 5  # a driver has trials to look after while it waits for its turn


def utc_now() -> datetime:
    """The time as the database keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


class StudyStore:
    """Reads and writes one study for the driver called ``owner``."""

    def __init__(
        self,
        url: str,
        name: str,
        record: StudyRecord,
        *,
        owner: str,
        clock: Callable[[], datetime] = utc_now,
        outbox: Path | None = None,
    ) -> None:
        """Create the study, or continue the one of that name.

        Results that the database cannot take for now go to the file ``outbox``, and from there to
        the database as soon as it is back, or when the study is opened again. Without such a file
        each operation raises UnavailableError then.

        Raises:
            StorageError: the database cannot be used, or the study of that name is another one;
                the message says what differs.
        """
        self.name = name
        self.dataset = record.dataset
        self.measure = record.measure
        self.minimize = record.minimize
        self.directions = record.directions
        self.clock = clock
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with engines.translate_errors(url):
            try:
                self._open(url, record)
            except (OperationalError, UnavailableError):  # a connection that was dropped
                self._open(url, record)
        self._has_lock = False
        self.attempts = Attempts(self.engine, self._study_id, owner, clock, self.measure)
        self.curves = Curves(self.attempts, self.minimize)
        self._operations: dict[str, Callable[..., None]] = {
            "record_epoch": self._record_epoch,
            "record_checkpoint": self._record_checkpoint,
            "end_attempt": self._end_attempt,
        }
        self.outbox = Outbox(outbox, self._operations) if outbox else None
        self.flush()

    @property
    def engine(self) -> Engine:
        """The engine that Optuna and our tables share."""
        engine: Engine = self._storage.engine
        return engine

    def close(self) -> None:
        """Give all connections back; SQLite then folds its write-ahead log into the file."""
        with suppress(UnavailableError):  # the next driver will find what is left
            self.flush()
        self.engine.dispose()

    def flush(self) -> None:
        """Write what waits in the outbox, if anything does.

        Raises:
            UnavailableError: the database is still away.
        """
        if self.outbox:
            self.outbox.flush()

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """Only one driver at a time decides which trial comes next, knowing all results.

        Raises:
            UnavailableError: the database is away, or the other driver took too long.
        """
        self.flush()
        with self._locked():
            yield

    def trials(self) -> list[FrozenTrial]:
        """All trials of the study in order of their numbers; not to be changed."""
        return self._study.get_trials(deepcopy=False)

    def add_trial(
        self,
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        architecture: Architecture,
        cost: Cost,
        *,
        policy: str,
        source: FrozenTrial | None = None,
        waits: bool = False,
        system_attrs: Mapping[str, Any] | None = None,
    ) -> int:
        """Write a whole trial at once and return its number.

        It is RUNNING; or WAITING, if it ``waits``; or, with ``source``, it ended as that trial did.
        """
        add_architecture(self.engine, self._study_id, architecture, cost)
        attributes: dict[str, Any] = {"key": architecture.key, "policy": policy}
        begun = TrialState.WAITING if waits else TrialState.RUNNING
        template = create_trial(
            state=source.state if source else begun,
            values=source.values if source else None,
            intermediate_values=dict(source.intermediate_values) if source else None,
            params=dict(params),
            distributions=dict(distributions),
            user_attrs=attributes | (_told(source) if source else {}),
            system_attrs=dict(system_attrs or {}),
        )
        crash_point("trial.architecture")
        trial_id = self._storage.create_new_trial(self._study_id, template_trial=template)
        crash_point("trial.written")
        return int(self._storage.get_trial_number_from_id(trial_id))

    def enqueue(self, settings: Sequence[Mapping[str, Any]]) -> None:
        """Put settings, or parts of some, in front of what a sampler proposes, in this order.

        One that is there from an earlier call is not put there again; the caller is ``claiming``.
        """
        ours = [trial for trial in self.trials() if ENQUEUED in trial.user_attrs]
        there = {_spelled(trial.system_attrs.get("fixed_params")) for trial in ours}
        for setting in settings:
            if _spelled(setting) not in there:
                place = len(there)
                there.add(_spelled(setting))
                self._study.enqueue_trial(dict(setting), user_attrs={ENQUEUED: place})

    def tell_trial(self, number: int, source: FrozenTrial) -> None:
        """End a WAITING trial of which nothing was trained as ``source`` did, an equal one."""
        trial_id = self._trial_id(number)
        for name, value in _told(source).items():
            self._storage.set_trial_user_attr(trial_id, name, value)
        for epoch, value in source.intermediate_values.items():
            self._storage.set_trial_intermediate_value(trial_id, epoch, value)
        self._storage.set_trial_state_values(trial_id, source.state, source.values)

    def adopt_trial(
        self,
        number: int,
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        architecture: Architecture,
        cost: Cost,
    ) -> None:
        """Give a trial that was enqueued without our knowledge what ``add_trial`` gives."""
        add_architecture(self.engine, self._study_id, architecture, cost)
        trial_id = self._trial_id(number)
        for name, domain in distributions.items():
            value = domain.to_internal_repr(params[name])
            self._storage.set_trial_param(trial_id, name, value, domain)
        self._storage.set_trial_user_attr(trial_id, "policy", "enqueued")
        self._storage.set_trial_user_attr(trial_id, "key", architecture.key)

    def add_empty_trial(self) -> int:
        """Write a RUNNING trial of which nothing is known, and return its number."""
        trial_id = self._storage.create_new_trial(self._study_id)
        return int(self._storage.get_trial_number_from_id(trial_id))

    def refuse_trial(self, number: int, reason: str, policy: str | None = None) -> None:
        """FAIL a trial of which no attempt can be begun; ``policy`` is told where it has none."""
        trial_id = self._trial_id(number)
        if policy is not None:
            self._storage.set_trial_user_attr(trial_id, "policy", policy)
        self._storage.set_trial_user_attr(trial_id, "reason", reason.splitlines()[0])
        last = self.attempts.last(number)
        if last is not None:  # it waited to be carried on
            self._tell_curve(trial_id, self.attempts.curve(number, last.attempt))
        self._storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def resume_trial(self, number: int) -> bool:
        """Make a WAITING trial RUNNING; False where another driver was faster."""
        return bool(
            self._storage.set_trial_state_values(self._trial_id(number), TrialState.RUNNING)
        )

    def record_epoch(self, number: int, attempt: int, result: Mapping[str, Any]) -> None:
        """Write one epoch's result in our tables, then as Optuna's intermediate value.

        Raises:
            LostAttemptError: the attempt is no longer ours.
        """
        measured = {name: result[name] for name in (*MEASURED, MEASURED_ON) if name in result}
        self._write("record_epoch", number, attempt, result=measured)

    def record_checkpoint(self, number: int, attempt: int, path: str) -> None:
        """Note where the attempt can be carried on from.

        Raises:
            LostAttemptError: the attempt is no longer ours.
        """
        self._write("record_checkpoint", number, attempt, path=path)

    def end_attempt(
        self,
        number: int,
        attempt: int,
        state: str,
        reason: str | None = None,
    ) -> None:
        """End the attempt, then its trial; ``state`` is a key of ``ENDED``.

        A trial that completed or was pruned takes the validation accuracy, or score, of its last
        epoch, and the costs that the study minimizes; one that failed, the first line of the
        reason.

        Raises:
            LostAttemptError: the attempt is no longer ours.
        """
        crash_point("end.begin")
        self._write("end_attempt", number, attempt, state=state, reason=reason)

    def repair(self, epochs_in_full: int, live: Collection[tuple[int, int]] = ()) -> list[int]:
        """Free what dead drivers left behind; the caller is ``claiming``.

        A trial without a live attempt waits to be carried on, or gets the end that its last
        attempt came to. The attempts in ``live``, as (number, attempt), run here whatever their
        leases say: an outage may have kept us from renewing them. Returns the numbers of the
        trials that were RUNNING.
        """
        running = [t.number for t in self.trials() if t.state == TrialState.RUNNING]
        return [number for number in running if self._repair(number, epochs_in_full, live)]

    # -- what may have to wait: each can be done twice, and is done for the owner who asked ---

    def _write(self, operation: str, number: int, attempt: int, **arguments: Any) -> None:
        arguments = {
            "owner": self.attempts.owner,
            "number": number,
            "attempt": attempt,
            **arguments,
        }
        if self.outbox:
            self.outbox.write(operation, **arguments)
        else:
            self._operations[operation](**arguments)

    def _record_epoch(
        self, owner: str, number: int, attempt: int, result: Mapping[str, Any]
    ) -> None:
        self._attempts_of(owner).record_epoch(number, attempt, result)
        crash_point("epoch.ours")
        trial_id = self._trial_id(number)
        with suppress(UpdateFinishedTrialError):  # then this has been written before
            if result["epoch"] == 1 and MEASURED_ON in result:
                where = json.loads(result[MEASURED_ON])
                self._storage.set_trial_user_attr(trial_id, MEASURED_ON, where)
            self._storage.set_trial_intermediate_value(
                trial_id, result["epoch"], self.measure.of(result)
            )
        crash_point("epoch.written")

    def _record_checkpoint(self, owner: str, number: int, attempt: int, path: str) -> None:
        self._attempts_of(owner).record_checkpoint(number, attempt, path)

    def _end_attempt(
        self, owner: str, number: int, attempt: int, state: str, reason: str | None
    ) -> None:
        first = self._attempts_of(owner).end(number, attempt, state, reason)
        crash_point("end.attempt")
        if first:
            self._end_trial(number, attempt, state, reason)
            return
        with self._locked():  # somebody may have repaired it meanwhile
            last = self.attempts.last(number)
            if last is not None and last.attempt == attempt and self._is_running(number):
                self._end_trial(number, attempt, state, reason)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._has_lock:
            yield
            return
        with engines.locked(self.engine, CLAIM_SECONDS):
            self._has_lock = True
            try:
                yield
            finally:
                self._has_lock = False

    def _attempts_of(self, owner: str) -> Attempts:
        return replace(self.attempts, owner=owner, alive=owner == self.attempts.owner)

    def _is_running(self, number: int) -> bool:
        return self._storage.get_trial(self._trial_id(number)).state == TrialState.RUNNING

    # -- parts ------------------------------------------------------------------------------

    def _repair(self, number: int, epochs_in_full: int, live: Collection[tuple[int, int]]) -> bool:
        last = self.attempts.last(number)
        if last is None:
            self._storage.set_trial_state_values(self._trial_id(number), TrialState.WAITING)
            return True
        if last.state == "running":
            if (number, last.attempt) in live:
                return False
            curve = self.attempts.curve(number, last.attempt)
            whole = max(curve, default=0) >= epochs_in_full
            state, reason = ("complete", None) if whole else ("interrupted", "its driver died")
            if not self.attempts.expire(number, last.attempt, state, reason):
                return False
            log.warning(
                "trial %d: attempt %d of %s, whose lease is over, ended: %s",
                number, last.attempt, last.owner, reason or state,
            )  # fmt: skip
            self._end_trial(number, last.attempt, state, reason)
            return True
        # another driver may be about to end the trial; our own words have all been written by now
        ours = last.owner == self.attempts.owner
        if ours or last.ended < self.clock() - LEASE:
            self._end_trial(number, last.attempt, last.state, last.reason)
            return True
        return False

    def _end_trial(self, number: int, attempt: int, ending: str, reason: str | None) -> None:
        trial_id, state = self._trial_id(number), ENDED[ending]
        if ending in CAUSES:
            self._storage.set_trial_user_attr(trial_id, "cause", CAUSES[ending])
        if reason and state.is_finished():
            self._storage.set_trial_user_attr(trial_id, "reason", reason.splitlines()[0])
            crash_point("end.reason")
        values = None
        if state.is_finished():
            curve = self.attempts.curve(number, attempt)
            self._tell_curve(trial_id, curve)
            if state != TrialState.FAIL:
                values = [curve[max(curve)], *self._costs(number, attempt)]
        self._storage.set_trial_state_values(trial_id, state, values)
        crash_point("end.trial")

    def _costs(self, number: int, attempt: int) -> list[float]:
        """Of a trial's network, those that the study minimizes."""
        if not self.minimize:
            return []
        key = self._storage.get_trial(self._trial_id(number)).user_attrs["key"]
        known = {
            **self.attempts.first_metrics(number, attempt),
            **read_costs(self.engine, self._study_id, key),
        }
        return [float(known[name]) for name in self.minimize]

    def _tell_curve(self, trial_id: int, curve: Mapping[int, float]) -> None:
        """Make Optuna's intermediate values those of one attempt.

        The last one may be missing, cut off after our tables; others may be an earlier attempt's.
        """
        known = self._storage.get_trial(trial_id).intermediate_values
        for epoch in known.keys() - curve.keys():
            delete = "DELETE FROM trial_intermediate_values WHERE trial_id = :id AND step = :epoch"
            with self.engine.begin() as connection:  # Optuna has no word for it
                connection.execute(text(delete), {"id": trial_id, "epoch": epoch})
        for epoch, value in curve.items():
            if known.get(epoch) != value:
                self._storage.set_trial_intermediate_value(trial_id, epoch, value)

    def _open(self, url: str, record: StudyRecord) -> None:
        self._storage = open_storage(url)
        with engines.locked(self.engine):
            create_tables(self.engine, url)
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=self.name,
                directions=record.directions,
                load_if_exists=True,
            )
            self._study_id = self._storage.get_study_id_from_name(self.name)
            self._create_or_compare(record)
            drop_orphans(self.engine, self._study_id)

    def _create_or_compare(self, record: StudyRecord) -> None:
        with self.engine.begin() as connection:
            found = connection.execute(record_of(self._study_id)).first()
            if found is None:
                refuse_foreign(connection, self._study_id, self.name, record.directions)
                connection.execute(
                    insert(studies).values(
                        study_id=self._study_id,
                        space=json.dumps(record.space),
                        space_hash=record.space_hash,
                        config=json.dumps(record.config),
                        dataset=record.dataset,
                        provenance=json.dumps(record.provenance),
                        created=self.clock(),
                        objective=record.objective,
                    )
                )
                return
        record_from(found).refuse_another(record, self.name)

    def _trial_id(self, number: int) -> int:
        return int(self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number))


def _spelled(setting: object) -> str:
    """Equal for equal settings."""
    return json.dumps(setting, sort_keys=True)


def _told(source: FrozenTrial) -> dict[str, Any]:
    """The user attributes of a trial that is told what became of ``source``."""
    told = {name: source.user_attrs[name] for name in _ENDING if name in source.user_attrs}
    return {**told, "policy": "reused", "source": source.number}
