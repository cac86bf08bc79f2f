"""What one knob does to the accuracy, at matched cost.

The best evidence is a paired flip: two trials that are equal in every other knob. The mean
difference of such pairs has a bootstrap interval over pairs (wider for few: the expanded percentile
of Hesterberg 2015, "What Teachers Should Know About the Bootstrap"), and two tests of "no effect":
the sign test and Wilcoxon's signed ranks (1945). Where a study holds no such pairs, each trial with
one value is matched to one with the other value and the nearest cost, within a tolerance; the other
knobs then differ at random, which makes the interval wider. The result says which of both it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from itertools import combinations
from typing import Any, Literal, Unpack

import numpy as np
import pandas as pd
from scipy import optimize, stats

from nas.analysis.edf import fraction
from nas.analysis.measured import refuse_scores
from nas.analysis.population import Population, Rules, costs, knob_value, knobs, whole
from nas.errors import AnalysisError, choose
from nas.quantity import plural

PAIRS = 5  # fewer say nothing: even if all agree, the sign test has p > 0.05
Matching = Literal["auto", "exact", "cost"]


def effects(
    trials: pd.DataFrame,
    knob: str | Iterable[str] | None = None,
    *,
    cost: str = "macs",
    matching: Matching = "auto",
    tolerance: float = 0.1,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    **rules: Unpack[Rules],
) -> pd.DataFrame:
    """The effect of flipping knobs (all of them, one, or several), one row per two values of each.

    Columns: study, knob, value, other, effect (mean accuracy with ``other`` less that with
    ``value``), low, high, p_sign, p_wilcoxon, pairs, matching (exact or cost), cost_ratio
    (geometric mean of other / value: near 1, the cost is matched), n. ``tolerance`` is the largest
    difference in cost of a pair matched by it: 0.1 is 10 %. "auto" takes exact pairs where there
    are at least 5, else pairs by cost. Two values without 5 pairs of either have a row with their
    count and no numbers. ``n`` counts different networks; a pair of the same two counts once.

    Raises:
        AnalysisError: trials that the rules refuse; a knob that there is not or that never varies.
    """
    fraction(level, "level")
    if matching not in ("auto", "exact", "cost"):
        raise AnalysisError(
            f"matching is {matching!r}; {choose(matching, ('auto', 'exact', 'cost'))}"
        )
    if not tolerance > 0:
        raise AnalysisError(f"tolerance is {tolerance}; accepted: above 0, as 0.1 for 10 %")
    rows: list[dict[str, Any]] = []
    for space in whole(trials, rules, flips=True).values():
        for name in _asked(space, knob):
            values = sorted(space.trials[name].dropna().unique().tolist())
            exact = _once(space, exact_pairs(space.trials, name))
            for value, other in combinations(values, 2):
                found, how = exact[(exact["value"] == value) & (exact["other"] == other)], "exact"
                drawn = space.trials
                if matching == "cost" or (matching == "auto" and len(found) < PAIRS):
                    drawn, how = space.distinct, "cost"
                    found = cost_pairs(drawn, name, value, other, cost, tolerance)
                row = {"study": space.study, "knob": name, "value": value, "other": other}
                numbers = _effect(drawn, found, cost, level, draws, seed)
                rows.append({**row, **numbers, "matching": how, "n": len(space.distinct)})
    return pd.DataFrame(rows)


def told(effect: Mapping[Hashable, Any], accuracy: str) -> str:
    """A row of ``effects`` as a sentence; ``accuracy`` is what the study calls its results.

    An effect is said to be shown where its interval does not hold 0.
    """
    flip = f"{effect['knob']}: {knob_value(effect['value'])} → {knob_value(effect['other'])}"
    if pd.isna(effect["effect"]):
        pairs = plural(effect["pairs"], "pair")
        return f"{flip}: {pairs} of networks cannot show a difference."
    shown = not effect["low"] <= 0 <= effect["high"]
    alike = (
        "that are equal in all else"
        if effect["matching"] == "exact"
        else "of equal cost, which differ in other knobs, too"
    )
    return (
        f"Flipping {flip} {'changes' if shown else 'was not shown to change'} {accuracy}: "
        f"{100 * effect['effect']:+.2f} points on average [{100 * effect['low']:+.2f}, "
        f"{100 * effect['high']:+.2f}], Wilcoxon p = {effect['p_wilcoxon']:.2g}, over "
        f"{plural(effect['pairs'], 'pair')} of networks {alike} "
        f"({effect['cost_ratio']:.3f} times the MACs)."
    )


def differences(trials: pd.DataFrame, knob: str, **rules: Unpack[Rules]) -> pd.DataFrame:
    """Each pair of networks that are equal in all but one knob: on what does its effect depend?

    Columns: study, value, other, number, other_number (of the trials), difference (accuracy with
    ``other`` less that with ``value``), then what the pair has in common: blocks (the sum of its
    depths, where stages have some) and every other knob; macs and params are those of ``number``.

    Raises:
        AnalysisError: trials that the rules refuse; no such knob; not one pair.
    """
    found = []
    for space in whole(trials, rules, flips=True).values():
        _asked(space, knob)
        pairs = _once(space, exact_pairs(space.trials, knob))
        ours = space.trials.iloc[pairs["a"]].reset_index(drop=True)
        theirs = space.trials.iloc[pairs["b"]].reset_index(drop=True)
        shared = [name for name in knobs(space.trials) if name != knob]
        table = pd.DataFrame(
            {
                "study": space.study,
                "value": pairs["value"],
                "other": pairs["other"],
                "number": ours["number"],
                "other_number": theirs["number"],
                "difference": theirs["val_accuracy"] - ours["val_accuracy"],
            }
        )
        depths = [name for name in shared if name.endswith(".depth")]
        if depths:
            table["blocks"] = ours[depths].sum(axis=1)
        found.append(pd.concat([table, ours[[*shared, "macs", "params"]]], axis=1))
    if not sum(map(len, found)):
        raise AnalysisError(
            f"no two networks are equal in all but {knob}", "train pairs with --flip"
        )
    return pd.concat(found, ignore_index=True)


def exact_pairs(trials: pd.DataFrame, knob: str) -> pd.DataFrame:
    """Pairs of rows equal in every knob but one: group (of equal others), value, other, a, b.

    ``a`` and ``b`` are positions of rows, value < other.
    """
    others = [name for name in knobs(trials) if name != knob]
    columns = ["group", "value", "other", "a", "b"]
    at = np.arange(len(trials))
    groups = (
        trials.groupby(others, dropna=False, sort=False).ngroup().to_numpy() if others else 0 * at
    )
    rows = pd.DataFrame({"group": groups, "v": trials[knob].tolist(), "i": at}).dropna()
    both = rows.merge(rows, on="group", suffixes=("_a", "_b"))
    both = both[both["v_a"] < both["v_b"]]
    both = both[["group", "v_a", "v_b", "i_a", "i_b"]]
    both.columns = pd.Index(columns)
    return both.reset_index(drop=True)


def _once(space: Population, pairs: pd.DataFrame) -> pd.DataFrame:
    """One pair per setting of the others, and per two networks: drawn again, they say no more."""
    ends = {f"network_{end}": space.networks[pairs[end].to_numpy(int)] for end in ("a", "b")}
    own = pairs.assign(**ends).drop_duplicates(["group", "value", "other"])
    own = own.drop_duplicates(["value", "other", *ends], ignore_index=True)
    return own.drop(columns=list(ends))


def cost_pairs(
    trials: pd.DataFrame, knob: str, value: Any, other: Any, cost: str, tolerance: float
) -> pd.DataFrame:
    """Pairs of one row with each value, of nearly equal cost: group, value, other, a, b.

    No row is used twice; together the pairs are the nearest there are (an optimal assignment of
    log-costs), and those that differ by more than ``tolerance`` are no pairs.
    """
    a = np.flatnonzero(np.asarray(trials[knob] == value, dtype=bool))
    b = np.flatnonzero(np.asarray(trials[knob] == other, dtype=bool))
    logs = np.log(costs(trials, cost))
    distance = np.abs(logs[a][:, None] - logs[b][None, :])
    far = np.log1p(tolerance)
    # beyond the tolerance all are equally useless: no near pair is given up for two less far ones
    i, j = optimize.linear_sum_assignment(np.where(distance > far, 1e6, distance))
    near = distance[i, j] <= far
    a, b = a[i[near]], b[j[near]]
    return pd.DataFrame(
        {"group": np.arange(len(a)), "value": value, "other": other, "a": a, "b": b}
    )


def _effect(
    trials: pd.DataFrame, pairs: pd.DataFrame, cost: str, level: float, draws: int, seed: int
) -> dict[str, Any]:
    a, b = pairs["a"].to_numpy(int), pairs["b"].to_numpy(int)
    count = len(pairs)
    names = ("effect", "low", "high", "p_sign", "p_wilcoxon")
    if count < PAIRS:
        return dict.fromkeys(names, np.nan) | {"pairs": count, "cost_ratio": np.nan}
    accuracy, spent = trials["val_accuracy"].to_numpy(float), costs(trials, cost)
    difference = accuracy[b] - accuracy[a]
    chosen = np.random.default_rng(seed).integers(count, size=(draws, count))
    means = difference[chosen].mean(axis=1)
    # the bootstrap's spread is that of n, not n − 1, and normal, not Student's
    wide = stats.norm.cdf(np.sqrt(count / (count - 1)) * stats.t.ppf((1 + level) / 2, count - 1))
    low, high = np.quantile(means, [1 - wide, wide])
    moved = difference[difference != 0]
    sign = stats.binomtest(int((moved > 0).sum()), len(moved)).pvalue if len(moved) else 1.0
    rank = stats.wilcoxon(difference).pvalue if len(moved) else 1.0
    numbers = (difference.mean(), low, high, sign, rank)
    return {name: float(number) for name, number in zip(names, numbers, strict=True)} | {
        "pairs": count,
        "cost_ratio": float(np.exp(np.mean(np.log(spent[b] / spent[a])))),
    }


def can_flip(values: int, trials: int) -> bool:
    """Whether a knob with so many values among so many trials has any to flip between: one of real
    numbers has too many."""
    return 1 < values <= max(2, trials // PAIRS)


def _asked(space: Population, knob: str | Iterable[str] | None) -> list[str]:
    refuse_scores(space.trials)
    known = [name for name in knobs(space.trials) if space.trials[name].notna().any()]
    flips = [name for name in known if can_flip(space.trials[name].nunique(), len(space))]
    if knob is None:
        return flips
    asked = [knob] if isinstance(knob, str) else list(knob)
    for name in asked:
        if name not in known:
            raise AnalysisError(f"{space.study} has no knob {name!r}", choose(name, known), "knob")
        if name not in flips:
            count = space.trials[name].nunique()
            raise AnalysisError(
                f"{name} has {plural(count, 'value')} among {plural(len(space), 'network')} of "
                f"{space.study}: nothing to flip between",
                choose(name, flips),
                "knob",
            )
    return asked
