"""``nas.plots``: the figures of ``nas.analysis.plots`` by the name that a notebook imports."""

from nas.analysis.plots import (
    COSTS,
    curves,
    edf,
    effects,
    efficiency,
    fidelity,
    front,
    importance,
    knob,
    marginal,
    pairs,
)

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
