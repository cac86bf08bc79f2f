"""Is one design space better than another, by how much, and how sure is that?

Errors of random networks of both are compared as distributions:

- Kolmogorov–Smirnov: are they different at all; and one-sided, first-order stochastic dominance: A
  dominates B where F_A ≥ F_B everywhere, for which there is evidence where A's curve is above B's
  somewhere, and none where it is below (McFadden 1989).
- P(A better): that a network of A has a lower error than one of B, ties counting half; Cliff's
  delta is 2 P − 1. Its test is Mann and Whitney's (1947).
- The differences of the medians, and of the expected best of m networks.

Intervals are percentiles of a bootstrap. With a cost, networks are weighted as in ``edf`` so that
both spaces spread evenly over its range, and tests permute the networks within its bins.

A network that was drawn repeatedly weighs so much more in every estimate, as the space draws it so
much more often; its result was told again, though, and not measured again. So the bootstrap draws
networks, each with all of its draws, and the tests permute networks. Networks that both spaces have
with one result count on both sides as if they were independent, which makes intervals of the
differences too wide rather than too narrow; how many there are stands in the note.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal, NamedTuple, Unpack

import numpy as np
import pandas as pd
from scipy import stats

from nas.analysis.edf import complexity_bins, complexity_edges, fraction
from nas.analysis.efficiency import expected_best
from nas.analysis.population import Floats, Population, Rules, population
from nas.analysis.two_samples import (
    Side,
    p_better,
    permutation_tests,
    scipy_tests,
    weighted_median,
)
from nas.errors import AnalysisError, choose
from nas.quantity import plural

FEWEST = 4  # of each space: 3 and 3 show no difference at 95 %, whatever their errors are
POWER = 0.8  # of the difference that a verdict says would have been missed
Outcome = Literal["better", "equal", "worse", "undecided"]


class Estimate(NamedTuple):
    """A number and its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Decision:
    """Whether A is better than, as good as, or worse than B, at a margin.

    Accuracies are fractions of 1. ``interval`` holds the difference A − B with probability
    1 − 2 ``error_rate``, so that each of better, equal and worse is wrong at most so often.
    """

    outcome: Outcome
    noninferior: bool  # A is not worse than B by the margin: also where it is undecided or better
    interval: Estimate
    margin: float
    error_rate: float
    measure: str


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class Comparison:
    """Two design spaces, A and B, by the accuracy of random networks of each.

    Differences are A − B in accuracy, fractions of 1: above 0, A is better.
    """

    a: str
    b: str
    n_a: int  # draws
    n_b: int
    networks_a: int  # different ones among them
    networks_b: int
    epochs: int
    cost: str | None  # that both were normalised over
    level: float
    ks: float  # sup |F_A − F_B|
    ks_p: float
    a_dominates_p: float  # of "F_A is nowhere above F_B": small where A is better somewhere
    b_dominates_p: float
    a_better: Estimate  # P(a network of A is better than one of B)
    p: float  # of "P(A better) = ½", two-sided
    median: Estimate  # difference of median accuracies
    best: Estimate  # difference of the expected accuracies of the best of m
    m: int
    note: str
    median_draws: Floats  # (draws,) the bootstrap behind the interval of ``median``
    best_draws: Floats

    def __repr__(self) -> str:
        return f"<Comparison: {self.verdict}>"

    @property
    def cliffs_delta(self) -> float:
        """P(A better) − P(B better), from −1 to 1."""
        return 2 * self.a_better.value - 1

    @property
    def dominance(self) -> Literal["a", "b", "crossing", "none"]:
        """Which space is shown to dominate the other; crossing: each is better somewhere."""
        alpha = 1 - self.level
        a, b = self.a_dominates_p < alpha, self.b_dominates_p < alpha
        return "crossing" if a and b else "a" if a else "b" if b else "none"

    @property
    def detectable(self) -> float:
        """The P(better) that so many networks find in 80 % of all comparisons (Noether 1987)."""
        together = self.networks_a + self.networks_b
        share = self.networks_a / together
        z = stats.norm.ppf((1 + self.level) / 2) + stats.norm.ppf(POWER)
        return min(1.0, 0.5 + float(z) / sqrt(12 * share * (1 - share) * together))

    @property
    def size(self) -> str:
        """How many draws of how many networks: ``n = 60 + 60``."""
        said = f"n = {self.n_a} + {self.n_b}"
        if (self.networks_a, self.networks_b) == (self.n_a, self.n_b):
            return said
        return f"{said} draws of {self.networks_a} + {self.networks_b} networks"

    @property
    def verdict(self) -> str:
        """What was found, in one sentence with its uncertainty."""
        sizes = f"{self.size}, {plural(self.epochs, 'epoch')}"
        if self.cost:
            sizes += f", at equal {self.cost}"
        if self.note:
            sizes += f"; {self.note}"
        if self.p >= 1 - self.level:
            p = self.a_better
            return (
                f"No difference between {self.a} and {self.b} was shown: a network of {self.a} is "
                f"the better one with probability {p.value:.2f} [{p.low:.2f}, {p.high:.2f}], "
                f"p = {_p(self.p)} ({sizes}); with so many, a difference below "
                f"{self.detectable:.2f} would be missed more often than 1 time in 5."
            )
        better, worse = (self.a, self.b) if self.a_better.value > 0.5 else (self.b, self.a)
        flip = better == self.b
        p, d = _flip(self.a_better, 1, flip), _flip(self.median, 0, flip)
        crossing = " (in part of the range it is worse)" if self.dominance == "crossing" else ""
        return (
            f"{better} is better than {worse}{crossing}: a network of it is the better one with "
            f"probability {p.value:.2f} [{p.low:.2f}, {p.high:.2f}], p = {_p(self.p)}, and its "
            f"median accuracy is {100 * d.value:+.2f} points higher [{100 * d.low:+.2f}, "
            f"{100 * d.high:+.2f}] ({sizes})."
        )

    def table(self) -> pd.DataFrame:
        """Each measure in a row: measure, value, low, high, p. NaN where it has no such number."""
        none, p = float("nan"), self.a_better
        rows: list[tuple[str, float, float, float, float]] = [
            ("P(A better)", *self.a_better, self.p),
            ("Cliff's delta", 2 * p.value - 1, 2 * p.low - 1, 2 * p.high - 1, self.p),
            ("difference of medians", *self.median, none),
            (f"difference of the best of {self.m}", *self.best, none),
            ("Kolmogorov–Smirnov", self.ks, none, none, self.ks_p),
            ("A dominates", none, none, none, self.a_dominates_p),
            ("B dominates", none, none, none, self.b_dominates_p),
        ]
        table = pd.DataFrame(rows, columns=["measure", "value", "low", "high", "p"])
        table.insert(0, "b", self.b)
        table.insert(0, "a", self.a)
        return table

    def decide(
        self,
        margin: float,
        error_rate: float = 0.05,
        measure: Literal["median", "best"] = "median",
    ) -> Decision:
        """Whether A is better, equal (within ± ``margin``), worse, or none of it is shown.

        Two one-sided tests (Schuirmann 1987): equal where the interval of the difference lies
        within the margin; else better or worse where it excludes 0; else undecided.

        Raises:
            AnalysisError: a margin that is not above 0, an error rate outside (0, ½).
        """
        if not margin > 0:
            raise AnalysisError(f"margin is {margin}; accepted: above 0, as 0.005 (half a point)")
        if not 0 < error_rate < 0.5:
            raise AnalysisError(f"error_rate is {error_rate}; accepted: between 0 and 0.5")
        if measure not in ("median", "best"):
            raise AnalysisError(f"measure is {measure!r}; {choose(measure, ('median', 'best'))}")
        draws = self.median_draws if measure == "median" else self.best_draws
        value = self.median.value if measure == "median" else self.best.value
        low, high = (float(q) for q in np.quantile(draws, [error_rate, 1 - error_rate]))
        outcome: Outcome = "undecided"
        if -margin < low and high < margin:
            outcome = "equal"
        elif low > 0:
            outcome = "better"
        elif high < 0:
            outcome = "worse"
        return Decision(
            outcome, low > -margin, Estimate(value, low, high), margin, error_rate, measure
        )


