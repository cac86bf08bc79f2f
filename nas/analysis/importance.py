"""How much of the variation of the accuracy each knob explains, by Optuna's evaluators.

"fanova" (Hutter et al. 2014, "An Efficient Approach for Assessing Hyperparameter Importance"),
"mdi" (mean decrease of impurity of a random forest) and "ped_anova" (Watanabe et al. 2023:
importance for being among the best). Of few trials they are noise: fewer than 30 are refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal, Unpack

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    MeanDecreaseImpurityImportanceEvaluator,
    PedAnovaImportanceEvaluator,
)
from optuna.trial import create_trial

from nas.analysis.population import Floats, Rules, knobs, whole
from nas.errors import AnalysisError, choose

NETWORKS = 30
Evaluator = Literal["fanova", "mdi", "ped_anova"]
EVALUATORS: dict[str, Callable[[int], BaseImportanceEvaluator]] = {
    "fanova": lambda seed: FanovaImportanceEvaluator(seed=seed),
    "mdi": lambda seed: MeanDecreaseImpurityImportanceEvaluator(seed=seed),
    "ped_anova": lambda _: PedAnovaImportanceEvaluator(),
}


def importance(
    trials: pd.DataFrame,
    *,
    evaluator: Evaluator = "fanova",
    seed: int = 0,
    **rules: Unpack[Rules],
) -> pd.DataFrame:
    """The importance of each knob, by study, the greatest first: study, knob, importance, n.

    Importances are at least 0 and add up to 1. Each number of a knob is replaced by its rank among
    the values seen: a logarithmic range and a list of widths are then averaged over evenly, as the
    space was sampled.

    Raises:
        AnalysisError: trials that the rules refuse; fewer than 30 networks; a knob with one value,
            whose importance is not zero but unknown.
    """
    if evaluator not in EVALUATORS:
        raise AnalysisError(f"evaluator is {evaluator!r}; {choose(evaluator, EVALUATORS)}")
    frames = []
    for space in whole(trials, rules).values():
        if len(space) < NETWORKS:
            raise AnalysisError(
                f"importance of {len(space)} networks of {space.study} is noise; "
                f"accepted: {NETWORKS} or more"
            )
        named = [name for name in knobs(space.trials) if space.trials[name].notna().any()]
        constant = [name for name in named if space.trials[name].nunique() < 2]
        if not named:
            raise AnalysisError(f"{space.study} has no knobs")
        if constant:
            raise AnalysisError(
                f"all networks of {space.study} have the same {', '.join(constant)}, so nothing "
                "can be said of its importance; drop the column"
            )
        study = _study(space.trials[named], 1 - space.errors)
        with warnings.catch_warnings():  # PED-ANOVA calls itself experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            found = optuna.importance.get_param_importances(
                study, evaluator=EVALUATORS[evaluator](seed)
            )
        frames.append(
            pd.DataFrame(
                {
                    "study": space.study,
                    "knob": list(found),
                    "importance": list(found.values()),
                    "n": len(space),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _study(settings: pd.DataFrame, accuracies: Floats) -> optuna.Study:
    """A study in memory that holds these trials and nothing else."""
    coded: dict[str, list[Any]] = {}
    domains: dict[str, BaseDistribution] = {}
    for name in settings.columns:
        column = settings[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            coded[name] = column.rank(method="dense").astype(int).tolist()
            domains[name] = IntDistribution(1, max(int(value) for value in coded[name]))
        else:
            coded[name] = column.astype(str).tolist()
            domains[name] = CategoricalDistribution(sorted(set(coded[name]), key=str))
    level, study = optuna.logging.get_verbosity(), None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize")
    finally:
        optuna.logging.set_verbosity(level)
    study.add_trials(
        create_trial(
            params={name: values[k] for name, values in coded.items()},
            distributions=domains,
            value=float(accuracy),
        )
        for k, accuracy in enumerate(accuracies)
    )
    return study
