"""How much each knob matters, by Optuna's evaluators, with bootstrap intervals.

"ped_anova" (Watanabe et al. 2023: importance for being among the best 10 %) is the default, as it
is Optuna's; "fanova" (Hutter et al. 2014, "An Efficient Approach for Assessing Hyperparameter
Importance") and "mdi" (mean decrease of impurity) are of random forests and explain the variation
of the accuracy. A frame of ``Study.frame`` knows the distributions of its knobs, and gets the
numbers that ``optuna.importance.get_param_importances`` has of the same trials. In any other frame
numbers are replaced by their ranks among the values seen.

Of few trials they are noise: fewer than 30 networks are refused, and the intervals say how far an
order is established. They draw networks anew, each with all of its draws.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal, Unpack

import numpy as np
import optuna
import pandas as pd
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    json_to_distribution,
)
from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    MeanDecreaseImpurityImportanceEvaluator,
    PedAnovaImportanceEvaluator,
)
from optuna.importance._ped_anova.scott_parzen_estimator import ScottParzenEstimator
from optuna.trial import create_trial

from nas.analysis.edf import fraction
from nas.analysis.population import Floats, Population, Rules, knobs, whole
from nas.errors import AnalysisError, choose
from nas.quantity import plural

NETWORKS = 30
DRAWS = 200  # of the bootstrap: at 10,000 trials of 20 knobs, seconds
TOP, STEPS = 0.1, 50  # PED-ANOVA: the share that is best, cells of a continuous knob
Evaluator = Literal["ped_anova", "fanova", "mdi"]
EVALUATORS: dict[str, Callable[[int], BaseImportanceEvaluator]] = {
    "ped_anova": lambda _: PedAnovaImportanceEvaluator(),
    "fanova": lambda seed: FanovaImportanceEvaluator(seed=seed),
    "mdi": lambda seed: MeanDecreaseImpurityImportanceEvaluator(seed=seed),
}
DEFAULT: Evaluator = "ped_anova"


def importance(
    trials: pd.DataFrame,
    *,
    evaluator: Evaluator = DEFAULT,
    level: float = 0.95,
    draws: int | None = None,
    seed: int = 0,
    **rules: Unpack[Rules],
) -> pd.DataFrame:
    """The importance of each knob, by study, the greatest first.

    Columns: study, knob, importance (at least 0, all add up to 1), low, high (percentiles of a
    bootstrap of ``draws``), place, n (different networks). Knobs whose intervals overlap, directly
    or through others between them, share a ``place``: no order is established among them.

    ``draws`` is 200 by default for PED-ANOVA and 0 for the other two, each draw of which grows a
    forest anew: low, high and place are then missing.

    Raises:
        AnalysisError: trials that the rules refuse; fewer than 30 networks; a knob with one value,
            whose importance is not zero but unknown.
    """
    fraction(level, "level")
    if evaluator not in EVALUATORS:
        raise AnalysisError(f"evaluator is {evaluator!r}; {choose(evaluator, EVALUATORS)}")
    if draws is None:
        draws = DRAWS if evaluator == DEFAULT else 0
    if draws < 0:
        raise AnalysisError(f"draws is {draws}; accepted: 0 or more")
    known = _distributions(trials)
    return pd.concat(
        [
            _importance(space, _knobs(space), known, evaluator, level, draws, seed)
            for space in whole(trials, rules).values()
        ],
        ignore_index=True,
    )


def order(found: pd.DataFrame) -> str:
    """How far the order of the knobs of one study is established, as a sentence."""
    if found["place"].isna().any():
        return "without intervals, no order is established"
    first = found.loc[found["place"] == 1, "knob"].tolist()
    if len(first) == 1:
        return f"{first[0]} is first; knobs whose intervals overlap have no established order"
    if len(first) == len(found):
        return "no order is established: the intervals overlap"
    return f"no order is established among the first {len(first)}, whose intervals overlap"


def _knobs(space: Population) -> list[str]:
    count = len(space.distinct)
    if count < NETWORKS:
        raise AnalysisError(
            f"importance of {plural(count, 'network')} of {space.study} is noise; "
            f"accepted: {NETWORKS} or more"
        )
    named = [name for name in knobs(space.trials) if space.trials[name].notna().any()]
    constant = [name for name in named if space.trials[name].nunique() < 2]
    if not named:
        raise AnalysisError(f"{space.study} has no knobs")
    if constant:
        raise AnalysisError(
            f"all networks of {space.study} have the same {', '.join(constant)}, so nothing "
            "can be said of its importance",
            "drop the column",
        )
    return named


def _importance(
    space: Population,
    named: list[str],
    known: Mapping[str, BaseDistribution],
    evaluator: Evaluator,
    level: float,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    coded = {name: _coded(space.trials[name], known.get(name)) for name in named}
    accuracy = space.merits
    values = _by_optuna(coded, accuracy, np.arange(len(accuracy)), evaluator, seed)
    found = pd.DataFrame(
        {"study": space.study, "knob": list(values), "importance": list(values.values())}
    )
    shares = _resampled(space, coded, accuracy, evaluator, draws, seed)[list(values)]
    if draws:
        low, high = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2], axis=0)
        found = found.assign(low=low, high=high)
        found["place"] = _places(found)
    else:
        found = found.assign(low=np.nan, high=np.nan, place=pd.array([pd.NA] * len(found), "Int64"))
    return found.assign(n=len(space.distinct))


def _places(found: pd.DataFrame) -> pd.Series[int]:
    """A new place begins where all intervals from there on lie below all of those before."""
    before = found["low"].cummin().shift()
    after = found["high"][::-1].cummax()[::-1]
    begins = (after < before) | before.isna()
    place = pd.Series(np.maximum.accumulate(np.where(begins, np.arange(1, len(found) + 1), 0)))
    return place.astype("Int64")


def _resampled(
    space: Population,
    coded: Mapping[str, tuple[list[Any], BaseDistribution]],
    accuracy: Floats,
    evaluator: Evaluator,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """One row per draw of networks, one column per knob."""
    rng, count = np.random.default_rng(seed), int(space.networks.max()) + 1
    grids = {name: _grid(*column) for name, column in coded.items()}
    by_error = np.argsort(-accuracy, kind="stable")
    rows = []
    for _ in range(draws):
        times = np.bincount(rng.integers(count, size=count), minlength=count)[space.networks]
        if evaluator == "ped_anova":
            rows.append(_ped_anova(grids, accuracy, times, by_error))
        else:
            drawn = np.repeat(np.arange(len(accuracy)), times)
            rows.append(_by_optuna(coded, accuracy, drawn, evaluator, seed))
    return pd.DataFrame(rows, columns=list(coded))


def _ped_anova(
    grids: Mapping[str, tuple[NDArray[np.intp], BaseDistribution, int]],
    accuracy: Floats,
    times: NDArray[np.intp],
    by_error: NDArray[np.intp],
) -> dict[str, float]:
    """Optuna's evaluator on trials of which trial i is there ``times[i]`` times."""
    reached = np.cumsum(times[by_error])
    last = by_error[np.searchsorted(reached, np.ceil(TOP * reached[-1]))]
    top = np.where(accuracy >= accuracy[last], times, 0)
    found = {}
    for name, (cells, domain, size) in grids.items():
        best, every = (
            _density(np.bincount(cells, weights=each, minlength=size).astype(float), domain)
            for each in (top, times)
        )
        found[name] = float(every @ (best / every - 1) ** 2)
    total = sum(found.values())
    return {k: v / total if total else 1 / len(found) for k, v in found.items()}


