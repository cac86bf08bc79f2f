"""Which of two design spaces is better, or whether a knob matters: train, test, write it down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console

from nas.cli.session import storage_of
from nas.errors import ConfigError
from nas.options import Real, Whole
from nas.output import check_folder
from nas.populations.training import Population, opened, population, train
from nas.search.config import SearchConfig, checked, complaint

EPOCHS = 2


class ComparisonOptions(BaseModel):
    """The options of a comparison beside those of a search, and their defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    spaces: Annotated[list[str], Field(strict=True)] = []
    models: Annotated[Whole, Field(ge=8, le=1_000_000)] = 60
    margin: Annotated[Real, Field(ge=0, le=1)] = 0.005
    error_rate: Annotated[Real, Field(ge=0.0001, le=0.5)] = 0.05
    output: str | None = None


OPTIONS = tuple(ComparisonOptions.model_fields)


def options_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a comparison and of its searches, each with its type.

    Raises:
        ConfigError: one of them cannot be; the message names it.
    """
    own = {name: value for name, value in given.items() if name in OPTIONS}
    own |= {"spaces": list(own["spaces"])} if isinstance(own.get("spaces"), tuple) else {}
    options = own_options(own)
    rest = {name: value for name, value in given.items() if name not in OPTIONS}
    return {**{name: getattr(options, name) for name in own}, **checked(rest)}


def own_options(given: Mapping[str, Any]) -> ComparisonOptions:
    """Those of ``OPTIONS`` that are given, checked, and the defaults of the others.

    Raises:
        ConfigError: one of them cannot be; the message names it.
    """
    try:
        return ComparisonOptions(**{name: given[name] for name in OPTIONS if name in given})
    except ValidationError as error:
        raise ConfigError(complaint(error)) from None


def compare(given: Mapping[str, Any], *, console: Console, again: str, quiet: bool = False) -> int:
    """Train the populations as far as they are not there yet, and write the verdict.

    ``given`` has ``OPTIONS`` and options of a search; ``spaces`` are two, or one with ``flip``;
    ``again`` is the command to be shown for going on.
    Returns the exit code: 0, or that of the search that did not come to its end.

    Raises:
        NasError: an option cannot be carried out, or the data allow no verdict.
    """
    from nas.populations import verdicts  # pandas and SciPy: an error need not wait for them

    given = options_of(given)
    storage = storage_of(given)
    sides = sides_of(given)
    folder = check_folder(given.get("output") or "-vs-".join(_words(sides)), "output")
    code = train(sides, storage, again, quiet=quiet)
    if code:
        return code
    own = own_options(given)
    margin, error_rate = own.margin, own.error_rate
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
    spaces, models = given.get("spaces") or [], given.get("models", ComparisonOptions().models)
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
