"""Empirical distribution functions of the error over a design space.

F(e) = Σ wᵢ · 1[eᵢ ≤ e], wᵢ = 1/n: the fraction of networks with an error of at most e (Radosavovic
et al. 2019, "On Network Design Spaces for Visual Recognition", arXiv:1905.13214, where it is <).
Complexity-normalised as there, a network in a bin of mⱼ networks weighs 1 / (mⱼ · number of bins),
so that each range of the cost counts equally in every space. A network that was drawn k times
weighs k times as much; in the band it is one: n is then that of equal weights, 1 / Σ w².
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt
from typing import Unpack

import numpy as np
import pandas as pd

from nas.analysis.measured import refuse_scores
from nas.analysis.population import Floats, Places, Population, Rules, networks, populations
from nas.errors import AnalysisError


def edf(
    trials: pd.DataFrame,
    *,
    cost: str | None = None,
    bins: int = 5,
    level: float = 0.95,
    **rules: Unpack[Rules],
) -> pd.DataFrame:
    """The distribution of the error of each study in a frame.

    Columns: study, error, edf, low, high, n (draws), networks (different ones among them).
    ``edf`` is the fraction of draws with an error (1 − accuracy) of at most ``error``; low and
    high bound the whole curve with probability ``level`` (Dvoretzky, Kiefer and Wolfowitz 1956 with
    Massart's constant). With ``cost``, networks are weighted to spread evenly over ``bins`` ranges
    of it that all studies share; those outside are left out. Where weights are unequal, or networks
    were drawn repeatedly, the band is of an effective n = 1 / Σ w² over networks, an approximation.

    With ``stopped="bound"`` the error of a stopped trial is taken to lie between 0 and the one it
    was stopped at (longer training made it no worse). ``edf`` then has it at its last error, the
    lowest possible curve; ``high`` has it at 0.

    Raises:
        AnalysisError: trials that the rules refuse; a bin without networks; a level outside (0, 1).
    """
    fraction(level, "level")
    found = populations(trials, **rules)
    if cost is not None and any(len(population.stopped) for population in found.values()):
        raise AnalysisError(
            "a complexity-normalised edf takes no bounds", "accepted: refuse, drop", "stopped"
        )
    weights = complexity_weights(list(found.values()), cost, bins) if cost else None
    return pd.concat(
        [
            _edf(population, None if weights is None else weights[k], level)
            for k, population in enumerate(found.values())
        ],
        ignore_index=True,
    )


def step(errors: Floats, weights: Floats, at: Floats) -> Floats:
    """F at each of ``at``: the sum of the weights of all errors up to it."""
    order = np.argsort(errors, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(weights[order])])
    return np.asarray(total[np.searchsorted(errors[order], at, side="right")])


def complexity_edges(spaces: Sequence[Population], cost: str, bins: int) -> Floats:
    """(bins + 1,) edges, evenly spaced over the range of the cost that all spaces share.

    Raises:
        AnalysisError: no bins; spaces that share no range.
    """
    if bins < 1:
        raise AnalysisError(f"bins is {bins}; accepted: 1 or more")
    values = [space.cost(cost) for space in spaces]
    low, high = max(v.min() for v in values), min(v.max() for v in values)
    if low >= high:
        raise AnalysisError(
            f"the spaces share no range of {cost}", "sample both in one band of it", "cost"
        )
    return np.linspace(low, high, bins + 1)


def complexity_bins(space: Population, cost: str, edges: Floats) -> Places:
    """(n,) the bin of each network of a space; −1 outside of the edges.

    Raises:
        AnalysisError: a bin without networks.
    """
    values = space.cost(cost)
    bins = len(edges) - 1
    place = np.minimum(np.searchsorted(edges, values, side="right") - 1, bins - 1)
    place[(values < edges[0]) | (values > edges[-1])] = -1
    counts = np.bincount(place[place >= 0], minlength=bins)
    if (counts == 0).any():
        first = int(np.argmin(counts))
        raise AnalysisError(
            f"{space.study} has no network with {cost} from {edges[first]:.4g} to "
            f"{edges[first + 1]:.4g}",
            f"take fewer bins than {bins}, or train more networks",
            "cost",
        )
    return place


def complexity_weights(spaces: Sequence[Population], cost: str, bins: int) -> list[Floats]:
    """By space, (n,) weights 1 / (networks in the bin × bins), 0 outside of all bins; Σ = 1."""
    edges = complexity_edges(spaces, cost, bins)
    return [bin_weights(complexity_bins(space, cost, edges), bins) for space in spaces]


def bin_weights(place: Places, bins: int) -> Floats:
    """(n,) weights of networks by their bin, −1 for none."""
    counts = np.bincount(place[place >= 0], minlength=bins)
    return np.where(place >= 0, 1 / (counts[place] * bins), 0.0)


def fraction(value: float, name: str) -> None:
    """Refuse what is no fraction strictly between 0 and 1."""
    if not 0 < value < 1:
        raise AnalysisError(f"{name} is {value}; accepted: between 0 and 1, as 0.95")


def _edf(space: Population, weights: Floats | None, level: float) -> pd.DataFrame:
    drawn = pd.concat([space.trials, space.stopped]) if len(space.stopped) else space.trials
    refuse_scores(drawn)
    errors, network = 1 - drawn["val_accuracy"].to_numpy(float), networks(drawn)
    optimistic = np.where(np.arange(len(errors)) < len(space), errors, 0.0)
    each = np.full(len(errors), 1 / len(errors)) if weights is None else weights
    inside = each > 0
    errors, optimistic, each = errors[inside], optimistic[inside], each[inside]
    at = np.unique(errors)
    value, highest = step(errors, each, at), step(optimistic, each, at)
    together = np.bincount(network[inside], weights=each)
    margin = sqrt(log(2 / (1 - level)) / 2 * float(np.sum(together**2)))
    return pd.DataFrame(
        {
            "study": space.study,
            "error": at,
            "edf": value,
            "low": np.clip(value - margin, 0, 1),
            "high": np.clip(highest + margin, 0, 1),
            "n": len(errors),
            "networks": int(np.count_nonzero(together)),
        }
    )