def _density(counts: Floats, domain: BaseDistribution) -> Floats:
    seen = np.flatnonzero(counts)
    estimator = ScottParzenEstimator(seen, domain, counts[seen], prior_weight=1.0)
    return np.asarray(estimator.pdf(np.arange(len(counts))) + 1e-12)


def _grid(
    values: list[Any], domain: BaseDistribution
) -> tuple[NDArray[np.intp], BaseDistribution, int]:
    """The cell of each value on PED-ANOVA's grid, the grid's domain, and how many cells it has."""
    if isinstance(domain, CategoricalDistribution):
        cells = np.array([domain.to_internal_repr(value) for value in values], dtype=np.intp)
        return cells, domain, len(domain.choices)
    assert isinstance(domain, IntDistribution | FloatDistribution)
    size = STEPS
    if isinstance(domain, IntDistribution) and domain.log:
        size = min(int(np.ceil(np.log2(domain.high - domain.low + 1))) + 1, size)
    elif domain.step is not None:
        size = min(round((domain.high - domain.low) / domain.step) + 1, size)
    scale = np.log if domain.log else np.asarray
    low, high = float(scale(domain.low)), float(scale(domain.high))
    place = np.ceil((scale(np.array(values, float)) - low) / ((high - low) / (size - 1)) - 0.5)
    return np.clip(place, 0, size - 1).astype(np.intp), IntDistribution(0, size - 1), size


def _distributions(trials: pd.DataFrame) -> dict[str, BaseDistribution]:
    """Those that ``Study.frame`` has put into its frame."""
    stored = trials.attrs.get("distributions", {})
    return {name: json_to_distribution(text) for name, text in stored.items()}


def _coded(
    column: pd.Series[Any], domain: BaseDistribution | None
) -> tuple[list[Any], BaseDistribution]:
    """The values as Optuna takes them, and their distribution."""
    values = column.tolist()
    if domain is not None and not domain.single():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if all(domain._contains(domain.to_internal_repr(value)) for value in set(values)):
                return values, domain
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        ranks = column.rank(method="dense").astype(int).tolist()
        return ranks, IntDistribution(1, max(ranks))
    texts = column.astype(str).tolist()
    return texts, CategoricalDistribution(sorted(set(texts)))


def _by_optuna(
    coded: Mapping[str, tuple[list[Any], BaseDistribution]],
    accuracy: Floats,
    chosen: NDArray[np.intp],
    evaluator: Evaluator,
    seed: int,
) -> dict[str, float]:
    """What Optuna says of a study in memory that holds the chosen trials and nothing else."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize")
    finally:
        optuna.logging.set_verbosity(level)
    domains = {name: domain for name, (_, domain) in coded.items()}
    study.add_trials(
        create_trial(
            params={name: values[k] for name, (values, _) in coded.items()},
            distributions=domains,
            value=float(accuracy[k]),
        )
        for k in chosen
    )
    with warnings.catch_warnings():  # PED-ANOVA calls itself experimental
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.importance.get_param_importances(study, evaluator=EVALUATORS[evaluator](seed))
