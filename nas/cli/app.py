"""The command line: each command parses, calls one function and prints."""

import json
import os
import re
import sys
import warnings
from collections.abc import Iterable, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Annotated

import typer

from nas.architecture import Architecture
from nas.cli.compare import population_commands
from nas.cli.console import Console, Table, plain, prepare_output, say
from nas.cli.doctor import doctor_commands
from nas.cli.latency import latency_commands
from nas.cli.networks import print_summary, read_architectures
from nas.cli.numbers import number_option
from nas.cli.search import search_command
from nas.cli.shapes import read_shape
from nas.cli.shipping import shipping_commands
from nas.cli.spaces import space_commands
from nas.cli.studies import Storage, study_commands
from nas.cli.table import table_commands
from nas.cli.watch import watch_commands
from nas.errors import AnalysisError, ConfigError, NasError
from nas.output import check_file
from nas.quantity import count, plural
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
    options = {"cost": cost, "knob": knob, "policy": policy, "stopped": stopped, "epochs": epochs}
    opened = [open_study(storage, study) for study in studies]
    try:
        figure = draw(kind, opened, **options)
    except AnalysisError as error:
        raise AnalysisError(_in_flags(str(error), options)) from None
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output)
    say(f"{kind} of {' and '.join(studies)} written to {output}")


def _in_flags(message: str, options: Iterable[str]) -> str:
    """What Python is told of arguments, as options of the command: --stopped drop.

    >>> _in_flags("use frame[frame.policy == 'random'], or policy='any'", ["policy"])
    'use --policy any'
    """
    message = re.sub(r"only its rows frame\[[^]]*\], ", "", message)
    message = re.sub(r"use frame\[[^]]*\], (or )?", "use ", message)
    given = rf"\b({'|'.join(options)})='?([\w.…]+)'?"
    return re.sub(given, lambda found: f"--{found[1]} {found[2]}", message)


@app.command("report")
def report_command(
    studies: Annotated[
        list[str], typer.Argument(help="Name of the study; of two, to compare their spaces.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .html file to write.")],
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Print it to a .pdf beside it, too; needs Chromium.")
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Write a study as one file to read and print: question and answer, figures, limits.

    What it asks is what the study asked: which network is best, what random networks reach, or what
    a knob does to pairs that differ in it alone. Of two studies, which space is better.
    """
    from nas.report.pdf import find_chromium, print_pdf
    from nas.report.report import report
    from nas.study.reader import open_study

    if len(studies) > 2 or len(set(studies)) < len(studies):
        raise ConfigError(f"studies are {', '.join(studies)}; accepted: one, or two different ones")
    found = [open_study(storage, study) for study in studies]
    check_file(output, "output", (".html",))
    chromium = find_chromium() if pdf else None
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(report(*found), encoding="utf-8")
    written = [output]
    if chromium:
        written.append(output.with_suffix(".pdf"))
        print_pdf(chromium, output, written[-1])
    say(f"report of {' and '.join(studies)} written to {' and '.join(map(str, written))}")


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
    network: Annotated[
        str,
        typer.Argument(
            help="A preset, such as resnext50_32x4d; or -: those of nas sample, on standard input."
        ),
    ],
    input: Annotated[str, typer.Option(help="Channels × height × width.")] = "1x28x28",  # noqa: A002
    classes: Annotated[int, number_option(least=1, help="Outputs of the linear layer.")] = 10,
) -> None:
    """Print shapes, parameters and multiply-accumulates of a known network, or of several.

    nas sample resnext -n 5 | nas cost -
    """
    from nas.cost import cost
    from nas.presets import preset
    from nas.summary import summary

    shape = read_shape(input)
    if network == "-":
        _print_costs(read_architectures(sys.stdin), shape, classes)
        return
    architecture = preset(network)
    total = cost(architecture, shape, classes)
    print_summary(Console(highlight=False), summary(architecture, shape, classes))
    say(
        f"\n{total.params:,} parameters ({count(total.params)}), {total.macs:,} MACs "
        f"({count(total.macs)}), {total.activations:,} activations ({count(total.activations)})"
    )


def _print_costs(
    architectures: Iterable[Architecture], shape: tuple[int, int, int], classes: int
) -> None:
    """A line for each, as it comes."""
    from nas.cost import cost

    for number, architecture in enumerate(architectures):
        total = cost(architecture, shape, classes)
        say(
            f"{number:>5}  {architecture.key[:12]}  {count(total.params):>6} params  "
            f"{count(total.macs):>6} MACs  {count(total.activations):>6} activations  "
            f"{plural(architecture.depth, 'block')}"
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


def _wrap_help(group: typer.Typer) -> None:
    """Paragraphs of a command's help are broken where the terminal ends, not where our lines do."""
    for command in group.registered_commands:
        paragraphs = cleandoc(getattr(command.callback, "__doc__", None) or "").split("\n\n")
        command.help = "\n\n".join(map(one_line, paragraphs))
    for below in group.registered_groups:
        assert below.typer_instance is not None
        _wrap_help(below.typer_instance)


_wrap_help(app)


# What lists the possible values of an argument
_LISTED = {
    **dict.fromkeys(("study", "studies"), "nas studies"),
    **dict.fromkeys(("space", "spaces"), "nas spaces"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; a user's mistake is one line on standard error and exit code 2."""
    prepare_output()
    _share_cores()
    # a study's name may have signs that the font of figures lacks: a box is seen in their place
    warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from", UserWarning)
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
        listed = _LISTED.get(str(getattr(getattr(error, "param", None), "name", None)))
        if listed and message.startswith("Missing argument"):
            message += f" For those that there are: {listed}"
        return _refuse(message) if message else 2  # help was printed instead
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:  # the reader of our output left, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0


def _share_cores() -> None:
    """Let threads of torch that wait for each other give way soon, unless told how they shall wait.

    By default they wait busily for milliseconds: with two threads beside another busy process, a
    training had 71 images a second instead of 420, and 228 in this way; alone 5 % less.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = "1000"  # read when torch is imported


def _refuse(message: str) -> int:
    print(f"nas: {one_line(message)}", file=sys.stderr)
    return 2
