"""``nas latency``: of a study's networks, and of the blocks that others are predicted from."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nas.cli.console import Console, Table, say
from nas.cli.numbers import number_option
from nas.cli.shapes import read_shape
from nas.cli.studies import Storage
from nas.quantity import SECONDS, count, percent, with_unit
from nas.study.storage_url import DEFAULT_STORAGE

DEFAULT = "study"


class _StudyByDefault(TyperGroup):
    """``nas latency resnext`` is ``nas latency study resnext``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else [DEFAULT, *args])


latency_commands = typer.Typer(
    cls=_StudyByDefault,
    help="Measure how long networks take: nas latency STUDY, or nas latency build SPACE.",
)

Batch = Annotated[int, number_option(least=1, most=4096, help="Images at a time.")]


@latency_commands.command(DEFAULT)
def study_command(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    trials: Annotated[str, typer.Option(help="front, best or all.")] = "front",
    batch: Batch = 1,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Measure how long networks take on this machine's processor, and store it with the study.

    The median forward pass in one thread, after a warm-up, the networks in turns. Frames have it as
    latency_ms; it says something about this machine alone. The word study may be left out.
    """
    from nas.search.latency import measure_study
    from nas.study.reader import open_study

    table = Table()
    found = open_study(storage, study)
    for header in ("trial", "latency", found.record.accuracy, "MACs"):
        table.add_column(header, justify="right")
    measured = measure_study(found, trials, batch)
    rows = {row["number"]: row for row in found.frame().to_dict("records")}
    for number, milliseconds in measured.items():
        row = rows[number]
        value, measure = row[found.record.measure.metric], found.record.measure
        table.add_row(
            str(number),
            f"{milliseconds:.2f} ms",
            measure.shown(value) if value == value else "–",  # not a number: not measured yet
            count(row["macs"]),
        )
    Console().print(table)


@latency_commands.command("build")
def build_command(
    space: Annotated[str, typer.Argument(help="A bundled space or the path of a YAML file.")],
    batch: Batch = 1,
    input: Annotated[  # noqa: A002
        str | None,
        typer.Option(help="Channels × height × width. (default: the space's, else 1x28x28)"),
    ] = None,
    classes: Annotated[
        int | None, number_option(least=1, help="Of the images. (default: the space's, else 10)")
    ] = None,
    blocks: Annotated[
        int, number_option(least=10, help="At most so many are measured, the most frequent first.")
    ] = 1000,
    held_out: Annotated[
        int, number_option(least=10, help="Networks that the prediction is tried on.")
    ] = 50,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "cpu",
    seed: Annotated[int, number_option(least=0, help="Of the networks that are drawn.")] = 0,
) -> None:
    """Measure the blocks of a space on this machine, to predict its networks before training.

    A network's time is the sum of those of its stem, blocks and head, with an offset and a scale
    fitted on some whole networks, and tried on others. nas search --max-latency then proposes no
    network that is predicted to be above by more than the error (docs/budgets.md).
    """
    from nas.search.latency_build import build_table
    from nas.space import SearchSpace

    loaded = SearchSpace.load(space)
    shape = read_shape(input) if input is not None else loaded.input_shape
    loaded = loaded.for_images(shape, classes or loaded.num_classes, "what is asked for")
    table = build_table(
        loaded, batch=batch, blocks=blocks, held_out=held_out, device=device, seed=seed, tell=say
    )
    errors, (shortest, longest) = table.errors, table.range
    say(
        f"{loaded.name} on {table.conditions.device}, {batch} at a time, one thread, float32\n"
        f"error on {errors.networks} networks that it was not fitted to: median "
        f"{percent(errors.median).strip()}, nine in ten within {percent(errors.most).strip()}\n"
        f"rank correlation {errors.rank:.3f}; that of MACs alone is {errors.rank_of_macs:.3f}\n"
        f"holds for networks of {with_unit(shortest, SECONDS)} to {with_unit(longest, SECONDS)}; "
        "for others it says so\n"
        f"stored in {table.conditions.path}"
    )
