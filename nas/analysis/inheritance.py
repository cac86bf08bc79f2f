"""Who begins with whose weights, and what inherited results are worth: how they rank networks,
beside trainings from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
from scipy import stats

from nas.analysis.measured import measure_of
from nas.quantity import plural
from nas.study.states import INHERITED


class Agreement(NamedTuple):
    """Of the networks that a study trained in both ways."""

    networks: int
    kendall: float
    """Kendall's τ_b of the two values of each network; NaN of fewer than two, or where all are
    equal."""
    gain: float
    """Mean of the inherited value less the one from scratch; NaN where there is none."""


def agreement(trials: pd.DataFrame) -> Agreement:
    """How the inherited values of a study rank its networks as those from scratch do.

    ``trials`` is ``Study.frame()``. Of a network that was inherited twice, the better value counts,
    as it was chosen by that.

    >>> frame = pd.DataFrame({"key": [*"aabb"], "state": ["INHERITED", "COMPLETE"] * 2,
    ...                       "policy": "random", "val_accuracy": [0.6, 0.5, 0.9, 0.7],
    ...                       "metric": "val_accuracy", "direction": "maximize"})
    >>> agreement(frame)
    Agreement(networks=2, kendall=1.0, gain=0.15)
    """
    metric = measure_of(trials).metric
    own = trials[trials["policy"] != "reused"]
    same = ["key", *(name for name in own if str(name).startswith("training."))]
    inherited = own[own["state"] == INHERITED].groupby(same, dropna=False)[metric].max()
    scratch = own[own["state"] == "COMPLETE"].groupby(same, dropna=False)[metric].first()
    pairs = pd.DataFrame({"inherited": inherited, "scratch": scratch}).dropna()
    gain = (pairs["inherited"] - pairs["scratch"]).mean()
    tau = float("nan")
    if len(pairs) > 1:
        tau = float(stats.kendalltau(pairs["inherited"], pairs["scratch"]).statistic)
    return Agreement(len(pairs), tau, round(float(gain), 12))


def agreement_text(trials: pd.DataFrame) -> str:
    """``agreement`` in a sentence.

    >>> frame = pd.DataFrame({"key": [*"aabb"], "state": ["INHERITED", "COMPLETE"] * 2,
    ...                       "policy": "random", "val_accuracy": [0.6, 0.5, 0.9, 0.7],
    ...                       "metric": "val_accuracy", "direction": "maximize"})
    >>> agreement_text(frame).partition(": ")[0]
    '2 of 2 inherited networks trained from scratch, too'
    """
    both = agreement(trials)
    there = plural(int((trials["state"] == INHERITED).sum()), "inherited network")
    said = f"{both.networks} of {there} trained from scratch, too"
    if both.networks:
        points = 100 * both.gain
        way = "higher" if points >= 0 else "lower"
        said += f": on average, the inherited value is {abs(points):.2f} points {way}"
    if both.kendall == both.kendall:
        said += f"; they rank these networks with Kendall's τ {both.kendall:.2f}"
    return f"{said}."


@dataclass(frozen=True)
class Lineage:
    """Which trial of a study began with the weights of which."""

    parent: Mapping[int, int]
    """By number, of those that inherit from a trial of the study."""
    children: Mapping[int, Sequence[int]]
    """By number, in ascending order, of those that have some."""
    own: Mapping[int, int]
    """By number, the epochs that each trial trained by itself."""

    @classmethod
    def of(cls, trials: pd.DataFrame) -> Lineage:
        """That of ``Study.frame()``.

        >>> frame = pd.DataFrame({"number": range(4), "inherits": [None, 0, 1, 0], "epochs": 2})
        >>> lineage = Lineage.of(frame)
        >>> lineage.ancestors(2), lineage.descendants(0), lineage.trained()[2]
        ([0, 1], [1, 3, 2], 6)
        """
        own = dict(zip(trials["number"].map(int), trials["epochs"].fillna(0).map(int), strict=True))
        parent: dict[int, int] = {}
        children: dict[int, list[int]] = {}
        known = trials[trials["inherits"].notna()].sort_values("number")
        for number, said in zip(known["number"].map(int), known["inherits"].map(int), strict=True):
            if said in own:
                parent[number] = said
                children.setdefault(said, []).append(number)
        return cls(parent, children, own)

    def __contains__(self, number: int) -> bool:
        """Whether the trial inherits, or another one from it."""
        return number in self.parent or number in self.children

    def ancestors(self, number: int) -> list[int]:
        """Those that stand behind its weights, the one from scratch first.

        A database of others may lead in a circle: none is listed twice.
        """
        found = {number: None}  # in order
        while (above := self.parent.get(number)) is not None and above not in found:
            found[above], number = None, above
        return list(found)[:0:-1]

    def descendants(self, number: int) -> list[int]:
        """Those that have its weights behind theirs: its children, then theirs, and so on."""
        found = {number: None}
        for one in (waiting := [number]):  # grows meanwhile
            new = [child for child in self.children.get(one, ()) if child not in found]
            found.update(dict.fromkeys(new))
            waiting += new
        return list(found)[1:]

    def trained(self) -> dict[int, int]:
        """By number, the epochs that stand behind each trial's weights: its own and those of its
        ancestors."""
        found = {number: epochs for number, epochs in self.own.items() if number not in self.parent}
        for one in (waiting := list(found)):  # grows meanwhile
            for child in self.children.get(one, ()):
                found[child] = found[one] + self.own[child]
                waiting.append(child)
        return {**self.own, **found}  # what leads in a circle has no beginning
