"""Distribution functions against their definition, and their bands against what they promise."""

from math import log, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_studies import study

from nas.analysis import edf
from nas.errors import AnalysisError

errors = st.lists(st.integers(0, 12).map(lambda k: k / 16), min_size=1, max_size=30)


@given(errors)
def test_the_edf_is_that_of_the_paper_with_at_most(values):
    found = edf(study(values))
    for row in found.itertuples():  # F(e) = 1/n Σ 1[eᵢ ≤ e]
        assert row.edf == pytest.approx(sum(e <= row.error for e in values) / len(values))
    assert set(found["error"]) == set(values)


@given(errors)
def test_the_band_is_that_of_dvoretzky_kiefer_wolfowitz(values):
    found = edf(study(values), level=0.9)
    margin = sqrt(log(2 / 0.1) / (2 * len(values)))
    assert np.allclose(found["low"], np.maximum(found["edf"] - margin, 0))
    assert np.allclose(found["high"], np.minimum(found["edf"] + margin, 1))


def test_the_band_holds_the_whole_true_curve_as_often_as_it_says():
    """Errors that are uniform over [0, 1]: the true curve is F(e) = e."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        found = edf(study(rng.random(40)), level=0.8)
        before = np.append(found["high"].iloc[0] - 1 / 40, found["high"].iloc[:-1])
        held += bool((found["low"] <= found["error"]).all() and (found["error"] <= before).all())
    assert 0.78 < held / 300 < 0.95


def test_normalised_weights_are_those_of_the_paper_by_hand():
    # two bins, from the range that both share, 10 to 30: [10, 20), [20, 30]
    a = study([0.1, 0.2, 0.3, 0.4], "a", macs=[10, 12, 14, 30])
    b = study([0.5, 0.6, 0.7], "b", macs=[5, 10, 30])
    found = edf(pd.concat([a, b]), cost="macs", bins=2)
    # three networks of the first bin weigh 1/6 each, one of the second 1/2
    assert list(found[found["study"] == "a"]["edf"]) == pytest.approx([1 / 6, 2 / 6, 3 / 6, 1])
    # the one of 5 MACs is outside
    assert list(found[found["study"] == "b"]["error"]) == pytest.approx([0.6, 0.7])
    assert list(found[found["study"] == "b"]["edf"]) == pytest.approx([1 / 2, 1])
    assert list(found["n"].unique()) == [4, 2]


@given(st.data())
def test_over_equal_costs_the_normalised_edf_does_not_see_how_many_were_cheap(data):
    """The error is a function of the cost: spaces that differ in their costs alone become equal."""
    cheap = data.draw(st.integers(1, 20))
    a = study([0.5] * cheap + [0.1], "a", macs=[1] * cheap + [2])
    b = study([0.5, 0.1], "b", macs=[1, 2])
    found = edf(pd.concat([a, b]), cost="macs", bins=2)
    assert list(found["edf"]) == pytest.approx([0.5, 1, 0.5, 1])


def test_an_empty_bin_is_refused_with_its_range():
    a = study([0.1, 0.2], "a", macs=[10, 50])
    b = study([0.1, 0.2, 0.3], "b", macs=[10, 30, 50])
    with pytest.raises(AnalysisError, match=r"a has no network with macs from 23\.33 to 36\.67"):
        edf(pd.concat([a, b]), cost="macs", bins=3)
    with pytest.raises(AnalysisError, match="share no range of macs"):
        edf(pd.concat([a, b.assign(macs=[60, 70, 80])]), cost="macs")


def test_stopped_trials_are_bounds_between_no_error_and_their_last_one():
    frame = study([0.1, 0.2, 0.3, 0.6], state=["COMPLETE"] * 3 + ["PRUNED"])
    found = edf(frame, stopped="bound", level=0.5)
    margin = sqrt(log(4) / (2 * 4))
    assert list(found["error"]) == pytest.approx([0.1, 0.2, 0.3, 0.6])
    assert list(found["edf"]) == [0.25, 0.5, 0.75, 1]  # at worst, nothing gained after the stop
    # at best, it comes out below all
    assert list(found["high"]) == pytest.approx([0.5 + margin, 1, 1, 1])
    assert list(found["low"]) == pytest.approx([0, *(found["edf"][1:] - margin)])
    assert edf(frame, stopped="drop")["n"].unique() == [3]


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_is_a_fraction(level):
    with pytest.raises(AnalysisError, match="accepted: between 0 and 1"):
        edf(study([0.1]), level=level)
