"""The one writer of a study: Optuna's trials and our tables, kept consistent.

Optuna's tables hold the state and value of every trial, so that Optuna's tools read the study; ours
hold what Optuna has no place for: architectures with their cost, attempts, whole learning curves.
Writes go in an order of which every prefix can be repaired: an attempt ends before its trial does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Engine, func, insert, select, text, update

from nas.architecture import Architecture
from nas.cost import Cost
from nas.errors import StorageError
from nas.study import database
from nas.study.tables import architectures, attempts, epochs, studies

LEASE = timedelta(seconds=30)
# A study's values are comparable only among equals in these parts of the config.
FIXED = (
    "objective",
    "epochs",
    "train_images",
    "training",
    "scheduler",
    "grace",
    "reduction",
    "seed",
)

ENDED = {  # how an attempt ends, and what that makes of its trial
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "interrupted": TrialState.WAITING,  # until a driver carries it on
}


class LostTrialError(StorageError):
    """The attempt was ended by another driver, after its lease had expired."""


@dataclass(frozen=True)
class StudyRecord:
    """What a study is: plain data, as stored in ``nas_studies``."""

    space: Mapping[str, Any]
    space_hash: str
    config: Mapping[str, Any]
    dataset: str
    provenance: Mapping[str, Any]

    def differences(self, other: StudyRecord) -> list[str]:
        """What makes results of ``other`` not comparable with ours, one phrase each."""
        found = []
        if self.space_hash != other.space_hash:
            found += list(_differences("space", self.space, other.space))
        for key in FIXED:
            found += list(_differences(key, self.config.get(key), other.config.get(key)))
        if self.dataset != other.dataset:
            found.append(f"dataset is {self.dataset[:12]}, not {other.dataset[:12]}")
        return found


def read_record(url: str, name: str) -> StudyRecord | None:
    """The study as stored, or None where the database or the study is not there yet.

    Raises:
        StorageError: the URL or the database cannot be used.
    """
    path = database.sqlite_path(database.check_url(url))
    if path is not None and not path.exists():
        return None
    engine = database.engine_for(url, read_only=True)
    with database.explained(url):
        if not database.has_studies(engine):
            return None
        with engine.connect() as connection:
            study_id = connection.scalar(
                text("SELECT study_id FROM studies WHERE study_name = :name"), {"name": name}
            )
            found = connection.execute(_record_of(study_id)).first()
    engine.dispose()
    return _record(found) if found else None


class StudyStore:
    """Reads and writes one study. Every method is one transaction on our tables.

    ``owner`` names the driver in ``nas_attempts``; ``clock`` returns the time in UTC.
    """

    def __init__(
        self,
        url: str,
        name: str,
        record: StudyRecord,
        *,
        owner: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC).replace(tzinfo=None),
    ) -> None:
        """Create the study, or continue the one of that name.

        Raises:
            StorageError: the database cannot be used, or the study of that name is another one;
                the message says what differs.
        """
        self.name = name
        self.owner = owner
        self.clock = clock
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with database.explained(url):
            self._storage = _open_storage(url)
            with database.locked(self.engine):
                database.migrate(self.engine)
                self.study = optuna.create_study(
                    storage=self._storage,
                    study_name=name,
                    direction="maximize",
                    load_if_exists=True,
                )
                self.study_id = self._storage.get_study_id_from_name(name)
                self._create_or_compare(record)

    @property
    def engine(self) -> Engine:
        """The engine that Optuna and our tables share."""
        engine: Engine = self._storage.engine
        return engine

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """Only one driver at a time decides which trial comes next."""
        with database.locked(self.engine):
            yield

    # -- trials -----------------------------------------------------------------------------

    def trials(self) -> list[FrozenTrial]:
        """All trials of the study in order of their numbers; not to be changed."""
        return self.study.get_trials(deepcopy=False)

    def add_trial(
        self,
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        architecture: Architecture,
        cost: Cost,
        *,
        policy: str,
        source: FrozenTrial | None = None,
        system_attrs: Mapping[str, Any] | None = None,
    ) -> int:
        """Write a whole trial at once and return its number.

        It is RUNNING, or, with ``source``, COMPLETE with the result of that trial.
        """
        attributes: dict[str, Any] = {"key": architecture.key, "policy": policy}
        self._add_architecture(architecture, cost)
        if source is not None:
            attributes["source"] = source.number
        template = create_trial(
            state=TrialState.COMPLETE if source else TrialState.RUNNING,
            value=source.value if source else None,
            intermediate_values=dict(source.intermediate_values) if source else None,
            params=dict(params),
            distributions=dict(distributions),
            user_attrs=attributes,
            system_attrs=dict(system_attrs or {}),
        )
        trial_id = self._storage.create_new_trial(self.study_id, template_trial=template)
        return int(self._storage.get_trial_number_from_id(trial_id))

    def resume_trial(self, number: int) -> bool:
        """Make a WAITING trial RUNNING; False where another driver was faster."""
        return bool(
            self._storage.set_trial_state_values(self._trial_id(number), TrialState.RUNNING)
        )

    # -- attempts ---------------------------------------------------------------------------

    def start_attempt(self, number: int) -> int:
        """A new attempt of the trial, leased to this driver; attempts count from 1."""
        now = self.clock()
        with self.engine.begin() as connection:
            last = connection.scalar(
                select(func.max(attempts.c.attempt)).where(*self._of(attempts, number))
            )
            attempt = (last or 0) + 1
            connection.execute(
                insert(attempts).values(
                    study_id=self.study_id,
                    trial=number,
                    attempt=attempt,
                    owner=self.owner,
                    lease=now + LEASE,
                    state="running",
                    started=now,
                )
            )
        return attempt

    def record_epoch(self, number: int, attempt: int, result: Mapping[str, Any]) -> None:
        """Write one epoch's result, and where it was measured.

        Raises:
            LostTrialError: the attempt is no longer ours.
        """
        columns = {c.name for c in epochs.columns} - {"study_id", "trial", "attempt"}
        where = {k: result[k] for k in ("host", "device", "numerics") if k in result}
        with self.engine.begin() as connection:
            self._update_attempt(connection, number, attempt, lease=self.clock() + LEASE, **where)
            connection.execute(
                insert(epochs).values(
                    study_id=self.study_id,
                    trial=number,
                    attempt=attempt,
                    **{k: result[k] for k in columns},
                )
            )
        self._storage.set_trial_intermediate_value(
            self._trial_id(number), result["epoch"], result["val_accuracy"]
        )

    def record_checkpoint(self, number: int, attempt: int, path: str) -> None:
        """Where the attempt can be carried on from."""
        with self.engine.begin() as connection:
            self._update_attempt(connection, number, attempt, checkpoint=path)

    def end_attempt(self, number: int, attempt: int, state: str, reason: str | None = None) -> None:
        """End the attempt, then its trial; ``state`` is a key of ``ENDED``.

        A trial that completed or was pruned takes the validation accuracy of its last epoch.
        """
        with self.engine.begin() as connection:
            self._update_attempt(
                connection, number, attempt, state=state, reason=reason, ended=self.clock()
            )
        self._end_trial(number, attempt, state, reason)

    def renew_leases(self) -> None:
        """Tell the other drivers that this one is alive."""
        with self.engine.begin() as connection:
            connection.execute(
                update(attempts)
                .where(
                    attempts.c.study_id == self.study_id,
                    attempts.c.owner == self.owner,
                    attempts.c.state == "running",
                )
                .values(lease=self.clock() + LEASE)
            )

    def curve(self, number: int, attempt: int | None = None) -> dict[int, float]:
        """Validation accuracy by epoch of an attempt, of the last one by default."""
        query = (
            select(epochs.c.attempt, epochs.c.epoch, epochs.c.val_accuracy)
            .where(*self._of(epochs, number))
            .order_by(epochs.c.attempt, epochs.c.epoch)
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        wanted = attempt or max((row.attempt for row in rows), default=0)
        return {row.epoch: row.val_accuracy for row in rows if row.attempt == wanted}

    def rung(self, epoch: int) -> dict[int, float]:
        """Validation accuracy at ``epoch`` of every trial that reached it."""
        query = (
            select(epochs.c.trial, epochs.c.val_accuracy)
            .where(epochs.c.study_id == self.study_id, epochs.c.epoch == epoch)
            .order_by(epochs.c.attempt)
        )
        with self.engine.connect() as connection:
            return {row.trial: row.val_accuracy for row in connection.execute(query)}

    # -- parts ------------------------------------------------------------------------------

    def _create_or_compare(self, record: StudyRecord) -> None:
        with self.engine.begin() as connection:
            found = connection.execute(_record_of(self.study_id)).first()
            if found is None:
                connection.execute(
                    insert(studies).values(
                        study_id=self.study_id,
                        space=json.dumps(record.space),
                        space_hash=record.space_hash,
                        config=json.dumps(record.config),
                        dataset=record.dataset,
                        provenance=json.dumps(record.provenance),
                        created=self.clock(),
                    )
                )
                return
        differences = _record(found).differences(record)
        if differences:
            raise StorageError(
                f"study {self.name!r} exists and is another one: {'; '.join(differences[:3])}; "
                "choose another --study, or leave these options out"
            )

    def _add_architecture(self, architecture: Architecture, cost: Cost) -> None:
        key = architecture.key
        with self.engine.begin() as connection:
            known = connection.scalar(
                select(architectures.c.key).where(
                    architectures.c.study_id == self.study_id, architectures.c.key == key
                )
            )
            if known is None:
                connection.execute(
                    insert(architectures).values(
                        study_id=self.study_id,
                        key=key,
                        description=json.dumps(architecture.to_dict()),
                        params=cost.params,
                        macs=cost.macs,
                        activations=cost.activations,
                        depth=architecture.depth,
                    )
                )

    def _end_trial(self, number: int, attempt: int, state: str, reason: str | None) -> None:
        trial_id = self._trial_id(number)
        if reason:
            self._storage.set_trial_user_attr(trial_id, "reason", reason)
        curve = self.curve(number, attempt)
        valued = state in ("complete", "pruned")
        self._storage.set_trial_state_values(
            trial_id, ENDED[state], values=[curve[max(curve)]] if valued else None
        )

    def _update_attempt(self, connection: Any, number: int, attempt: int, **values: Any) -> None:
        changed = connection.execute(
            update(attempts)
            .where(
                *self._of(attempts, number),
                attempts.c.attempt == attempt,
                attempts.c.owner == self.owner,
                attempts.c.state == "running",
            )
            .values(**values)
        )
        if changed.rowcount != 1:
            raise LostTrialError(f"attempt {attempt} of trial {number} belongs to another driver")

    def _of(self, table: Any, number: int) -> tuple[Any, Any]:
        return table.c.study_id == self.study_id, table.c.trial == number

    def _trial_id(self, number: int) -> int:
        return int(self._storage.get_trial_id_from_study_id_trial_number(self.study_id, number))


def _open_storage(url: str) -> RDBStorage:
    """Optuna's storage, its tables created, on connections configured like ours."""
    engine = database.engine_for(url)
    kwargs = (
        {"connect_args": {"timeout": database.BUSY_SECONDS}}
        if engine.dialect.name == "sqlite"
        else {"pool_pre_ping": True}
    )
    plain = engine.url.render_as_string(hide_password=False)
    with database.locked(engine):
        # Optuna passes the URL through str.format
        storage = RDBStorage(plain.replace("{", "{{").replace("}", "}}"), engine_kwargs=kwargs)
    engine.dispose()
    storage.engine.dispose()  # connections made before they are configured
    database.configure_writer(storage.engine)
    return storage


def _record_of(study_id: int) -> Any:
    return select(studies).where(studies.c.study_id == study_id)


def _record(row: Any) -> StudyRecord:
    return StudyRecord(
        space=json.loads(row.space),
        space_hash=row.space_hash,
        config=json.loads(row.config),
        dataset=row.dataset,
        provenance=json.loads(row.provenance),
    )


def _differences(path: str, ours: Any, theirs: Any) -> Iterator[str]:
    """Where two JSON values differ, as ``path is A, not B``."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in sorted(set(ours) | set(theirs)):
            yield from _differences(f"{path}.{key}", ours.get(key), theirs.get(key))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(f"{path}.{i}", a, b)
    elif ours != theirs:
        yield f"{path} is {json.dumps(ours)}, not {json.dumps(theirs)}"
