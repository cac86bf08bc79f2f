"""Random populations of design spaces, trained alike, as studies that can be carried on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.data.registry import DEFAULT, parse
from nas.errors import ConfigError
from nas.objectives.contract import find_objective
from nas.search.job import Watcher
from nas.search.joining import machine
from nas.search.plan import Plan
from nas.search.run import carry_out, prepared, study_of
from nas.space import Bands, SearchSpace
from nas.study.reader import Study, open_study

# A population is drawn at random and trained in full: nothing else can be said of a whole space.
FIXED = {"sampler": "random", "scheduler": "none"}


@dataclass(frozen=True)
class Population:
    """So many random networks of one space; with ``flip``, so many pairs."""

    space: SearchSpace
    source: str  # what the user called the space: a name or a path
    study: str
    models: int
    options: Mapping[str, Any]  # of the search, besides

    @property
    def search_options(self) -> dict[str, Any]:
        """The search that trains it."""
        pairs = 2 if self.options.get("flip") else 1
        return {
            "time_budget": None,
            **self.options,
            **FIXED,
            "space": self.source,
            "study": self.study,
            "trials": pairs * self.models,
            # populations that are compared are drawn independently, though the seed is the same
            "stream": self.space.hash[:16],
        }


def population(source: str | Path, models: int, options: Mapping[str, Any]) -> Population:
    """The population of a space under the given search options, with a name that tells them.

    An option ``study`` begins the name.

    Raises:
        NasError: there is no such space, or an option is none of a population's.
    """
    for name, value in FIXED.items():
        if options.get(name, value) != value:
            raise ConfigError(
                f"{name} is {options[name]!r}, but a population has {name} {value}: a random "
                "sample, trained in full, is what a space is judged by"
            )
    objective = options.get("objective")
    if objective is not None and not find_objective(objective).measure.is_fraction:
        raise ConfigError(
            f"objective is {objective!r}, which is judged by a score, but spaces are compared by "
            "accuracy; accepted: an objective that reports val_accuracy"
        )
    space = SearchSpace.load(source)
    parts = [options["study"]] if options.get("study") else []
    parts.append(space.name)
    dataset = options.get("dataset")
    if dataset and dataset != DEFAULT:
        key, path = parse(dataset)
        parts.append(path.stem if path else key)
    if options.get("band"):
        parts.append(str(Bands.read(options["band"])).replace("=", "-").replace(":", "-"))
    if options.get("flip"):
        parts.append(f"flip-{options['flip']}")
    if options.get("epochs"):
        parts.append(f"{options['epochs']}ep")
    if options.get("seed"):
        parts.append(f"seed{options['seed']}")
    study = "-".join(parts).replace(",", "-")
    return Population(space, str(source), study, models, options)


def train(
    populations: Sequence[Population],
    storage: str,
    run: Callable[[Plan], object],
    *,
    keep: bool = False,
) -> list[Study]:
    """Train what is missing of each, one after another; their studies.

    Everything that can be wrong with any of them is refused before the first one begins.

    Args:
        populations: what is to be trained.
        storage: URL of the study database.
        run: carries out one search; it raises where that one did not come to its end.
        keep: whether a cluster stays joined.

    Raises:
        NasError: one cannot be trained; the message is one line.
    """
    with machine(populations[0].options, keep=keep) as found:
        plans = [prepared({**one.search_options, "storage": storage}, found) for one in populations]
        for plan in plans:
            run(plan)
    return [open_study(storage, one.study) for one in populations]


def silently(watcher: Watcher | None = None) -> Callable[[Plan], object]:
    """What ``train`` needs to carry out searches that print nothing.

    It raises as ``nas.run_search`` does.
    """

    def run(plan: Plan) -> Study:
        return study_of(carry_out(plan, watcher or Watcher(), time.monotonic()))

    return run
