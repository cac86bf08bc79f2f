"""The command that tells what a design space holds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from statistics import median
from typing import Annotated

import typer
from rich.markup import escape

from nas.cli.console import Console, Table
from nas.quantity import count, plural
from nas.space.bands import Bands
from nas.space.domains import FloatRange, IntRange
from nas.space.space import SearchSpace

DRAWS = 300  # networks whose costs are told

space_commands = typer.Typer(help="Look into design spaces.", no_args_is_help=True)


@space_commands.callback()
def group() -> None:
    """Look into design spaces."""


@space_commands.command("info")
def info_command(
    space: Annotated[str, typer.Argument(help="A bundled space or the path of a YAML file.")],
    band: Annotated[
        str | None, typer.Option(help="Limits beside the space's own: macs=4M:8M,params=:500k.")
    ] = None,
) -> None:
    """Print a space's size, knobs, rules, lineage, and the costs of its networks.

    A knob is nested where a step of it leads to a network that contains the other one.
    """
    loaded = SearchSpace.load(space)
    if band is not None:
        loaded = loaded.with_limits(Bands.read(band).by_measure)
    console = Console(highlight=False)
    for line in facts(loaded):
        console.print(escape(line), soft_wrap=True)
    knobs = Table("knob", "domain", "nested")
    nesting = loaded.is_nested()
    for path, domain in loaded.parameters.items():
        ranged = isinstance(domain, IntRange | FloatRange) and domain.log
        nested = nesting.knobs[path].verdict if path in nesting.knobs else ""
        knobs.add_row(path, escape(str(domain)) + (", on a log scale" if ranged else ""), nested)
    console.print(knobs)
    for reason in nesting.reasons:
        console.print(escape(f"not nested where {reason}"), soft_wrap=True)
    console.print(_costs(loaded))


def facts(space: SearchSpace) -> Iterator[str]:
    """One line on each property of a space."""
    size = space.size()
    yield f"{space.name}: {space.description or 'a design space'}"
    short = f" ({count(size)})" if count(size) != str(size) else ""
    yield f"size     {plural(size, 'setting')}{short}, exactly, without the limits"
    content = space.to_dict()
    for rule in ("tie", "order", "adjust", "limits"):
        if rule in content:
            yield f"{rule:<8} {_words(content[rule])}"
    share, how = space.share()
    yield f"inside   {100 * share:.3g} % of the draws without limits are inside them ({how})"
    yield f"sampler  {space.sampler}"
    if space.parent is not None:
        parent = space.parent
        yield f"parent   {parent['name']} ({parent['hash'][:12]}) {parent.get('evidence', '')}"
    yield f"hash     {space.hash}"


def _costs(space: SearchSpace) -> Table:
    """The least, the median and the most of each cost of some random networks."""
    table = Table(f"of {DRAWS} networks", "least", "median", "most")
    for column in table.columns[1:]:
        column.justify = "right"
    rng = random.Random(0)
    networks = [space.architecture(space.sample_setting(rng)) for _ in range(DRAWS)]
    costs = [space.cost(network) for network in networks]
    amounts = {
        "params": [one.params for one in costs],
        "macs": [one.macs for one in costs],
        "activations": [one.activations for one in costs],
        "depth": [network.depth for network in networks],
    }
    for measure, values in amounts.items():
        table.add_row(measure, *map(count, (min(values), median(values), max(values))))
    return table


def _words(content: object) -> str:
    """A rule as a person reads it: ``width: nondecreasing``, ``macs: 4.00M to 8.00M``."""
    if isinstance(content, list):
        return ", ".join(map(str, content))
    if not isinstance(content, dict):
        return str(content)
    parts = []
    for key, value in content.items():
        if isinstance(value, dict):
            least, most = value.get("min"), value.get("max")
            value = " and ".join(
                f"{word} {end:,}"
                for word, end in (("at least", least), ("at most", most))
                if end is not None
            )
        parts.append(f"{key} {value}")
    return ", ".join(parts)
