"""The commands from a winner to what is used: retrain, predict, export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from nas.cli.console import Console, Table, plain, say
from nas.cli.numbers import number_option
from nas.cli.pace import PaceLine
from nas.cli.retrained import print_retrained
from nas.cli.search import Address, Concurrency, Insecure, Runs
from nas.cli.session import show
from nas.cli.studies import Storage
from nas.errors import ConfigError
from nas.quantity import percent, plural
from nas.search.signals import EXIT_CODES, Signalled
from nas.study.shell import nas_command
from nas.study.storage_url import DEFAULT_STORAGE
from nas.training.recipes import DEFAULT_RECIPE, RECIPES

if TYPE_CHECKING:
    from nas.study.reader import Study  # pandas: half a second that others need not wait

_LENGTHS = " or ".join(str(one["epochs"]) for one in RECIPES.values())

shipping_commands = typer.Typer()


@shipping_commands.command("retrain")
def retrain_command(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; with --top not needed."),
    ] = None,
    trial: Annotated[
        int | None, number_option(least=0, help="Number of the trial. (default: the best)")
    ] = None,
    top: Annotated[
        int | None,
        number_option(least=1, most=100, help="Train so many of the best networks, over Ray."),
    ] = None,
    seeds: Annotated[
        int | None,
        number_option(least=1, most=100, help="With --top: trainings of each. (default: 3)"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="How: study (as in the search) or long. (default: study; with --top long)"
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        number_option(
            least=1, help=f"Passes over all training images. (default: the recipe's, {_LENGTHS})"
        ),
    ] = None,
    grow_during: Annotated[
        int | None,
        number_option(
            least=1,
            help="Train half of the blocks for so many epochs, then grow to all of them, computing "
            "the same: fewer MACs.",
        ),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Read the test images at the end: once per training.")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="Folder with the data set.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    runs: Runs = None,
    address: Address = None,
    insecure: Insecure = None,
    concurrency: Concurrency = None,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Train a study's best network for longer and write it to a file that can be shipped.

    With --top, several of the best are trained, each with several seeds, into studies beside this
    one: nas show then has what they are worth. The same command again carries on.
    """
    from nas.study.reader import open_study

    found = open_study(storage, study)
    over_ray = {
        "runs": runs, "address": address, "insecure": insecure, "concurrency": concurrency
    }  # fmt: skip
    shared: dict[str, Any] = {"epochs": epochs, "test": test, "data": data}
    if top is not None or seeds is not None:
        if trial is not None:
            raise ConfigError("trial is given, but top names the networks; leave one out")
        if grow_during is not None:
            raise ConfigError("grow-during is given, but with top networks are trained as a search "
                              "trains them; leave one out")  # fmt: skip
        from nas.populations.retraining import SEEDS, TOP

        own = {"top": top or TOP, "seeds": seeds or SEEDS, "output": output, "recipe": recipe}
        _retrain_best(found, {**own, **shared, "device": device, **over_ray})
        return
    for name, value in over_ray.items():
        if value is not None:
            raise ConfigError(f"{name} is given, but one network is trained in this process, "
                              "without Ray; accepted with top")  # fmt: skip
    if output is None:
        raise ConfigError("output is missing: the file to write, such as winner.pt")
    shared["grow_during"] = grow_during
    _retrain_one(found, output, trial, recipe, device, shared)


def _retrain_one(
    study: Study,
    output: Path,
    trial: int | None,
    recipe: str | None,
    device: str,
    shared: Mapping[str, Any],
) -> None:
    from nas.search.retrain import checkpoint_of, chosen, retrain

    number, options = chosen(study, trial), {"recipe": recipe or DEFAULT_RECIPE, **shared}
    try:
        with PaceLine(Console()) as line:
            options |= {"tell": line.say, "paced": line.paced}
            retrain(study, output, number=number, device=device, **options)
    except Signalled as signalled:
        again = nas_command(
            "retrain", study.name, output=output, trial=number, recipe=recipe, **shared,
            device=None if device == "auto" else device, storage=study.url,
        )  # fmt: skip
        say(f"Stopped by {signalled}; {checkpoint_of(output)} has the last epoch. To go on:")
        say(f"  {again}")
        raise typer.Exit(EXIT_CODES[str(signalled)]) from None


def _retrain_best(study: Study, asked: Mapping[str, Any]) -> None:
    from nas.populations.retraining import RECIPE, retrain_all

    given = {name: value for name, value in asked.items() if value is not None}
    if given["device"] == "auto":
        del given["device"]
    command = nas_command("retrain", study.name, storage=study.url, **given)
    own = {name: given.pop(name, None) for name in ("epochs", "test", "output")}
    own["recipe"] = given.pop("recipe", RECIPE)
    top, seeds = given.pop("top"), given.pop("seeds")
    retrain_all(study, top, seeds, own, given, partial(show, again=command), say)
    print_retrained(Console(), study)
    if own["output"] is not None:
        say(f"To use it: nas.load({str(own['output'])!r})")


@shipping_commands.command("predict")
def predict_command(
    network: Annotated[Path, typer.Argument(help="A file that nas retrain wrote.")],
    images: Annotated[list[str], typer.Argument(help="Image files, of any format PIL reads.")],
    resize: Annotated[
        bool, typer.Option("--resize", help="Images of another size are resized, not refused.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line, with all probabilities.")
    ] = False,
) -> None:
    """Name what is on images, with probabilities, by a network that nas retrain wrote."""
    from nas.training.export import load

    classifier = load(network)
    names, probabilities = classifier.predict(images, resize=resize)
    if as_json:
        for file, name, row in zip(images, names, probabilities.tolist(), strict=True):
            every = dict(zip(classifier.classes, row, strict=True))
            say(json.dumps({"file": file, "class": name, "probabilities": every}))
        return
    table = Table("file", "class", "probability", "next", "")
    table.columns[2].justify = table.columns[4].justify = "right"
    for file, name, row in zip(images, names, probabilities, strict=True):
        likely = row.argsort()[::-1]
        shown: list[Text | str] = [plain(file), plain(name), percent(float(row[likely[0]]))]
        for second in likely[1:2]:
            shown += [plain(classifier.classes[second]), percent(float(row[second]))]
        table.add_row(*shown)
    Console().print(table)


@shipping_commands.command("export")
def export_command(
    network: Annotated[
        str,
        typer.Argument(help="A file of nas retrain; STUDY#12 or STUDY, where checkpoints stayed."),
    ],
    to: Annotated[str, typer.Option(help="onnx, torch-export or state-dict.")] = "onnx",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The file to write. (default: network.onnx, .pt2 or .pt)"
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="ONNX in 8 bits, too, and what that loses in accuracy.")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="Folder with the data set.")] = None,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Write a network for other programs, checked against PyTorch on real images, with a card."""
    from nas.shipping import find_network, ship
    from nas.shipping.formats import find_format

    target = output or Path(f"network{find_format(to).ending}")
    found = ship(find_network(network, storage), target, to=to, data=data, int8=int8)
    parity = found.card["parity"]
    say(
        f"Wrote {', '.join(map(str, found.files))}: on {plural(parity['images'], 'image')} the "
        f"same answers as PyTorch, logits within {parity['largest_difference']:.1e}"
    )
