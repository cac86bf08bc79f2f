"""The commands that look after studies: list, show, check, upgrade, move."""

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli.console import Console, Table, plain, say
from nas.cli.numbers import number_option
from nas.errors import ConfigError, DamagedError
from nas.metrics import Measure
from nas.quantity import percent, plural
from nas.study.record import SYNTHETIC
from nas.study.shell import nas_command
from nas.study.states import WORDS, told
from nas.study.storage_url import DEFAULT_STORAGE, VARIABLE
from nas.text import one_line, visible

WIDEST = 100  # characters of a figure

study_commands = typer.Typer()
database_commands = typer.Typer(help="Look after the study database.", no_args_is_help=True)
study_commands.add_typer(database_commands, name="db")

Storage = Annotated[
    str, typer.Option(envvar=VARIABLE, help="The study database.", show_envvar=True)
]


@study_commands.command("studies")
def studies_command(storage: Storage = DEFAULT_STORAGE) -> None:
    """List the studies of a database."""
    from nas.study.reader import studies

    found = studies(storage)
    if found.empty:
        begin = nas_command("search", storage=storage)
        say(f"there is no study in this database yet; to begin one: {begin}")
        return
    table = Table()
    table.add_column("study")
    table.add_column("created (UTC)", no_wrap=True)
    table.add_column("data set", no_wrap=True)
    table.add_column("trials")
    table.add_column("best", justify="right")
    for row in found.to_dict("records"):
        made, problem = row["created"], row["problem"]
        damaged = f"damaged: {problem}" if isinstance(problem, str) else None
        table.add_row(
            plain(row["study"]),
            f"{made:%Y-%m-%d %H:%M}" if made == made else "–",  # not a time: it is damaged
            plain(row["dataset"] if isinstance(row["dataset"], str) else "–"),
            plain(damaged or told(row, "none")),
            _best(row),
        )
    Console().print(table)


def _best(row: Mapping[Hashable, Any]) -> str:
    """The best accuracy, or score, of a row of ``studies``."""
    accuracy, score = row["best_accuracy"], row["best_score"]
    if score == score:  # a number
        return f"{Measure('score', row['direction']).shown(score)} (score)"
    if accuracy != accuracy:  # none is complete
        return "–"
    about = [SYNTHETIC] if row["objective"] == SYNTHETIC else []
    about += ["most accurate of a front"] if isinstance(row["minimize"], str) else []
    return percent(accuracy) + (f" ({', '.join(about)})" if about else "")


@study_commands.command("show")
def show_command(
    study: Annotated[
        str, typer.Argument(help="Name of the study; or STUDY#12, for what trial 12 inherits.")
    ],
    storage: Storage = DEFAULT_STORAGE,
    rows: Annotated[
        int | None,
        number_option(
            least=1, help="How many of the best trials, or of the front. (default: 5, or 20)"
        ),
    ] = None,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Code, libraries, hardware, config and space.")
    ] = False,
) -> None:
    """Show a study: how far it is, its best trials, the winner, the front and learning curves."""
    from nas.cli.best import print_best
    from nas.cli.figures import curves_figure, front_figure
    from nas.cli.lineage import print_inherited, print_tree
    from nas.cli.retrained import print_retrained
    from nas.study.added import left_out
    from nas.study.reader import open_study, studies

    console = Console()
    name, _, number = study.rpartition("#")
    if number.isdecimal() and name in set(studies(storage)["study"]) - {study}:
        print_tree(console, open_study(storage, name), int(number))
        return
    found = open_study(storage, study)
    if provenance:
        record = found.record
        parts = {
            "provenance": record.provenance,
            "devices": found.devices(),
            "other_software": found.other_software(),
            "dataset": record.dataset,
            "config": record.config,
            "space": record.space,
        }
        console.print_json(json.dumps(parts))
        return
    frame = found.frame()
    states = frame["state"].value_counts()
    counts = {word: states.get(state, 0) for word, state in WORDS.items()}
    console.print(f"{study}: {told(counts, 'no trial yet')}", markup=False, highlight=False)
    if frame.attrs["added"]:
        console.print(left_out(frame.attrs["added"]), markup=False, highlight=False)
    print_best(console, found, rows)
    print_inherited(console, found, rows)
    print_retrained(console, found)
    for figure in (front_figure, curves_figure):
        console.print(figure(found, min(console.width, WIDEST)))
        console.print()


