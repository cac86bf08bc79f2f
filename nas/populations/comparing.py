"""Which of two design spaces is better, or whether a knob matters: train, test, write it down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from nas.errors import ConfigError
from nas.output import check_folder
from nas.populations.training import Population, opened, population, train
from nas.search.config import SearchConfig
from nas.search.session import storage_of

OPTIONS = ("spaces", "models", "margin", "error_rate", "output")  # beside those of a search
MODELS, EPOCHS, MARGIN, ERROR_RATE = 60, 2, 0.005, 0.05


def compare(given: Mapping[str, Any], *, console: Console, again: str, quiet: bool = False) -> int:
    """Train the populations as far as they are not there yet, and write the verdict.

    ``given`` has ``OPTIONS`` and options of a search; ``spaces`` are two, or one with ``flip``;
    ``again`` is the command to be shown for going on.
    Returns the exit code: 0, or that of the search that did not come to its end.

    Raises:
        NasError: an option cannot be carried out, or the data allow no verdict.
    """
    from nas.populations import verdicts  # pandas and SciPy: an error need not wait for them

    storage = storage_of(given)
    sides = sides_of(given)
    folder = check_folder(given.get("output") or "-vs-".join(_words(sides)), "output")
    code = train(sides, storage, again, quiet=quiet)
    if code:
        return code
    margin, error_rate = given.get("margin", MARGIN), given.get("error_rate", ERROR_RATE)
    if given.get("flip"):
        result = verdicts.of_flips(opened(sides, storage)[0], given["flip"], error_rate)
    else:
        result = verdicts.of_spaces(*opened(sides, storage), margin=margin, error_rate=error_rate)
    result.write(folder)
    for line in result.lines:
        console.print(f"\n{line}", markup=False, soft_wrap=True)
    console.print(f"\nTable and figures are in {folder}/", markup=False, soft_wrap=True)
    return 0


def sides_of(given: Mapping[str, Any]) -> list[Population]:
    """The populations that are compared, from the options of ``compare``.

    Raises:
        ConfigError: there are not two spaces, or not one with ``flip``, or they do not compare.
    """
    spaces, models = given.get("spaces") or [], given.get("models", MODELS)
    options = {
        name: value
        for name, value in {"epochs": EPOCHS, **given}.items()
        if name in SearchConfig.model_fields and name != "storage"
    }
    wanted = 1 if options.get("flip") else 2
    if len(spaces) != wanted:
        raise ConfigError(
            f"{len(spaces)} design spaces were given; accepted: two to compare with one another, "
            "or one with --flip KNOB"
        )
    sides = [population(space, models, options) for space in spaces]
    if len({one.study for one in sides}) < wanted:
        raise ConfigError(f"both sides are {spaces[0]!r}; accepted: two different design spaces")
    shapes = {(one.space.input_shape, one.space.num_classes) for one in sides}
    if len(shapes) > 1:
        raise ConfigError(
            "the design spaces are for images of different shapes or numbers of classes: "
            + " and ".join(str(shape) for shape in sorted(shapes))
        )
    return sides


def _words(sides: list[Population]) -> list[str]:
    """What is compared, in words for a folder's name."""
    if len(sides) == 1:
        return [sides[0].space.name, str(sides[0].options["flip"])]
    return [one.space.name for one in sides]
