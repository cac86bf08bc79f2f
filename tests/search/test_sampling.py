"""Proposals: what Optuna is told of a space, and that every one of them is feasible."""

from optuna.distributions import FloatDistribution, IntDistribution

from nas.search.sampling import distribution
from nas.space import FloatRange, IntRange


def test_steps_on_a_log_scale_are_evenly_spaced_for_optuna():
    assert distribution(IntRange(8, 64, step=8, log=True)) == IntDistribution(8, 64, step=8)
    assert distribution(IntRange(1, 64, log=True)) == IntDistribution(1, 64, log=True)
    rates = FloatRange(0.5, 2.0, step=0.5, log=True)
    assert distribution(rates) == FloatDistribution(0.5, 2.0, step=0.5)
