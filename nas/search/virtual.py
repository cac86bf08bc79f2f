"""A search on a table in virtual time: the same searcher and database, without workers or waiting.

Each of the study's virtual workers takes as long for an epoch as the table says; the results come
in the order of these times. A study of a hundred trials takes seconds.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from itertools import count

from nas.search.job import Job
from nas.search.searcher import Searcher
from nas.search.signals import TIME_OVER
from nas.study.table import Table

POLL_SECONDS = 1.0  # real ones, between looks at trials that other drivers run


def run(searcher: Searcher, stopped: Callable[[], str | None], table: Table) -> str | None:
    """Run attempts until the study is finished, or until there is a reason to end.

    The time budget of the config counts virtual seconds. Returns the reason, if ``stopped`` gave
    one, so many trials in a row failed, or the budget is over; what ran then is marked interrupted.
    """
    try:
        return _Replay(searcher, table).run(stopped)
    finally:
        searcher.interrupt()


class _Replay:
    """The clock and the epochs under way."""

    def __init__(self, searcher: Searcher, table: Table) -> None:
        self._searcher = searcher
        self._table = table
        self._now = 0.0
        self._order = count()  # of epochs that end at the same time
        self._under_way: list[tuple[float, int, int, Job]] = []  # end, order, epoch, job

    def run(self, stopped: Callable[[], str | None]) -> str | None:
        searcher = self._searcher
        budget = searcher.config.time_budget
        while True:
            for job in self._new_jobs():
                self._begin(job, 1)
            reason = stopped() or searcher.hopeless
            if reason:
                return reason
            searcher.heartbeat()
            if not self._under_way:
                if searcher.finished:
                    return None
                time.sleep(POLL_SECONDS)
                continue
            self._now, _, epoch, job = heapq.heappop(self._under_way)
            if budget and self._now > budget:
                return TIME_OVER
            result = self._table.result(job.architecture.key, searcher.config.seed, epoch)
            if searcher.report(job, result):
                self._begin(job, epoch + 1)

    def _new_jobs(self) -> Iterator[Job]:
        """For the workers that have nothing to do."""
        concurrency = self._searcher.config.concurrency
        assert concurrency is not None, "resolved"
        while len(self._searcher.running) < concurrency:
            job = self._searcher.next_job()
            if job is None:
                return
            yield job

    def _begin(self, job: Job, epoch: int) -> None:
        end = self._now + self._table.seconds(job.architecture.key)
        heapq.heappush(self._under_way, (end, next(self._order), epoch, job))
