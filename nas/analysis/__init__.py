"""Statistics and figures over frames of studies. No torch, no ray, no SQL."""

from nas.analysis import plots
from nas.analysis.bootstrap import best_values
from nas.analysis.comparison import Comparison, Decision, Estimate, compare
from nas.analysis.edf import edf
from nas.analysis.effects import effects
from nas.analysis.efficiency import efficiency
from nas.analysis.fidelity import rank_correlation
from nas.analysis.importance import importance
from nas.analysis.population import Population, populations
from nas.study.front import pareto_front

__all__ = [
    "Comparison",
    "Decision",
    "Estimate",
    "Population",
    "best_values",
    "compare",
    "edf",
    "effects",
    "efficiency",
    "importance",
    "pareto_front",
    "plots",
    "populations",
    "rank_correlation",
]
