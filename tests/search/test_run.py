"""A search as a function, in a process of its own: real Ray, no terminal."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace

import optuna
import pytest

import nas
from nas.errors import StorageError
from nas.search import run as searching
from nas.search.job import Watcher
from nas.search.machine import Machine
from nas.search.nodes import Nodes
from nas.search.plan import prepare, run_name
from nas.search.run import Outcome, study_of
from nas.study.check import violations
from nas.study.reader import open_study

PROGRAM = """
import json, threading
import ray
import nas

class Counting(nas.Watcher):
    measured_epochs = 0
    def measured(self, job, result):
        self.measured_epochs += 1

watcher, said = Counting(), {}
options = dict(epochs=2, objective="synthetic", scheduler="none", storage="sqlite:///n.db")
first = nas.run_search("resnext", trials=3, watcher=watcher, **options)
said["repr"] = repr(first)
said["epochs"] = watcher.measured_epochs
said["kept"] = ray.is_initialized()

space = nas.SearchSpace.load("resnext")
from nas.search import bridge, driver
bridge.TRIALS_OF_A_TUNER, one_tuner, tuners = 3, driver._tuner, []
driver._tuner = lambda *given: tuners.append(given) or one_tuner(*given)
def elsewhere():  # as in a notebook's thread: no signal handlers are allowed there
    front = nas.run_search(space, trials=5, study="other", minimize=["macs", "latency"], **options)
    said["trials"] = front.trials
    said["front"] = [[one.number, one.cost.macs] for one in front.best_trials]
thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
best = first.best_trial
said["tuners"] = len(tuners)
said["best"] = [best.number, best.accuracy, best.architecture.key, best.cost.macs, len(best.params)]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def called(tmp_path_factory):
    """What the program said, and the folder that it ran in."""
    folder = tmp_path_factory.mktemp("called")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done, folder


def test_a_search_by_function_prints_nothing_and_returns_its_study(called):
    done, _ = called
    assert done.stdout.count("\n") == 1  # our own line
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert said["repr"] == "<Study 'resnext' of resnext in sqlite:///n.db: 3 complete>"
    assert said["epochs"] == 3 * 2


def test_ray_is_kept_for_the_next_call_which_may_come_from_another_thread(called):
    said = json.loads(called[0].stdout)
    assert said["kept"]
    assert said["trials"] == 5


def test_a_search_of_more_trials_than_a_tuner_takes_goes_on_with_another_one(called):
    done, folder = called
    assert json.loads(done.stdout)["tuners"] == 2
    frame = open_study(f"sqlite:///{folder}/n.db", "other").frame()
    assert list(frame["number"]) == list(range(5))
    assert set(frame["state"]) == {"COMPLETE"} and set(frame["attempts"]) == {1}


def test_a_search_for_a_front_measures_latency_and_optuna_has_the_same_front(called):
    done, folder = called
    url, said = f"sqlite:///{folder}/n.db", json.loads(done.stdout)["front"]
    trials = optuna.load_study(study_name="other", storage=url).best_trials
    assert sorted(said) == sorted([t.number, t.values[1]] for t in trials)
    assert open_study(url, "other").frame()["latency"].between(1e-6, 10).all()
    assert violations(open_study(url, "other")) == []


def test_the_best_trial_is_the_most_accurate_with_its_network_and_costs(called):
    done, folder = called
    number, accuracy, key, macs, params = json.loads(done.stdout)["best"]
    trials = open_study(f"sqlite:///{folder}/n.db", "resnext").frame().set_index("number")
    assert accuracy == trials["val_accuracy"].max() == trials.loc[number, "val_accuracy"]
    assert (key, macs) == (trials.loc[number, "key"], trials.loc[number, "macs"])
    assert params == len(nas.SearchSpace.load("resnext").parameters)


