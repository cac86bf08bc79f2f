"""Which of two design spaces is better, or whether a knob matters: train, test, write it down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas.errors import ConfigError
from nas.options import Real, Whole
from nas.output import file_name
from nas.populations.training import Population, population, silently, train
from nas.search.config import SearchConfig
from nas.search.job import Watcher
from nas.search.plan import Plan
from nas.search.resolving import checked, complaint
from nas.study.record import SYNTHETIC
from nas.study.storage_url import storage_url

if TYPE_CHECKING:
    from nas.populations.verdicts import Verdict

EPOCHS = 2


class ComparisonOptions(BaseModel):
    """The options of a comparison beside those of a search, and their defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    spaces: Annotated[list[str], Field(strict=True)] = []
    models: Annotated[Whole, Field(ge=8, le=1_000_000)] = 60
    margin: Annotated[Real, Field(gt=0, le=1)] = 0.005
    error_rate: Annotated[Real, Field(ge=0.0001, lt=0.5)] = 0.05
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


def compare_spaces(
    a: str | Path,
    b: str | Path | None = None,
    *,
    flip: str | None = None,
    storage: str | None = None,
    watcher: Watcher | None = None,
    **options: Any,
) -> Verdict:
    """Which of two design spaces is better, or whether a knob matters, by random populations.

    Draws networks at random from both within the same band of costs, trains all of them alike and
    in full, and tests. Prints nothing; the same call again carries on. The method is that of
    Radosavovic et al. 2020 (arXiv:2003.13678, section 3.1): docs/statistics.md.

    Args:
        a: a bundled space's name or the path of a space file.
        b: the other one; none with ``flip``.
        flip: a knob, such as ``residual``: compare networks of ``a`` that differ in it alone.
        storage: URL of the study database; by default ``NAS_STORAGE``, else ``sqlite:///nas.db``.
        watcher: told of all that happens, as it happens.
        options: those of ``nas compare``, with _ for -: ``models=60``, ``band="macs=4M:8M"``,
            ``epochs=2``, ``margin=0.005`` (accuracy as a fraction of 1), ``error_rate=0.05``, …

    Raises:
        NasError: an option cannot be carried out, a search did not come to its end, or the data
            allow no verdict.

    >>> verdict = compare_spaces("resnet_vs_plain", flip="residual", models=12, epochs=1,
    ...     objective="synthetic", storage=f"sqlite:///{folder}/nas.db", runs=f"{folder}/runs")
    >>> verdict.title
    'resnet_vs_plain: residual'
    """
    spaces = [str(space) for space in (a, b) if space is not None]
    given = {"spaces": spaces, "flip": flip, "storage": storage, **options}
    given = {name: value for name, value in given.items() if value is not None}
    return compare(given, silently(watcher), keep=True)


def compare(
    given: Mapping[str, Any], run: Callable[[Plan], object], *, keep: bool = False
) -> Verdict:
    """Train the populations as far as they are not there yet; the verdict.

    Args:
        given: ``OPTIONS`` and options of a search; ``spaces`` are two, or one with ``flip``.
        run: as ``train`` takes it.
        keep: as ``train`` takes it.

    Raises:
        NasError: an option cannot be carried out, or the data allow no verdict.
    """
    from nas.populations import verdicts  # pandas and SciPy: an error need not wait for them

    given = options_of(given)
    own = own_options(given)
    margin, error_rate = own.margin, own.error_rate
    sides = sides_of(given)
    if given.get("flip"):
        verdicts.check_pairs(sides[0].space, given["flip"], own.models)
    studies = train(sides, storage_url(given.get("storage")), run, keep=keep)
    if given.get("flip"):
        return verdicts.of_flips(studies[0], given["flip"], error_rate)
    return verdicts.of_spaces(*studies, margin=margin, error_rate=error_rate)


def title_of(sides: Sequence[Population]) -> str:
    """What is compared, in words for a folder's name."""
    if len(sides) == 1:
        return file_name(f"{sides[0].space.name}-vs-{sides[0].options['flip']}")
    return file_name("-vs-".join(one.space.name for one in sides))


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
    # those that a file leaves out are the data set's; where nothing is trained, they are a default
    untrained = options.get("objective") == SYNTHETIC
    shapes = {
        (one.space.input_shape, one.space.num_classes)
        for one in sides
        if untrained or all(one.space.says_images)
    }
    if len(shapes) > 1:
        raise ConfigError(
            "the design spaces are for images of different shapes or numbers of classes: "
            + " and ".join(str(shape) for shape in sorted(shapes))
        )
    return sides
