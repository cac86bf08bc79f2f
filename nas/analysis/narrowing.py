"""Which smaller space the data support: a tie, an order or a smaller range, with the evidence.

The step from AnyNetX_A to AnyNetX_E of "Designing Network Design Spaces" (Radosavovic et al. 2020,
section 3.2), as a function: a random population goes in, proposals come out. A proposal is a
hypothesis that was found in the data; whether the child is as good is for a fresh population of it
to say.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from scipy import stats

from nas.analysis.bootstrap import best_values
from nas.analysis.measured import refuse_scores
from nas.analysis.population import networks
from nas.errors import SpaceError
from nas.space import Choice, IntRange, SearchSpace

Accuracies: TypeAlias = "pd.Series[float]"

TIED = ("depth", "width", "groups", "group_width", "bottleneck", "residual")
ORDERED = ("depth", "width", "groups", "group_width", "bottleneck")
FEWEST = 8  # models on each side of a split before anything is said about it


@dataclass(frozen=True)
class Proposal:
    """One rule that would make ``parent`` smaller."""

    parent: SearchSpace
    kind: str  # tie | order | range
    knob: str  # a key of the stages (tie, order) or the path of a knob (range)
    change: str  # as a person reads it: "order: width nondecreasing"
    evidence: str  # one sentence with its numbers
    p: float  # one-sided, not corrected for how many were looked at: for ranking alone
    document: Mapping[str, Any]  # the child's file, but for its name and its parent

    @property
    def name(self) -> str:
        """Of the child: the parent's and the rule."""
        return f"{self.parent.name}_{self.kind}_{self.knob.replace('.', '_')}"

    @cached_property
    def child(self) -> SearchSpace:
        """The smaller space, which knows where it comes from.

        Raises:
            SpaceError: the rule leaves nothing of the space.
        """
        lineage = {
            "name": self.parent.name,
            "hash": self.parent.hash,
            "evidence": f"{self.change}: {self.evidence}",
        }
        return SearchSpace.from_dict(
            {**self.document, "name": self.name, "parent": lineage}, source=self.name
        )


def proposals(space: SearchSpace, trials: pd.DataFrame, seed: int = 0) -> list[Proposal]:
    """What the random population ``trials`` of ``space`` supports, the best supported first.

    ``trials`` is a frame of random trials trained in full (see ``nas.analysis.population``), with
    the space's knobs as columns; a network that was drawn repeatedly counts once. A rule that the
    data speak against is left out.
    """
    trials = trials[~pd.Series(networks(trials), trials.index).duplicated()]
    refuse_scores(trials)
    accuracy = trials["val_accuracy"].astype(float)
    found = [
        *_ties(space, trials, accuracy),
        *_orders(space, trials, accuracy),
        *_ranges(space, trials, accuracy, seed),
    ]
    return sorted((one for one in found if _is_a_space(one)), key=lambda one: one.p)


def _ties(space: SearchSpace, trials: pd.DataFrame, accuracy: Accuracies) -> Iterator[Proposal]:
    """One value for all stages, where accuracy does not rise with the spread of the values."""
    for key in TIED:
        paths = _paths(space, key)
        if len(paths) < 2 or len({str(space.parameters[path]) for path in paths}) > 1:
            continue
        spread = _scaled(trials[paths]).std(axis=1, ddof=0)
        if spread.nunique() < 2:
            continue
        rho = float(stats.spearmanr(spread, accuracy).statistic)
        low, high = _interval(rho, len(trials))
        if low > 0:
            continue  # networks whose stages differ are the better ones
        document = copy.deepcopy(space.to_dict())
        document["tie"] = [*document.get("tie", []), key]
        yield Proposal(
            space,
            "tie",
            key,
            f"tie: {key}",
            f"accuracy does not rise with the spread of {key} over the stages (Spearman ρ = "
            f"{rho:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}, n = {len(trials)})",
            float(stats.spearmanr(spread, accuracy, alternative="less").pvalue),
            document,
        )


