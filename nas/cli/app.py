"""The command line: each command parses, calls one function and prints."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.compare import population_commands
from nas.cli.console import Console, Table, plain, prepare_output, say
from nas.cli.doctor import doctor_commands
from nas.cli.latency import latency_commands
from nas.cli.numbers import number_option
from nas.cli.search import search_command
from nas.cli.shapes import read_shape
from nas.cli.shipping import shipping_commands
from nas.cli.spaces import space_commands
from nas.cli.studies import Storage, study_commands
from nas.cli.table import table_commands
from nas.cli.watch import watch_commands
from nas.errors import NasError
from nas.output import check_file
from nas.quantity import count
from nas.study.storage_url import DEFAULT_STORAGE
from nas.text import one_line

FIGURES = (".png", ".svg", ".pdf")

app = typer.Typer(
    name="nas",
    help="Search and compare neural-architecture design spaces.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("search")(search_command)
app.add_typer(watch_commands)
app.add_typer(population_commands)
app.add_typer(study_commands)
app.add_typer(shipping_commands)
app.add_typer(doctor_commands)
app.add_typer(space_commands, name="space")
app.add_typer(table_commands, name="table")
app.add_typer(latency_commands, name="latency")


@app.command("plot")
def plot_command(
    studies: Annotated[
        list[str], typer.Argument(help="Names of studies: several for edf and efficiency.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png, .svg or .pdf file.")],
    kind: Annotated[
        str,
        typer.Option(
            help="front, edf, efficiency, knob, marginal, effects, pairs, importance, curves "
            "or fidelity."
        ),
    ] = "front",
    cost: Annotated[
        str | None,
        typer.Option(
            help="macs, params, activations or latency_ms; edf then compares at equal cost. "
            "(default: macs)"
        ),
    ] = None,
    knob: Annotated[
        str | None, typer.Option(help="Of knob, marginal and effects: such as stages.0.width.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="random, or any to take guided trials. (default: random)")
    ] = None,
    stopped: Annotated[
        str | None,
        typer.Option(help="Trials stopped early: refuse, drop or bound (edf). (default: refuse)"),
    ] = None,
    epochs: Annotated[
        int | None, number_option(least=1, help="Trained so long. (default: all must agree)")
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Draw a figure of a study: its front, the distribution of its errors, what knobs do.

    The front shows all trials. Statistics of the space need a random sample at one fidelity, and
    say what they refuse and why (docs/statistics.md).
    """
    from nas.analysis.plots.kinds import draw
    from nas.study.reader import open_study

    check_file(output, "output", FIGURES)
    figure = draw(
        kind,
        [open_study(storage, study) for study in studies],
        cost=cost,
        knob=knob,
        policy=policy,
        stopped=stopped,
        epochs=epochs,
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output)


@app.command("report")
def report_command(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .html file to write.")],
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Print it to a .pdf beside it, too; needs Chromium.")
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Write a study as one file to read and print: question, set-up, figures, winner, limits."""
    from nas.report.pdf import find_chromium, print_pdf
    from nas.report.report import report
    from nas.study.reader import open_study

    found = open_study(storage, study)
    check_file(output, "output", (".html",))
    chromium = find_chromium() if pdf else None
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(report(found), encoding="utf-8")
    if chromium:
        print_pdf(chromium, output, output.with_suffix(".pdf"))


@app.command("dashboard")
def dashboard_command(
    storage: Storage = DEFAULT_STORAGE,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets every machine read the studies.")
    ] = "127.0.0.1",
    port: Annotated[int, number_option(least=1, most=65535, help="Port to listen on.")] = 8501,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Let nobody write notes and tags.")
    ] = False,
) -> None:
    """Show the studies of a database in a browser, live while they run; writes notes alone."""
    from nas.dashboard.serve import serve

    serve(storage, host, port, read_only=read_only)


@app.command("spaces")
def spaces_command(
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of space files, for editors.")
    ] = False,
) -> None:
    """List the bundled design spaces."""
    from nas.space import SearchSpace, available, json_schema

    if schema:
        say(json.dumps(json_schema(), indent=2))
        return
    table = Table("space", "settings", "knobs", "description")
    table.columns[1].justify = "right"
    for name in available():
        space = SearchSpace.load(name)
        table.add_row(
            name, f"{space.size():,}", str(len(space.parameters)), plain(space.description)
        )
    Console().print(table)


@app.command("cost")
def cost_command(
    network: Annotated[str, typer.Argument(help="A preset, such as resnext50_32x4d.")],
    input: Annotated[str, typer.Option(help="Channels × height × width.")] = "1x28x28",  # noqa: A002
    classes: Annotated[int, number_option(least=1, help="Outputs of the linear layer.")] = 10,
) -> None:
    """Print shapes, parameters and multiply-accumulates of a known network."""
    from nas.cost import cost
    from nas.presets import preset
    from nas.summary import summary

    architecture, shape = preset(network), read_shape(input)
    total = cost(architecture, shape, classes)
    say(str(summary(architecture, shape, classes)))
    say(
        f"\n{total.params:,} parameters ({count(total.params)}), {total.macs:,} MACs "
        f"({count(total.macs)}), {total.activations:,} activations ({count(total.activations)})"
    )


@app.command("sample")
def sample_command(
    space: Annotated[str, typer.Argument(help="A bundled space or the path of a YAML file.")],
    number: Annotated[int, number_option("-n", least=1, help="How many architectures.")] = 1,
    seed: Annotated[int, number_option(least=0, help="Of the first one; the others count on.")] = 0,
) -> None:
    """Draw random architectures from a space, one JSON object a line."""
    from nas.space import SearchSpace

    loaded = SearchSpace.load(space)
    for k in range(number):
        say(json.dumps(loaded.sample(seed + k).to_dict()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; a user's mistake is one line on standard error and exit code 2."""
    prepare_output()
    try:
        code = app(
            args=list(sys.argv[1:] if arguments is None else arguments),
            prog_name="nas",
            standalone_mode=False,
        )
    except typer.Exit as stop:
        return stop.exit_code
    except NasError as error:
        return _refuse(str(error))
    except typer.TyperException as error:  # what Typer itself could not parse
        message = error.format_message()
        return _refuse(message) if message else 2  # help was printed instead
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:  # the reader of our output left, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0


def _refuse(message: str) -> int:
    print(f"nas: {one_line(message)}", file=sys.stderr)
    return 2
