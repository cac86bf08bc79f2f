"""Distribution functions against their definition, and their bands against what they promise."""

from math import log, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_studies import study

from nas.analysis import edf
from nas.analysis.edf import bin_weights, complexity_bins, complexity_edges, step
from nas.analysis.population import populations
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


def test_five_ranges_and_95_percent_are_the_default():
    frame = study(np.arange(40) / 50, macs=np.arange(1, 41))
    assert edf(frame, cost="macs").equals(edf(frame, cost="macs", bins=5, level=0.95))
    assert edf(frame).equals(edf(frame, level=0.95))


def test_a_frame_has_each_number_by_name_of_draws_and_networks():
    frame = study([0.1, 0.1, 0.2], key=["x", "x", "y"])
    found = edf(frame, level=0.5)
    assert list(found) == ["study", "error", "edf", "low", "high", "n", "networks"]
    assert found["edf"].tolist() == pytest.approx([2 / 3, 1])
    assert (set(found["n"]), set(found["networks"]), set(found["study"])) == ({3}, {2}, {"s"})
    # of networks that weigh 2/3 and 1/3
    margin = sqrt(log(4) / 2 * (4 / 9 + 1 / 9))
    assert found["low"].tolist() == pytest.approx([max(0, 2 / 3 - margin), 1 - margin])
    several = edf(pd.concat([study([0.1], "b"), study([0.2], "a")]))
    assert list(several["study"]) == ["b", "a"]
    assert list(several.index) == [0, 1]


def test_a_step_is_the_weight_of_all_up_to_it():
    errors, weights = np.array([0.3, 0.1, 0.2]), np.array([0.5, 0.2, 0.3])
    at = np.array([0.05, 0.1, 0.15, 0.2, 0.3, 1.0])
    assert step(errors, weights, at) == pytest.approx([0, 0.2, 0.2, 0.5, 1, 1])


def spaces(*costs):
    frames = [
        study([0.1] * len(one), name, macs=one) for name, one in zip("ab", costs, strict=False)
    ]
    return list(populations(pd.concat(frames)).values())


def test_ranges_are_evenly_spaced_over_what_all_share_and_hold_their_ends():
    a, b = spaces([10, 20, 50], [5, 10, 25, 30, 40])
    edges = complexity_edges([a, b], "macs", 3)
    assert edges.tolist() == [10, 20, 30, 40]
    assert complexity_bins(b, "macs", edges).tolist() == [-1, 0, 1, 2, 2]  # an edge begins a range
    assert bin_weights(np.array([-1, 0, 1, 2, 2]), 3) == pytest.approx(
        [0, 1 / 3, 1 / 3, 1 / 6, 1 / 6]
    )
    with pytest.raises(AnalysisError) as refused:
        complexity_bins(a, "macs", edges)
    assert str(refused.value) == (
        "a has no network with macs from 30 to 40; take fewer bins than 3, or train more networks"
    )


def test_ranges_that_cannot_be_are_refused():
    a, b = spaces([10, 20], [20, 30])
    with pytest.raises(AnalysisError) as refused:
        complexity_edges([a, b], "macs", 2)
    assert str(refused.value) == "the spaces share no range of macs; sample both in one band of it"
    with pytest.raises(AnalysisError) as refused:
        complexity_edges([a], "macs", 0)
    assert str(refused.value) == "bins is 0; accepted: 1 or more"
    assert complexity_edges([a], "macs", 1).tolist() == [10, 20]
    stopped = study([0.1, 0.2, 0.3], state=["COMPLETE", "COMPLETE", "PRUNED"])
    with pytest.raises(AnalysisError) as refused:
        edf(stopped, cost="macs", stopped="bound")
    assert str(refused.value) == (
        "a complexity-normalised edf takes no bounds; accepted: refuse, drop"
    )
    assert len(edf(stopped, cost="macs", stopped="drop", bins=1)) == 2
    with pytest.raises(AnalysisError) as refused:
        edf(stopped, level=1)
    assert str(refused.value) == "level is 1; accepted: between 0 and 1, as 0.95"
