"""``nas compare`` and ``nas narrow``: options in, exit code out."""

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.console import Console
from nas.cli.numbers import number_option
from nas.cli.search import (
    HOW,
    WHAT,
    WHERE,
    Band,
    Data,
    Objective,
    Seed,
    StorageUrl,
    TimeBudget,
    TrainImages,
)
from nas.cli.session import storage_of
from nas.cli.studies import Storage
from nas.search.config import read_config_file
from nas.study.shell import DEFAULT_STORAGE, nas_command

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
    from nas.populations.comparing import OPTIONS, compare, options_of

    flags = {
        name: value
        for name, value in context.params.items()
        if value not in (None, [], ()) and name not in ("config", "quiet")
    }
    file = read_config_file(config, options_of, also=OPTIONS) if config else {}
    again = nas_command(
        "compare",
        *flags.get("spaces", ()),
        **{"storage": storage_of(flags), "config": config, **flags, "spaces": None},
    )
    raise typer.Exit(
        compare({**file, **flags}, console=Console(highlight=False), quiet=quiet, again=again)
    )


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
            help="Networks of the smaller space to train; 0: stop after writing its file. "
            "(default: as many as the study has)",
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
    from nas.populations.narrowing import narrow

    given = {"margin": margin, "error_rate": error_rate}
    judged_by = own_options({name: text for name, text in given.items() if text is not None})
    raise typer.Exit(
        narrow(
            space,
            study,
            storage,
            console=Console(highlight=False),
            take=take,
            models=models,
            margin=judged_by.margin,
            error_rate=judged_by.error_rate,
            output=output,
            data=data,
            quiet=quiet,
        )
    )
