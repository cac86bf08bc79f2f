"""Studies as one file that a person reads: it opens offline, prints well, and names its limits.

Names, reasons and whatever else comes out of the database are escaped by the template; figures and
the drawing are made here, from numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nas.analysis.plots.given import trials_of
from nas.analysis.population import knob_value, knobs
from nas.metrics import COST_WORDS, MEASURED, shown_cost
from nas.quantity import count, format_duration, plural
from nas.report.caveats import caveats
from nas.report.drawing import draw
from nas.report.figures import Named, drawn, figures, of_two
from nas.report.question import Question, comparison, question
from nas.study.exchange import reproduce
from nas.study.front import thinned
from nas.study.reader import Study
from nas.study.shell import nas_command
from nas.study.states import SPOKEN
from nas.summary import summary
from nas.text import visible

BEST = 10  # rows of the table
FRONT = 20  # rows of the front's
MANY = 1000  # trials: as vectors, a figure of more is larger than as pixels
MAX_REASON = 200  # characters


def report(study: Study, other: Study | None = None) -> str:
    """The report as one HTML document, pictures inside: of a study, or of two that are compared.

    Raises:
        AnalysisError: both are the same study.
        StorageError: the database cannot be read.
    """
    studies = [study] if other is None else [study, other]
    parts = [_part(one) for one in studies]
    asked: Question = parts[0]["question"]
    together: list[dict[str, str]] = []
    if other is not None:
        asked = comparison(study, other)
        trials = trials_of(studies)
        together = _drawn(of_two(trials), len(trials))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
    )
    return environment.get_template("report.html").render(
        name=" and ".join(one.name for one in studies),
        question=asked,
        together=together,
        parts=parts,
        version=version("nas"),
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
    )


def _part(study: Study) -> dict[str, Any]:
    """What is said of one study."""
    trials = study.frame()
    full = study.best(len(trials))
    best = full.drop_duplicates("key").head(BEST)
    asked = question(study, trials, best)
    shown = figures(asked.kind, study, trials)
    searched = asked.kind == "search" and len(best) and not study.doubt
    return {
        "name": study.name,
        "question": asked,
        "untrained": study.record.untrained,
        "retrainable": study.record.is_retrainable,
        "accuracy": study.record.accuracy,
        "superlative": study.record.measure.superlative,
        "trials": len(trials),
        **_space(study),
        **_set_up(study),
        "provenance": list(_provenance(study)),
        "states": [(SPOKEN[str(one)], int(n)) for one, n in trials["state"].value_counts().items()],
        "figures": _drawn(shown, len(trials)),
        "minimize": [COST_WORDS[cost] for cost in study.record.minimize],
        "front": _front(study, full),
        "further": [_heading(cost) for cost in _further(study)],
        "best": [_row(study, row, full) for row in best.to_dict("records")],
        "latency": bool(best["latency_ms"].notna().any()),
        "winner": _winner(study, int(best["number"].iloc[0])) if searched else None,
        "failures": list(_failures(trials)),
        "limits": list(caveats(study, trials, best)),
    }


def _drawn(named: Iterable[Named], trials: int) -> list[dict[str, str]]:
    return [drawn(*figure, "png" if trials > MANY else "svg") for figure in named]


def _printable(value: object) -> object:
    """Every text of the page goes through here; our own drawing is markup, and passes."""
    return visible(value, lines=True) if type(value) is str else value


def _space(study: Study) -> dict[str, Any]:
    channels, height, width = study.space.input_shape
    return {
        "space": study.space,
        "size": f"{study.space.size():,}",
        "shape": f"{height}×{width} pixels in {plural(channels, 'channel')}",
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


def _front(study: Study, full: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of the front of a study that minimizes costs, evenly where there are many."""
    if not study.record.minimize:
        return []
    return [_row(study, row, full) for row in thinned(study.front(), FRONT).to_dict("records")]


def _further(study: Study) -> list[str]:
    """Costs that the study minimizes beside those that every table has."""
    return [cost for cost in study.record.minimize if cost not in ("params", "macs")]


def _heading(cost: str) -> str:
    """Of its column: what a trial measured is not what ``nas latency`` did."""
    return COST_WORDS[cost] + " in the trial" * (cost in MEASURED)


def _value(study: Study, row: Mapping[Any, Any]) -> str:
    """What a trial is judged by."""
    measure = study.record.measure
    return measure.shown(row[measure.metric]).strip()


def _row(study: Study, row: Mapping[Any, Any], full: pd.DataFrame) -> dict[str, Any]:
    """Of a table; ``full`` are all that were trained in full, the best first."""
    measured = not math.isnan(row["latency_ms"])
    network = str(study.architecture(row["number"])).splitlines()
    return {
        "number": row["number"],
        "accuracy": _value(study, row),
        "epochs": row["epochs"],
        "params": count(row["params"]),
        "macs": count(row["macs"]),
        "latency": f"{row['latency_ms']:.2f} ms" if measured else "–",
        "further": [shown_cost(cost, row[cost]) for cost in _further(study)],
        "seconds": format_duration(row["seconds"]),
        "network": [*network, *_again(study, row, full)],
    }


def _again(study: Study, row: Mapping[Any, Any], full: pd.DataFrame) -> Iterator[str]:
    """With what a network was trained, and what it reached with other hyper-parameters."""
    searched = [name for name in knobs(full) if name.startswith("training.")]
    if searched:
        named = (f"{name.removeprefix('training.')} {knob_value(row[name])}" for name in searched)
        yield f"trained with {', '.join(named)}"
    equal = full[(full["key"] == row["key"]) & (full["number"] != row["number"])]
    if len(equal):
        best, worst = (_value(study, equal.iloc[place].to_dict()) for place in (0, -1))
        between = best if len(equal) == 1 else f"{worst} to {best}"
        other = " with other hyper-parameters" * bool(searched)
        yield f"trained {plural(len(equal), 'more time')}{other}: {between}"


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
