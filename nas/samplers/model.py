"""Candidates ranked by a Gaussian process fitted to the results so far.

Candidates are mutations of the best results and the space's own draws; the one with the largest
expected improvement is next. Mutating the best explains most of what such guidance gains: White et
al. 2021, arXiv:2107.07343. Several objectives take turns of weights, as in ParEGO: Knowles 2006.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from nas.samplers.base import Choice
from nas.samplers.candidates import Candidate, Candidates
from nas.samplers.history import History
from nas.samplers.largest import LargestSampler
from nas.samplers.surrogate import Hyper, Process, as_gaussian, expected_improvement
from nas.samplers.targets import targets

Array = NDArray[np.float64]

FITTED = 5  # results with which a model begins
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
WEIGHTS = 8  # of several objectives, in turns


@dataclass(frozen=True)
class _Fit:
    """What a process is fitted to, and the results to be mutated with their numbers."""

    features: Array
    values: Array
    variances: Array
    hyper: Hyper
    best: list[tuple[int, Candidate]]


class ModelSampler(LargestSampler):
    """The largest one first, then a few of the upper sizes, then what a model finds promising.

    For a front, all sizes come first alike.
    """

    def choose(self, history: History, number: int, rng: random.Random) -> Choice | None:
        """See ``OwnSampler``."""
        if len(history) < FITTED:
            found = self._first(history, rng)
            return Choice(found, "largest") if found else None
        # on one core: others train, and sums that are split among cores differ in the last bits
        with _libraries().limit(limits=1, user_api="blas"):
            return self._guided(history, number)

    def _guided(self, history: History, number: int) -> Choice | None:
        """What a model finds promising."""
        fit = self._fitted(history, number % WEIGHTS if history.objectives > 1 else 0)
        found = self._promising(history, fit)
        return Choice(found, "guided") if found else None

    def _first(self, history: History, rng: random.Random) -> Candidate | None:
        """What is tried before there is a model."""
        tried, is_front = len(history.tried), history.objectives > 1
        if not tried and not is_front:
            return self.largest(history, rng)
        known = sorted(self.everything() or self.pool(SIZES), key=lambda one: -one.size)
        fresh = [one for one in known if self.is_new(one, history)]
        place = _spread(tried + 1) if is_front else _place(tried)
        return fresh[int(place * len(fresh))] if fresh else None

    def _promising(self, history: History, fit: _Fit) -> Candidate | None:
        """The new candidate with the largest expected improvement."""
        found = {one.key: one for one in self._ranked(history, fit)}
        fresh = [one for key, one in found.items() if key not in history.keys]
        if not fresh:
            return None
        process, best = self._believing(history, fit)
        gains = expected_improvement(*process.predict(_features(fresh)), best)
        ranking = np.argsort(-gains, kind="stable")
        return next((fresh[i] for i in ranking if self.is_new(fresh[i], history)), None)

    def _ranked(self, history: History, fit: _Fit) -> list[Candidate]:
        everything = self.everything()
        if everything is not None and len(everything) <= ALL:
            return everything
        found = list(self.pool(POOL, _point(len(history)) // 8))
        for number, candidate in fit.best:
            found += self.mutations(candidate, MUTATIONS, number)
        return found

    def _believing(self, history: History, fit: _Fit) -> tuple[Process, float]:
        """The process that also believes its means of what is under way, and what is to be
        improved on: the best mean of a result."""
        process = Process(fit.features, fit.values, fit.variances, fit.hyper)
        best = float(process.predict(fit.features)[0].max())
        under_way = [history.running[n] for n in sorted(history.running)[-RUNNING:]]
        if under_way:
            points = _features(under_way)
            process = Process(
                np.vstack([fit.features, points]),
                np.concatenate([fit.values, process.predict(points)[0]]),
                np.concatenate([fit.variances, np.zeros(len(points))]),
                fit.hyper,
            )
        return process, best

    def _fitted(self, history: History, turn: int) -> _Fit:
        """Of the results up to the last point at which there is a new fit."""
        count = _point(len(history))
        known = self._fits.get(turn)
        if known is None or known[0] != count:
            known = self._fits[turn] = count, self._fit(history, count, turn)
        return known[1]

    def _fit(self, history: History, count: int, turn: int) -> _Fit:
        results = history.first(count)
        values, variances = targets(results, history.objectives)
        scores = self._scalar(values, turn)
        order = np.argsort(-scores, kind="stable")
        chosen = _chosen(order)
        features = _features([results[i].candidate for i in chosen])
        return _Fit(
            features,
            scores[chosen],
            variances[chosen],
            self._hyper(history, count, turn, (features, scores[chosen], variances[chosen])),
            [(results[i].number, results[i].candidate) for i in order[:BEST]],
        )

    def _hyper(
        self, history: History, count: int, turn: int, fitted: tuple[Array, Array, Array]
    ) -> Hyper:
        """Length and noise: those of the last settled number of results."""
        settled = _settled(count)
        known = self._hypers.get(turn)
        if known is None or known[0] != settled:
            if settled == count:
                hyper = Process(*fitted).hyper
            else:  # the study was carried on in between
                hyper = self._fit(history, settled, turn).hyper
            known = self._hypers[turn] = settled, hyper
        return known[1]

    def _scalar(self, values: Array, turn: int) -> Array:
        """(n,) one value for each row of (n, k) objectives, by the weights whose turn it is."""
        columns = np.column_stack([as_gaussian(column) for column in values.T])
        if columns.shape[1] == 1:
            return columns[:, 0]
        rng = self._rng("weights", turn)
        weights = np.array([rng.expovariate(1) for _ in range(columns.shape[1])])
        if len(weights) == 2:  # evenly from one to the other
            weights = np.array([turn + 0.5, WEIGHTS - turn - 0.5])
        short = (columns - columns.max(axis=0)) * weights / weights.sum()
        return as_gaussian(short.min(axis=1) + 0.05 * short.sum(axis=1))

    def _forget(self, candidates: Candidates | None) -> None:
        super()._forget(candidates)
        self._fits: dict[int, tuple[int, _Fit]] = {}
        self._hypers: dict[int, tuple[int, Hyper]] = {}


def _place(tried: int) -> float:
    """Where in the order of sizes, from 0 for the largest to 1, a first trial is.

    Where many are under way before five have ended, they cover all sizes, the larger ones more
    densely.
    """
    return SPREAD[tried] if tried < len(SPREAD) else _spread(tried) ** 2


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
