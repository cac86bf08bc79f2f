"""The figures by name, as ``nas plot --kind`` offers them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from nas.analysis.plots.front import front
from nas.analysis.plots.knobs import effects, importance, knob, marginal, pairs
from nas.analysis.plots.populations import edf, efficiency
from nas.analysis.plots.training import curves, fidelity
from nas.errors import AnalysisError, choose
from nas.study.reader import Study


@dataclass(frozen=True)
class Kind:
    """A figure: how it is drawn, and which options it takes besides the studies."""

    draw: Callable[..., Figure]
    takes: frozenset[str]
    several: bool = False  # studies in one figure
    needs_knob: bool = False


_RULES = frozenset({"policy", "stopped", "epochs"})
KINDS = {
    "front": Kind(front, frozenset({"cost"})),
    "edf": Kind(edf, _RULES | {"cost"}, several=True),
    "efficiency": Kind(efficiency, _RULES, several=True),
    "knob": Kind(knob, _RULES | {"knob"}, needs_knob=True),
    "marginal": Kind(marginal, _RULES | {"knob"}, needs_knob=True),
    "effects": Kind(effects, _RULES | {"knob", "cost"}),
    "pairs": Kind(pairs, _RULES | {"knob"}, needs_knob=True),
    "importance": Kind(importance, _RULES),
    "curves": Kind(curves, frozenset()),
    "fidelity": Kind(fidelity, frozenset({"stopped"})),
}


def draw(kind: str, studies: Sequence[Study], **options: Any) -> Figure:
    """The figure called ``kind`` of one or several studies, with the options of its function.

    An option that is None was not asked for.

    Raises:
        AnalysisError: no such figure, an option that it does not take or a knob that it needs,
            several studies where it shows one; and what its statistic refuses.
    """
    if kind not in KINDS:
        raise AnalysisError(f"kind is {kind!r}; {choose(kind, KINDS)}")
    figure = KINDS[kind]
    asked = {name: value for name, value in options.items() if value is not None}
    for name in asked:
        if name not in figure.takes:
            known = ", ".join(sorted(figure.takes)) or "none"
            raise AnalysisError(f"kind {kind} takes no option {name}; accepted: {known}")
    if figure.needs_knob and "knob" not in asked:
        known = ", ".join(studies[0].space.parameters)
        raise AnalysisError(f"kind {kind} is of one knob; accepted: {known}")
    if len(studies) > 1 and not figure.several:
        several = ", ".join(name for name, other in KINDS.items() if other.several)
        raise AnalysisError(f"kind {kind} shows one study; several: {several}")
    return figure.draw(studies if figure.several else studies[0], **asked)
