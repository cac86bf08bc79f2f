"""A search as a function: from its options to its study."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nas.errors import SearchFailedError, StorageError
from nas.search.checkpoints import Checkpoints
from nas.search.job import Watcher
from nas.search.joining import machine
from nas.search.machine import Machine
from nas.search.nodes import Nodes
from nas.search.plan import Plan, prepare, run_name
from nas.search.searcher import Searcher
from nas.search.signals import ASKED, EXIT_CODES, STOPPED, TIME_OVER, stop_on_signal
from nas.search.stores import store_of
from nas.study.database.engines import shown
from nas.study.requests import Requests, extend
from nas.study.storage_url import storage_url
from nas.study.store import StudyStore

if TYPE_CHECKING:
    from nas.space import SearchSpace
    from nas.study.reader import Study

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a search ended."""

    plan: Plan
    reason: str | None
    """Why it was stopped before its end: the time budget, a signal, ``nas stop``, or failures in a
    row."""
    exhausted: str | None
    """In one clause, that every network of the space has been tried, if that is so."""
    seconds: float
    avoided: Mapping[str, str] = field(default_factory=dict)
    """Machines that got no more trials, and why."""

    @property
    def unwritten(self) -> bool:
        """Whether the database was away at the end, so that results wait in the outbox."""
        return self.plan.outbox.exists()

    @property
    def exit_code(self) -> int | None:
        """Of a command, where a signal or ``nas stop`` ended the search."""
        return STOPPED.get(self.reason or "")

    @property
    def signal(self) -> str | None:
        """SIGINT or SIGTERM, where that stopped the search."""
        return self.reason if self.reason in EXIT_CODES else None


def run_search(
    space: str | SearchSpace | None = None,
    *,
    trials: int | str | None = None,
    objective: Any = None,
    storage: str | None = None,
    study: str | None = None,
    watcher: Watcher | None = None,
    **options: Any,
) -> Study:
    """Search a design space for its best network; the same call again carries the study on.

    Prints nothing. Ctrl-C, or ``nas stop`` from elsewhere, ends the search in order, everything
    safely stored, and then raises ``KeyboardInterrupt``. Ray, once started, is kept for the next
    call of the process.

    Args:
        space: the name of a bundled space, the path of a YAML file, or a ``SearchSpace``; by
            default that of the study where there is one, else ``resnext``.
        trials: how many the whole study has, those of earlier calls included; or ``"+50"``, so many
            more than it was asked for, also for the drivers that run; by default what suits the
            machine.
        objective: what a trial trains: ``fashion_mnist`` (the default), ``synthetic``,
            ``package.module:name``, or a function, generator function or class of your own
            (docs/objectives.md).
        storage: URL of the study database; by default ``NAS_STORAGE``, else
            ``sqlite:///nas.db``.
        study: its name; by default the space's.
        watcher: told of all that happens, as it happens.
        options: any other option of ``nas search``, with _ for -: ``epochs``, ``sampler``,
            ``max_macs="20M"``, ``time_budget="10m"``, ``training={"peak_lr": 0.2}``, …

    Raises:
        NasError: an option cannot be carried out; nothing was begun.
        SearchFailedError: so many trials in a row failed that it makes no sense to go on.
        StorageError: the database was away at the end. The same call writes what it lacks.

    >>> study = run_search("resnext", trials=4, epochs=2, objective="synthetic",
    ...                    storage=f"sqlite:///{folder}/nas.db", runs=f"{folder}/runs")
    >>> study.trials
    4
    """
    named = {"space": space, "trials": trials, "objective": objective, "study": study}
    given = {name: value for name, value in {**named, **options}.items() if value is not None}
    given["storage"] = storage_url(storage)
    begun = time.monotonic()
    with machine(given, keep=True) as found:
        outcome = carry_out(prepared(given, found), watcher or Watcher(), begun)
    return study_of(outcome)


def study_of(outcome: Outcome) -> Study:
    """The study of a search that came to an end, or to that of its time.

    Raises:
        SearchFailedError, StorageError, KeyboardInterrupt: as ``run_search``.
    """
    plan, reason = outcome.plan, outcome.reason
    if outcome.signal:
        signal.raise_signal(getattr(signal, outcome.signal))  # its former handler decides
    if reason == ASKED:
        raise KeyboardInterrupt(f"the search of {plan.config.study} was stopped by {ASKED}")
    if outcome.unwritten:
        raise StorageError(
            f"the study database {shown(plan.config.storage)} cannot be reached or written; what "
            f"it does not have yet is in {plan.outbox}, and the same call again writes it"
        )
    if reason not in (None, TIME_OVER, outcome.signal):
        raise SearchFailedError(str(reason))
    from nas.study.reader import open_study  # pandas: half a second that an error need not wait

    return open_study(plan.config.storage, plan.config.study)


