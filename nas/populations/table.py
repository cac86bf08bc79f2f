"""Train every network of a small space, with several seeds, into a table that can be replayed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas.errors import ConfigError
from nas.output import check_file
from nas.populations.training import FIXED, silently
from nas.search.job import Watcher
from nas.search.joining import machine
from nas.search.latency import measure_study
from nas.search.machine import cluster_address
from nas.search.plan import Plan
from nas.search.run import prepared
from nas.search.testing import evaluate_trials
from nas.space import SearchSpace, Setting
from nas.study.reader import Study, open_study
from nas.study.storage_url import file_url
from nas.study.table import ENUMERATED, SUFFIXES, Table

SEEDS = 2


def make_table(
    space: str | Path | SearchSpace,
    output: str | Path,
    *,
    seeds: int = SEEDS,
    again: float = 1.0,
    watcher: Watcher | None = None,
    **options: Any,
) -> Table:
    """Train every network of an enumerable space in full; the same call again carries on.

    Each seed is a study of its own in the database ``output``, in a random order of the networks:
    what is there when it is stopped is a random sample. When a study is complete, the test images
    are read once for each of its networks, apart from what a search sees, and the latencies of all
    networks are measured on this machine. The checkpoints stay in the folder ``runs``.

    Args:
        space: a bundled space's name, the path of a space file, or a ``SearchSpace``, of 4,096
            settings at most.
        output: the SQLite file to write.
        seeds: how many: 0, 1, and so on.
        again: with the seeds after the first one, only this share of the networks is trained, half
            of it the best by the first seed, half a random one of all. 1 trains all.
        watcher: told of all that happens, as it happens.
        options: those of ``nas search``, but for the sampler and the scheduler.

    Raises:
        NasError: an option cannot be carried out, or a search did not come to its end.

    >>> table = make_table(tiny, f"{folder}/table.sqlite", seeds=1, epochs=2,
    ...                    objective="synthetic", runs=f"{folder}/runs")
    >>> len(table.curves), table.epochs
    (4, 2)
    """
    return make(space, output, seeds, again, options, silently(watcher))


def make(
    space: str | Path | SearchSpace,
    output: str | Path,
    seeds: int,
    again: float,
    options: Mapping[str, Any],
    run: Callable[[Plan], object],
    tell: Callable[[str], object] = lambda line: None,
) -> Table:
    """``make_table`` with ``run``, which carries out one search, and ``tell``, which takes lines on
    what happens between them."""
    path = check_file(Path(output), "output", SUFFIXES)
    if not 0 < again <= 1:
        raise ConfigError(f"again is {again:g}; accepted: a share above 0, at most 1")
    for name in (*FIXED, "trials", "seed", "study", "storage", "flip", "keep"):
        if name in options:
            raise ConfigError(
                f"{name} is given, but a table has every network once for each seed, trained in "
                "full; leave it out"
            )
    loaded = space if isinstance(space, SearchSpace) else SearchSpace.load(space)
    settings = loaded.distinct_settings(ENUMERATED)
    if settings is None or any(name.startswith("training.") for name in loaded.parameters):
        raise ConfigError(
            f"{loaded.name} cannot be enumerated: accepted: a space of {ENUMERATED:,} settings at "
            "most that searches no training.*"
        )
    every = list(settings)
    fixed = {**FIXED, "space": space, "storage": file_url(path)}
    studies: list[Study] = []
    with machine(options) as found:
        for seed in range(seeds):
            chosen = every if not studies else _again(studies[0], loaded, every, again, seed)
            random.Random(seed).shuffle(chosen)
            study = f"{loaded.name}-seed{seed}"
            asked = {"time_budget": "none", **options, **fixed, "study": study, "seed": seed}
            every_one = {"trials": len(chosen), "keep": len(chosen)}  # what is tested afterwards
            plan = prepared({**asked, **every_one}, found)
            run(replace(plan, enqueued=chosen))
            studies.append(open_study(plan.config.storage, study))
            if plan.dataset is not None:
                evaluate_trials(studies[-1], plan.config, tell)
    if not cluster_address(options.get("address")):  # else the networks do not run on this machine
        measure_study(studies[0], "all")
    return Table.load(path)


def _again(
    first: Study, space: SearchSpace, every: Sequence[Setting], share: float, seed: int
) -> list[Setting]:
    """The share of the networks that is trained with another seed."""
    if share == 1:
        return list(every)
    half = max(1, round(share * len(every) / 2))
    best = set(first.best(half)["key"])
    keyed = {space.architecture(setting).key: setting for setting in every}
    drawn = set(random.Random(f"again/{seed}").sample(sorted(keyed), half))
    return [setting for key, setting in keyed.items() if key in best | drawn]
