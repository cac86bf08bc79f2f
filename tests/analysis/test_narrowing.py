"""Which smaller spaces a random population speaks for, on populations whose truth is known."""

import random

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nas.analysis import best_values
from nas.analysis.narrowing import _interval, _split, proposals
from nas.space import SearchSpace

SPACE = SearchSpace.from_dict(
    {
        "name": "free",
        "stem": {"width": 8},
        "each_stage": {
            "block": "bottleneck",
            "depth": {"int": [1, 8]},
            "width": {"int": [8, 64], "step": 8},
            "bottleneck": {"choice": [0.5, 1.0, 2.0]},
            "group_width": 4,
            "stride": 2,
        },
        "stages": [{}, {}, {}],
    }
)


def frame(accuracy, n=80, space=SPACE, noise=0.002):
    """A random population whose accuracy is a function of the setting, and some noise."""
    rng, numbers = random.Random(0), np.random.default_rng(0)
    settings = [space.sample_setting(rng) for _ in range(n)]
    return pd.DataFrame(
        [
            {
                "study": "free",
                "number": k,
                "state": "COMPLETE",
                "policy": "random",
                "epochs": 2,
                "val_accuracy": accuracy(setting) + noise * numbers.standard_normal(),
                **setting,
            }
            for k, setting in enumerate(settings)
        ]
    )


def values(setting, key):
    return [setting[f"stages.{stage}.{key}"] for stage in range(3)]


def changes(accuracy, **options):
    return [one.change for one in proposals(SPACE, frame(accuracy, **options))]


def test_a_spread_that_costs_accuracy_makes_a_tie():
    found = changes(lambda s: 0.9 - 0.03 * np.std(np.log2(values(s, "bottleneck"))))
    assert found[0] == "tie: bottleneck"


def test_a_spread_that_makes_networks_better_makes_none():
    found = changes(lambda s: 0.8 + 0.03 * np.std(np.log2(values(s, "bottleneck"))))
    assert "tie: bottleneck" not in found


def test_networks_that_widen_being_better_makes_an_order():
    found = changes(lambda s: 0.9 - 0.05 * (np.diff(values(s, "width")) < 0).sum())
    assert found[0] == "order: width nondecreasing"
    assert "order: width nonincreasing" not in found


def test_the_best_values_of_a_knob_make_a_range():
    (best, *_) = proposals(SPACE, frame(lambda s: 0.9 - 0.01 * abs(s["stages.1.depth"] - 6)))
    assert (best.kind, best.knob) == ("range", "stages.1.depth")
    kept = best.child.parameters["stages.1.depth"].values
    assert 6 in kept and 1 not in kept


def test_noise_supports_no_order_strongly():
    found = proposals(SPACE, frame(lambda s: 0.9))
    assert all(one.p > 0.001 for one in found)


def test_a_child_is_a_smaller_space_that_knows_its_parent():
    trials = frame(lambda s: 0.9 - 0.05 * (np.diff(values(s, "width")) < 0).sum())
    for one in proposals(SPACE, trials):
        assert one.child.size() < SPACE.size()
        lineage = one.child.to_dict()["parent"]
        assert (lineage["name"], lineage["hash"]) == ("free", SPACE.hash)
        assert one.change in lineage["evidence"]
        for seed in range(5):  # whatever the child draws, the parent has
            assert SPACE.contains(one.child.sample(seed))


@pytest.mark.parametrize("key", ["depth", "width", "bottleneck"])
def test_a_tied_knob_is_tied_no_second_time(key):
    tied = SearchSpace.from_dict({**SPACE.to_dict(), "tie": [key]})
    found = proposals(tied, frame(lambda s: 0.9, space=tied))
    assert f"tie: {key}" not in [one.change for one in found]


def test_a_smaller_range_of_a_tied_knob_holds_in_every_stage():
    tied = SearchSpace.from_dict({**SPACE.to_dict(), "tie": ["depth"]})
    found = proposals(tied, frame(lambda s: 0.9 - 0.01 * abs(s["depth"] - 2), space=tied))
    (one,) = [one for one in found if one.knob == "depth"]
    assert max(one.child.parameters["depth"].values) < 8
    assert one.child.size() < tied.size()


