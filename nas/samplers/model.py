"""Candidates ranked by a Gaussian process fitted to the results so far.

Candidates are mutations of the best results and the space's own draws; the one with the largest
expected improvement is next. Mutating the best explains most of what such guidance gains: White et
al. 2021, arXiv:2107.07343. For a front, it is the expected improvement of the dominated area.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from nas.samplers import PARENTS
from nas.samplers.base import Choice
from nas.samplers.budgets import area_improvement, as_costs, budgets
from nas.samplers.candidates import Candidate, Candidates
from nas.samplers.history import History
from nas.samplers.largest import LargestSampler
from nas.samplers.surrogate import Hyper, Process, as_gaussian, expected_improvement
from nas.samplers.targets import crowding, fronts, targets

Array = NDArray[np.float64]

FITTED = 5  # results with which a model begins
FRONT = 8  # with which one of a front begins
# The first trials: so far down from the largest, among all sizes; see ``_place`` for further ones
SPREAD = (0.0, 0.02, 0.1, 0.25, 0.05, 0.5)
SIZES = 256  # draws that stand for them
ALL = 1000  # candidates of a space that are all ranked
POOL = 128  # draws among the candidates of a larger one; others as the study grows
BEST = 5  # results that are mutated
MUTATIONS = 24  # of each
MOST = 256  # results that are fitted: the best half, the last quarter, a quarter over all ranks
STEADY = 50  # results up to which each new one is fitted at once; later every 1/50 of them
SETTLED = 1.2  # length and noise are chosen again when there are so many times the results
RUNNING = 64  # trials under way that are believed to have what is predicted of them


@dataclass(frozen=True)
class Fit:
    """What processes are fitted to, and the best results with their numbers, the best first."""

    features: Array  # (n, d)
    values: Array  # (n,) of the first objective
    variances: Array  # (n,) of those values
    costs: Array  # (n, k) of further objectives
    hypers: tuple[Hyper, ...]  # of the value, then of each cost
    best: list[tuple[int, Candidate]]


class ModelSampler(LargestSampler):
    """The largest one first, then a few of the upper sizes, then what a model finds promising.

    For a front, the middle, the smallest and the largest come first, then what lies between them.
    """

    _fit: tuple[int, Fit] | None
    _hypers: tuple[int, tuple[Hyper, ...]] | None

    def choose(self, history: History, number: int, rng: random.Random) -> Choice | None:
        """See ``OwnSampler``."""
        if len(history) < (FITTED if history.objectives == 1 else FRONT):
            return self._first(history, rng)
        # on one core: others train, and sums that are split among cores differ in the last bits
        with _libraries().limit(limits=1, user_api="blas"):
            return self._guided(history, number)

    def _guided(self, history: History, number: int) -> Choice | None:
        """What a model finds promising."""
        found = self._promising(history, self._fitted(history))
        return Choice(found, "guided") if found else None

    def _first(self, history: History, rng: random.Random) -> Choice | None:
        """What is tried before there is a model."""
        tried, is_front = len(history.tried), history.objectives > 1
        if not tried and not is_front:
            return super().choose(history, 0, rng)
        known = sorted(self.everything() or self.pool(SIZES), key=lambda one: -one.size)
        fresh = [one for one in known if self.is_new(one, history)]
        place = spread_out(tried) if is_front else _place(tried)
        return Choice(at_place(fresh, place), "largest") if fresh else None

    def _promising(self, history: History, fit: Fit) -> Candidate | None:
        """The new candidate with the largest expected improvement."""
        found = {one.key: one for one in self._ranked(history, fit)}
        fresh = [one for key, one in found.items() if key not in history.keys]
        if not fresh:
            return None
        fresh = self._eligible(fit, fresh)
        gains = self._gains(history, fit, fresh)
        ranking = np.argsort(-gains, kind="stable")
        return next((fresh[i] for i in ranking if self.is_new(fresh[i], history)), None)

    def _eligible(self, fit: Fit, fresh: list[Candidate]) -> list[Candidate]:
        """Those that are ranked: at least one."""
        return fresh

    def _gains(self, history: History, fit: Fit, fresh: list[Candidate]) -> Array:
        """(n,) what each candidate is expected to improve; what is under way is believed to have
        what is predicted of it."""
        known, points = fit.features, _features(fresh)
        process = Process(known, fit.values, fit.variances, fit.hypers[0])
        values, costs = process.predict(known)[0], fit.costs
        unsure = np.zeros(len(known))
        models = [
            Process(known, cost, unsure, hyper)
            for cost, hyper in zip(costs.T, fit.hypers[1:], strict=True)
        ]
        best = float(values.max())
        under_way = [history.running[n] for n in sorted(history.running)[-RUNNING:]]
        if under_way:
            there = _features(under_way)
            means = process.predict(there)[0]
            process = Process(
                np.vstack([known, there]),
                np.concatenate([fit.values, means]),
                np.concatenate([fit.variances, np.zeros(len(there))]),
                fit.hypers[0],
            )
            values = np.concatenate([values, means])
            costs = np.vstack([costs, _predicted(models, there)])
        means, deviations = process.predict(points)
        if not models:
            return expected_improvement(means, deviations, best)
        own = _predicted(models, points)
        at = budgets(np.vstack([costs, own]), self._seed)
        return area_improvement(means, deviations, own, values, costs, at)

    def _ranked(self, history: History, fit: Fit) -> list[Candidate]:
        everything = self.everything()
        if everything is not None and len(everything) <= ALL:
            return everything
        found = list(self.pool(POOL, _point(len(history)) // 8))
        for number, candidate in fit.best[:BEST]:
            found += self.mutations(candidate, MUTATIONS, number)
        return found

    def _fitted(self, history: History) -> Fit:
        """Of the results up to the last point at which there is a new fit."""
        count = _point(len(history))
        if self._fit is None or self._fit[0] != count:
            self._fit = count, self._new_fit(history, count)
        return self._fit[1]

    def _new_fit(self, history: History, count: int) -> Fit:
        results = history.first(count)
        values, variances = targets(results, history.objectives)
        if history.objectives == 1:
            order = np.argsort(-values[:, 0], kind="stable")
        else:
            rank = fronts(values)
            order = np.lexsort((-crowding(values, rank), rank))
        chosen = _chosen(order)
        features = _features([results[i].candidate for i in chosen])
        scores, costs = as_gaussian(values[:, 0])[chosen], as_costs(values[:, 1:])[chosen]
        return Fit(
            features,
            scores,
            variances[chosen],
            costs,
            self._hypers_of(history, count, (features, scores, variances[chosen], costs)),
            [(results[i].number, results[i].candidate) for i in order[:PARENTS]],
        )

    def _hypers_of(
        self, history: History, count: int, fitted: tuple[Array, Array, Array, Array]
    ) -> tuple[Hyper, ...]:
        """Length and noise: those of the last settled number of results."""
        settled = _settled(count)
        if self._hypers is None or self._hypers[0] != settled:
            if settled == count:
                features, scores, variances, costs = fitted
                unsure = np.zeros(len(scores))
                found = (
                    Process(features, scores, variances).hyper,
                    *(Process(features, cost, unsure).hyper for cost in costs.T),
                )
            else:  # the study was carried on in between
                found = self._new_fit(history, settled).hypers
            self._hypers = settled, found
        return self._hypers[1]

    def _forget(self, candidates: Candidates | None) -> None:
        super()._forget(candidates)
        self._fit = self._hypers = None


def at_place(sorted_ones: Sequence[Candidate], place: float) -> Candidate:
    """The one at a place from 0 for the first to 1 for the last."""
    return sorted_ones[min(int(place * len(sorted_ones)), len(sorted_ones) - 1)]


def _place(tried: int) -> float:
    """Where in the order of sizes, from 0 for the largest to 1, a first trial is.

    Where many are under way before five have ended, they cover all sizes, the larger ones more
    densely.
    """
    return SPREAD[tried] if tried < len(SPREAD) else _spread(tried) ** 2


def spread_out(tried: int) -> float:
    """The same for a front: the middle, both ends, the quarters, the eighths, …

    >>> [spread_out(tried) for tried in range(6)]
    [0.5, 1.0, 0.0, 0.25, 0.75, 0.125]
    """
    return (0.5, 1.0, 0.0)[tried] if tried < 3 else _spread(tried - 1)


def _spread(number: int) -> float:
    """The van der Corput sequence: 1/2, 1/4, 3/4, 1/8, … from 1 on.

    >>> [_spread(number) for number in (1, 2, 3, 4)]
    [0.5, 0.25, 0.75, 0.125]
    """
    share, part = 0.0, 0.5
    while number:
        number, bit = divmod(number, 2)
        share, part = share + bit * part, part / 2
    return share


@cache
def _libraries() -> ThreadpoolController:
    """Those of linear algebra that this process has loaded."""
    return ThreadpoolController()


def _predicted(models: list[Process], points: Array) -> Array:
    """(n, k) means of k processes."""
    found = [model.predict(points)[0] for model in models]
    return np.array(found).reshape(len(models), len(points)).T


def _features(candidates: list[Candidate]) -> Array:
    """(n, d), the size first."""
    return np.array([(one.size, *one.features) for one in candidates])


def _point(count: int) -> int:
    """The last number of results, up to ``count``, at which there is a new fit."""
    step = 1
    while count // step >= 2 * STEADY:
        step *= 2
    return count - count % step


def _settled(count: int) -> int:
    """The last number of results, up to ``count``, at which length and noise are chosen."""
    at = FITTED
    while (following := _point(max(at + 1, int(at * SETTLED)))) <= count:
        at = following
    return at


def _chosen(order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Which results are fitted, given their ranking; those are in the order of their ends."""
    if len(order) <= MOST:
        return np.sort(order)
    best, last = order[: MOST // 2], np.arange(len(order) - MOST // 4, len(order))
    spread = order[np.linspace(MOST // 2, len(order) - 1, MOST // 4).astype(int)]
    return np.unique(np.concatenate([best, last, spread]))
