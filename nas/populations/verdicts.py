"""What trained populations say: sentences with their uncertainty, a table, figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from nas.analysis import plots
from nas.analysis.comparison import Comparison, Decision, compare
from nas.analysis.effects import PAIRS, can_flip, effects, told
from nas.errors import AnalysisError, ConfigError
from nas.quantity import plural
from nas.space import SearchSpace
from nas.study.exchange.tabular import defused
from nas.study.reader import Study
from nas.text import visible

ENDINGS = (".svg", ".png")
_OUTCOMES = {
    "better": "{a} is better than {b}",
    "worse": "{a} is worse than {b}",
    "equal": "{a} and {b} are equal for practical purposes",
    "undecided": "it is undecided which of {a} and {b} is better",
}


@dataclass(frozen=True)
class Verdict:
    """A result that can be printed and written down."""

    title: str
    lines: list[str]
    table: pd.DataFrame
    figures: Mapping[str, Figure]

    def __repr__(self) -> str:
        return "\n".join([f"<Verdict on {self.title}>", *self.lines])

    def write(self, folder: Path) -> None:
        """Write verdict.md, table.csv and each figure as SVG and PNG."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in self.figures.items():
            for ending in ENDINGS:
                figure.savefig(folder / f"{name}{ending}")
        defused(self.table).to_csv(folder / "table.csv", index=False)
        pictures = [f"![{name}]({name}.svg)" for name in self.figures]
        text = visible("\n\n".join([f"# {self.title}", *self.lines, *pictures]), lines=True)
        (folder / "verdict.md").write_text(text + "\n", encoding="utf-8")


def of_spaces(a: Study, b: Study, *, margin: float, error_rate: float) -> Verdict:
    """Which of two random populations is better, as they are and at equal multiply-accumulates.

    Raises:
        AnalysisError: the studies are no random populations, or too small.
    """
    names = [a.space.name, b.space.name]
    if names[0] == names[1]:
        names = [a.name, b.name]
    frames = [study.frame().assign(study=name) for study, name in zip((a, b), names, strict=True)]
    plain = compare(*frames, level=1 - error_rate)
    lines = [plain.verdict, format_decision(plain, plain.decide(margin, error_rate))]
    tables = [plain.table().assign(matched="")]
    both = pd.concat(frames, ignore_index=True)
    figures = {"edf": plots.edf(both), "efficiency": plots.efficiency(both)}
    try:
        matched = compare(*frames, cost="macs", level=1 - error_rate)
        figures["edf_at_equal_macs"] = plots.edf(both, cost="macs")
    except AnalysisError as error:
        lines.append(f"At equal MACs nothing can be said: {error}.")
    else:
        lines.append(f"With both weighted to equal MACs: {matched.verdict}")
        tables.append(matched.table().assign(matched="macs"))
    title = f"{names[0]} against {names[1]}"
    return Verdict(title, [setup(a), *lines], pd.concat(tables, ignore_index=True), figures)


def of_flips(study: Study, knob: str, error_rate: float) -> Verdict:
    """What flipping one knob does, by pairs of networks that are equal in all others.

    Raises:
        AnalysisError: the study has too few such pairs.
    """
    trials = study.frame().assign(study=study.space.name)
    found = effects(trials, knob, matching="exact", level=1 - error_rate)
    lines = [told(row, study.record.accuracy) for row in found.to_dict("records")]
    figures = {"pairs": plots.pairs(trials, knob)}
    if found["effect"].notna().any():  # else there is nothing to draw, which the lines say
        effect = plots.effects(trials, knob, matching="exact", level=1 - error_rate)
        figures = {"effects": effect, **figures}
    return Verdict(f"{study.space.name}: {knob}", [setup(study), *lines], found, figures)


def check_pairs(space: SearchSpace, knob: str, pairs: int) -> None:
    """Do nothing if so many ``pairs`` of networks of ``space`` can show what ``knob`` does.

    Raises:
        ConfigError: it has too many values; nothing has to be trained to know that.
    """
    values = len(getattr(space.parameters.get(knob), "values", ()))
    if values > 2 and not can_flip(values, 2 * pairs):
        raise ConfigError(
            f"flip: {knob} has {values} values, too many for {plural(pairs, 'pair')}; accepted: "
            f"--models {-(-values * PAIRS // 2)} or more, or another knob"
        )


def format_decision(comparison: Comparison, decision: Decision) -> str:
    """A decision at a margin as a sentence."""
    low, high = 100 * decision.interval.low, 100 * decision.interval.high
    outcome = _OUTCOMES[decision.outcome].format(a=comparison.a, b=comparison.b)
    return (
        f"At a margin of {plural(100 * decision.margin, 'point', '{:g}'.format)} and an error "
        f"rate of {100 * decision.error_rate:g} %, {outcome}: the difference of the median "
        f"accuracies lies between {low:+.2f} and {high:+.2f} points."
    )


def setup(study: Study) -> str:
    """How the networks were drawn and trained, from what the study stores."""
    config = study.record.config
    band = f", {config['band']}" if config.get("band") else ""
    if study.record.untrained:
        epochs = plural(config["epochs"], "epoch")
        said = f"Random networks{band}, {epochs}, seed {config['seed']}."
        return f"{said} {study.record.untrained}"
    return (
        f"Random networks{band}, each trained for {plural(config['epochs'], 'epoch')} "
        f"{study.record.trained_by}, measured on validation images, seed {config['seed']}. One "
        "seed per network; the test images were not read."
    )
