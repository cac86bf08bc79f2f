"""The one writer of a study: Optuna's trials and our tables, kept consistent.

Optuna's tables hold the state and value of every trial, so that Optuna's tools read the study; ours
hold architectures with their cost, attempts, and whole learning curves. What belongs together is
one transaction: a trial with its network and first attempt, an epoch, the end of an attempt and of
its trial, with the epoch that it comes with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Engine, Table, insert
from sqlalchemy.exc import OperationalError

from nas.architecture import Architecture
from nas.cost import Cost
from nas.faults import crash_point
from nas.study.attempts import MEASURED, Attempts
from nas.study.curves import Curves
from nas.study.database import engines
from nas.study.database.clock import DatabaseClock
from nas.study.database.outages import UnavailableError
from nas.study.database.storage import open_storage
from nas.study.database.tables import studies
from nas.study.database.upgrade import create_tables
from nas.study.endings import Endings
from nas.study.lineage import Inherits
from nas.study.networks import add_architecture, attributes_of, drop_orphans
from nas.study.outbox import Outbox
from nas.study.record import StudyRecord, record_from, record_of, refuse_foreign
from nas.study.states import INHERITS
from nas.study.trials import Trials, describe

ENQUEUED = "enqueued"  # user attribute: its place among those that the search began with
_ENDING = ("reason", "cause")  # user attributes of a trial that FAILed
# User attribute of a trial: where and how its latency and memory were measured. In a result, JSON.
MEASURED_ON = "measured_on"
# User attribute of a trial, with . and the number of an attempt: its worker's software, where that
# is not what the study began with. In a result, JSON.
SOFTWARE = "software"
WEIGHTS = "weights"  # user attribute: SHA-256 of the checkpoint that a trial's last epoch left
CLAIM_SECONDS = 5  # a driver has trials to look after while it waits for its turn


class StudyStore:
    """Reads and writes one study for the driver called ``owner``."""

    def __init__(
        self,
        url: str,
        name: str,
        record: StudyRecord,
        *,
        owner: str,
        clock: Callable[[], datetime] | None = None,
        outbox: Path | None = None,
    ) -> None:
        """Create the study, or continue the one of that name; the ``clock`` is the database's.

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
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with engines.translate_errors(url):
            try:
                self._open(url, record, clock)
            except (OperationalError, UnavailableError):  # a connection that was dropped
                self._open(url, record, clock)
        self.attempts = Attempts(self.engine, self._study_id, owner, self.clock, self.measure)
        self.curves = Curves(self.attempts, self.minimize)
        self._endings = Endings(self._trials, self.attempts, self.minimize)
        self._operations: dict[str, Callable[..., None]] = {
            "record_epoch": self._record_epoch,
            "record_checkpoint": self._record_checkpoint,
            "record_weights": self._record_weights,
            "end_attempt": self._end_attempt,
        }
        self.outbox = Outbox(outbox, self._operations) if outbox else None
        self.flush()

    @property
    def engine(self) -> Engine:
        """The engine that Optuna and our tables share."""
        engine: Engine = self._storage.engine
        return engine

    @property
    def optuna_tables(self) -> Mapping[str, Table]:
        """Optuna's tables of trials, by name."""
        return self._trials.tables

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
        with engines.locked(self.engine, CLAIM_SECONDS):
            yield

    def trials(self) -> Sequence[FrozenTrial]:
        """All trials of the study in order of their numbers; not to be changed.

        Of those that run, the intermediate values may be missing.
        """
        return self._trials.read()

    @property
    def known(self) -> Sequence[FrozenTrial]:
        """What the last ``trials`` gave, or ``repair`` saw; no query."""
        return self._trials.known

    def unfinished(self) -> list[FrozenTrial]:
        """Those of ``known`` that had not ended, by number."""
        return self._trials.unfinished()

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
        begins: bool = False,
        inherits: Inherits | None = None,
        system_attrs: Mapping[str, Any] | None = None,
    ) -> int:
        """Write a whole trial at once and return its number.

        It is RUNNING, where it ``begins`` with its first attempt, ours; or WAITING, if it
        ``waits``; or, with ``source``, it ended as that trial did.
        """
        attributes = attributes_of(architecture, cost, policy)
        if inherits is not None:
            attributes[INHERITS] = inherits.to_dict()
        begun = TrialState.WAITING if waits else TrialState.RUNNING
        with self.engine.begin() as connection:
            add_architecture(connection, self._study_id, architecture, cost)
            number, identifier = self._trials.add(
                connection,
                source.state if source else begun,
                params=params,
                distributions=distributions,
                user_attrs=attributes | (_told(source) if source else {}),
                system_attrs=system_attrs,
                values=source.values if source else None,
                curve=source.intermediate_values if source else None,
            )
            crash_point("trial.half")
            if begins:
                self.attempts.start(number, connection, first=True)
        crash_point("trial.written")
        self._trials.remember(number, identifier)
        return number

    def enqueue(self, settings: Sequence[Mapping[str, Any]]) -> int:
        """Put settings, or parts of some, in front of what a sampler proposes, in this order; how
        many were put there.

        One that is there from an earlier call is not put there again; the caller is ``claiming``.
        """
        ours = [trial for trial in self.trials() if ENQUEUED in trial.user_attrs]
        there = {_spelled(trial.system_attrs.get("fixed_params")) for trial in ours}
        before = len(there)
        with self.engine.begin() as connection:
            for setting in settings:
                if _spelled(setting) not in there:
                    self._trials.add(
                        connection,
                        TrialState.WAITING,
                        user_attrs={ENQUEUED: len(there)},
                        system_attrs={"fixed_params": dict(setting)},  # as Optuna's enqueue_trial
                    )
                    there.add(_spelled(setting))
        return len(there) - before

    def tell_trial(self, number: int, source: FrozenTrial) -> None:
        """End a WAITING trial of which nothing was trained as ``source`` did, an equal one.

        Raises:
            UpdateFinishedTrialError: it has ended.
        """
        with self.engine.begin() as connection:
            self._trials.set_state(connection, number, source.state, source.values)
            self._trials.set_attributes(connection, number, _told(source))
            self._trials.set_curve(connection, number, source.intermediate_values)

    def adopt_trial(
        self,
        number: int,
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        architecture: Architecture,
        cost: Cost,
    ) -> None:
        """Give a trial that was enqueued without our knowledge what ``add_trial`` gives.

        Raises:
            UpdateFinishedTrialError: it has ended.
        """
        with self.engine.begin() as connection:
            add_architecture(connection, self._study_id, architecture, cost)
            self._trials.set_params(connection, number, params, distributions)
            attributes = attributes_of(architecture, cost, "enqueued")
            self._trials.set_attributes(connection, number, attributes)

    def add_empty_trial(self) -> int:
        """Write a RUNNING trial of which nothing is known, and return its number."""
        with self.engine.begin() as connection:
            return self._trials.add(connection, TrialState.RUNNING)[0]

    def refuse_trial(self, number: int, reason: str, policy: str | None = None) -> None:
        """FAIL a trial of which no attempt can be begun; ``policy`` is told where it has none.

        Raises:
            UpdateFinishedTrialError: it has ended.
        """
        told = {"reason": reason.splitlines()[0]}
        if policy is not None:
            told["policy"] = policy
        last = self.attempts.last(number)
        with self.engine.begin() as connection:
            self._trials.set_state(connection, number, TrialState.FAIL)
            self._trials.set_attributes(connection, number, told)
            if last is not None:  # it waited to be carried on
                curve = self.attempts.curve(number, last.attempt, connection)
                self._trials.set_curve(connection, number, curve)

    def resume_trial(
        self, number: int, remark: str | None = None, inherits: Inherits | None = None
    ) -> int | None:
        """Make a WAITING trial RUNNING with a new attempt, ours, and return that; None where
        another driver was faster. ``remark``: see ``Attempts.start``; ``inherits`` is what the
        trial begins with from now on."""
        with self.engine.begin() as connection:
            if not self._trials.begin(connection, number):
                return None
            crash_point("resume.half")
            if inherits is not None:
                self._trials.set_attributes(connection, number, {INHERITS: inherits.to_dict()})
            else:
                self._trials.drop_attribute(connection, number, INHERITS)
            attempt = self.attempts.start(number, connection, remark)
        crash_point("resume.written")
        return attempt

    def record_epoch(
        self, number: int, attempt: int, result: Mapping[str, Any], ending: str | None = None
    ) -> None:
        """Write one epoch's result in our tables, and as Optuna's intermediate value.

        ``ending``, of an attempt's last epoch, is what the attempt ends as with it: a key of
        ``ENDED``, as in ``end_attempt``.

        Raises:
            LostAttemptError: the attempt is no longer ours.
        """
        measured = {
            name: result[name] for name in (*MEASURED, MEASURED_ON, SOFTWARE) if name in result
        }
        self._write("record_epoch", number, attempt, result=measured, ending=ending)

    def record_checkpoint(self, number: int, attempt: int, path: str) -> None:
        """Note where the attempt can be carried on from.

        Raises:
            LostAttemptError: the attempt is no longer ours.
        """
        self._write("record_checkpoint", number, attempt, path=path)

    def record_weights(self, number: int, attempt: int, path: str, digest: str) -> None:
        """Note where the weights are that an attempt led to, which came to its end.

        Raises:
            LostAttemptError: the attempt was not ours.
        """
        self._write("record_weights", number, attempt, path=path, digest=digest)

    def weights(self, numbers: Collection[int]) -> dict[int, tuple[str, str]]:
        """By trial, the checkpoint with the weights that it led to, and the SHA-256 of its file; of
        those of ``numbers`` that have one."""
        with self.engine.connect() as connection:
            digests = self._trials.attributes(connection, numbers, WEIGHTS)
        latest = self.attempts.latest(digests) if digests else {}
        return {n: (row.checkpoint, digests[n]) for n, row in latest.items() if row.checkpoint}

    def end_attempt(
        self,
        number: int,
        attempt: int,
        state: str,
        reason: str | None = None,
    ) -> None:
        """End the attempt and its trial; ``state`` is a key of ``ENDED``.

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
        return self._endings.repair(epochs_in_full, live)

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
        self,
        owner: str,
        number: int,
        attempt: int,
        result: Mapping[str, Any],
        ending: str | None = None,  # an older nas kept entries without it
    ) -> None:
        attempts = self._attempts_of(owner)
        with self.engine.begin() as connection:
            if attempts.record_epoch(number, attempt, result, connection):  # else it is there
                crash_point("epoch.half")
                self._tell_epoch(connection, number, attempt, result)
            if ending is not None:
                self._end(connection, attempts, number, attempt, ending)
        crash_point("epoch.written")
        if ending is not None:
            crash_point("end.written")

    def _record_checkpoint(self, owner: str, number: int, attempt: int, path: str) -> None:
        self._attempts_of(owner).record_checkpoint(number, attempt, path)

    def _record_weights(
        self, owner: str, number: int, attempt: int, path: str, digest: str
    ) -> None:
        with self.engine.begin() as connection:
            self._attempts_of(owner).record_weights(connection, number, attempt, path)
            self._trials.set_attributes(connection, number, {WEIGHTS: digest})

    def _end_attempt(
        self, owner: str, number: int, attempt: int, state: str, reason: str | None
    ) -> None:
        with self.engine.begin() as connection:
            self._end(connection, self._attempts_of(owner), number, attempt, state, reason)
        crash_point("end.written")

    # -- parts ------------------------------------------------------------------------------

    def _tell_epoch(
        self, connection: Connection, number: int, attempt: int, result: Mapping[str, Any]
    ) -> None:
        """Write what Optuna's tables have of an epoch."""
        self._trials.set_step(connection, number, result["epoch"], self.measure.of(result))
        if result["epoch"] == 1 and MEASURED_ON in result:
            where = {MEASURED_ON: json.loads(result[MEASURED_ON])}
            self._trials.set_attributes(connection, number, where)
        software = json.loads(result.get(SOFTWARE, "null"))
        if software not in (None, self._software):
            told = {f"{SOFTWARE}.{attempt}": software}
            self._trials.set_attributes(connection, number, told)

    def _end(
        self,
        connection: Connection,
        attempts: Attempts,
        number: int,
        attempt: int,
        state: str,
        reason: str | None = None,
    ) -> None:
        if attempts.end(number, attempt, state, reason, connection):
            crash_point("end.half")
            self._endings.of_trial(connection, number, attempt, state, reason)

    def _attempts_of(self, owner: str) -> Attempts:
        return replace(self.attempts, owner=owner, alive=owner == self.attempts.owner)

    def _open(self, url: str, record: StudyRecord, clock: Callable[[], datetime] | None) -> None:
        self._storage = open_storage(url)
        self.clock = clock or DatabaseClock(self.engine)
        with engines.locked(self.engine):
            create_tables(self.engine, url)
            optuna.create_study(
                storage=self._storage,
                study_name=self.name,
                directions=record.directions,
                load_if_exists=True,
            )
            self._study_id = self._storage.get_study_id_from_name(self.name)
            self._trials = Trials(self.engine, self._study_id)
            self._create_or_compare(record)
            drop_orphans(self.engine, self._study_id)

    def _create_or_compare(self, record: StudyRecord) -> None:
        with self.engine.begin() as connection:
            found = connection.execute(record_of(self._study_id)).first()
            stored = record if found is None else record_from(found)
            self._software = stored.provenance.get(SOFTWARE)
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
                describe(connection, self._study_id, record)
                return
        stored.refuse_another(record, self.name)


def _spelled(setting: object) -> str:
    """Equal for equal settings."""
    return json.dumps(setting, sort_keys=True)


def _told(source: FrozenTrial) -> dict[str, Any]:
    """The user attributes of a trial that is told what became of ``source``."""
    told = {name: source.user_attrs[name] for name in _ENDING if name in source.user_attrs}
    return {**told, "policy": "reused", "source": source.number}