def test_the_log_tells_what_was_asked_claimed_reported_and_how_it_ended(called):
    [log] = (called[1] / "nas-runs").glob("resnext-*/search.log")
    told = log.read_text()
    for event in ("asked: ", "claimed: attempt 1 begins", "reported: attempt 1, epoch 2, val_acc"):
        assert f"trial 2 {event}" in told
    assert "trial 2 ended: attempt 1 complete" in told
    assert "all trials ended" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "tpes"}, "did you mean tpe"),
        ({"smapler": "tpe"}, "unknown option 'smapler'"),
        ({"space": "resnxt"}, "did you mean resnext"),
        ({"trials": 0}, "trials is 0"),
        ({"concurrency": 100_000}, "concurrency is 100000, but this machine"),
        ({"device": "cuda", "gpus_per_trial": 0}, "device is cuda, but trials get no GPU"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(nas.NasError, match=message):
        nas.run_search(**{"objective": "synthetic", "trials": 3, **options})
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def plan(tmp_path):
    given = {"storage": f"sqlite:///{tmp_path}/n.db", "runs": str(tmp_path / "runs"), "trials": 3}
    given |= {"objective": "synthetic", "space": "resnext"}
    return prepare(given, Machine(cpus=2, gpus=0))


def test_a_search_that_failed_all_the_time_is_an_error(plan):
    with pytest.raises(nas.NasError, match="10 trials in a row failed"):
        study_of(Outcome(plan, "10 trials in a row failed, the last one with: x", None, 1.0))


def test_ctrl_c_in_a_search_is_a_keyboard_interrupt_after_it(plan, request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(KeyboardInterrupt):
        study_of(Outcome(plan, "SIGINT", None, 1.0))


def test_results_that_the_database_could_not_take_are_said(plan):
    plan.outbox.parent.mkdir(parents=True)
    plan.outbox.touch()
    with pytest.raises(StorageError, match="the same call again writes it"):
        study_of(Outcome(plan, None, None, 1.0))


def test_a_study_without_a_finished_trial_has_no_best_one(plan, tmp_path):
    from nas.study.store import StudyStore

    StudyStore(plan.config.storage, "resnext", plan.record, owner="a").close()
    found = open_study(plan.config.storage, "resnext")
    with pytest.raises(StorageError, match="no trial that was trained in full yet"):
        _ = found.best_trial
    assert repr(found).endswith("no trial yet>")


# --- what is run, with Ray's own part left out ---


@pytest.fixture
def continued(stored):
    """The plan of a study that has one trial to go."""
    return prepare({**stored, "trials": 4}, Machine(cpus=2, gpus=0))


@pytest.fixture
def ray(monkeypatch):
    """What is asked of Ray, and what the driver is given; its answer is a reason."""
    cluster, driver = (pytest.importorskip(f"nas.search.{name}") for name in ("cluster", "driver"))
    asked = SimpleNamespace(started=0, keep=None, given=None, reason=None, during=lambda: None)

    @contextmanager
    def start(address, *, insecure, keep):
        assert (address, insecure) == (None, False)
        asked.started, asked.keep = asked.started + 1, keep
        yield Machine(cpus=2, gpus=0)

    def run(searcher, stopped, name, objective, nodes, at_once):
        asked.given, asked.at_once = (searcher, stopped, name), at_once
        asked.during()
        nodes.blame("1f", "gpu7", 0, "a hiccup")
        return asked.reason

    monkeypatch.setattr(cluster, "cluster", start)
    monkeypatch.setattr(driver, "run", run)
    return asked


class Starting(Watcher):
    """Remembers whether Ray was to start."""

    started_ray = 0

    def starting(self):
        self.started_ray += 1


def test_a_driver_is_given_the_study_under_a_name_of_its_own(continued, ray):
    view = Starting()
    assert searching._run(continued, view, Nodes(), None, False) == (None, None)
    assert view.started_ray == 1
    searcher, _, name = ray.given
    assert (ray.started, ray.keep) == (1, False)
    assert name == run_name(continued.config)
    assert (searcher.space, searcher.config) == (continued.space, continued.config)
    assert searcher._watcher is view
    assert searcher.store.name == "resnext"
    owner = searcher.store.attempts.owner
    assert re.fullmatch(rf"{re.escape(socket.gethostname())}/{os.getpid()}/[0-9a-f]{{8}}", owner)
    assert searcher.store.outbox.path == continued.outbox


@pytest.mark.parametrize(("how", "kept"), [({}, True), ({"keep": False}, False)])
def test_ray_stays_up_for_the_next_search_unless_it_is_told_not_to(continued, ray, how, kept):
    ray.reason = "time budget"
    for number in range(2):
        outcome = searching.carry_out(continued, Watcher(), time.monotonic(), **how)
        assert (outcome.reason, ray.keep) == ("time budget", kept)
        assert (outcome.avoided, ray.started) == ({}, number + 1)  # each search begins anew


@pytest.mark.parametrize(("given", "at_once"), [(None, None), (1, 1), ("none", None)])
def test_as_many_trials_run_as_there_is_room_for_unless_it_is_said(stored, ray, given, at_once):
    plan = prepare({**stored, "trials": 30, "concurrency": given}, Machine(cpus=2, gpus=0))
    searching.carry_out(plan, Watcher(), time.monotonic())
    assert ray.at_once == at_once


@pytest.mark.parametrize(("ahead", "reason"), [(None, None), (3600, None), (-1, "time budget")])
def test_a_driver_is_told_of_signals_and_of_the_time_that_is_over(continued, ray, ahead, reason):
    heard = []

    def during():
        _, stopped, _ = ray.given
        heard.append(stopped())
        os.kill(os.getpid(), signal.SIGTERM)
        heard.append(stopped())

    ray.during = during
    searching._run(continued, Watcher(), Nodes(), ahead and time.monotonic() + ahead, False)
    assert heard == [reason, "SIGTERM"]


def test_a_search_that_was_stopped_does_not_say_that_the_space_is_exhausted(search, stored, ray):
    four = {
        "name": "one",
        "stem": {"width": 8},
        "stages": [{"block": "basic", "depth": {"int": [1, 2]}, "width": 8}],
    }
    one = search(space=four, study="one", trials=9, scheduler="none", sampler="random")
    job = one.searcher.next_job()
    one.train(job)
    plan = prepare({**stored, "study": "one", "trials": 9}, Machine(cpus=2, gpus=0))
    ray.during = one.run
    ray.reason = "SIGINT"
    assert searching._run(plan, Watcher(), Nodes(), None, False) == ("SIGINT", None)
    exhausted = "all 2 networks of one have been tried"
    # without a reason; then it is over, and Ray is not started again
    ray.reason, ray.started = None, 0
    assert searching._run(plan, Watcher(), Nodes(), None, False) == (None, exhausted)
    assert ray.started == 0


def test_a_space_that_is_exhausted_while_it_is_searched_is_said_to_be(search, stored, ray):
    two = {
        "name": "one",
        "stem": {"width": 8},
        "stages": [{"block": "basic", "depth": {"int": [1, 2]}, "width": 8}],
    }
    one = search(space=two, study="one", trials=9, scheduler="none", sampler="tpe")
    plan = prepare({**stored, "study": "one", "trials": 9}, Machine(cpus=2, gpus=0))
    ray.during = one.run
    assert searching._run(plan, Watcher(), Nodes(), None, False) == (
        None,
        "all 2 networks of one have been tried",
    )
    assert ray.started == 1
