"""A search from another machine, by its database: ``nas watch`` shows it, ``nas stop`` ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console as RichConsole
from rich.text import Text

from nas.cli.console import Console, say
from nas.cli.studies import Storage
from nas.cli.view import LinesView, LiveView
from nas.quantity import plural
from nas.search.job import Job
from nas.search.pace import Paces
from nas.search.watched import paces_of, stored_config
from nas.study.states import ENDED, WORDS
from nas.study.storage_url import DEFAULT_STORAGE
from nas.text import visible

if TYPE_CHECKING:
    from nas.study.following import Attempt, Following, Look
    from nas.study.progress import Progress
    from nas.study.reader import Study, Trial

POLL_SECONDS = 2.0  # between looks into the database
PATIENCE = 3  # looks without an attempt that runs, before it is said that there is no driver
NO_DRIVER = "No driver works on it at present."

watch_commands = typer.Typer()

StudyName = Annotated[str, typer.Argument(help="Name of the study.")]


@watch_commands.command("watch")
def watch_command(
    study: StudyName,
    runs: Annotated[
        str | None,
        typer.Option(
            help="Folder of the search's checkpoints; where it is here, epochs under way are seen. "
            "(default: as the study has it)"
        ),
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Follow a search from any machine that reaches its database; reads only.

    Shows what runs, and a line for each trial that ends, until the study is finished. Ctrl-C ends
    it, and not the search.
    """
    from nas.study.following import Following
    from nas.study.progress import Progress
    from nas.study.reader import open_study

    found = open_study(storage, study)
    watch(Console(highlight=False), found, Following(found), Progress(storage), runs)


@watch_commands.command("stop")
def stop_command(study: StudyName, storage: Storage = DEFAULT_STORAGE) -> None:
    """End a running search from any machine that may write its database.

    Each driver of the study ends within seconds as at Ctrl-C, everything safely stored, and exits
    with 130. A later nas search goes on.
    """
    from nas.study.reader import open_study
    from nas.study.requests import ask_to_stop

    drivers = ask_to_stop(open_study(storage, study))
    if not drivers:
        say(f"{study}: no driver works on it at present; one that is just starting will stop")
        return
    say(f"Asked {plural(len(drivers), 'driver')} of {study} to stop: {', '.join(drivers)}")


def watch(
    console: RichConsole,
    study: Study,
    following: Following,
    progress: Progress,
    runs: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show a study until it is finished; ``sleep`` passes the time between looks.

    ``runs`` is the folder of checkpoints, by default as the study has it.

    Raises:
        StorageError: the database cannot be read, or the study is not in it any more.
    """
    config, paces = stored_config(study), paces_of(study, runs)
    kind = LiveView if console.is_terminal else LinesView
    view = kind(console, config, None, study.record.measure)
    look = following.look()
    _show_past(view, study)
    now = progress.of(study.name)
    ended = int(now[list(ENDED)].sum())
    planned = plural(int(now["planned"]), "trial")
    title = f"{study.name}: {ended} of {planned} ended, {now['working']} running"
    console.print(Text(visible(title)))
    idle = 0
    with view:
        while True:
            _show(view, look, paces)
            view.draw()
            if now["state"] == "finished" and not look.running:
                break
            idle = 0 if look.running or look.ended else idle + 1
            if idle == PATIENCE:
                view.line(NO_DRIVER, "dim")
            sleep(POLL_SECONDS)
            now = progress.of(study.name)  # first: what ended by then, the look finds
            look = following.look()
    console.print(Text(view.status()))


def _show_past(view: LinesView, study: Study) -> None:
    """What happened before, in the line on the whole search."""
    trials = study.frame()
    reused = trials["policy"] == "reused"
    states = trials[~reused]["state"].value_counts()
    counts = {word: int(states.get(WORDS[word], 0)) for word in ENDED}
    counts["reused"] = int(reused.sum())
    view.counts.update({word: n for word, n in counts.items() if n})
    best = study.best()
    if best.empty:
        return
    (one,) = study.trained(best)
    view.best = (float(best[study.record.measure.metric].iloc[0]), _past(one))
    if view.front:
        front = study.front()
        for row, trial in zip(front.to_dict("records"), study.trained(front), strict=True):
            measured = {name: row[name] for name in study.record.minimize}
            view.front.first_epoch(_past(trial), {"metrics": measured})
            view.front.add(_past(trial), float(row[study.record.measure.metric]))


def _show(view: LinesView, look: Look, paces: Paces) -> None:
    from nas.study.following import Untrained

    for one in look.ended:
        if not isinstance(one, Untrained):
            job = _begun(view, one)
            view.ended(job, one.state, one.reason)
        elif one.source is not None:
            view.told(one.number, one.source, one.value)
        else:
            view.refused(one.number, one.reason or "")
    view.running, view.paces = {}, {}
    for attempt in look.running:
        job = _begun(view, attempt)
        if pace := paces.read(attempt.number, attempt.attempt):
            view.paced(job, pace)


def _begun(view: LinesView, one: Attempt) -> Job:
    """Let the view know of an attempt, and when it began."""
    job = Job(one.number, one.attempt, one.architecture, one.cost, {}, None)
    view.running[one.number, one.attempt] = (job, time.monotonic() - one.seconds, one.result)
    if view.front and one.result:
        view.front.first_epoch(job, one.result)
    return job


def _past(trial: Trial) -> Job:
    return Job(trial.number, 1, trial.architecture, trial.cost, {}, None)
