"""Figures of studies: one call each, ready for print.

Each takes a study or its frame (several, where that makes sense) and the options of its statistic,
draws on matplotlib axes of yours, if given as ``ax``, and returns the Figure, which a notebook
shows: ``nas.plots.edf(study).savefig("edf.pdf")``. The number of networks, the fidelity and
what was left out stand in the figure.
"""

from nas.analysis.plots.front import front
from nas.analysis.plots.knobs import effects, importance, knob, marginal, pairs
from nas.analysis.plots.populations import edf, efficiency
from nas.analysis.plots.training import curves, fidelity
from nas.analysis.population import COSTS

__all__ = [
    "COSTS",
    "curves",
    "edf",
    "effects",
    "efficiency",
    "fidelity",
    "front",
    "importance",
    "knob",
    "marginal",
    "pairs",
]
