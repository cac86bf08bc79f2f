"""Which values of a knob the best networks of a space have: the empirical bootstrap.

Radosavovic et al. 2020, "Designing Network Design Spaces", arXiv:2003.13678: draw 25 % of the
networks with replacement, keep the knob's value of the one with the lowest error, repeat 10⁴ times;
the percentiles 2.5, 50 and 97.5 of what was kept are the interval of the best value and its median.
"""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
import pandas as pd

from nas.analysis.edf import fraction
from nas.analysis.measured import refuse_scores
from nas.analysis.population import Floats, Population, Rules, knobs, whole
from nas.errors import AnalysisError, choose
from nas.quantity import plural


def best_values(
    trials: pd.DataFrame,
    knob: str | None = None,
    *,
    part: float = 0.25,
    draws: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
    **rules: Unpack[Rules],
) -> pd.DataFrame:
    """The best value of each knob that varies (or of one), by study.

    Columns: study, knob, low, median, high (NaN where values are no numbers), most (the value that
    won most draws), share (of the draws that it won), n (different networks). Costs can be asked
    for as knobs are.

    Raises:
        AnalysisError: trials that the rules refuse; a knob that is not in the frame; a part outside
            (0, 1] or without a network.
    """
    fraction(level, "level")
    if not 0 < part <= 1 or draws < 1:
        raise AnalysisError(f"part is {part}, draws {draws}; accepted: part in (0, 1], draws ≥ 1")
    rows: list[dict[str, Any]] = []
    for space in whole(trials, rules).values():
        networks = space.distinct  # a repeated one would win no more often
        size = round(part * len(networks))
        if size < 1:
            raise AnalysisError(f"{part} of {plural(len(networks), 'network')} is none; train more")
        refuse_scores(networks)
        errors = 1 - networks["val_accuracy"].to_numpy(float)
        won = winners(errors, size, draws, seed)
        rows += [
            {"study": space.study, "knob": name}
            | _best(networks[name].iloc[won], level)
            | {"n": len(networks)}
            for name in _asked(space, knob)
        ]
    return pd.DataFrame(rows)


def winners(errors: Floats, size: int, draws: int, seed: int) -> np.typing.NDArray[np.intp]:
    """(draws,) the position of the lowest error among ``size`` drawn with replacement."""
    order = np.argsort(errors, kind="stable")
    ranks = np.random.default_rng(seed).integers(len(errors), size=(draws, size))
    return np.asarray(order[ranks.min(axis=1)])


def _best(values: pd.Series[Any], level: float) -> dict[str, Any]:
    shares = values.value_counts(normalize=True)
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    low, middle, high = (
        np.quantile(values.to_numpy(float), [(1 - level) / 2, 0.5, (1 + level) / 2])
        if number
        else [np.nan] * 3
    )
    most, share = shares.index[0], float(shares.iloc[0])
    return {"low": low, "median": middle, "high": high, "most": most, "share": share}


def _asked(space: Population, knob: str | None) -> list[str]:
    known = [name for name in knobs(space.trials) if space.trials[name].notna().all()]
    if knob is None:
        return [name for name in known if space.trials[name].nunique() > 1]
    known += [name for name in ("macs", "params", "activations") if name in space.trials]
    if knob not in known:
        raise AnalysisError(f"{space.study} has no knob {knob!r}; {choose(knob, known)}")
    return [knob]
