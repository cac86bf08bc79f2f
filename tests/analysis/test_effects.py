"""Effects of knobs: pairs by definition, tests by SciPy, and the truth where it is known."""

import numpy as np
import pytest
from random_studies import study
from scipy import stats

from nas.analysis import differences, effects, plots
from nas.analysis.effects import cost_pairs, exact_pairs
from nas.errors import AnalysisError


def paired(effect, n=12, noise=0.002, seed=0):
    """n settings, each with residual off and on; on is better by ``effect``."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.2, 0.5, n)
    errors = np.repeat(base, 2) - np.tile([0, effect], n) + rng.normal(0, noise, 2 * n)
    widths = np.repeat(np.arange(n), 2)
    return study(errors, residual=[False, True] * n, width=widths, macs=1000 + 100 * widths)


def test_a_paired_flip_finds_the_effect_that_is_there():
    (row,) = effects(paired(0.01), "residual").to_dict("records")
    assert (row["value"], row["other"], row["pairs"], row["matching"]) == (False, True, 12, "exact")
    assert 0 < row["low"] < row["effect"] < row["high"] < 0.02
    assert row["p_sign"] < 0.01
    assert row["cost_ratio"] == pytest.approx(1)


def test_the_numbers_are_those_of_scipy():
    frame = paired(0.001)
    (row,) = effects(frame, "residual").to_dict("records")
    accuracy = frame["val_accuracy"].to_numpy()
    difference = accuracy[1::2] - accuracy[::2]
    assert row["effect"] == pytest.approx(difference.mean())
    assert row["p_wilcoxon"] == pytest.approx(stats.wilcoxon(difference).pvalue)
    signs = stats.binomtest(int((difference > 0).sum()), len(difference)).pvalue
    assert row["p_sign"] == pytest.approx(signs)
    student = stats.t.interval(0.95, len(difference) - 1, difference.mean(), stats.sem(difference))
    assert (row["low"], row["high"]) == pytest.approx(student, abs=4e-4)


def test_the_interval_holds_the_truth_as_often_as_it_says_for_few_pairs_too():
    held = 0
    for seed in range(120):
        (row,) = effects(paired(0.01, n=6, seed=seed), "residual", draws=500).to_dict("records")
        held += row["low"] <= 0.01 <= row["high"]
    assert held / 120 > 0.88


def test_exact_pairs_are_all_that_are_equal_in_every_other_knob():
    frame = study([0.1] * 5, residual=[True, False, True, False, True], width=[8, 8, 16, 16, 32])
    pairs = exact_pairs(frame, "residual")
    assert sorted(zip(pairs["a"], pairs["b"], strict=True)) == [(1, 0), (3, 2)]
    widths = exact_pairs(frame, "width")
    assert sorted(zip(widths["a"], widths["b"], strict=True)) == [(0, 2), (0, 4), (1, 3), (2, 4)]


def test_a_network_drawn_twice_is_one_pair():
    frame = paired(0.01, n=6)
    twice = frame.iloc[[0, 1, *range(12)]].reset_index(drop=True)
    assert effects(twice, "residual")["pairs"].tolist() == [6]


def test_pairs_by_cost_use_no_row_twice_and_stay_within_the_tolerance():
    rng = np.random.default_rng(0)
    frame = study(rng.random(40), residual=rng.random(40) < 0.5, macs=rng.integers(1000, 9000, 40))
    pairs = cost_pairs(frame, "residual", False, True, "macs", 0.1)
    macs = frame["macs"].to_numpy(float)
    ratio = macs[pairs["b"]] / macs[pairs["a"]]
    assert len(pairs) > 5
    assert ((ratio <= 1.1 + 1e-9) & (ratio >= 1 / 1.1 - 1e-9)).all()
    assert not set(pairs["a"]) & set(pairs["b"])
    assert pairs["a"].is_unique
    assert pairs["b"].is_unique


def test_where_there_are_no_exact_pairs_they_are_matched_by_cost_and_said_to_be():
    rng = np.random.default_rng(0)
    residual = np.arange(60) % 2 == 0
    macs = rng.integers(1000, 2000, 60)
    errors = 0.5 - macs / 1e5 - 0.01 * residual + rng.normal(0, 0.003, 60)
    frame = study(errors, residual=residual, lr=rng.random(60), macs=macs)
    (row,) = effects(frame).to_dict("records")
    assert (row["knob"], row["matching"]) == ("residual", "cost")
    assert row["low"] < 0.01 < row["high"]
    assert 0.95 < row["cost_ratio"] < 1.05
    (none,) = effects(frame, "residual", matching="exact").to_dict("records")
    assert none["pairs"] == 0
    assert np.isnan(none["effect"])


@pytest.mark.parametrize(
    ("knob", "options", "said"),
    [
        ("residul", {}, "did you mean residual"),
        ("fixed", {}, "fixed has 1 value among 24"),
        (None, {"matching": "some"}, "accepted: auto, exact, cost"),
        (None, {"tolerance": 0}, "tolerance is 0"),
        ("residual", {"cost": "mac", "matching": "cost"}, "did you mean macs"),
    ],
)
def test_what_cannot_be_flipped_is_refused(knob, options, said):
    with pytest.raises(AnalysisError, match=said):
        effects(paired(0.01).assign(fixed=3), knob, **options)


def deep(n=8):
    """Pairs whose effect is 0.01 a block; one of them was drawn twice."""
    depths = np.repeat([*range(1, n + 1), 1], 2)
    flags = [False, True] * (n + 1)
    errors = 0.5 - 0.01 * depths * np.array(flags)
    return study(errors, residual=flags, stages__0__depth=depths, stages__1__depth=2 * depths)


def test_differences_are_those_of_the_pairs_with_what_they_share():
    found = differences(deep(), "residual")
    assert len(found) == 8  # one pair per setting
    assert found["blocks"].tolist() == [3 * depth for depth in range(1, 9)]
    assert found["difference"].tolist() == pytest.approx([0.01 * d for d in range(1, 9)])
    assert not found.isna().any(axis=None)
    assert (found["other_number"] == found["number"] + 1).all()


def test_networks_without_a_twin_have_no_differences():
    with pytest.raises(AnalysisError, match="no two networks are equal in all but residual"):
        differences(study([0.1, 0.2], residual=[False, True], width=[1, 2]), "residual")


@pytest.mark.parametrize("against", ["blocks", "macs", "stages.0.depth"])
def test_a_figure_of_pairs_shows_each_of_them(against):
    (points,) = plots.pairs(deep(), "residual", against=against).axes[0].collections
    assert points.get_offsets()[:, 1].tolist() == pytest.approx(list(range(1, 9)))


def test_pairs_are_drawn_against_what_they_share_only():
    with pytest.raises(AnalysisError, match="against is 'val_loss'; accepted: blocks"):
        plots.pairs(deep(), "residual", against="val_loss")
