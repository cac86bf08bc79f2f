"""A study as one file that a person reads: it opens offline, prints well, and names its limits.

Names, reasons and whatever else comes out of the database are escaped by the template; figures and
the drawing are made here, from numbers.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from textwrap import shorten
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from nas.analysis import plots
from nas.analysis.importance import importance
from nas.analysis.population import Rules
from nas.errors import NasError
from nas.metrics import COST_WORDS, MEASURED, shown_cost
from nas.quantity import count, plural
from nas.report.caveats import caveats
from nas.report.drawing import draw
from nas.study.exchange import reproduce
from nas.study.front import front_words, thinned
from nas.study.reader import Study
from nas.study.shell import nas_command
from nas.summary import summary
from nas.text import visible

BEST = 10  # rows of the table
FRONT = 20  # rows of the front's
LONGEST = 40  # characters of the study's name in a figure
MANY = 1000  # trials: as vectors, a figure of more is larger than as pixels
MIME = {"svg": "image/svg+xml", "png": "image/png"}
MAX_REASON = 200  # characters
IMPORTANCE = 1000  # trials that it is computed of: more keep a reader waiting
KNOBS = 4  # with a figure of their own
RULES: Rules = {"policy": "any", "stopped": "drop"}  # what is said in the figures


def report(study: Study) -> str:
    """The report as one HTML document, pictures inside.

    Raises:
        StorageError: the database cannot be read.
    """
    trials = study.frame()
    best = study.best(BEST)
    kind = "png" if len(trials) > MANY else "svg"
    titled = trials.assign(study=shorten(visible(study.name), LONGEST, placeholder="…"))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
    )
    return environment.get_template("report.html").render(
        name=study.name,
        untrained=study.record.untrained,
        accuracy=study.record.accuracy,
        superlative=study.record.measure.superlative,
        extreme="lowest" if study.record.measure.minimizes else "highest",
        version=version("nas"),
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        trials=len(trials),
        **_question(study),
        **_set_up(study),
        provenance=list(_provenance(study)),
        states=list(trials["state"].value_counts().items()),
        figures=[_drawn(*figure, kind) for figure in _figures(study, titled)],
        summary=_summary(study, trials, best),
        minimize=[COST_WORDS[cost] for cost in study.record.minimize],
        front=_front(study),
        further=[_heading(cost) for cost in _further(study)],
        best=[_row(study, row) for row in best.to_dict("records")],
        latency=bool(best["latency_ms"].notna().any()),
        winner=_winner(study, int(best["number"].iloc[0])) if len(best) else None,
        failures=list(_failures(trials)),
        limits=list(caveats(study, trials, best)),
    )


def _printable(value: object) -> object:
    """Every text of the page goes through here; our own drawing is markup, and passes."""
    return visible(value, lines=True) if type(value) is str else value


def _question(study: Study) -> dict[str, Any]:
    space, limits = study.space, study.record.space.get("limits") or {}
    channels, height, width = space.input_shape
    within = [
        f"at most {count(bounds['max'])} {COST_WORDS.get(measure, measure)}"
        for measure, bounds in limits.items()
        if isinstance(bounds, dict) and bounds.get("max") is not None
    ]
    return {
        "space": space,
        "size": f"{space.size():,}",
        "shape": f"{height}×{width} pixels in {plural(channels, 'channel')}",
        "within": f", with {' and '.join(within)}" if within else "",
    }


def _set_up(study: Study) -> dict[str, Any]:
    config = study.record.config
    names = {
        "epochs": "epochs of a trial in full",
        "sampler": "sampler",
        "scheduler": "early stopping",
        "grace": "epochs before it can stop a trial",
        "reduction": "one in so many goes on",
        "time_budget": "time budget in seconds",
        "concurrency": "trials at a time",
        "cpus_per_trial": "CPUs per trial",
        "gpus_per_trial": "GPUs per trial",
        "seed": "seed",
    }
    minimize = ", ".join(COST_WORDS[cost] for cost in study.record.minimize)
    fingerprint = f"fingerprint of the {'images' if study.record.images else 'objective'}"
    setup = [("minimized beside it", minimize)] if minimize else []
    setup += [
        (label, _shown(config[key])) for key, label in names.items() if config.get(key) is not None
    ]
    return {
        "planned": config.get("trials"),
        "created": f"{study.created:%Y-%m-%d %H:%M}",
        "setup": [*_images(study), *setup, (fingerprint, study.record.dataset)],
        "command": reproduce.command(study.name),
        "space_name": reproduce.SPACE_FILE,
        "space_file": reproduce.space_file(study.record),
        "config_name": reproduce.CONFIG_FILE,
        "config_file": reproduce.config_file(study.record),
    }


def _images(study: Study) -> list[tuple[str, str]]:
    """What was trained on, or with which objective."""
    images = study.record.images
    if images is None:
        return [("objective", str(study.record.config.get("objective")))]
    return [
        ("trained on", images.title),
        ("training images", f"{images.training:,}"),
        ("validation images", f"{images.validation:,}"),
    ]


def _shown(value: object) -> str:
    """420.0 as 420, 20000 as 20,000."""
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)


def _provenance(study: Study) -> Iterator[tuple[str, str]]:
    found = study.record.provenance
    code = found.get("code") or {}
    if code.get("commit"):
        changed = ", changed since" if code.get("dirty") else ""
        yield "code", f"commit {code['commit']}{changed}"
    libraries = {name: number for name, number in (found.get("libraries") or {}).items() if number}
    yield "libraries", ", ".join(f"{name} {number}" for name, number in libraries.items())
    for key in ("python", "system", "processor", "cores"):
        if found.get(key):
            yield key, str(found[key])
    yield "GPUs of the driver", ", ".join(found.get("gpus") or []) or "none"
    for device in study.devices():
        attempts = device["attempts"]
        numerics = f" ({device['numerics']})" if device["numerics"] else ""
        yield "ran on", f"{device['device']}{numerics}: {plural(attempts, 'attempt')}"


def _front(study: Study) -> list[dict[str, Any]]:
    """Rows of the front of a study that minimizes costs, evenly where there are many."""
    if not study.record.minimize:
        return []
    return [_row(study, row) for row in thinned(study.front(), FRONT).to_dict("records")]


def _further(study: Study) -> list[str]:
    """Costs that the study minimizes beside those that every table has."""
    return [cost for cost in study.record.minimize if cost not in ("params", "macs")]


def _heading(cost: str) -> str:
    """Of its column: what a trial measured is not what ``nas latency`` did."""
    return COST_WORDS[cost] + " in the trial" * (cost in MEASURED)


def _figures(study: Study, trials: pd.DataFrame) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """What each figure shows, and the call that draws it."""
    word = study.record.measure.word
    for cost in study.record.costs:
        against = COST_WORDS[cost] if study.record.minimize else "cost"
        caption = f"{word.title()} against {against}, with the Pareto front."
        yield caption, partial(plots.front, trials, cost)
    yield "Learning curves of all trials.", lambda: plots.curves(study.epochs())
    if study.record.measure.is_fraction:
        yield (
            "Distribution of the error, those stopped early as bounds.",
            lambda: plots.edf(trials, policy="any", stopped="bound"),
        )
    some = trials.sample(min(len(trials), IMPORTANCE), random_state=0).sort_index()
    drawn = f", of {len(some):,} trials drawn at random" if len(some) < len(trials) else ""
    yield (
        f"How much each knob matters for being among the best 10 %{drawn}.",
        lambda: plots.importance(some, **RULES),
    )
    for path in _foremost(study, some):
        yield f"{word.title()} by {path}.", partial(plots.marginal, trials, path, **RULES)


def _foremost(study: Study, trials: pd.DataFrame) -> list[str]:
    """The knobs that explain most; the space's first ones where that cannot be said."""
    try:
        knobs = importance(trials, **RULES)["knob"].tolist()
    except NasError:
        knobs = list(study.space.parameters)
    return knobs[:KNOBS]


