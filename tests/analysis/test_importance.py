"""Importance finds what made the accuracy, and is not made up where it cannot be known."""

import numpy as np
import pytest
from random_studies import study

from nas.analysis import importance
from nas.errors import AnalysisError

RNG = np.random.default_rng(0)
N = 80
WIDTH, KIND, NOTHING = RNG.choice([8, 64, 512], N), RNG.choice(["x", "y"], N), RNG.random(N)
ERRORS = 0.5 - 0.1 * np.log2(WIDTH) / 9 - 0.02 * (KIND == "x")
FRAME = study(ERRORS, width=WIDTH, kind=KIND, nothing=NOTHING)


@pytest.mark.parametrize("evaluator", ["fanova", "mdi", "ped_anova"])
def test_the_knob_that_made_the_accuracy_is_first_and_all_add_up_to_1(evaluator):
    found = importance(FRAME, evaluator=evaluator)
    assert found["knob"].iloc[0] == "width"
    assert found["importance"].sum() == pytest.approx(1)
    assert set(found["knob"]) == {"width", "kind", "nothing"}


def test_fanova_is_the_share_of_the_variance_where_knobs_only_add_up():
    """Σ of two independent terms: each explains its variance; seen on a full grid."""
    width, depth = (axis.ravel() for axis in np.meshgrid([1, 2, 3, 4] * 2, [1, 2, 3, 4] * 2))
    frame = study(0.5 - 0.02 * width - 0.01 * depth, width=width, depth=depth)
    found = importance(frame).set_index("knob")["importance"]
    assert found["width"] == pytest.approx(0.8, abs=0.05)  # 2² / (2² + 1²)


def test_equal_seeds_give_equal_importances():
    assert importance(FRAME, seed=3).equals(importance(FRAME, seed=3))


@pytest.mark.parametrize(
    ("frame", "options", "said"),
    [
        (FRAME.head(29), {}, "29 networks of s is noise; accepted: 30 or more"),
        (FRAME.assign(fixed=1), {}, "have the same fixed"),
        (FRAME.drop(columns=["width", "kind", "nothing"]), {}, "has no knobs"),
        (FRAME, {"evaluator": "anova"}, "did you mean fanova"),
    ],
)
def test_what_cannot_be_known_is_refused(frame, options, said):
    with pytest.raises(AnalysisError, match=said):
        importance(frame, **options)
