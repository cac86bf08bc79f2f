"""What a study asked, and what it found: a search, a population, pairs of a flip, two populations.

A search is asked for its best network; random networks that were all trained in full, for what the
space is like; pairs that differ in one knob, for what that knob does; two populations, which space
is better. The answer is the first thing of a report, with its uncertainty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from nas.analysis import compare, effects
from nas.analysis.effects import told
from nas.analysis.typical import typical
from nas.errors import NasError
from nas.metrics import COST_WORDS
from nas.quantity import count, percent, plural
from nas.study.front import front_words
from nas.study.reader import Study

Kind = Literal["search", "population", "flip", "comparison"]
TITLES: Mapping[Kind, str] = {
    "search": "Architecture search",
    "population": "Random networks of a design space",
    "flip": "Pairs of networks that differ in one knob",
    "comparison": "Comparison of two design spaces",
}


@dataclass(frozen=True)
class Question:
    """A question in words, and its answer."""

    kind: Kind
    asked: str
    answer: str
    details: tuple[str, ...] = ()  # what is said below the answer

    @property
    def title(self) -> str:
        """What kind of study it was."""
        return TITLES[self.kind]


def question(study: Study, trials: pd.DataFrame, best: pd.DataFrame) -> Question:
    """Of one study; ``trials`` is its frame, ``best`` its best rows."""
    if study.record.config.get("flip"):
        return _of_flips(study, trials)
    if study.record.config.get("stream"):  # networks drawn to be compared with those of others
        return _of_population(study, trials, best)
    found = answer(study, trials, best)
    if doubt := study.doubt:
        return Question("search", _asked_of_search(study), doubt, (found,))
    return Question("search", _asked_of_search(study), found)


def comparison(a: Study, b: Study) -> Question:
    """Of two populations."""
    names = [a.space.name, b.space.name]
    if names[0] == names[1]:
        names = [a.name, b.name]
    asked = f"Which design space holds the better networks: {names[0]} or {names[1]}?"
    frames = [one.frame().assign(study=name) for one, name in zip((a, b), names, strict=True)]
    try:
        found = compare(*frames).verdict
    except NasError as error:
        return Question("comparison", asked, f"Nothing can be said yet: {error}.")
    try:
        matched = f"With both weighted to equal MACs: {compare(*frames, cost='macs').verdict}"
    except NasError as error:
        matched = f"At equal MACs nothing can be said: {error}."
    return Question("comparison", asked, found, (matched,))


def flipped(study: Study) -> str:
    """The knob whose values the pairs of a study differ in."""
    return str(study.record.config["flip"])


def _of_flips(study: Study, trials: pd.DataFrame) -> Question:
    knob = flipped(study)
    asked = (
        f"What does {knob} do to the {study.record.accuracy} of networks of {study.space.name}? "
        "Random networks were trained in pairs that are equal in everything else."
    )
    try:
        rows = effects(trials, knob, matching="exact").to_dict("records")
    except NasError as error:
        return Question("flip", asked, f"Nothing can be said yet: {error}.")
    first, *others = [told(row, study.record.accuracy) for row in rows]
    return Question("flip", asked, first, tuple(others))


def _of_population(study: Study, trials: pd.DataFrame, best: pd.DataFrame) -> Question:
    asked = (
        f"What do random networks of {study.space.name} reach{_within(study)}? All were trained "
        "alike and in full, so that the space can be compared with another one: nas report takes "
        "two studies."
    )
    try:
        middle = typical(trials)
    except NasError as error:
        return Question("population", asked, f"Nothing can be said yet: {error}.")
    epochs = plural(int(best["epochs"].iloc[0]), "epoch")
    found = (
        f"Half of the random networks of {study.space.name} reach {_percent(middle.value)} "
        f"{study.record.accuracy} or more after {epochs} [{_percent(middle.low)}, "
        f"{_percent(middle.high)}]; the best of {plural(len(trials), 'trial')} reached "
        f"{_percent(best['val_accuracy'].iloc[0])}."
    )
    return Question("population", asked, found)


def _percent(fraction: float) -> str:
    return percent(fraction).strip()


def _asked_of_search(study: Study) -> str:
    measure, name = study.record.measure, study.space.name
    extreme = "lowest" if measure.minimizes else "highest"
    if not study.record.minimize:
        return (
            f"Which network of the design space {name} reaches the {extreme} "
            f"{study.record.accuracy}{_within(study)}?"
        )
    within = _within(study)
    costs = [COST_WORDS[cost] for cost in study.record.minimize]
    every = "both" if len(costs) == 1 else "all of these"
    return (
        f"Which networks of the design space {name}{f'{within},' if within else ''} have the "
        f"{extreme} {study.record.accuracy} for their {' and '.join(costs)}? They are the front: "
        f"no other network beats one of them in {every}."
    )


_LIMITED = {**COST_WORDS, "depth": "blocks"}


def _within(study: Study) -> str:
    limits = study.record.space.get("limits") or {}
    within = [
        f"{range_} {_LIMITED.get(measure, measure)}"
        for measure, bounds in limits.items()
        if isinstance(bounds, dict) and (range_ := _range(bounds.get("min"), bounds.get("max")))
    ]
    return f", with {' and '.join(within)}" if within else ""


def _range(least: float | None, most: float | None) -> str:
    if least is None:
        return "" if most is None else f"at most {count(most)}"
    return f"at least {count(least)}" if most is None else f"{count(least)} to {count(most)}"


def answer(study: Study, trials: pd.DataFrame, best: pd.DataFrame) -> str:
    """The best network that a search found, in one sentence."""
    if best.empty:
        return f"No trial of {len(trials)} was trained in full yet."
    winner: Mapping[Any, Any] = best.iloc[0].to_dict()
    measure = study.record.measure
    best_of = "Best of"
    if study.record.minimize:
        best_of = f"{front_words(trials, study.record)} {measure.superlative.capitalize()} of"
    return (
        f"{best_of} {plural(len(trials), 'trial')}: trial {winner['number']} with "
        f"{measure.shown(winner[measure.metric]).strip()} {study.record.accuracy} after "
        f"{plural(winner['epochs'], 'epoch')}, {count(winner['params'])} parameters and "
        f"{count(winner['macs'])} multiply-accumulates per image."
    )
