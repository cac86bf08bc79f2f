"""What is settled before a search begins, and what is said and returned when it is over."""

import io
import os
import re
import signal
import socket
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from rich.console import Console

from nas.errors import ConfigError
from nas.search import session
from nas.search.advice import TIME_OVER
from nas.search.machine import Machine
from nas.search.plan import prepare, run_name
from nas.search.session import check, storage_of
from nas.search.session import search as carry_on
from nas.search.view import LinesView, LiveView, QuietView
from nas.study.reader import open_study


def test_the_storage_that_is_given_goes_before_the_environment_before_the_default(monkeypatch):
    monkeypatch.setenv("NAS_STORAGE", "sqlite:///of-the-environment.db")
    assert storage_of({"storage": "sqlite:///given.db"}) == "sqlite:///given.db"
    assert storage_of({"storage": None}) == "sqlite:///of-the-environment.db"
    assert storage_of({}) == "sqlite:///of-the-environment.db"
    monkeypatch.delenv("NAS_STORAGE")
    assert storage_of({}) == "sqlite:///nas.db"


def test_a_check_refuses_what_a_search_would_and_makes_nothing(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("NAS_STORAGE", f"sqlite:///{tmp_path}/nas.db")
    given = {"objective": "synthetic", "space": "resnext", "trials": 3}
    check(given)
    with pytest.raises(ConfigError, match="concurrency is 100000, but this machine"):
        check({**given, "concurrency": 100_000})
    with pytest.raises(ConfigError, match="device is cuda, but trials get no GPU"):
        check({**given, "device": "cuda", "gpus_per_trial": 0})
    assert list(tmp_path.iterdir()) == []


# --- a study that is over, or as good as over: no Ray is started for it ---


@pytest.fixture
def stored(search, tmp_path, monkeypatch):
    """Options that carry on a study of three trials in full."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    one = search(trials=3, scheduler="none", sampler="random")
    one.run()
    one.store.close()
    return {"storage": one.config.storage, "study": "resnext", "trials": 3, "runs": "runs"}


def test_a_study_that_is_over_is_shown_with_its_best_and_what_may_come_next(stored, capfd):
    assert carry_on(stored) == 0
    said = capfd.readouterr().out
    assert said.startswith("Continuing resnext: tiny with the synthetic objective\n")
    assert "The best of resnext" in said
    assert re.search(r"\nAll 3 trials ended \(0(\.\d+)?s\)\. For more:\n  .*--trials 6", said)
    assert "Starting Ray" not in said
    assert len(open_study(stored["storage"], "resnext").frame()) == 3


def test_a_quiet_search_says_its_best_and_its_end_alone(stored, capfd):
    assert carry_on(stored, quiet=True) == 0
    said = capfd.readouterr().out
    assert "Continuing" not in said
    assert "The best of resnext" in said and "All 3 trials ended" in said


def test_a_part_of_something_larger_says_nothing_of_its_end(stored, capfd):
    assert carry_on(stored, quiet=True, again="nas compare a b") == 0
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("again", [None, "nas compare a b"])
def test_a_search_without_a_trial_in_full_returns_1(search, stored, again, capfd):
    one = search(trials=1, study="none", scheduler="none")
    one.searcher.fail(one.searcher.next_job(), "out of memory", retry=False)
    one.store.close()
    assert carry_on({**stored, "study": "none", "trials": 1}, again=again) == 1


@pytest.mark.parametrize(
    ("reason", "code", "said"),
    [
        (None, 0, "All 3 trials ended (1m40s). For more:"),
        (TIME_OVER, 0, "The time budget is over (1m40s). What ran is kept; to go on:"),
        ("SIGINT", 130, "Stopped by SIGINT; everything is stored. To go on:"),
        ("SIGTERM", 143, "Stopped by SIGTERM; everything is stored. To go on:"),
        ("3 trials in a row failed", 1, "Stopped: 3 trials in a row failed; everything is stored."),
    ],
)
def test_an_exit_code_tells_how_a_search_ended(stored, reason, code, said, monkeypatch, capfd):
    clock = SimpleNamespace(now=50.0)
    monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=lambda: clock.now))

    def run(plan, view):
        clock.now += 100
        return reason, None

    monkeypatch.setattr(session, "_run", run)
    assert carry_on(stored, quiet=True) == code
    assert said in capfd.readouterr().out
    assert carry_on(stored, quiet=True, again="nas compare a b") == code
    printed = capfd.readouterr().out
    if reason in ("SIGINT", "SIGTERM"):
        assert f"{said}\n  nas compare a b\n" in printed
    else:
        assert printed == ""


def test_an_exhausted_space_is_said_at_the_end(stored, monkeypatch, capfd):
    monkeypatch.setattr(session, "_run", lambda plan, view: (None, "all 4 networks were tried"))
    assert carry_on(stored, quiet=True) == 0
    assert "all 4 networks were tried." in capfd.readouterr().out


@pytest.mark.parametrize(
    ("reason", "code"), [(None, 1), ("SIGTERM", 143), ("SIGINT", 130), ("the database is away", 1)]
)
def test_results_that_the_database_has_not_taken_are_said_first(
    stored, reason, code, monkeypatch, capfd
):
    def run(plan, view):
        plan.outbox.parent.mkdir(parents=True, exist_ok=True)
        plan.outbox.write_text("{}")
        return reason, None

    monkeypatch.setattr(session, "_run", run)
    assert carry_on(stored, quiet=True, again="nas compare a b") == code
    said = capfd.readouterr().out
    assert said.startswith("The study database ")
    assert "nas compare a b" in said
    assert "The best of" not in said


@pytest.mark.parametrize(
    ("quiet", "terminal", "kind"),
    [(True, True, QuietView), (False, True, LiveView), (False, False, LinesView)],
)
def test_a_view_suits_where_it_is_seen_and_knows_when_time_is_over(
    stored, quiet, terminal, kind, monkeypatch
):
    seen = []
    console = Console(file=io.StringIO(), force_terminal=terminal)

    @contextmanager
    def screen(log):
        assert log.name == "search.log"
        yield console

    monkeypatch.setattr(session, "screen", screen)
    monkeypatch.setattr(
        session, "_run", lambda plan, view: seen.append((plan, view)) or (None, None)
    )
    before = time.monotonic()
    carry_on({**stored, "time_budget": "1h"}, quiet=quiet)
    carry_on({**stored, "time_budget": None}, quiet=quiet)
    ((plan, view), (_, endless)) = seen
    assert type(view) is kind
    assert view.console is console
    assert view.config == plan.config
    assert 3600 <= view.deadline - before < 3630
    assert endless.deadline is None


# --- what is run, with Ray's own part left out ---


@pytest.fixture
def plan(stored):
    """Of a study that has one trial to go."""
    return prepare({**stored, "trials": 4}, Machine(cpus=2, gpus=0))


@pytest.fixture
def ray(monkeypatch):
    """What is asked of Ray, and what the driver is given; its answer is a reason."""
    cluster, driver = (pytest.importorskip(f"nas.search.{name}") for name in ("cluster", "driver"))
    asked = SimpleNamespace(started=0, given=None, reason=None, during=lambda: None)

    @contextmanager
    def start():
        asked.started += 1
        yield Machine(cpus=2, gpus=0)

    def run(searcher, stopped, name):
        asked.given = (searcher, stopped, name)
        asked.during()
        return asked.reason

    monkeypatch.setattr(cluster, "cluster", start)
    monkeypatch.setattr(driver, "run", run)
    return asked


def quiet_view(plan, deadline=None):
    return QuietView(Console(file=io.StringIO()), plan.config, deadline)


def test_a_driver_is_given_the_study_under_a_name_of_its_own(plan, ray):
    lines = []
    view = quiet_view(plan)
    view.line = lambda text, style: lines.append((text, style))
    assert session._run(plan, view) == (None, None)
    assert lines == [("Starting Ray …\n", "dim")]
    searcher, _, name = ray.given
    assert ray.started == 1
    assert name == run_name(plan.config)
    assert (searcher.space, searcher.config) == (plan.space, plan.config)
    assert searcher._watcher is view
    assert searcher.store.name == "resnext"
    owner = searcher.store.attempts.owner
    assert re.fullmatch(rf"{re.escape(socket.gethostname())}/{os.getpid()}/[0-9a-f]{{8}}", owner)
    assert searcher.store.outbox.path == plan.outbox


def test_a_driver_is_told_of_signals_and_of_the_time_that_is_over(plan, ray):
    heard = []

    def during():
        _, stopped, _ = ray.given
        heard.append(stopped())
        view.deadline = time.monotonic() + 3600
        heard.append(stopped())
        view.deadline = time.monotonic() - 1
        heard.append(stopped())
        os.kill(os.getpid(), signal.SIGTERM)
        heard.append(stopped())

    ray.during = during
    view = quiet_view(plan)
    session._run(plan, view)
    assert heard == [None, None, "time budget", "SIGTERM"]


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
    assert session._run(plan, quiet_view(plan)) == ("SIGINT", None)
    exhausted = "all 2 networks of one have been tried"
    # without a reason; then it is over, and Ray is not started again
    ray.reason, ray.started = None, 0
    assert session._run(plan, quiet_view(plan)) == (None, exhausted)
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
    assert session._run(plan, quiet_view(plan)) == (None, "all 2 networks of one have been tried")
    assert ray.started == 1


def test_a_cluster_that_was_joined_for_the_options_is_not_joined_again(plan, ray, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "h:1")
    session._run(plan, quiet_view(plan))
    assert ray.started == 0
    with session._machine() as machine:
        assert machine == Machine(cpus=2, gpus=0)
    assert ray.started == 1
