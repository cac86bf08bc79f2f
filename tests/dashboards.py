"""Searches whose every step is told, and dashboards that serve them."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil
from searches import SPACE
from selenium.webdriver.support.ui import WebDriverWait

from nas.objectives.contract import TrialConfig
from nas.objectives.synthetic import Synthetic
from nas.search.checkpoints import attempt_folder
from nas.search.job import Watcher
from nas.search.machine import Machine
from nas.search.resolving import resolve
from nas.search.searcher import Searcher
from nas.search.stores import CHECKPOINT, Saved
from nas.space import SearchSpace
from nas.study.provenance import provenance
from nas.study.record import StudyRecord
from nas.study.store import StudyStore


class Search:
    """A search without Ray: what its driver and its workers do, when the test says so."""

    def __init__(self, url, study, space="resnext", **options):
        self.space = (
            SearchSpace.from_dict(space) if isinstance(space, dict) else SearchSpace.load(space)
        )
        given = {"trials": 12, "epochs": 4, "study": study, "storage": url}
        given |= {"objective": "synthetic", "space": self.space.name} | options
        self.config = resolve(given, None, Machine(cpus=2, gpus=0))
        record = StudyRecord(
            self.space.to_dict(), self.space.hash, self.config.to_dict(), "synthetic", provenance()
        )
        self.store = StudyStore(url, study, record, owner="here/1")
        self.searcher = Searcher(self.store, self.space, self.config, Watcher())

    def begin(self):
        """The next trial and what trains it; None where there is none left."""
        job = self.searcher.next_job()
        if job is None:
            return None
        training = TrialConfig.of(job.training)
        return job, Synthetic(job.architecture, training)

    def epoch(self, job, objective) -> bool:
        """Report one epoch; whether the trial goes on."""
        where = {"host": f"node{job.number % 2}/7", "device": "cpu", "numerics": "float32"}
        return self.searcher.report(job, {**objective.epoch(), **where})

    def run(self, *, failing=(), dying=(), until=None):
        """To its end; trials fail with the reasons of ``failing``, by number, or die once.

        With ``until``, the trials from that number on are left at work.
        """
        failing = dict(failing)
        while begun := self.begin():
            job, objective = begun
            if until is not None and job.number >= until:
                self.epoch(job, objective)
                if job.number > until:
                    return
                continue
            if job.number in failing:
                self.epoch(job, objective)
                self.searcher.report(job, {"failure": failing[job.number]})
                continue
            if job.number in dying and job.attempt == 1:
                self.searcher.fail(job, "its process died", retry=True)
                continue
            while self.epoch(job, objective):
                pass
            if self.config.inherit:
                self._leave(job)
        self.store.close()

    def _leave(self, job):
        """A file in place of the weights, which others begin with."""
        place = Path(self.config.runs) / attempt_folder(job.number, job.attempt) / "checkpoint"
        place.mkdir(parents=True)
        content = f"weights of {job.number}".encode()
        (place / CHECKPOINT).write_bytes(content)
        self.searcher.checkpoint(job, str(Saved(str(place), hashlib.sha256(content).hexdigest())))


def inherits(url, study, folder, trials=16) -> None:
    """A study of which some trials begin with the weights of others, that lie in ``folder``."""
    options = {"sampler": "random", "inherit": True, "objective": "fashion_mnist", "trials": trials}
    Search(url, study, SPACE, runs=str(folder / "runs"), **options).run()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(url, folder, *arguments):
    """The address of a dashboard over ``url``, started as a person does."""
    port = free_port()
    log = folder / f"dashboard-{port}.log"
    with log.open("wb") as output:
        process = psutil.Popen(
            [sys.executable, "-m", "nas", "dashboard", "--port", str(port), *arguments],
            cwd=folder,
            env={**os.environ, "NAS_STORAGE": url},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            WebDriverWait(process, 60, 0.1).until(
                lambda _: "URL:" in log.read_text() or process.poll() is not None
            )
            assert process.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{port}", process, log
        finally:
            process.terminate()
            process.wait()
