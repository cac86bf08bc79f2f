"""How many random networks of each space it takes to tell two spaces apart."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Unpack

import numpy as np
import pandas as pd
from scipy import stats

from nas.analysis.comparison import compare
from nas.analysis.population import Floats, Rules, population
from nas.errors import AnalysisError
from nas.quantity import plural

MOST = 10_000  # networks per space; a difference that takes more is no difference to anyone


@dataclass(frozen=True)
class Plan:
    """Networks to train of each space, and what that number rests on."""

    models: int
    fewest: int  # if the pilots understate the difference as far as their interval allows
    most: int | None  # if they overstate it so far; None: they do not exclude that there is none
    a_better: float  # P(a network of A is better than one of B) that is to be found
    power: float  # the probability to find it
    error_rate: float  # of claiming a difference that there is not
    assumptions: str


def models_for(a_better: float, *, power: float = 0.8, error_rate: float = 0.05) -> Plan:
    """By Noether (1987): networks of each space to find P(A better) with Mann–Whitney's test.

    n = (z₁₋α⸝₂ + z_power)² / (6 (P − ½)²) of each of two spaces of equal number.

    Raises:
        AnalysisError: a probability of ½, which is no difference, or outside (0, 1).
    """
    _rates(power, error_rate)
    if not 0 < a_better < 1 or a_better == 0.5:
        raise AnalysisError(f"a_better is {a_better}; accepted: between 0 and 1 and not 0.5")
    models = _noether(a_better, power, error_rate)
    return Plan(
        models=models,
        fewest=models,
        most=models,
        a_better=a_better,
        power=power,
        error_rate=error_rate,
        assumptions="a two-sided Mann–Whitney test in its normal approximation, with the variance "
        "that it has without a difference; as many networks of one space as of the other, drawn "
        "independently",
    )


def models_needed(
    a: pd.DataFrame,
    b: pd.DataFrame,
    *,
    power: float = 0.8,
    error_rate: float = 0.05,
    simulations: int = 1000,
    seed: int = 0,
    **rules: Unpack[Rules],
) -> Plan:
    """By simulation from pilots, one study each: networks of each space to tell them apart.

    Spaces of n networks are drawn from the pilots with replacement and tested, ``simulations``
    times per n, until Mann and Whitney's test finds the difference as often as ``power``. How far
    the pilots may mislead is said by ``fewest`` and ``most``: the same by formula at both ends of
    their 95 % interval.

    Raises:
        AnalysisError: trials that the rules refuse; pilots whose difference would take more than
            10,000 networks of each to find.
    """
    _rates(power, error_rate)
    if simulations < 100:
        raise AnalysisError(f"simulations is {simulations}; accepted: 100 or more")
    found = compare(a, b, seed=seed, **rules)
    errors = [population(trials, rules).errors for trials in (a, b)]

    def enough(n: int) -> bool:
        return simulated_power(errors[0], errors[1], n, error_rate, simulations, seed) >= power

    high = 5
    while not enough(high):
        high *= 2
        if high > MOST:
            raise AnalysisError(
                f"the pilots differ too little ({found.a_better.value:.3f} to be the better one): "
                f"not even {MOST:,} networks of each would show it"
            )
    low = high // 2 if high > 5 else 4
    while high - low > max(1, high // 50):  # closer than the simulation's own noise says nothing
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    ends = sorted((found.a_better.low, found.a_better.high), key=lambda p: abs(p - 0.5))
    decided = (ends[0] - 0.5) * (ends[1] - 0.5) > 0
    return Plan(
        models=high,
        fewest=min(high, _noether(ends[1], power, error_rate)),
        most=max(high, _noether(ends[0], power, error_rate)) if decided else None,
        a_better=found.a_better.value,
        power=power,
        error_rate=error_rate,
        assumptions=f"the spaces are as their pilots of {found.networks_a} and {found.networks_b} "
        f"networks, trained for {plural(found.epochs, 'epoch')}; the pilots are no part of the "
        f"sample; a two-sided Mann–Whitney test; {simulations:,} simulations per number",
    )


def simulated_power(
    a: Floats, b: Floats, n: int, error_rate: float, simulations: int, seed: int
) -> float:
    """How often n networks of each space, drawn from ``a`` and ``b``, show a difference."""
    rng = np.random.default_rng(seed)
    drawn_a, drawn_b = (rng.choice(errors, size=(simulations, n)) for errors in (a, b))
    p = stats.mannwhitneyu(drawn_a, drawn_b, axis=1, method="asymptotic").pvalue
    return float(np.mean(p < error_rate))


def _noether(a_better: float, power: float, error_rate: float) -> int:
    z = float(stats.norm.ppf(1 - error_rate / 2) + stats.norm.ppf(power))
    return max(5, ceil(z**2 / (6 * (a_better - 0.5) ** 2)))


def _rates(power: float, error_rate: float) -> None:
    if not 0 < error_rate < power < 1:
        raise AnalysisError(
            f"power is {power}, error_rate {error_rate}; accepted: 0 < error_rate < power < 1"
        )