def prepared(given: Mapping[str, Any], found: Machine) -> Plan:
    """``prepare``; on several nodes, also what they must have in common (``doctor.preflight``).

    Raises:
        NasError: the search cannot be carried out.
    """
    plan = prepare(given, found)
    if found.is_cluster and plan.table is None:
        from nas.search.doctor import preflight

        preflight(plan)
    return plan


def carry_out(plan: Plan, watcher: Watcher, begun: float, *, keep: bool = True) -> Outcome:
    """Run what is left of a study; Ray starts only if something is.

    Args:
        plan: what was prepared.
        watcher: is told of all that happens.
        begun: the time of ``time.monotonic`` that the time budget counts from.
        keep: whether Ray, if it is started here, stays up for the next search of the process.
    """
    config = plan.config
    with logged(plan):
        for note in plan.notes:
            log.warning(note)
        log.info("study %s in %s: %s", config.study, shown(config.storage), config.to_dict())
        nodes = Nodes(watcher)
        reason, exhausted = _run(plan, watcher, nodes, plan.deadline(begun), keep)
        seconds = time.monotonic() - begun
        log.info("ended after %.1f s: %s", seconds, reason or exhausted or "all trials ended")
    return Outcome(plan, reason, exhausted, seconds, nodes.reasons)


def _run(
    plan: Plan, watcher: Watcher, nodes: Nodes, deadline: float | None, keep: bool
) -> tuple[str | None, str | None]:
    """Why it was stopped before its end, if it was; and that every network was tried, if so."""
    config = plan.config
    owner = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"

    @contextmanager
    def searcher() -> Iterator[Searcher]:
        store = StudyStore(
            config.storage, config.study, plan.record, owner=owner, outbox=plan.outbox
        )
        with closing(store):
            current = Searcher(store, plan.space, config, watcher, plan.proposed)
            current.start(plan.results, plan.enqueued)
            yield current

    requests = Requests()
    if plan.continued:
        with searcher() as earlier:
            requests.look(earlier.store.attempts)  # what was asked before is not asked of this call
            if plan.more:
                extend(earlier.store.engine, earlier.store.attempts.study_id, plan.more)
            if earlier.finished:
                store = store_of(config.runs, run_name(config))
                minimizes = plan.objective.measure.minimizes
                left = Checkpoints(store, config.keep, minimizes=minimizes)
                left.clear(earlier.store.known)  # by a driver that was killed at the end
                return None, earlier.exhausted
    if plan.table:
        from nas.search import virtual

        with searcher() as current, stop_on_signal() as signalled:
            requested = _following(requests, current)
            reason = virtual.run(current, lambda: signalled() or requested(), plan.table)
            return reason, None if reason else current.exhausted
    watcher.starting()
    from nas.search.cluster import cluster
    from nas.search.driver import run

    # Ray takes SIGTERM for itself when it starts, so our handlers come after it
    joined = cluster(config.address, insecure=config.insecure, keep=keep)
    with joined, searcher() as current, stop_on_signal() as signalled:
        requested = _following(requests, current)

        def stopped() -> str | None:
            over = deadline is not None and time.monotonic() > deadline
            return signalled() or requested() or (TIME_OVER if over else None)

        at_once = None if plan.elastic else config.concurrency
        reason = run(current, stopped, run_name(config), plan.objective, nodes, at_once)
        return reason, None if reason else current.exhausted


def _following(requests: Requests, searcher: Searcher) -> Callable[[], str | None]:
    """What carries out what is asked for from elsewhere; it returns ASKED where that is to stop."""
    attempts = searcher.store.attempts
    requests.look(attempts)

    def look() -> str | None:
        requests.look(attempts)
        searcher.extend(requests.trials)
        return ASKED if requests.stopped else None

    return look


@contextmanager
def logged(plan: Plan) -> Iterator[None]:
    """Write what nas logs meanwhile into the search's log file."""
    plan.log.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(plan.log, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logger = logging.getLogger("nas")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()
