"""Who begins with whose weights, in frames that are made up."""

import numpy as np
import pandas as pd

from nas.analysis.inheritance import Lineage, agreement_text


def frame(*inherits, epochs=2):
    return pd.DataFrame(
        {
            "number": range(len(inherits)),
            "inherits": pd.array(inherits, dtype="Int64"),
            "epochs": pd.array([epochs] * len(inherits), dtype="Int64"),
        }
    )


def test_a_line_has_all_that_stand_behind_and_all_that_come_after():
    lineage = Lineage.of(frame(None, 0, None, 1, 0, 3))
    assert lineage.ancestors(5) == [0, 1, 3]
    assert lineage.ancestors(0) == []
    assert lineage.descendants(0) == [1, 4, 3, 5]
    assert lineage.descendants(5) == []
    assert [number in lineage for number in range(7)] == [
        True,
        True,
        False,
        True,
        True,
        True,
        False,
    ]
    assert lineage.trained() == {0: 2, 1: 4, 2: 2, 3: 6, 4: 4, 5: 8}


def test_a_trial_without_an_epoch_has_those_of_its_parent_behind_it():
    trials = frame(None, 0, 1)
    trials.loc[1, "epochs"] = pd.NA
    assert Lineage.of(trials).trained() == {0: 2, 1: 2, 2: 4}


def test_a_circle_and_a_parent_that_is_not_there_end_a_line():
    lineage = Lineage.of(frame(2, 0, 1, 99, 3, 5))
    assert lineage.ancestors(2) == [0, 1] and lineage.descendants(2) == [0, 1]
    assert lineage.ancestors(4) == [3]
    assert lineage.ancestors(5) == lineage.descendants(5) == []
    assert lineage.trained() == {0: 2, 1: 2, 2: 2, 3: 2, 4: 4, 5: 2}


def test_a_line_of_thousands_is_followed_to_its_ends():
    n = 10_000
    lineage = Lineage.of(frame(None, *range(n - 1)))
    assert lineage.ancestors(n - 1) == list(range(n - 1))
    assert lineage.descendants(0) == list(range(1, n))
    assert lineage.trained()[n - 1] == 2 * n


def test_the_sentence_says_how_far_inherited_values_can_be_trusted():
    trials = pd.DataFrame(
        {
            "key": list("aabbc"),
            "state": ["INHERITED", "COMPLETE"] * 2 + ["INHERITED"],
            "policy": "random",
            "val_accuracy": [0.6, 0.7, 0.9, 0.95, np.nan],
            "metric": "val_accuracy",
            "direction": "maximize",
        }
    )
    assert agreement_text(trials) == (
        "2 of 3 inherited networks trained from scratch, too: on average, the inherited value is "
        "7.50 points lower; they rank these networks with Kendall's τ 1.00."
    )
    assert agreement_text(trials.iloc[:1]) == (
        "0 of 1 inherited network trained from scratch, too."
    )
