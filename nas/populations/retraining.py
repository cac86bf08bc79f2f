"""The best networks of a study trained anew, each with several seeds: what they are worth.

The best of many is best by luck, too: its accuracy in the search is too high a guess of what the
same training comes to again. New seeds have other first weights, another order of the images and
other validation images, by which nothing was chosen; their mean is free of that luck.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from nas.data.registry import DEFAULT
from nas.errors import ConfigError, choose
from nas.output import check_file
from nas.populations.training import FIXED, silently
from nas.search.config import Scope
from nas.search.config import options as options_of
from nas.search.job import Watcher
from nas.search.joining import machine
from nas.search.keeping import write_kept
from nas.search.machine import Machine
from nas.search.plan import Plan
from nas.search.retrain import about_trial, chosen
from nas.search.run import prepared
from nas.search.testing import evaluate_trials
from nas.space import SearchSpace, Setting
from nas.study.reader import Study, open_study
from nas.study.record import read_record
from nas.study.retrained import RETRAINS
from nas.training.recipes import RECIPES
from nas.training.recipes import recipe as by_recipe

TOP, SEEDS, RECIPE = 3, 3, "long"
_ACCEPTED = {*options_of(Scope.CALL)} - {"study", "start_from"}


def retrain_best(
    study: Study,
    *,
    top: int = TOP,
    seeds: int = SEEDS,
    recipe: str = RECIPE,
    epochs: int | None = None,
    test: bool = False,
    output: Path | str | None = None,
    watcher: Watcher | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Train the best networks of ``study`` anew over Ray; the same call again carries on.

    Each seed is a study of its own beside this one, such as ``resnext-long-seed1``. Returns
    ``study.retrained()``; ``nas.analysis.retraining.estimates`` makes means with intervals of it.

    Args:
        study: one of a data set.
        top: how many of its best networks.
        seeds: how many trainings of each, with the seeds that follow that of the study.
        recipe: a key of ``nas.training.recipes.RECIPES``, as ``nas.search.retrain.retrain`` has it.
        epochs: by default the recipe's.
        test: whether to read the test images, once for each training, when all are over.
        output: a file for the network of the best mean validation accuracy, with its first seed.
        watcher: told of all that happens, as it happens.
        options: of ``nas search``, those of one call: ``concurrency``, ``address``, ``runs``, …

    Raises:
        NasError: the study has no such networks, or an option cannot be carried out.
    """
    given = {"recipe": recipe, "epochs": epochs, "test": test, "output": output}
    return retrain_all(study, top, seeds, given, options, silently(watcher))


def retrain_all(
    study: Study,
    top: int,
    seeds: int,
    given: Mapping[str, Any],
    options: Mapping[str, Any],
    run: Callable[[Plan], object],
    tell: Callable[[str], object] = lambda line: None,
) -> pd.DataFrame:
    """``retrain_best`` with ``run``, which carries out one search, and ``tell``, which takes lines
    on what happens between them; ``given`` are its recipe, epochs, test and output."""
    chosen(study, None)  # one that trained nothing is refused
    by_recipe(given["recipe"])  # so is a recipe that there is not
    for name in options:
        if name not in _ACCEPTED:
            raise ConfigError(f"unknown option {name!r}; {choose(name, sorted(_ACCEPTED))}")
    for name, value in (("top", top), ("seeds", seeds)):
        if not 1 <= value <= 100:
            raise ConfigError(f"{name} is {value}; accepted: 1 to 100")
    output = given["output"]
    if output is not None and check_file(output, "output").exists():
        raise ConfigError(f"output: {output} is there already; name another one, or remove it")
    space = _space(study, given["recipe"])
    settings = [
        {path: value for path, value in trial.params.items() if path in space.parameters}
        for trial in study.trained(study.best(top))
    ]
    first = int(study.record.config["seed"]) + 1
    found: list[Study] = []
    with machine(options) as here:
        for seed in range(first, first + seeds):
            plan = _plan(study, space, settings, seed, given, options, here)
            run(plan)
            found.append(open_study(study.url, plan.config.study))
            if given["test"]:
                evaluate_trials(found[-1], plan.config, tell)
    frame = study.retrained()
    if output is not None:
        _write_best(frame, found, study, Path(output), given["recipe"])
        tell(f"Wrote {output}")
    return frame


