"""``nas table``: every network of a small space, trained to compare searches on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.console import Console, Table, say
from nas.cli.numbers import number_option
from nas.cli.search import (
    HOW,
    WHERE,
    Address,
    Concurrency,
    Data,
    DatasetName,
    Insecure,
    Objective,
    Resize,
    Runs,
    TrainImages,
)
from nas.cli.session import show
from nas.quantity import count, plural
from nas.search.resolving import read_config_file
from nas.study.shell import nas_command

table_commands = typer.Typer(
    help="Tables of learning curves, to compare searches on.", no_args_is_help=True
)


@table_commands.callback()
def group() -> None:
    """Tables of learning curves, to compare searches on."""


@table_commands.command("make")
def make_command(
    context: typer.Context,
    space: Annotated[str, typer.Argument(help="A space of at most 4,096 settings.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The .sqlite file to write.", rich_help_panel=WHERE),
    ],
    seeds: Annotated[
        int, number_option(least=1, most=100, help="Trainings of a network.", panel=HOW)
    ] = 2,
    again: Annotated[
        float,
        typer.Option(
            help="With the seeds after the first, train this share of the networks only: half of "
            "it the best, half of it at random.",
            rich_help_panel=HOW,
        ),
    ] = 1.0,
    epochs: Annotated[
        str | None,
        typer.Option(metavar="INTEGER", help="Epochs of every network.", rich_help_panel=HOW),
    ] = None,
    dataset: DatasetName = None,
    resize: Resize = None,
    train_images: TrainImages = None,
    objective: Objective = None,
    config: Annotated[
        Path | None,
        typer.Option(help="YAML file of options of nas search.", rich_help_panel=HOW),
    ] = None,
    data: Data = None,
    runs: Runs = None,
    address: Address = None,
    insecure: Insecure = None,
    concurrency: Concurrency = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print no trials.", rich_help_panel=WHERE)
    ] = False,
) -> None:
    """Train every network of a space in full into a table; the same command again carries on.

    nas search --objective table:FILE then searches in it without training anything.
    """
    from nas.populations.table import make

    own = ("space", "output", "seeds", "again", "config", "quiet")
    flags = {
        name: value
        for name, value in context.params.items()
        if value is not None and name not in own
    }
    file = read_config_file(config) if config else {}
    command = nas_command(
        "table make", space, output=output, seeds=seeds, again=again, config=config, **flags
    )
    run = partial(show, quiet=quiet, again=command)
    make(space, output, seeds, again, {**file, **flags}, run, say)
    info_command(output)
    found = nas_command("search", objective=f"table:{output}")
    say(f"\nTo search in it:  {found}")


@table_commands.command("info")
def info_command(
    file: Annotated[Path, typer.Argument(help="A file that nas table make has written.")],
) -> None:
    """Print what a table holds: networks, seeds, recipe, values, and how much training it took."""
    from nas.study.table import read_table

    found = read_table(file)
    seeds = [len(curves) for curves in found.curves.values()]
    trained, spread = sum(seeds), found.spread
    values = sorted(found.value(key) for key in found.curves)
    settings = found.space.distinct_settings(found.space.size())
    assert settings is not None, "no more than all of them"
    costs = {n.key: found.space.cost(n).macs for n in map(found.space.architecture, settings)}
    macs = sorted(costs[key] for key in found.curves if key in costs)
    shown, many = found.measure.shown, f"{len(found.curves):,} of {plural(len(costs), 'network')}"
    table = Table(title=f"{file}: {found.space.name}", show_header=False)
    rows = {
        "networks": many,
        "trainings": f"{trained:,}, {sum(n > 1 for n in seeds):,} networks more than once",
        "epochs": f"{found.epochs}, each recorded",
        "MACs": f"{count(macs[0])} to {count(macs[-1])}",
        found.measure.label: " to ".join(shown(end).strip() for end in (values[0], values[-1])),
        "seed to seed": f"standard deviation {spread:.4f}" if spread else "one seed",
        "machine time": f"{found.machine_seconds:,.0f} s of training",
        **{name.replace("_", " "): str(value) for name, value in found.recipe.items() if value},
    }
    for name, text in rows.items():
        table.add_row(name, text)
    Console(highlight=False).print(table)
