"""Statistics and figures over frames of studies. No torch, no ray, no SQL."""

from nas.analysis import plots
from nas.analysis.bootstrap import best_values
from nas.analysis.comparison import Comparison, Decision, Estimate, compare
from nas.analysis.edf import edf
from nas.analysis.effects import differences, effects
from nas.analysis.efficiency import efficiency
from nas.analysis.fidelity import rank_correlation
from nas.analysis.hypervolume import hypervolume
from nas.analysis.importance import importance
from nas.analysis.planner import Plan, models_for, models_needed
from nas.analysis.population import Population, populations
from nas.study.front import pareto_front

__all__ = [
    "Comparison",
    "Decision",
    "Estimate",
    "Plan",
    "Population",
    "best_values",
    "compare",
    "differences",
    "edf",
    "effects",
    "efficiency",
    "hypervolume",
    "importance",
    "models_for",
    "models_needed",
    "pareto_front",
    "plots",
    "populations",
    "rank_correlation",
]