@study_commands.command("check")
def check_command(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Verify every invariant of a study; exit code 1 if one is broken."""
    from nas.study.check import violations
    from nas.study.reader import open_study

    try:
        opened = open_study(storage, study)
        found = violations(opened)
        if found:  # a driver that is just claiming a trial has written one of two rows: look again
            found = [violation for violation in violations(opened) if violation in found]
    except DamagedError as error:
        found = error.problems
    else:
        for other in opened.other_software():
            say(one_line(_differing(other, opened.record.provenance.get("software"))))
    for violation in found:
        say(one_line(violation))
    say(f"{study}: {plural(len(found), 'violation')}" if found else f"{study}: all is well")
    raise typer.Exit(1 if found else 0)


@study_commands.command("rename")
def rename_command(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    name: Annotated[str, typer.Argument(help="Its new name.")],
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Give a study another name, while no search works on it."""
    from nas.study.managing import rename_study

    rename_study(storage, study, name)
    say(f"{study} is called {name} now")


@study_commands.command("delete")
def delete_command(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Delete a study with all of its trials, while no search works on it.

    nas export-study writes it into a file first.
    """
    from nas.study.managing import delete_study, trials_of

    count = plural(trials_of(storage, study), "trial")
    if not yes and not _confirmed(f"Delete study {study} with {count}? It cannot be undone."):
        raise ConfigError("nothing was deleted; to delete without being asked, give --yes")
    delete_study(storage, study)
    say(f"{study}: deleted, {count}")


def _confirmed(question: str) -> bool:
    """Whether the person at the terminal says so; where there is none, nobody does."""
    try:
        return typer.confirm(visible(question), default=False)
    except typer.Abort:
        say("")
        return False


def _differing(other: Mapping[str, Any], own: Any) -> str:
    """In a sentence, with what some attempts were trained; a fact, and no violation."""
    own = own if isinstance(own, Mapping) else {}
    parts = [
        f"{name} {value}" + (f" (not {own[name]})" if name in own else "")
        for name, value in other.items()
        if name != "attempts" and value != own.get(name)
    ]
    count = plural(int(other["attempts"]), "attempt")
    return f"note: {count} with other software than the study began with: {', '.join(parts)}"


@study_commands.command("export-frame")
def export_frame_command(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    file: Annotated[Path, typer.Argument(help="A .parquet or .csv file that is not there yet.")],
    what: Annotated[str, typer.Option(help="trials, epochs or attempts.")] = "trials",
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Write a study's frame into a Parquet or CSV file, with the columns of docs/frames.md.

    Parquet keeps the types of the columns. CSV is safe to open in a spreadsheet: text that it would
    run as a formula (beginning with =, +, -, @ or a tab) gets an apostrophe in front.
    """
    from nas.study.exchange.tabular import export_frame
    from nas.study.reader import open_study

    found = open_study(storage, study)
    rows = export_frame(found, file, what)
    say(f"{study}: {plural(rows, what.removesuffix('s'))} written to {file}")
    if found.record.untrained:
        say(found.record.untrained)


@study_commands.command("export-study")
def export_command(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    file: Annotated[Path, typer.Argument(help="The SQLite file to write.")],
    publish: Annotated[
        bool,
        typer.Option("--publish", help="Without names of hosts, paths and tracebacks."),
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Write a study, with all that belongs to it, into a file of its own."""
    from nas.study.exchange.transfer import export_study

    trials = export_study(storage, study, file, publish=publish)
    say(f"{study}: {plural(trials, 'trial')} written to {file}")


@study_commands.command("import-study")
def import_command(
    file: Annotated[Path, typer.Argument(help="A file that nas export-study wrote.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the study here. (default: that of the file)")
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Take a study from a file into the study database."""
    from nas.study.exchange.transfer import import_study

    study, trials = import_study(file, storage, name)
    say(f"{study}: {plural(trials, 'trial')} taken from {file}")


@database_commands.command("upgrade")
def upgrade_command(storage: Storage = DEFAULT_STORAGE) -> None:
    """Bring the database of an older nas to this version's tables.

    A SQLite file is copied beside itself first. Optuna's own tables are upgraded by its own
    command, optuna storage upgrade.
    """
    from nas.study.database.upgrade import upgrade

    done = upgrade(storage)
    if done.before == done.after:
        say(f"has revision {done.after} already: nothing to do")
        return
    if done.backup:
        say(f"copied to {done.backup}")
    say(f"upgraded from revision {done.before} to {done.after}")