def _orders(space: SearchSpace, trials: pd.DataFrame, accuracy: Accuracies) -> Iterator[Proposal]:
    """Values that never fall (or never rise) along the stages, where those networks do better."""
    ordered = space.to_dict().get("order", {})
    for key in ORDERED:
        paths = _paths(space, key)
        if len(paths) < 2 or key in ordered:
            continue
        steps = trials[paths].astype(float).diff(axis=1).iloc[:, 1:]
        for word, keeps in (("nondecreasing", steps >= 0), ("nonincreasing", steps <= 0)):
            inside = keeps.all(axis=1)
            split = _split(accuracy, inside)
            if split is None:
                continue
            document = copy.deepcopy(space.to_dict())
            document["order"] = {**document.get("order", {}), key: word}
            evidence, p = split
            yield Proposal(space, "order", key, f"order: {key} {word}", evidence, p, document)


def _ranges(
    space: SearchSpace, trials: pd.DataFrame, accuracy: Accuracies, seed: int
) -> Iterator[Proposal]:
    """The values between which the best one lies, by the empirical bootstrap of the paper."""
    for path, domain in space.parameters.items():
        if not isinstance(domain, Choice | IntRange) or path.startswith("training."):
            continue
        if len(domain.values) < 3 or isinstance(domain.values[0], bool | str):
            continue
        (best,) = best_values(trials, path, seed=seed).to_dict("records")
        low, high = best["low"], best["high"]
        kept = [value for value in domain.values if low <= value <= high]
        if len(kept) == len(domain.values) or not kept:
            continue
        split = _split(accuracy, trials[path].astype(float).between(low, high))
        if split is None:
            continue
        evidence, p = split
        yield Proposal(
            space,
            "range",
            path,
            f"{path} from {kept[0]} to {kept[-1]}",
            f"the best value lies between {kept[0]} and {kept[-1]} (95 % bootstrap interval); "
            + evidence,
            p,
            _with_range(space, path, kept),
        )


def _paths(space: SearchSpace, key: str) -> list[str]:
    """The knobs of that key that each stage has of its own, in the order of the stages."""
    return [
        path for path in space.parameters if path.startswith("stages.") and path.endswith(f".{key}")
    ]


def _scaled(values: pd.DataFrame) -> pd.DataFrame:
    """Logarithms of numbers, as widths and depths act by their ratios; 0 and 1 of flags."""
    numbers = values.astype(float)
    return numbers.apply(np.log2) if (numbers > 0).all(axis=None) else numbers


def _interval(rho: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Of a rank correlation, by Fisher's transformation (Bonett and Wright 2000)."""
    if n < 4 or not math.isfinite(rho) or abs(rho) == 1:
        return -1.0, 1.0
    half = stats.norm.ppf((1 + level) / 2) * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def _split(accuracy: Accuracies, inside: pd.Series[bool]) -> tuple[str, float] | None:
    """What speaks for the networks ``inside`` a rule, against the others; None if nothing does."""
    ours, theirs = accuracy[inside], accuracy[~inside]
    if min(len(ours), len(theirs)) < FEWEST:
        return None
    test = stats.mannwhitneyu(ours, theirs, alternative="greater")
    better = float(test.statistic) / (len(ours) * len(theirs))
    if better <= 0.5:
        return None
    evidence = (
        f"a network that keeps the rule beats one that does not with probability {better:.2f} "
        f"(n = {len(ours)} and {len(theirs)}; medians {ours.median():.2%} and "
        f"{theirs.median():.2%})"
    )
    return evidence, float(test.pvalue)


def _with_range(space: SearchSpace, path: str, kept: Sequence[Any]) -> dict[str, Any]:
    """The space's file with another domain for one knob; a tied one has it in each stage."""
    document: dict[str, Any] = copy.deepcopy(space.to_dict())
    domain = space.parameters[path]
    if isinstance(domain, IntRange):
        own = domain.to_dict()
        own["int"] = [kept[0], kept[-1]]
    else:
        own = {"choice": list(kept)}
    part, _, key = path.rpartition(".")
    if part == "stem":
        document["stem"][key] = own
    elif part:
        document["stages"][int(part.removeprefix("stages."))][key] = own
    else:
        for stage in document["stages"]:
            if key in stage:
                stage[key] = own
    return document


def _is_a_space(proposal: Proposal) -> bool:
    try:
        return proposal.child.size() < proposal.parent.size()
    except SpaceError:
        return False
