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


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_are_those_of_another_bootstrap_at_the_level_that_is_asked(level):
    frame, rng = curves().query("epoch != 2"), np.random.default_rng(3)
    wide = frame.pivot(index="number", columns="epoch", values="val_accuracy")
    found = rank_correlation(frame, draws=300, level=level).set_index("early").loc[1]
    chosen = [rng.integers(30, size=30) for _ in range(300)]
    for name, measure in (("kendall", stats.kendalltau), ("spearman", stats.spearmanr)):
        early, late = wide[1].to_numpy(), wide[3].to_numpy()
        values = [measure(early[k], late[k]).statistic for k in chosen]
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
        interval = found[f"{name}_low"], found[f"{name}_high"]
        assert interval == pytest.approx((low, high), abs=0.2 * (high - low))


def test_an_earlier_end_can_be_asked_for():
    frame = curves()
    wide = frame.pivot(index="number", columns="epoch", values="val_accuracy")
    (row,) = rank_correlation(frame, late=2, draws=20).to_dict("records")
    assert (row["early"], row["late"], row["n"]) == (1, 2, 30)
    assert row["kendall"] == pytest.approx(stats.kendalltau(wide[1], wide[2]).statistic)


def test_five_trials_are_enough():
    assert rank_correlation(curves().query("number < 5"), draws=50)["n"].unique() == [5]


def test_accuracies_that_are_all_equal_have_no_ranks():
    frame = curves()
    frame.loc[frame["epoch"] == 1, "val_accuracy"] = 0.1
    found = rank_correlation(frame, late=2, draws=5)
    assert found[["kendall", "kendall_low", "kendall_high"]].isna().all(axis=None)


def test_a_frame_has_each_number_by_name_with_a_thousand_draws_at_95_percent():
    frame = curves().query("number < 12")
    found = rank_correlation(frame)
    assert found.equals(rank_correlation(frame, draws=1000, level=0.95, seed=0, stopped="refuse"))
    assert not found.equals(rank_correlation(frame, seed=1))
    assert list(found) == [
        "early", "late", "kendall", "kendall_low", "kendall_high", "spearman", "spearman_low",
        "spearman_high", "n",
    ]  # fmt: skip
    assert found["late"].tolist() == [3, 3]


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (curves(short=range(10)), {}, "10 of 30 trials did not come to epoch 3"),
        (curves(), {"late": 7}, "late is 7; accepted: 2, 3"),
        (curves().query("number < 4"), {}, "4 trials came to epoch 3; accepted: 5 or more"),
        (curves(), {"level": 1}, "level is 1; accepted: between 0 and 1, as 0.95"),
    ],
)
def test_a_refusal_begins_with_what_was_found(frame, options, message):
    with pytest.raises(AnalysisError) as refused:
        rank_correlation(frame, **options)
    assert str(refused.value).startswith(message)
