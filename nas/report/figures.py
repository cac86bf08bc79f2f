"""The figures of a report, those that answer the study's question first."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO

import pandas as pd
from matplotlib.figure import Figure

from nas import plots
from nas.analysis.importance import importance
from nas.analysis.population import Rules
from nas.errors import NasError
from nas.metrics import COST_WORDS
from nas.report.question import Kind, flipped
from nas.study.reader import Study

MIME = {"svg": "image/svg+xml", "png": "image/png"}
IMPORTANCE = 1000  # trials that it is computed of: more keep a reader waiting
KNOBS = 4  # with a figure of their own
RULES: Rules = {"policy": "any", "stopped": "drop"}  # what is said in the figures
Named = tuple[str, Callable[[], Figure]]


def figures(kind: Kind, study: Study, trials: pd.DataFrame) -> Iterator[Named]:
    """What each figure shows, and the call that draws it; ``trials`` is the study's frame."""
    curves = "Learning curves of all trials.", partial(plots.curves, study)
    if kind == "flip":
        yield from _of_flips(flipped(study), trials)
        yield curves
    elif kind == "population":
        yield "Distribution of the error.", partial(plots.edf, trials)
        yield "The error of the best of m random networks.", partial(plots.efficiency, trials)
        yield from _fronts(study, trials)
        yield from _knobs(study, trials)
        yield curves
    else:
        yield from _fronts(study, trials)
        yield curves
        if study.record.measure.is_fraction:
            yield (
                "Distribution of the error, those stopped early as bounds.",
                partial(plots.edf, trials, policy="any", stopped="bound"),
            )
        yield from _knobs(study, trials)


def of_two(trials: pd.DataFrame) -> Iterator[Named]:
    """Those of a comparison."""
    yield "Distributions of the errors.", partial(plots.edf, trials)
    yield "Distributions of the errors at equal MACs.", partial(plots.edf, trials, cost="macs")
    yield "The error of the best of m random networks.", partial(plots.efficiency, trials)


def drawn(caption: str, make: Callable[[], Figure], kind: str) -> dict[str, str]:
    """A figure as an image in the page, or why the data do not allow it."""
    buffer = BytesIO()
    try:
        make().savefig(buffer, format=kind)
    except NasError as error:
        return {"image": "", "caption": caption, "reason": str(error)}
    content = base64.b64encode(buffer.getvalue()).decode()
    return {"image": f"data:{MIME[kind]};base64,{content}", "caption": caption, "reason": ""}


def foremost(study: Study, trials: pd.DataFrame) -> list[str]:
    """The knobs that explain most; the space's first ones where that cannot be said."""
    try:
        knobs = importance(trials, **RULES)["knob"].tolist()
    except NasError:
        knobs = list(study.space.parameters)
    return knobs[:KNOBS]


def _of_flips(knob: str, trials: pd.DataFrame) -> Iterator[Named]:
    yield (
        f"What flipping {knob} did to each pair of networks, by how deep they are.",
        partial(plots.pairs, trials, knob),
    )
    yield (
        f"The effect of {knob} with its interval.",
        partial(plots.effects, trials, knob, matching="exact"),
    )


def _fronts(study: Study, trials: pd.DataFrame) -> Iterator[Named]:
    word = study.record.measure.word.title()
    for cost in study.record.costs:
        against = COST_WORDS[cost] if study.record.minimize else "cost"
        yield (
            f"{word} against {against}, with the Pareto front.",
            partial(plots.front, trials, cost),
        )


def _knobs(study: Study, trials: pd.DataFrame) -> Iterator[Named]:
    some = trials.sample(min(len(trials), IMPORTANCE), random_state=0).sort_index()
    sampled = f", of {len(some):,} trials drawn at random" if len(some) < len(trials) else ""
    yield (
        f"How much each knob matters for being among the best 10 %{sampled}.",
        partial(plots.importance, some, **RULES),
    )
    for path in foremost(study, some):
        caption = f"{study.record.measure.word.title()} by {path}."
        yield caption, partial(plots.marginal, trials, path, **RULES)