@pytest.mark.parametrize(
    ("rho", "n", "expected"),
    [
        # tanh(atanh(0.5) ± 1.959964 · sqrt(1.125 / 47))
        (0.5, 50, (0.24122, 0.69239)),
        (0.0, 103, (-0.19345, 0.19345)),
        (1.0, 50, (-1, 1)),
        (0.5, 3, (-1, 1)),
        (float("nan"), 50, (-1, 1)),
    ],
)
def test_the_interval_of_a_rank_correlation_is_bonett_and_wright_s(rho, n, expected):
    assert _interval(rho, n) == pytest.approx(expected, abs=1e-4)
    assert _interval(-rho, n) == pytest.approx((-expected[1], -expected[0]), abs=1e-4, nan_ok=True)


def test_a_split_is_mann_and_whitney_s_one_sided_test_with_eight_on_each_side():
    rng = np.random.default_rng(0)
    accuracy = pd.Series(np.r_[rng.normal(0.8, 0.1, 8), rng.normal(0.7, 0.1, 9)])
    inside = pd.Series(np.arange(17) < 8)
    ours, theirs = accuracy[inside], accuracy[~inside]
    evidence, p = _split(accuracy, inside)
    better = np.mean([(x > y) + (x == y) / 2 for x in ours for y in theirs])
    assert f"with probability {better:.2f} (n = 8 and 9; medians {ours.median():.2%}" in evidence
    assert f"and {theirs.median():.2%}" in evidence
    assert p == pytest.approx(stats.mannwhitneyu(ours, theirs, alternative="greater").pvalue)
    assert _split(accuracy, ~inside) is None  # the data speak against it
    assert _split(accuracy[:16], inside[:16]) is not None
    assert _split(accuracy[:15], inside[:15]) is None
    same = pd.Series(np.full(16, 0.5))
    assert _split(same, inside[:16]) is None


def test_a_tie_rests_on_the_correlation_of_spread_and_accuracy():
    trials = frame(lambda s: 0.9 - 0.01 * np.std(np.log2(values(s, "width"))))
    (one,) = [one for one in proposals(SPACE, trials) if one.change == "tie: width"]
    spread = np.log2(trials[[f"stages.{k}.width" for k in range(3)]].astype(float)).std(
        axis=1, ddof=0
    )
    expected = stats.spearmanr(spread, trials["val_accuracy"], alternative="less")
    assert one.p == pytest.approx(expected.pvalue)
    low, high = _interval(expected.statistic, 80)
    assert f"ρ = {expected.statistic:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}" in one.evidence
    assert "n = 80)" in one.evidence


def test_an_order_compares_those_that_keep_it_with_the_others():
    trials = frame(lambda s: 0.9 - 0.05 * (np.diff(values(s, "depth")) > 0).sum())
    (one,) = [one for one in proposals(SPACE, trials) if one.change.startswith("order: depth")]
    assert one.change == "order: depth nonincreasing"
    inside = (trials[[f"stages.{k}.depth" for k in range(3)]].diff(axis=1).iloc[:, 1:] <= 0).all(
        axis=1
    )
    accuracy = trials["val_accuracy"]
    test = stats.mannwhitneyu(accuracy[inside], accuracy[~inside], alternative="greater")
    assert one.p == pytest.approx(test.pvalue)
    assert one.child.to_dict()["order"] == {"depth": "nonincreasing"}


def test_a_range_is_the_bootstrap_s_and_the_other_knobs_stay():
    trials = frame(lambda s: 0.9 - 0.01 * abs(s["stages.1.depth"] - 4), n=120)
    (one,) = [one for one in proposals(SPACE, trials) if one.knob == "stages.1.depth"]
    (best,) = best_values(trials, "stages.1.depth").to_dict("records")
    kept = [value for value in range(1, 9) if best["low"] <= value <= best["high"]]
    assert list(one.child.parameters["stages.1.depth"].values) == kept
    assert one.change == f"stages.1.depth from {kept[0]} to {kept[-1]}"
    assert one.child.parameters["stages.0.depth"] == SPACE.parameters["stages.0.depth"]
    inside = trials["stages.1.depth"].between(kept[0], kept[-1])
    test = stats.mannwhitneyu(
        trials["val_accuracy"][inside], trials["val_accuracy"][~inside], alternative="greater"
    )
    assert one.p == pytest.approx(test.pvalue)


def test_proposals_stand_by_their_evidence():
    found = proposals(SPACE, frame(lambda s: 0.9 - 0.05 * (np.diff(values(s, "width")) < 0).sum()))
    assert len(found) > 1
    assert [one.p for one in found] == sorted(one.p for one in found)