def compare(
    a: pd.DataFrame,
    b: pd.DataFrame,
    *,
    cost: str | None = None,
    bins: int = 5,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    **rules: Unpack[Rules],
) -> Comparison:
    """Compare two design spaces by frames of one study each, trained equally long.

    With ``cost``, both are weighted to spread evenly over ``bins`` ranges of it; without, they
    should have been sampled in one band. ``draws`` of a bootstrap, and of the permutations.

    Raises:
        AnalysisError: trials that the rules refuse; fewer than 4 networks; unequal epochs.
    """
    fraction(level, "level")
    if rules.get("stopped") == "bound":
        raise AnalysisError(
            "stopped is 'bound', which only edf can use", "accepted: refuse, drop", "stopped"
        )
    if draws < 100:
        raise AnalysisError(f"draws is {draws}; accepted: 100 or more")
    spaces = [population(a, rules), population(b, rules)]
    if spaces[0].epochs != spaces[1].epochs:
        each = " and ".join(f"{s.study} {plural(s.epochs, 'epoch')}" for s in spaces)
        raise AnalysisError(
            f"the spaces were trained for unequal times: {each}",
            "compare studies of equal epochs, or choose one that both have with epochs=…",
            "epochs",
        )
    places = [np.zeros(len(space), dtype=np.intp) for space in spaces]
    if cost is not None:
        edges = complexity_edges(spaces, cost, bins)
        places = [complexity_bins(space, cost, edges) for space in spaces]
    sides = [
        Side(s.errors[p >= 0], p[p >= 0], s.networks[p >= 0], bins if cost else 1)
        for s, p in zip(spaces, places, strict=True)
    ]
    for space, side in zip(spaces, sides, strict=True):
        if side.distinct < FEWEST:
            raise AnalysisError(
                f"{space.study} has {plural(side.distinct, 'different network')} to compare; "
                f"accepted: {FEWEST} or more"
            )
    return _compare(spaces, sides, cost, level, draws, np.random.default_rng(seed))


