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


def test_a_refusal_names_the_study_the_networks_and_the_knobs_that_can_be_flipped():
    frame = paired(0.01, n=5).assign(fixed=3, lr=np.arange(10) / 10, never=np.nan)
    refused = {
        "residul": "s has no knob 'residul'; did you mean residual? accepted: residual, width, "
        "fixed, lr",
        "never": "s has no knob 'never'; accepted: residual, width, fixed, lr",
        "fixed": "fixed has 1 value among 10 networks of s: nothing to flip between; accepted: "
        "residual",
        "lr": "lr has 10 values among 10 networks of s: nothing to flip between; accepted: "
        "residual",
    }
    for asked, said in refused.items():
        for call in (effects, differences):
            with pytest.raises(AnalysisError) as refusal:
                call(frame, asked)
            assert str(refusal.value) == said
    with pytest.raises(AnalysisError, match=r"^fixed has 1 value"):
        effects(frame, ["residual", "fixed"])  # each of several


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


def pair_of(macs, tolerance=0.1):
    frame = study([0.1] * len(macs), residual=[False, True] * (len(macs) // 2), macs=macs)
    pairs = cost_pairs(frame, "residual", False, True, "macs", tolerance)
    return sorted(zip(pairs["a"], pairs["b"], strict=True))


@pytest.mark.parametrize(
    ("macs", "pairs"),
    [
        ([1000, 1099], [(0, 1)]),
        ([1000, 1100], [(0, 1)]),  # ten percent are within ten percent
        ([1000, 1101], []),
        ([1101, 1000], []),
        ([1000, 912, 1000, 905], [(0, 1)]),  # 905 is further than 1000 / 1.1
        # the nearest together: 1000–1020 and 1050–1060, not 1000–1060 or 1050–1020
        ([1000, 1060, 1050, 1020], [(0, 3), (2, 1)]),
        # a pair within the tolerance is not given up for two beyond it
        ([1000, 1001, 1200, 890], [(0, 1)]),
    ],
)
def test_no_pair_costs_more_apart_than_is_allowed_and_all_are_the_nearest(macs, pairs):
    assert pair_of(macs) == pairs


def test_a_tolerance_is_a_ratio_of_costs():
    assert pair_of([1000, 1490], 0.5) == pair_of([1490, 1000], 0.5) == [(0, 1)]
    assert pair_of([1000, 1510], 0.5) == pair_of([1510, 1000], 0.5) == []


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.99])
def test_an_interval_is_student_s_at_the_level_that_is_asked(level):
    frame = paired(0.001, n=40)
    (row,) = effects(frame, "residual", level=level).to_dict("records")
    accuracy = frame["val_accuracy"].to_numpy()
    difference = accuracy[1::2] - accuracy[::2]
    low, high = stats.t.interval(
        level, len(difference) - 1, difference.mean(), stats.sem(difference)
    )
    assert (row["low"], row["high"]) == pytest.approx((low, high), abs=0.06 * (high - low))


def test_five_pairs_have_numbers_by_hand_and_four_have_none():
    # accuracies with residual less those without: 1, 2, 3, −4 and 0 hundredths
    errors = np.ravel([(0.5, 0.5 - d / 100) for d in (1, 2, 3, -4, 0)])
    frame = study(
        errors, residual=[False, True] * 5, width=np.repeat(range(5), 2),
        macs=np.ravel([(100, 200), (100, 50), (100, 100), (100, 100), (100, 400)]),
    )  # fmt: skip
    (row,) = effects(frame, "residual").to_dict("records")
    assert row["effect"] == pytest.approx(0.004)
    assert row["p_sign"] == pytest.approx(stats.binomtest(3, 4).pvalue)  # 0 has no sign
    assert row["cost_ratio"] == pytest.approx((2 * 0.5 * 4) ** (1 / 5))
    assert (row["pairs"], row["n"], row["matching"]) == (5, 10, "exact")
    (few,) = effects(frame.head(8), "residual", matching="exact").to_dict("records")
    assert few["pairs"] == 4
    assert np.isnan([few[name] for name in ("effect", "low", "high", "p_sign", "cost_ratio")]).all()
    (auto,) = effects(frame.head(8), "residual").to_dict("records")
    assert auto["matching"] == "cost"


def test_pairs_that_are_all_equal_are_no_evidence():
    (row,) = effects(paired(0, noise=0), "residual").to_dict("records")
    numbers = [row[name] for name in ("effect", "p_sign", "p_wilcoxon")]
    assert numbers == pytest.approx([0, 1, 1])


def test_each_two_values_of_each_knob_have_a_row_and_real_numbers_none():
    width, depth = (axis.ravel() for axis in np.meshgrid([8, 16, 32], [1, 2, 3, 4, 5, 6]))
    frame = study(0.5 - 0.01 * depth - 0.02 * (width == 32), width=width, depth=depth)
    frame["lr"] = np.random.default_rng(0).random(18)
    found = effects(frame.drop(columns="lr"))
    widths = found[found["knob"] == "width"]
    assert list(zip(widths["value"], widths["other"], strict=True)) == [(8, 16), (8, 32), (16, 32)]
    assert widths["effect"].tolist() == pytest.approx([0, 0.02, 0.02])
    assert set(effects(frame)["knob"]) == {"width"}  # 18 // 5 = 3 values at most
