"""What is said of a search before and after it, and the exit code: Ray's part is left out."""

import io
import re
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import typer
from rich.console import Console

from nas.cli import session
from nas.cli.app import main
from nas.cli.view import LinesView, LiveView, QuietView
from nas.search import run as searching
from nas.search.machine import Machine
from nas.search.plan import prepare
from nas.search.signals import TIME_OVER
from nas.study.reader import open_study


def carry_on(options, **shown):
    """The exit code of a search."""
    try:
        session.show(prepare(options, Machine(cpus=2, gpus=0)), **shown)
    except typer.Exit as stop:
        return stop.exit_code
    return 0


def test_a_study_that_is_over_is_shown_with_its_best_and_what_may_come_next(stored, capfd):
    assert carry_on(stored) == 0
    said = capfd.readouterr().out
    assert said.startswith("Continuing resnext: tiny with the synthetic objective\n")
    assert "The best of resnext" in said
    assert re.search(r"\nAll 3 trials ended \(0(\.\d+)?s\)\. For more:\n  .*--trials 6", said)
    assert "Starting Ray" not in said
    assert len(open_study(stored["storage"], "resnext").frame()) == 3


def test_a_verbose_search_shows_what_it_logs_too_and_another_one_does_not(stored, capfd):
    options = [
        f"--{name}={value}"
        for name, value in stored.items()
        if name in ("storage", "study", "runs")
    ]
    for words, told in ((["--verbose"], True), ([], False), (["--quiet"], False)):
        assert main(["search", "--trials", "3", *options, *words]) == 0
        said = capfd.readouterr().out
        assert bool(re.search(r"^\d\d:\d\d:\d\d study resnext in sqlite:", said, re.M)) is told
        assert bool(re.search(r"^\d\d:\d\d:\d\d ended after .*: all trials", said, re.M)) is told
        assert ("Continuing resnext" in said) is (words != ["--quiet"])


@pytest.mark.parametrize("shown", [False, True])
def test_a_password_in_the_command_is_warned_of_in_one_line(stored, capfd, monkeypatch, shown):
    given = f"{stored['storage']}?password=canary" if shown else stored["storage"]
    monkeypatch.setattr(session, "prepared", lambda *_: prepare(stored, Machine(cpus=2, gpus=0)))
    assert main(["search", "--storage", given, "--quiet"]) == 0
    said = capfd.readouterr().err
    assert said.splitlines() == [session.PASSWORD_SHOWN] * shown and "canary" not in said


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
    for module in (session, searching):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))

    def run(plan, view, nodes, deadline, keep):
        clock.now += 100
        return reason, None

    monkeypatch.setattr(searching, "_run", run)
    assert carry_on(stored, quiet=True) == code
    assert said in capfd.readouterr().out
    assert carry_on(stored, quiet=True, again="nas compare a b") == code
    printed = capfd.readouterr().out
    if reason in ("SIGINT", "SIGTERM"):
        assert f"{said}\n  nas compare a b\n" in printed
    else:
        assert printed == ""


def test_an_exhausted_space_is_said_at_the_end(stored, monkeypatch, capfd):
    monkeypatch.setattr(searching, "_run", lambda *_: (None, "all 4 networks were tried"))
    assert carry_on(stored, quiet=True) == 0
    assert "all 4 networks were tried." in capfd.readouterr().out


@pytest.mark.parametrize(
    ("reason", "code"), [(None, 1), ("SIGTERM", 143), ("SIGINT", 130), ("the database is away", 1)]
)
def test_results_that_the_database_has_not_taken_are_said_first(
    stored, reason, code, monkeypatch, capfd
):
    def run(plan, view, nodes, deadline, keep):
        plan.outbox.parent.mkdir(parents=True, exist_ok=True)
        plan.outbox.write_text("{}")
        return reason, None

    monkeypatch.setattr(searching, "_run", run)
    assert carry_on(stored, quiet=True, again="nas compare a b") == code
    said = capfd.readouterr().out
    assert said.startswith("The study database ")
    assert "nas compare a b" in said
    assert "The best of" not in said


@pytest.mark.parametrize(
    ("quiet", "verbose", "terminal", "kind"),
    [
        (True, False, True, QuietView),
        (True, True, True, QuietView),
        (False, False, True, LiveView),
        (False, True, True, LinesView),  # what is logged stands between the lines
        (False, False, False, LinesView),
    ],
)
def test_a_view_suits_where_it_is_seen_and_knows_when_time_is_over(
    stored, quiet, verbose, terminal, kind, monkeypatch
):
    seen = []
    console = Console(file=io.StringIO(), force_terminal=terminal)

    @contextmanager
    def screen(log, **asked):
        assert (log.name, asked) == ("search.log", {"verbose": verbose})
        yield console

    monkeypatch.setattr(session, "screen", screen)
    monkeypatch.setattr(
        searching, "_run", lambda plan, view, *_: seen.append((plan, view)) or (None, None)
    )
    before = time.monotonic()
    carry_on({**stored, "time_budget": "1h"}, quiet=quiet, verbose=verbose)
    carry_on({**stored, "time_budget": None}, quiet=quiet, verbose=verbose)
    ((plan, view), (_, endless)) = seen
    assert type(view) is kind
    assert view.console is console
    assert view.config == plan.config
    assert 3600 <= view.deadline - before < 3630
    assert endless.deadline is None