def _compare(
    spaces: list[Population],
    sides: list[Side],
    cost: str | None,
    level: float,
    draws: int,
    rng: np.random.Generator,
) -> Comparison:
    a, b = sides
    m = max(1, min(a.distinct, b.distinct) // 4)
    drawn_a, drawn_b = (side.resampled(draws, rng) for side in sides)
    better = p_better(a.errors, drawn_a, b.errors, drawn_b)
    # the error falls where the accuracy rises: A − B in accuracy is B − A in error
    medians = weighted_median(b.errors, drawn_b) - weighted_median(a.errors, drawn_a)
    bests = expected_best(b.errors, m, drawn_b) - expected_best(a.errors, m, drawn_a)
    repeated = any(side.distinct < len(side.errors) for side in sides)
    plain = cost is None and not repeated
    tests = scipy_tests(a.errors, b.errors) if plain else permutation_tests(a, b, draws, rng)
    notes = [f"{s.study}: {s.note}" for s in spaces if s.note]
    outside = sum(len(s) for s in spaces) - len(a.errors) - len(b.errors)
    if outside:
        notes.append(f"{plural(outside, 'network')} outside of the shared range of {cost} left out")
    shared = _shared(*spaces)
    if shared:
        notes.append(f"{plural(shared, 'network')} with one result in both")
    value = float(p_better(a.errors, a.weights, b.errors, b.weights))
    median = weighted_median(b.errors, b.weights) - weighted_median(a.errors, a.weights)
    best = expected_best(b.errors, m, b.weights) - expected_best(a.errors, m, a.weights)
    return Comparison(
        a=spaces[0].study,
        b=spaces[1].study,
        n_a=len(a.errors),
        n_b=len(b.errors),
        networks_a=a.distinct,
        networks_b=b.distinct,
        epochs=spaces[0].epochs,
        cost=cost,
        level=level,
        **tests,
        a_better=_estimate(value, better, level),
        median=_estimate(float(median), medians, level),
        best=_estimate(float(best), bests, level),
        m=m,
        note="; ".join(notes),
        median_draws=medians,
        best_draws=bests,
    )


def _shared(a: Population, b: Population) -> int:
    """How many networks both spaces have, with the same result of the same seed."""
    if "key" not in a.trials or "key" not in b.trials:
        return 0
    same = ["key", "val_accuracy"]
    return len(a.distinct[same].dropna().merge(b.distinct[same], on=same))


def _estimate(value: float, draws: Floats, level: float) -> Estimate:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def _flip(estimate: Estimate, around: float, flip: bool) -> Estimate:
    """As seen from the other space: a probability flips around 1, a difference around 0."""
    if not flip:
        return estimate
    return Estimate(around - estimate.value, around - estimate.high, around - estimate.low)


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else "below 0.0001"
