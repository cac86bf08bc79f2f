"""Drivers of one study as real processes, without Ray, and a diary of what they did.

The diary is a file that knows what was trained and what was said to be stored, whatever the
database says later: one JSON line each, written before the next thing happens.
"""

import json
import multiprocessing
import os
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import text

from nas.objectives.contract import TrialConfig
from nas.objectives.synthetic import Synthetic
from nas.search.job import Watcher
from nas.search.machine import Machine
from nas.search.resolving import resolve
from nas.search.searcher import Searcher
from nas.space import SearchSpace
from nas.study.check import violations
from nas.study.database.clock import utc_now
from nas.study.reader import open_study
from nas.study.record import StudyRecord
from nas.study.store import StudyStore

# forked from a process that has imported everything: a driver starts in milliseconds
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["faults.warm"])

SPACE = {  # few knobs and many networks: the databases of such a study are small
    "name": "few",
    "stem": {"width": 8},
    "each_stage": {"block": "basic", "width": {"int": [8, 512], "step": 8}, "stride": 2},
    "stages": [{"depth": {"int": [1, 8]}}, {"depth": {"int": [1, 8]}}],
}


def later(seconds):
    return utc_now() + timedelta(seconds=seconds)


def open_driver(url, owner, clock=utc_now, watcher=None, outbox=None, **options) -> Searcher:
    """One driver of the study "s" in ``url``."""
    space = SearchSpace.from_dict(SPACE)
    given = {"trials": 8, "epochs": 3, "sampler": "random", **options}
    given |= {"study": "s", "storage": url, "objective": "synthetic"}
    config = resolve(given, None, Machine(cpus=16, gpus=0))
    record = StudyRecord(space.to_dict(), space.hash, config.to_dict(), "synthetic", {})
    store = StudyStore(url, "s", record, owner=owner, clock=clock, outbox=outbox)
    return Searcher(store, space, config, watcher or Watcher())


def drive(url, folder, owner, *, crash_at="", ahead=0.0, at_a_time=1, **options):
    """Run the study to its end, or to the crash point; its clock is ``ahead`` by so many seconds.

    Trial 1 cannot be trained, and the first process of trial 0 dies after an epoch.
    """
    os.environ["NAS_CRASH_AT"] = crash_at
    diary = Path(folder) / "diary"
    searcher = open_driver(url, owner, partial(later, ahead), **options)
    live = []
    while True:
        while len(live) < at_a_time and (job := searcher.next_job()) is not None:
            training = Synthetic(job.architecture, TrialConfig.of(job.training))
            if job.checkpoint is not None:
                training.load(Path(job.checkpoint))
            live.append((job, training))
        if not live:
            if searcher.finished:
                break
            time.sleep(0.01)  # others are at work
            searcher.heartbeat()
        for job, training in list(live):
            result = training.epoch()
            entry = [job.number, result["epoch"], result["val_accuracy"]]
            if job.number == 1:
                result = {"failure": "it cannot be trained"}
            note(diary, "trained", *entry)
            goes_on = searcher.report(job, result)
            note(diary, "stored", *entry)
            if goes_on:
                path = Path(folder) / f"{job.number}-{job.attempt}-{result['epoch']}"
                training.save(path)
                searcher.checkpoint(job, str(path))
                note(diary, "kept", *entry)
                if (job.number, job.attempt, result["epoch"]) == (0, 1, 1):
                    searcher.fail(job, "its process died", retry=True)
                    goes_on = False
            else:
                note(diary, "ended", *entry)
            if not goes_on:
                live.remove((job, training))
        searcher.heartbeat()
    searcher.store.close()


def start(target, *args, **kwargs):
    process = PROCESSES.Process(target=target, args=args, kwargs=kwargs)
    process.start()
    return process


def wait_for(process, lines, path):
    """Until the file that the process writes has so many lines."""
    while not path.exists() or len(path.read_bytes().splitlines()) < lines:
        assert process.is_alive()
        time.sleep(0.001)


def note(diary, *entry):
    line = (json.dumps(entry) + "\n").encode()
    handle = os.open(diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, line)
    os.close(handle)


def diary_of(folder):
    return [json.loads(line) for line in (Path(folder) / "diary").read_text().splitlines()]


def rows(url):
    """The trials of the study, by the view."""
    return open_study(url, "s").frame().to_dict("records")


def told(url):
    """What must be the same however often the drivers died: per trial number."""
    study = open_study(url, "s")
    frame = study.frame()
    columns = ["number", "state", "policy", "epochs", "val_accuracy", "reason", "key"]
    return frame[columns].astype(object).where(frame[columns].notna(), None).to_dict("records")


def promises_broken(url, trials, diary=(), *, ahead=0.0):
    """What no fault may do to a study that was carried on to its end, one line each."""
    study = open_study(url, "s")
    broken = violations(study, now=partial(later, ahead))
    frame = study.frame()
    if list(frame["number"]) != list(range(trials)):
        broken.append(f"there are the trials {list(frame['number'])}")
    left = frame[~frame["state"].isin(["COMPLETE", "PRUNED", "FAIL"])]
    broken += [f"trial {row.number} is {row.state}" for row in left.itertuples()]
    values = {row.number: row.val_accuracy for row in frame.itertuples()}
    stored = {(row.number, row.epoch): row.val_accuracy for row in study.epochs().itertuples()}
    done = set()
    for what, number, epoch, accuracy in diary:
        if what == "trained" and (number, epoch) in done:
            broken.append(f"trial {number}, epoch {epoch}: trained again after it was stored")
        if what == "stored" and number != 1 and stored.get((number, epoch)) != accuracy:
            broken.append(f"trial {number}, epoch {epoch}: lost")
        if what == "ended" and number != 1 and values[number] != accuracy:
            broken.append(f"trial {number}: its result was changed")
        if what in ("kept", "ended"):
            done.add((number, epoch))
    return broken + twice(study)


def twice(study):
    """Trials that an attempt finished and another one carried on all the same."""
    query = (
        "SELECT DISTINCT a.trial FROM nas_attempts AS a JOIN nas_attempts AS b "
        "ON a.study_id = b.study_id AND a.trial = b.trial AND a.attempt < b.attempt "
        "WHERE a.state IN ('complete', 'pruned', 'failed', 'abandoned')"
    )
    with study.engine.connect() as connection:
        return [f"trial {number}: ended twice" for (number,) in connection.execute(text(query))]
