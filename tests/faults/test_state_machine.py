"""Any order of asking, telling, dying and time passing, on a real SQLite file."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from faults.driving import open_driver, twice
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nas.objectives.contract import TrialConfig
from nas.objectives.synthetic import Synthetic
from nas.study.check import violations
from nas.study.reader import open_study

TRIALS = 4
LEASE = 30


class Study(RuleBasedStateMachine):
    """Up to three drivers, some dead; ``now`` is the time of all of them."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{self.folder.name}/nas.db"
        self.now = datetime(2026, 1, 1)
        self.owners = 0
        self.drivers = []  # [searcher, {(number, attempt): (job, training)}]
        self.results = {}  # number -> (state, value) once it ended

        self.open_driver()

    def clock(self):
        return self.now

    @property
    def jobs(self):
        return [(driver, key) for driver in self.drivers for key in driver[1]]

    @rule()
    @precondition(lambda self: len(self.drivers) < 3)
    def open_driver(self):
        self.owners += 1
        searcher = open_driver(
            self.url, str(self.owners), self.clock, trials=TRIALS, max_failures=2
        )
        self.drivers.append((searcher, {}))

    @rule(data=st.data())
    @precondition(lambda self: self.drivers)
    def ask(self, data):
        searcher, jobs = data.draw(st.sampled_from(self.drivers))
        job = searcher.next_job()
        if job is None:
            return
        training = Synthetic(job.architecture, TrialConfig.of(job.training))
        if job.checkpoint is not None:
            training.load(Path(job.checkpoint))
        jobs[job.number, job.attempt] = (job, training)

    @rule(data=st.data(), saves=st.booleans(), spoilt=st.integers(0, 9))
    @precondition(lambda self: self.jobs)
    def report(self, data, saves, spoilt):
        (searcher, jobs), key = data.draw(st.sampled_from(self.jobs))
        job, training = jobs[key]
        result = training.epoch()
        if spoilt == 0:
            result["val_loss"] = float("nan")
        goes_on = searcher.report(job, result)
        if goes_on and saves:
            path = Path(self.folder.name) / f"{job.number}-{job.attempt}-{result['epoch']}"
            training.save(path)
            searcher.checkpoint(job, str(path))
            goes_on = key in searcher.running
        if not goes_on:
            del jobs[key]

    @rule(data=st.data())
    @precondition(lambda self: self.jobs)
    def a_process_dies(self, data):
        (searcher, jobs), key = data.draw(st.sampled_from(self.jobs))
        searcher.fail(jobs.pop(key)[0], "its process died", retry=True)

    @rule(data=st.data())
    @precondition(lambda self: self.jobs)
    def a_node_goes_away(self, data):
        (searcher, jobs), key = data.draw(st.sampled_from(self.jobs))
        job, _ = jobs.pop(key)
        if key not in searcher.running:
            return
        again = searcher.restarted(job, "its node went away")
        if again is not None:
            training = Synthetic(again.architecture, TrialConfig.of(again.training))
            if again.checkpoint is not None:
                training.load(Path(again.checkpoint))
            jobs[again.number, again.attempt] = (again, training)

    @rule(data=st.data())
    @precondition(lambda self: self.drivers)
    def interrupt(self, data):
        driver = data.draw(st.sampled_from(self.drivers))
        driver[0].interrupt()
        driver[0].store.close()
        self.drivers.remove(driver)

    @rule(data=st.data())
    @precondition(lambda self: self.drivers)
    def die(self, data):
        driver = data.draw(st.sampled_from(self.drivers))
        driver[0].store.close()
        self.drivers.remove(driver)

    @rule(seconds=st.sampled_from([1, 11, 29, 31, 100]), data=st.data())
    def time_passes(self, seconds, data):
        self.now += timedelta(seconds=seconds)
        for searcher, _ in self.drivers:
            if data.draw(st.booleans()):  # else it is asleep
                searcher.heartbeat()

    @rule()
    def all_is_finished_when_a_driver_has_time(self):
        self.now += timedelta(seconds=LEASE + 1)
        for driver in list(self.drivers):
            driver[0].store.close()
            self.drivers.remove(driver)
        self.now += timedelta(seconds=LEASE + 1)
        self.open_driver()
        searcher, _ = self.drivers[0]
        while (job := searcher.next_job()) is not None:
            training = Synthetic(job.architecture, TrialConfig.of(job.training))
            if job.checkpoint is not None:
                training.load(Path(job.checkpoint))
            while searcher.report(job, training.epoch()):
                pass
        assert searcher.finished
        assert violations(open_study(self.url, "s"), now=self.clock) == []

    @invariant()
    def the_study_keeps_its_promises(self):
        study = open_study(self.url, "s")
        expired = "RUNNING, but its lease ended"
        found = violations(study, now=self.clock)
        assert [v for v in found if expired not in v] == []
        assert twice(study) == []
        frame = study.frame()
        assert len(frame) <= TRIALS
        ended = {
            row.number: (row.state, row.val_accuracy, row.epochs)
            for row in frame[frame["state"].isin(["COMPLETE", "PRUNED"])].itertuples()
        }
        assert {n: ended.get(n) for n in self.results} == self.results
        self.results = ended
        study.engine.dispose()

    def teardown(self):
        for searcher, _ in self.drivers:
            searcher.store.close()
        self.folder.cleanup()


def of(examples):
    return settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


class TestStudy(Study.TestCase):
    settings = of(3)


@pytest.mark.slow
class TestStudyAtLength(Study.TestCase):
    settings = of(150)
