"""One search from its options to its summary."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from typing import Any

from nas.cli.advice import TIME_OVER, print_ending, print_header, print_outage
from nas.cli.screen import screen
from nas.cli.view import LinesView, LiveView, QuietView, View
from nas.search.machine import Machine, cluster_address
from nas.search.plan import Plan, prepare, run_name
from nas.search.searcher import Searcher
from nas.search.signals import EXIT_CODES, stop_on_signal
from nas.study.shell import DEFAULT_STORAGE
from nas.study.store import StudyStore


def search(given: Mapping[str, Any], *, quiet: bool = False, again: str | None = None) -> int:
    """Run a search, or carry one on; returns the exit code.

    With ``again``, the search is a part of something that this command carries on: its best trials
    are not printed, and advice on what to do next only where it was stopped.

    0: all trials ended, or the time budget; 1: not one trial was completed, or so many failed in a
    row that it makes no sense to go on; 130 and 143: stopped
    by SIGINT or SIGTERM, everything safely stored.
    """
    begun, given = time.monotonic(), {**given, "storage": storage_of(given)}
    with _machine() as machine:
        return _carry_out(prepare(given, machine), begun, quiet, again)


def check(given: Mapping[str, Any]) -> None:
    """Do nothing if ``search`` can begin.

    Raises:
        NasError: it cannot; the message is one line.
    """
    given = {**given, "storage": storage_of(given)}
    with _machine() as machine:
        prepare(given, machine)


def storage_of(given: Mapping[str, Any]) -> str:
    """The database that is meant."""
    return given.get("storage") or os.environ.get("NAS_STORAGE") or DEFAULT_STORAGE


@contextmanager
def _machine() -> Iterator[Machine]:
    """What the search runs on: the cluster at RAY_ADDRESS, or this machine."""
    if cluster_address():
        from nas.search.cluster import cluster

        with cluster() as machine:
            yield machine
    else:
        yield Machine.here()


def _carry_out(plan: Plan, begun: float, quiet: bool, again: str | None) -> int:
    config = plan.config
    deadline = begun + config.time_budget if config.time_budget else None
    with screen(plan.log) as console:
        view: View
        if quiet:
            view = QuietView(console, config, deadline)
        else:
            print_header(console, plan)
            kind = LiveView if console.is_terminal else LinesView
            view = kind(console, config, deadline)

        reason, exhausted = _run(plan, view)
        if plan.outbox.exists():
            print_outage(console, plan, again)
            return EXIT_CODES.get(reason or "", 1)
        from nas.cli.best import print_best
        from nas.study.reader import open_study  # pandas: half a second that an error need not wait

        study = open_study(config.storage, config.study)
        best = not study.best().empty if again else print_best(console, study)
        if again is None or reason in EXIT_CODES:
            seconds, trials = time.monotonic() - begun, study.trials
            print_ending(
                console,
                plan,
                reason,
                seconds,
                exhausted=exhausted,
                trials=trials,
                best=best,
                again=again,
            )
    if reason in EXIT_CODES:
        return EXIT_CODES[reason]
    return 0 if best and reason in (None, TIME_OVER) else 1


def _run(plan: Plan, view: View) -> tuple[str | None, str | None]:
    """Run what is left of the study; Ray starts only if something is.

    Why it was stopped before its end, if it was; and that every network was tried, if that is so.
    """
    config = plan.config
    owner = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"

    @contextmanager
    def searcher() -> Iterator[Searcher]:
        store = StudyStore(
            config.storage, config.study, plan.record, owner=owner, outbox=plan.outbox
        )
        with closing(store):
            yield Searcher(store, plan.space, config, view)

    if plan.continued:
        with searcher() as earlier:
            if earlier.finished:
                return None, earlier.exhausted
    view.line("Starting Ray …\n", "dim")
    from nas.search.cluster import cluster
    from nas.search.driver import run

    # Ray takes SIGTERM for itself when it starts, so our handlers come after it
    # a cluster has been joined already: what it has was needed to check the options
    ray = nullcontext() if cluster_address() else cluster()
    with ray, searcher() as current, stop_on_signal() as signalled, view:

        def stopped() -> str | None:
            over = view.deadline is not None and time.monotonic() > view.deadline
            return signalled() or (TIME_OVER if over else None)

        reason = run(current, stopped, run_name(config))
        return reason, None if reason else current.exhausted
