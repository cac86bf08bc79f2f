"""Rank correlation between fidelities against SciPy, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nas.analysis import rank_correlation
from nas.errors import AnalysisError

RNG = np.random.default_rng(0)
FINAL = RNG.random(30)


def curves(short=()):
    """30 trials of 3 epochs, noisier the earlier; those in ``short`` were stopped after one."""
    rows = [
        (number, 1, epoch, FINAL[number] + RNG.normal(0, 0.3 * (3 - epoch)))
        for number in range(30)
        for epoch in ([1] if number in short else [1, 2, 3])
    ]
    return pd.DataFrame(rows, columns=["number", "attempt", "epoch", "val_accuracy"])


def test_correlations_are_those_of_scipy_and_lie_in_their_intervals():
    frame = curves()
    wide = frame.pivot(index="number", columns="epoch", values="val_accuracy")
    found = rank_correlation(frame, draws=200).set_index("early")
    assert list(found.index) == [1, 2]
    for early, row in found.iterrows():
        tau = stats.kendalltau(wide[early], wide[3]).statistic
        rho = stats.spearmanr(wide[early], wide[3]).statistic
        assert (row["kendall"], row["spearman"]) == pytest.approx((tau, rho))
        assert row["kendall_low"] <= tau <= row["kendall_high"]
        assert row["spearman_low"] <= rho <= row["spearman_high"]
    assert found.loc[1, "kendall"] < found.loc[2, "kendall"]


def test_an_attempt_that_went_on_from_a_checkpoint_counts_once():
    frame = curves()
    died = frame[(frame["number"] == 0) & (frame["epoch"] == 1)].assign(val_accuracy=9.0)
    again = frame.assign(attempt=np.where(frame["number"] == 0, 2, 1))
    doubled = pd.concat([died, again])
    assert rank_correlation(doubled, draws=50).equals(rank_correlation(frame, draws=50))


def test_trials_chosen_by_their_rank_are_refused_or_said_to_be_left_out():
    frame = curves(short=range(10))
    with pytest.raises(AnalysisError, match="10 of 30 trials did not come to epoch 3"):
        rank_correlation(frame)
    assert rank_correlation(frame, stopped="drop", draws=50)["n"].unique() == [20]


@pytest.mark.parametrize(
    ("frame", "options", "said"),
    [
        (curves(), {"late": 7}, "late is 7; accepted: 2, 3"),
        (curves(), {"late": 1}, "late is 1; accepted: 2, 3"),
        (curves(short=range(30)), {}, "no trial has two epochs"),
        (curves().head(0), {}, "no trial has two epochs"),
        (curves().query("number < 4"), {}, "4 trials came to epoch 3; accepted: 5 or more"),
        (curves(), {"stopped": "bound"}, "accepted: refuse, drop"),
    ],
)
def test_what_has_no_correlation_is_refused(frame, options, said):
    with pytest.raises(AnalysisError, match=said):
        rank_correlation(frame, **options)


def test_trials_of_one_epoch_have_nothing_to_compare_whatever_was_asked():
    one = curves()[lambda frame: frame["epoch"] == 1]
    for late in (None, 1, 2):
        with pytest.raises(AnalysisError, match=r"^no trial has two epochs to compare; use .*2 or"):
            rank_correlation(one, late=late)
