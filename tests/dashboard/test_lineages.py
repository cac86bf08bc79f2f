"""Which trials a picture of a lineage has, where there are too many of them."""

import pandas as pd

from nas.analysis.inheritance import Lineage
from nas.dashboard.lineages import best_lines
from nas.metrics import ACCURACY

TRIALS = pd.DataFrame(
    {
        "number": range(7),
        "inherits": pd.array([None, 0, None, 1, None, 3, 0], dtype="Int64"),
        "epochs": 1,
        "val_accuracy": [0.1, 0.2, 0.8, 0.3, 0.7, 0.9, 0.6],
    }
)


def drawn(trials=TRIALS, **options):
    return list(best_lines(trials, Lineage.of(TRIALS), ACCURACY, **options)["number"])


def test_all_are_drawn_where_there_are_few():
    assert drawn(most=7) == [0, 1, 2, 3, 4, 5, 6]


def test_of_many_the_best_are_drawn_with_all_that_stand_behind_their_weights():
    assert drawn(most=5) == [0, 1, 2, 3, 5]
    assert drawn(most=6) == [0, 1, 2, 3, 4, 5]


def test_a_line_that_is_too_long_is_drawn_from_its_end():
    assert drawn(most=2) == [3, 5]


def test_those_that_are_always_wanted_come_first():
    assert drawn(most=3, always=[0, 6]) == [0, 5, 6]


def test_ancestors_that_have_no_value_are_left_out():
    assert drawn(TRIALS.drop(index=1), most=4) == [0, 2, 3, 5]
