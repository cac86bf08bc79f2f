"""A search on a terminal, from its options to its summary."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import typer

from nas.cli.advice import print_ending, print_header, print_outage
from nas.cli.console import Console, say
from nas.cli.screen import screen
from nas.cli.view import LinesView, LiveView, QuietView, View
from nas.search.budget import ABOVE, Budget
from nas.search.joining import machine
from nas.search.plan import Plan
from nas.search.run import Outcome, carry_out, prepared
from nas.search.signals import TIME_OVER
from nas.study.storage_url import storage_url

PASSWORD_SHOWN = (
    "nas: the password in --storage is shown to all who list this machine's processes; put the URL "
    "into NAS_STORAGE, or the password into PGPASSFILE"
)


def search(
    given: Mapping[str, Any],
    *,
    quiet: bool = False,
    verbose: bool = False,
    password_shown: bool = False,
) -> None:
    """Run a search, or carry one on; says so where a password is part of the command.

    Raises:
        NasError: it cannot begin.
        typer.Exit: it did not come to its end, as in ``show``.
    """
    begun = time.monotonic()
    with machine(given, tell=_silent if quiet else say) as found:
        plan = prepared({**given, "storage": storage_url(given.get("storage"))}, found)
        if password_shown:
            typer.echo(PASSWORD_SHOWN, err=True)
        show(plan, begun, quiet=quiet, verbose=verbose)


def show(
    plan: Plan,
    begun: float | None = None,
    *,
    quiet: bool = False,
    verbose: bool = False,
    again: str | None = None,
) -> None:
    """Carry out a search and show it.

    With ``again``, the search is a part of something that this command carries on: its best trials
    are not printed, and advice on what to do next only where it was stopped.

    Raises:
        typer.Exit: with 1 where not one trial was completed, so many failed in a row that it makes
            no sense to go on, or results wait for the database; with 130 where SIGINT or
            ``nas stop`` ended it, and 143 where SIGTERM did, everything safely stored.
    """
    config, begun = plan.config, time.monotonic() if begun is None else begun
    deadline = plan.deadline(begun)
    with screen(plan.log, verbose=verbose) as console:
        if not quiet:
            print_header(console, plan)
        kind = (
            QuietView if quiet else LiveView if console.is_terminal and not verbose else LinesView
        )
        view: View = kind(console, config, deadline, plan.objective.measure)
        with view:
            outcome = carry_out(plan, view, begun, keep=False)
        code = _summarise(console, outcome, again)
    if code:
        raise typer.Exit(code)


def _silent(line: str) -> None:
    """Nothing is printed."""


def _summarise(console: Console, outcome: Outcome, again: str | None) -> int:
    """Print how it ended, and what may be wanted next; the exit code."""
    plan, code = outcome.plan, outcome.exit_code or 1
    if outcome.unwritten:
        print_outage(console, plan, again)
        return code
    from nas.cli.best import print_best
    from nas.study.reader import open_study  # pandas: half a second that an error need not wait

    study = open_study(plan.config.storage, plan.config.study)
    best = not study.best().empty if again else print_best(console, study)
    if again is None or outcome.exit_code:
        above = 0
        if str(Budget.of(plan.config)):
            above = int(study.frame()["reason"].str.contains(ABOVE, regex=False).sum())
        won = best and not study.doubt
        print_ending(
            console,
            outcome,
            trials=study.trials,
            best=won,
            winner=study.best_trial.cost if won and again is None else None,
            over_budget=above,
            again=again,
        )
    return 0 if best and outcome.reason in (None, TIME_OVER) else code