def _drawn(caption: str, make: Callable[[], Figure], kind: str) -> dict[str, str]:
    """A figure as an image in the page, or why the data do not allow it."""
    buffer = BytesIO()
    try:
        make().savefig(buffer, format=kind)
    except NasError as error:
        return {"image": "", "caption": caption, "reason": str(error)}
    content = base64.b64encode(buffer.getvalue()).decode()
    return {"image": f"data:{MIME[kind]};base64,{content}", "caption": caption, "reason": ""}


def _summary(study: Study, trials: pd.DataFrame, best: pd.DataFrame) -> str:
    if best.empty:
        return f"No trial of {len(trials)} was trained in full yet."
    winner = best.iloc[0]
    best_of = "Best of"
    if study.record.minimize:
        superlative = study.record.measure.superlative.capitalize()
        best_of = f"{front_words(trials, study.record)} {superlative} of"
    return (
        f"{best_of} {plural(len(trials), 'trial')}: trial {winner['number']} with "
        f"{_value(study, winner.to_dict())} {study.record.accuracy} after "
        f"{plural(winner['epochs'], 'epoch')}, {count(winner['params'])} parameters and "
        f"{count(winner['macs'])} multiply-accumulates per image."
    )


def _value(study: Study, row: Mapping[Any, Any]) -> str:
    """What a trial is judged by."""
    measure = study.record.measure
    return measure.shown(row[measure.metric]).strip()


def _row(study: Study, row: Mapping[Any, Any]) -> dict[str, Any]:
    measured = not math.isnan(row["latency_ms"])
    return {
        "number": row["number"],
        "accuracy": _value(study, row),
        "epochs": row["epochs"],
        "params": count(row["params"]),
        "macs": count(row["macs"]),
        "latency": f"{row['latency_ms']:.2f} ms" if measured else "–",
        "further": [shown_cost(cost, row[cost]) for cost in _further(study)],
        "seconds": f"{row['seconds']:.0f} s",
        "network": str(study.architecture(row["number"])).splitlines(),
    }


def _winner(study: Study, number: int) -> dict[str, Any]:
    architecture, space = study.architecture(number), study.space
    return {
        "number": number,
        "drawing": Markup(draw(architecture, space.input_shape, space.num_classes)),
        "summary": str(summary(architecture, space.input_shape, space.num_classes)),
        "retrain": nas_command(
            "retrain", study.name, trial=number, output="winner.pt", storage=study.url, here=False
        ),
    }


def _failures(trials: pd.DataFrame) -> Iterator[tuple[str, int]]:
    failed = trials.loc[trials["state"] == "FAIL", "reason"].fillna("no reason")
    for reason, number in failed.value_counts().head(10).items():
        yield str(reason)[:MAX_REASON], int(number)
