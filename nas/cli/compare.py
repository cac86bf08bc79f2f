"""``nas compare`` and ``nas narrow``: options in, exit code out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.console import Console, Table, plain, say
from nas.cli.numbers import number_option
from nas.cli.search import (
    HOW,
    WHAT,
    WHERE,
    Address,
    Band,
    Data,
    DatasetName,
    Insecure,
    Objective,
    Resize,
    Seed,
    StorageUrl,
    TimeBudget,
    TrainImages,
)
from nas.cli.session import show
from nas.cli.studies import Storage
from nas.output import check_folder, file_name
from nas.quantity import count, plural
from nas.search.resolving import read_config_file
from nas.study.shell import nas_command
from nas.study.storage_url import DEFAULT_STORAGE, storage_url

if TYPE_CHECKING:
    from nas.populations.narrowing import Proposals

population_commands = typer.Typer()

# Options of a verdict, checked by ComparisonOptions
Margin = Annotated[
    str | None,
    typer.Option(
        metavar="FLOAT",
        help="A difference of accuracy that does not matter, as a fraction. (default: 0.005)",
        rich_help_panel=WHAT,
    ),
]
ErrorRate = Annotated[
    str | None,
    typer.Option(
        metavar="FLOAT",
        help="How often a verdict may be wrong. (default: 0.05)",
        rich_help_panel=WHAT,
    ),
]


@population_commands.command("compare")
def compare_command(
    context: typer.Context,
    spaces: Annotated[
        list[str] | None,
        typer.Argument(help="Two design spaces, or one with --flip: names or YAML files."),
    ] = None,
    flip: Annotated[
        str | None,
        typer.Option(
            help="Compare networks of one space that differ in this knob alone, such as residual.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            metavar="INTEGER",
            help="Random networks of each space, or pairs with --flip. (default: 60)",
            rich_help_panel=WHAT,
        ),
    ] = None,
    band: Band = None,
    margin: Margin = None,
    error_rate: ErrorRate = None,
    epochs: Annotated[
        str | None,
        typer.Option(
            metavar="INTEGER",
            help="Epochs of every network. (default: 2)",
            rich_help_panel=HOW,
        ),
    ] = None,
    dataset: DatasetName = None,
    resize: Resize = None,
    train_images: TrainImages = None,
    objective: Objective = None,
    seed: Seed = None,
    time_budget: TimeBudget = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of these options, and of those of nas search.", rich_help_panel=HOW
        ),
    ] = None,
    storage: StorageUrl = None,
    data: Data = None,
    address: Address = None,
    insecure: Insecure = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for verdict, table and figures. (default: A-vs-B)",
            rich_help_panel=WHERE,
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", help="Print nothing but the verdict.", rich_help_panel=WHERE),
    ] = False,
) -> None:
    """Compare two design spaces, or one knob of a space, by random populations trained alike.

    Draws networks at random from both spaces within the same band of costs, trains all of them in
    full, and says which space is better, with what certainty. The same command again carries on.
    """
    from nas.populations.comparing import OPTIONS, compare, options_of, sides_of, title_of

    flags = {
        name: value
        for name, value in context.params.items()
        if value not in (None, [], ()) and name not in ("config", "quiet")
    }
    file = read_config_file(config, options_of, also=OPTIONS) if config else {}
    given = options_of({**file, **flags})
    given["storage"] = storage_url(given.get("storage"))
    again = nas_command(
        "compare",
        *flags.get("spaces", ()),
        **{"config": config, **flags, "spaces": None, "storage": given["storage"]},
    )
    folder = check_folder(given.get("output") or title_of(sides_of(given)), "output")
    verdict = compare(given, partial(show, quiet=quiet, again=again))
    verdict.write(folder)
    for line in (*verdict.lines, f"Table and figures are in {folder}/"):
        say(f"\n{line}", sentences=True)


@population_commands.command("narrow")
def narrow_command(
    space: Annotated[str, typer.Argument(help="The design space: a name or a YAML file.")],
    study: Annotated[
        str,
        typer.Option(
            help="A study of random networks of that space, as nas compare makes.",
            rich_help_panel=WHAT,
        ),
    ],
    take: Annotated[
        int,
        number_option(least=1, help="Which of the proposals to follow, by its number.", panel=WHAT),
    ] = 1,
    models: Annotated[
        int | None,
        number_option(
            least=0,
            help="Networks of the smaller space to train, at least 8; 0: stop after writing its "
            "file. (default: as many as the study has)",
            panel=WHAT,
        ),
    ] = None,
    margin: Margin = None,
    error_rate: ErrorRate = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The smaller space's file. (default: its name.yaml)",
            rich_help_panel=WHERE,
        ),
    ] = None,
    data: Data = None,
    address: Address = None,
    insecure: Insecure = None,
    storage: Storage = DEFAULT_STORAGE,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print no trials.", rich_help_panel=WHERE)
    ] = False,
) -> None:
    """Propose a smaller design space that a random study supports, train it, and judge it.

    Lists ties, orders and smaller ranges with their evidence, writes the chosen one as a space file
    with its lineage, trains random networks of it within the same costs, and says whether it is
    better, equal or worse than its parent.
    """
    from nas.populations.comparing import own_options
    from nas.populations.narrowing import narrow_space, write_space

    given = {"margin": margin, "error_rate": error_rate, "models": models or None}
    judged_by = own_options({name: value for name, value in given.items() if value is not None})
    found = narrow_space(space, study, storage=storage)
    if not found:
        many = plural(found.networks, "network")
        say(f"{many} of {found.space.name} are no evidence for a smaller space.")
        raise typer.Exit(1)
    chosen = found.take(take)
    Console(highlight=False).print(_table(found))
    path = output or Path(f"{file_name(chosen.name)}.yaml")
    write_space(chosen, path)
    say(f"\n{path} has {chosen.change}, and its lineage.")
    size = found.study.trials if models is None else models
    if size == 0:
        return
    machine = {"data": data, "address": address, "insecure": insecure}
    of_machine: dict[str, Any] = {
        name: value for name, value in machine.items() if value is not None
    }
    again = nas_command(
        "narrow",
        space,
        study=study,
        take=take,
        models=models,
        margin=margin,
        error_rate=error_rate,
        output=output,
        storage=storage,
        **of_machine,
    )
    child = found.child(path, size, of_machine)
    run = partial(show, quiet=quiet, again=again)
    judged = found.judged(child, run, judged_by.margin, judged_by.error_rate)
    following = nas_command("narrow", str(path), study=child.study, storage=storage, **of_machine)
    for line in judged.lines:
        say(f"\n{line}", sentences=True)
    say(f"\nThe next step:  {following}")


def _table(found: Proposals) -> Table:
    space = found.space
    table = Table(title=f"What would make {space.name} ({count(space.size())}) smaller")
    table.add_column("", justify="right")
    table.add_column("rule")
    table.add_column("settings", justify="right")
    table.add_column("evidence")
    for number, one in enumerate(found, start=1):
        table.add_row(str(number), plain(one.change), count(one.child.size()), plain(one.evidence))
    table.caption = "found in these data: whether it holds is for a fresh population to say"
    return table