def _space(study: Study, recipe: str) -> SearchSpace:
    """The study's, without the hyper-parameters that the recipe sets."""
    described = dict(study.record.space)
    searched = described.pop("training", None) or {}
    kept = {name: domain for name, domain in searched.items() if name not in RECIPES[recipe]}
    return SearchSpace.from_dict({**described, **({"training": kept} if kept else {})}, stored=True)


def _plan(
    study: Study,
    space: SearchSpace,
    settings: list[Setting],
    seed: int,
    given: Mapping[str, Any],
    options: Mapping[str, Any],
    here: Machine,
) -> Plan:
    """The search that trains the settings with one seed, those of earlier calls included."""
    kept, recipe = study.record.config, given["recipe"]
    epochs = by_recipe(recipe, epochs=given["epochs"]).epochs
    named = {name: value for name, value in RECIPES[recipe].items() if name != "epochs"}
    name = study.retraining(recipe, seed, epochs)
    there = open_study(study.url, name).enqueued() if name else []
    if name is None:
        length = f"-{epochs}ep" if given["epochs"] else ""
        name = _free(study.url, f"{study.name}-{recipe}{length}-seed{seed}")
    more = [one for one in settings if one not in there]
    plan = prepared(
        {
            "time_budget": "none",
            **{key: str(one) if isinstance(one, Path) else one for key, one in options.items()},
            **FIXED,
            "space": space,
            "study": name,
            "storage": study.url,
            "dataset": kept.get("dataset") or DEFAULT,
            "resize": kept.get("resize", False),
            "trials": len(there) + len(more),
            "epochs": epochs,
            "train_images": "none",
            "epoch_images": "none",
            "training": {**kept.get("training", {}), **named},
            "seed": seed,
            "keep": len(there) + len(more),  # what is tested, written and exported afterwards
        },
        here,
    )
    about = {RETRAINS: {"study": study.name, "recipe": recipe}}
    record = replace(plan.record, provenance={**plan.record.provenance, **about})
    return replace(plan, enqueued=more, record=record)


def _free(url: str, name: str) -> str:
    """``name``, or what begins with it where a study is called so that belongs to another one."""
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next(one for one in names if read_record(url, one) is None)


def _write_best(
    frame: pd.DataFrame, found: list[Study], study: Study, output: Path, recipe: str
) -> None:
    """Write the network of the best mean validation accuracy, as its first seed trained it."""
    names = [one.name for one in found]
    frame = frame[frame["study"].isin(names) & (frame["state"] == "COMPLETE")]
    if frame.empty:
        raise ConfigError(f"output: no retraining of {study.name!r} came to its end")
    best = int(str(frame.groupby("number")["val_accuracy"].mean().idxmax()))
    rows = frame[frame["number"] == best]
    first = rows.iloc[0]
    trained: dict[str, Any] = {
        "val_accuracy": float(first["val_accuracy"]),
        "searched": about_trial(study, best)["searched"],
    }
    if pd.notna(first["test_accuracy"]):
        trained["test_accuracy"] = float(first["test_accuracy"])
    seeds = {
        name: [float(value) for value in rows[column].dropna()]
        for name, column in (("validation", "val_accuracy"), ("test", "test_accuracy"))
    }
    home = next(one for one in found if one.name == first["study"])
    write_kept(
        home,
        int(first["trial"]),
        output,
        {**trained, "recipe": recipe, "seeds": {name: one for name, one in seeds.items() if one}},
    )
