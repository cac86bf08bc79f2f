"""Whether a study can be trusted: every invariant of its rows, from the data alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from optuna.trial import TrialState

from nas.cost import cost
from nas.errors import DamagedError, NasError
from nas.metrics import METRICS, unusable
from nas.nested.order import contains
from nas.quantity import plural
from nas.study.added import is_added, read_added
from nas.study.attempts import LEASE, WHOLE
from nas.study.damage import read_time
from nas.study.database.clock import DatabaseClock
from nas.study.endings import ENDED
from nas.study.lineage import Inherits
from nas.study.networks import stored_architecture
from nas.study.policies import ADDED, FROM_SCRATCH, IMPORTED, POLICIES
from nas.study.reader import Study
from nas.study.record import spelled
from nas.study.rows import Row, Rows
from nas.study.store import WEIGHTS
from nas.training.config import TrainingConfig

FINISHED = ("COMPLETE", "PRUNED", "FAIL")


def violations(study: Study, now: Callable[[], datetime] | None = None) -> list[str]:
    """Every invariant that the study breaks, one line each; none is what a good study has.

    Leases are compared with the time of the database, or with ``now``.

    Raises:
        StorageError: the database cannot be read.
    """
    try:
        study.refuse_damage()
        now = now or DatabaseClock(study.engine)
        return list(_Check(Rows.read(study), study, now()).all())
    except DamagedError as error:  # of rows that cannot be read, nothing more can be said
        return error.problems


class _Check:
    def __init__(self, rows: Rows, study: Study, now: datetime) -> None:
        self.rows = rows
        self.study = study
        self.now = now
        self.full = int(study.record.config["epochs"])
        self.measure = study.record.measure
        self.minimize = study.record.minimize

    def all(self) -> Iterator[str]:
        if self.study.space.hash != self.study.record.space_hash:
            yield f"the space has the hash {self.study.space.hash[:12]}, not the one that is stored"
        yield from self.rows.strangers
        directions = self.study.record.directions
        if self.rows.directions != [*directions]:
            theirs, ours = spelled(self.rows.directions), spelled(directions)
            yield f"Optuna's direction of the study is {theirs}, not {ours}"
        yield from self.numbers()
        yield from self.orphans()
        yield from self.networks()
        for attempts in self.rows.attempts.values():
            for attempt in attempts:
                yield from self.curve(attempt)
        for trial in self.rows.trials:
            name = f"trial {trial['number']}"
            yield from (f"{name}: {problem}" for problem in self.trial(trial))

    def numbers(self) -> Iterator[str]:
        found = [trial["number"] for trial in self.rows.trials]
        if found != list(range(len(found))):
            yield f"trial numbers are not 0 to {len(found) - 1}, once each: {found}"

    def orphans(self) -> Iterator[str]:
        numbers = {trial["number"] for trial in self.rows.trials}
        for number in sorted(set(self.rows.attempts) - numbers):
            yield f"there are attempts of trial {number}, which is not there"
        attempts = {(a["trial"], a["attempt"]) for of in self.rows.attempts.values() for a in of}
        for number, attempt in sorted(set(self.rows.epochs) - attempts):
            yield f"there are epochs of trial {number}, attempt {attempt}, which is not there"
        for number in sorted(set(self.rows.evaluated) - numbers):
            yield f"there is an evaluation of trial {number}, which is not there"
        keys = {attributes.get("key") for attributes in self.rows.attributes.values()}
        for key in sorted(set(self.rows.architectures) - keys):
            yield f"architecture {key[:12]} belongs to no trial"
        for row in self.rows.latencies:
            name = f"the latency of architecture {row['key'][:12]}"
            if row["key"] not in self.rows.architectures:
                yield f"{name}, which is not there"
            if not 0 < row["milliseconds"] < math.inf:
                yield f"{name} is {row['milliseconds']} ms"

    def networks(self) -> Iterator[str]:
        for key, row in self.rows.architectures.items():
            name = f"architecture {key[:12]}"
            try:
                architecture = stored_architecture(row["description"])
            except NasError as error:
                yield f"{name}: its JSON is no architecture ({error})"
                continue
            if architecture.key != key:
                yield f"{name}: its JSON has the key {architecture.key[:12]}"
            try:
                shape = self.study.space.input_shape
                again = cost(architecture, shape, self.study.space.num_classes)
            except NasError as error:
                yield f"{name}: is no network of the space's images ({error})"
                continue
            for measure in ("params", "macs", "activations"):
                if row[measure] != getattr(again, measure):
                    yield f"{name}: {measure} is {row[measure]}, not {getattr(again, measure)}"
            if row["depth"] != architecture.depth:
                yield f"{name}: depth is {row['depth']}, not {architecture.depth}"

    def curve(self, attempt: Row) -> Iterator[str]:
        name = f"trial {attempt['trial']}, attempt {attempt['attempt']}"
        rows = self.rows.epochs.get((attempt["trial"], attempt["attempt"]), [])
        found = [row["epoch"] for row in rows]
        if found != list(range(1, len(found) + 1)):
            yield f"{name}: epochs are not 1 to {len(found)}: {found}"
        if len(found) > self.full:
            yield f"{name}: has {plural(len(found), 'epoch')}, more than the study's {self.full}"
        for row in rows:
            measured = {metric: row[metric] for metric in METRICS if row[metric] is not None}
            reason = unusable(
                {**measured, "epoch": row["epoch"], "metrics": row["metrics"]},
                self.measure,
                None,
                self.minimize,
            )
            if reason:
                yield f"{name}: epoch {row['epoch']}: {reason}"
        if attempt["state"] not in (*ENDED, "running"):
            yield f"{name}: unknown state {attempt['state']!r}"
        if (attempt["state"] == "running") != (attempt["ended"] is None):
            yield f"{name}: is {attempt['state']}, but its end is {attempt['ended']}"

    def trial(self, trial: Row) -> Iterator[str]:
        number, state = trial["number"], trial["state"]
        attributes = self.rows.attributes.get(number, {})
        attempts = self.rows.attempts.get(number, [])
        policy = attributes.get("policy")
        if is_added(state, policy, len(attempts)) and policy in (None, ADDED):
            yield from self.added(trial, policy)
            return
        enqueued = state in ("WAITING", "FAIL") and "key" not in attributes and not attempts
        if not enqueued:  # by an Optuna tool, and not yet run or refused
            yield from self.identity(trial, attributes)
        if [a["attempt"] for a in attempts] != list(range(1, len(attempts) + 1)):
            yield "its attempts are not numbered from 1 on"
        running = [a for a in attempts if a["state"] == "running"]
        if state == "RUNNING":
            if not running and self.is_between_writes(trial, attempts):
                return
            if len(running) != 1:
                yield f"is RUNNING with {len(running)} running attempts"
            elif running[0]["lease"] < self.now:
                yield f"is RUNNING, but its lease ended at {running[0]['lease']} UTC"
        elif running:
            yield f"is {state}, but attempt {running[0]['attempt']} is running"
        elif attempts and state not in self.endings(attempts[-1]["state"]):
            yield f"is {state}, but its last attempt is {attempts[-1]['state']}"
        if state == "FAIL" and not attributes.get("reason"):
            yield "FAILed without a reason"
        yield from self.value(trial, attributes)
        yield from self.lineage(trial, attributes)
        yield from self.shown(trial, attributes)

    def lineage(self, trial: Row, attributes: Mapping[str, Any]) -> Iterator[str]:
        """A trial that inherits began with a network that its own contains, and is no result from
        scratch."""
        number, state = trial["number"], trial["state"]
        try:
            inherits = Inherits.of(attributes)
        except DamagedError as error:
            yield str(error)
            return
        attempts = self.rows.attempts.get(number, [])
        ending = attempts[-1]["state"] if attempts else None
        if inherits is None:
            if ending == "inherited":
                yield "its last attempt is inherited, but it inherits from no trial"
            return
        parent = self.rows.attributes.get(inherits.trial, {})
        theirs = self.rows.attempts.get(inherits.trial, [])
        name = f"inherits from trial {inherits.trial}"
        if state == "COMPLETE" or attributes.get("policy") == FROM_SCRATCH:
            yield f"{name}, and counts as one from scratch"
        if state == "PRUNED" and ending != "inherited":
            yield f"{name}, and was stopped early"
        if not theirs or theirs[-1]["state"] not in WHOLE or inherits.trial == number:
            yield f"{name}, which did not come to an end of its own"
        if parent.get(WEIGHTS) != inherits.sha256:
            yield f"{name}, whose weights have another digest"
        if inherits.epochs >= self.full:
            yield f"{name} for {inherits.epochs} of {plural(self.full, 'epoch')}"
        if ending == "inherited" and len(self.last_epochs(number)) != inherits.epochs:
            trained = plural(len(self.last_epochs(number)), "epoch")
            yield f"{name} for {inherits.epochs}, and was trained for {trained}"
        if parent.get("key") != inherits.key:
            yield f"{name}, whose network is {str(parent.get('key'))[:12]}, not {inherits.key[:12]}"
            return
        rows = [self.rows.architectures.get(str(one)) for one in (attributes["key"], inherits.key)]
        try:
            larger, smaller = (stored_architecture(row["description"]) for row in rows if row)
        except (NasError, ValueError):  # said of the networks themselves
            return
        if not (found := contains(larger, smaller)):
            yield f"{name}, whose network its own does not contain: {found.reason}"

    def added(self, trial: Row, policy: str | None) -> Iterator[str]:
        """What another program added is a value of a network of the space; with a ``policy`` of
        ours it would be a result whose attempts were lost."""
        values = self.rows.values.get(trial["trial_id"], {})
        try:
            read_added(
                trial["state"],
                self.rows.settings.get(trial["number"], {}),
                [math.nan if value is None else value for _, value in sorted(values.items())],
                self.study.space,
                self.measure,
                self.minimize,
            )
        except NasError as error:
            yield f"was added by another program and is no result: {error}"
            return
        attributes = self.rows.attributes.get(trial["number"], {})
        if policy == ADDED:  # a driver has looked at it
            yield from self.identity(trial, attributes)
        yield from self.shown(trial, attributes)

    def is_between_writes(self, trial: Row, attempts: list[Row]) -> bool:
        """Whether a driver may be about to end a RUNNING trial, or to begin its next attempt."""
        ended = attempts[-1]["ended"] if attempts else None
        if ended is not None and ended > self.now - LEASE:
            return True
        claimed = _claimed(trial)
        return (
            claimed is not None
            and abs(self.now - claimed) < LEASE
            and (not attempts or attempts[-1]["started"] < claimed)
        )

    def endings(self, attempt: str) -> tuple[str, ...]:
        """The states that a trial may have whose last attempt ended so."""
        state = ENDED.get(attempt, TrialState.RUNNING).name
        # one that waited is refused where its setting can no longer be begun
        return (state, "FAIL") if state == "WAITING" else (state,)

    def identity(self, trial: Row, attributes: Mapping[str, Any]) -> Iterator[str]:
        """The setting, the key and the stored network are the same thing, which can be trained."""
        number, key = trial["number"], attributes.get("key")
        if key not in self.rows.architectures:
            yield f"its key {str(key)[:12]} has no architecture"
        if attributes.get("policy") not in POLICIES:
            yield f"its policy is {attributes.get('policy')!r}"
        setting = self.rows.settings.get(number, {})
        try:
            found = self.study.space.architecture(setting).key
            searched = self.study.space.training(setting)
        except NasError as error:
            yield f"its setting is outside the space: {error}"
            return
        if found != key:
            yield f"its setting makes the network {found[:12]}, not {str(key)[:12]}"
        if trial["state"] == "FAIL":  # for that reason, it may be
            return
        try:
            TrainingConfig(**{**self.study.record.config.get("training", {}), **searched})
        except (NasError, TypeError) as error:
            yield f"it cannot be trained: {error}"

    def value(self, trial: Row, attributes: Mapping[str, Any]) -> Iterator[str]:
        """A value is that of the last epoch of one attempt, and Optuna has the same curve; further
        ones are the network's costs."""
        state, source = trial["state"], attributes.get("source")
        values = self.rows.values.get(trial["trial_id"], {})
        curve = self.last_curve(trial["number"] if source is None else source)
        if source is not None:
            theirs = self.rows.attributes.get(source, {}).get("key")
            if theirs != attributes.get("key"):
                yield f"has the result of trial {source}, which is another network"
        if (source is not None) != (attributes.get("policy") == "reused"):
            yield f"its policy is {attributes.get('policy')}, its source {source}"
        if (IMPORTED in attributes) != (attributes.get("policy") == IMPORTED):
            yield (
                f"its policy is {attributes.get('policy')}, and it was taken over from "
                f"{attributes.get(IMPORTED)}"
            )
        if state in FINISHED and self.rows.curves.get(trial["trial_id"], {}) != curve:
            yield "Optuna has another learning curve than its last attempt"
        if state not in ("COMPLETE", "PRUNED"):
            if values:
                yield f"is {state} and has a value"
        elif [*values] != [*range(1 + len(self.minimize))]:
            yield f"is {state} with {len(values)} values"
        elif not curve:
            yield f"is {state} without an epoch"
        else:
            last = curve[max(curve)]
            if values[0] != last:
                yield f"its value is {values[0]}, its last epoch's {last}"
            costs = self.costs(trial["number"] if source is None else source, attributes)
            for place, name in enumerate(self.minimize, 1):
                if values[place] != costs.get(name):
                    yield f"its {name} is {values[place]}, its network's {costs.get(name)}"
            if (len(curve) == self.full) != (state == "COMPLETE"):
                yield f"is {state} after {len(curve)} of {plural(self.full, 'epoch')}"

    def costs(self, number: int, attributes: Mapping[str, Any]) -> Row:
        """Of the network of a trial, and those that the first epoch of its last attempt has."""
        first: Row = next(iter(self.last_epochs(number)), {})
        known = self.rows.architectures.get(attributes.get("key", ""), {})
        return {**first.get("metrics", {}), **known}

    def last_curve(self, number: int) -> dict[int, float]:
        """What the study is judged by, by epoch of the last attempt of a trial."""
        return {
            row["epoch"]: row["metrics"].get(self.measure.metric, row.get(self.measure.metric))
            for row in self.last_epochs(number)
        }

    def last_epochs(self, number: int) -> list[Row]:
        """The epochs of the last attempt of a trial."""
        attempts = self.rows.attempts.get(number)
        return self.rows.epochs.get((number, attempts[-1]["attempt"]), []) if attempts else []

    def shown(self, trial: Row, attributes: Mapping[str, Any]) -> Iterator[str]:
        """The view says of a trial what the tables do."""
        if self.rows.view is None:
            return
        number = trial["number"]
        source = attributes.get("source")
        rows = self.last_epochs(number if source is None else source)
        last: Row = max(rows, key=lambda row: row["epoch"], default={})
        seconds = math.fsum(row["seconds"] for row in rows) if source is None else 0.0
        architecture = self.rows.architectures.get(attributes.get("key", ""), {})
        found = self.rows.view.get(number)
        if found is None:
            yield "the view nas_trials does not show it"
            return
        for name, value in {
            "state": trial["state"],
            "policy": attributes.get("policy"),
            "epochs": last.get("epoch"),
            "val_accuracy": last.get("val_accuracy"),
            "val_loss": last.get("val_loss"),
            "params": architecture.get("params"),
            "macs": architecture.get("macs"),
            "activations": architecture.get("activations"),
            "attempts": len(self.rows.attempts.get(number, [])),
            "reason": attributes.get("reason"),
            "key": attributes.get("key"),
            "metrics": last.get("stored"),
        }.items():
            if found[name] != value:
                yield f"the view nas_trials shows {name} {found[name]}, not {value}"
        if not math.isclose(found["seconds"], seconds):  # a database may add in another order
            yield f"the view nas_trials shows seconds {found['seconds']}, not {seconds}"


def _claimed(trial: Row) -> datetime | None:
    """When a RUNNING trial was claimed, UTC; Optuna writes the local time. None if unknown."""
    if trial["datetime_start"] is None:
        return None
    try:
        claimed = read_time(trial["datetime_start"], "its start")
        return claimed.astimezone(UTC).replace(tzinfo=None)
    except (DamagedError, OverflowError, ValueError):  # before year 1 or after 9999 in UTC
        return None
