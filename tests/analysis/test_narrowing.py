"""Which smaller spaces a random population speaks for, on populations whose truth is known."""

import random

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nas.analysis import best_values
from nas.analysis.narrowing import (
    FEWEST,
    ORDERED,
    TIED,
    Proposal,
    _interval,
    _scaled,
    _split,
    _with_range,
    proposals,
)
from nas.errors import AnalysisError
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


# --- word by word ---


def test_what_may_be_tied_and_ordered_and_how_few_are_enough():
    assert TIED == ("depth", "width", "groups", "group_width", "bottleneck", "residual")
    assert ORDERED == ("depth", "width", "groups", "group_width", "bottleneck")
    assert FEWEST == 8


def test_a_child_is_named_after_its_parent_and_rule():
    document = {**SPACE.to_dict(), "tie": ["depth"]}
    one = Proposal(SPACE, "range", "stages.1.depth", "the change", "the evidence", 0.5, document)
    assert one.name == "free_range_stages_1_depth"
    assert one.child.name == "free_range_stages_1_depth"
    assert one.child.to_dict()["parent"] == {
        "name": "free", "hash": SPACE.hash, "evidence": "the change: the evidence"
    }  # fmt: skip
    assert one.child.to_dict()["tie"] == ["depth"]


def test_numbers_are_scaled_by_their_ratios_and_flags_are_not():
    numbers = pd.DataFrame({"a": [1, 8], "b": [0.5, 2]})
    assert _scaled(numbers).to_numpy().tolist() == [[0, -1], [3, 1]]
    flags = pd.DataFrame({"a": [True, False], "b": [True, True]})
    assert _scaled(flags).to_numpy().tolist() == [[1, 1], [0, 1]]


def test_an_interval_is_at_95_percent_and_of_four_networks_or_more():
    assert _interval(0.5, 50) == _interval(0.5, 50, 0.95)
    assert _interval(0.5, 50, 0.5)[0] > _interval(0.5, 50)[0]
    low, high = _interval(0.5, 4)
    half = 1.959964 * np.sqrt(1.125)
    assert (low, high) == pytest.approx(
        (np.tanh(np.arctanh(0.5) - half), np.tanh(np.arctanh(0.5) + half)), abs=1e-5
    )


WIDE = SearchSpace.from_dict(
    {
        "name": "wide",
        "stem": {"width": {"int": [8, 64], "step": 8, "log": True}},
        "each_stage": {
            "block": "bottleneck",
            "depth": {"int": [1, 6]},
            "width": 32,
            "bottleneck": {"choice": [0.5, 1.0, 2.0]},
            "residual": {"choice": [True, False]},
        },
        "stages": [{}, {"depth": 2, "stride": 2}],
        "tie": ["bottleneck"],
        "training": {"batch_size": {"int": [32, 96], "step": 32}},
    }
)


def test_a_smaller_range_keeps_step_and_scale_wherever_the_knob_stands():
    before = WIDE.to_dict()
    stem = _with_range(WIDE, "stem.width", [16, 24])
    assert stem["stem"]["width"] == {"int": [16, 24], "step": 8, "log": True}
    assert {**stem, "stem": before["stem"]} == before
    depth = _with_range(WIDE, "stages.0.depth", [2, 3, 4])
    assert [stage["depth"] for stage in depth["stages"]] == [{"int": [2, 4]}, 2]
    tied = _with_range(WIDE, "bottleneck", [0.5, 1.0])
    assert [stage["bottleneck"] for stage in tied["stages"]] == [{"choice": [0.5, 1.0]}] * 2
    assert WIDE.to_dict() == before


def test_ranges_are_of_knobs_of_the_network_with_three_numbers_or_more():
    trials = frame(lambda s: 0.9 - 0.001 * abs(s["stem.width"] - 24), space=WIDE, n=120)
    found = proposals(WIDE, trials)
    assert {one.knob for one in found if one.kind == "range"} <= {
        "stem.width", "stages.0.depth", "bottleneck"
    }  # fmt: skip
    (one,) = [one for one in found if one.knob == "stem.width"]
    (best,) = best_values(trials, "stem.width", seed=0).to_dict("records")
    kept = [value for value in range(8, 65, 8) if best["low"] <= value <= best["high"]]
    inside = trials["stem.width"].between(kept[0], kept[-1])
    evidence, p = _split(trials["val_accuracy"], inside)
    assert one.change == f"stem.width from {kept[0]} to {kept[-1]}"
    lies = f"the best value lies between {kept[0]} and {kept[-1]} (95 % bootstrap interval)"
    assert one.evidence == f"{lies}; {evidence}"
    assert one.p == p
    assert [one.change for one in proposals(WIDE, trials, seed=0)] == [one.change for one in found]


def test_a_flag_can_be_tied_and_a_rule_of_one_stage_is_none():
    trials = frame(
        lambda s: 0.9 - 0.02 * (s["stages.0.residual"] != s["stages.1.residual"]), space=WIDE
    )
    changes_ = [one.change for one in proposals(WIDE, trials)]
    assert changes_[0] == "tie: residual"
    assert not [change for change in changes_ if "depth" in change and "from" not in change]
    (one,) = [one for one in proposals(WIDE, trials) if one.change == "tie: residual"]
    assert (one.kind, one.knob) == ("tie", "residual")
    assert one.child.to_dict()["tie"] == ["bottleneck", "residual"]
    spread = (trials["stages.0.residual"] != trials["stages.1.residual"]).astype(float) / 2
    rho = stats.spearmanr(spread, trials["val_accuracy"]).statistic
    low, high = _interval(rho, 80)
    assert one.evidence == (
        "accuracy does not rise with the spread of residual over the stages (Spearman ρ = "
        f"{rho:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}, n = 80)"
    )


def test_unequal_domains_are_not_tied():
    unequal = SearchSpace.from_dict(
        {**SPACE.to_dict(), "stages": [
            {**stage, "width": {"int": [8, 64 + 8 * k], "step": 8}}
            for k, stage in enumerate(SPACE.to_dict()["stages"])
        ]}
    )  # fmt: skip
    found = [one.change for one in proposals(unequal, frame(lambda s: 0.9, space=unequal))]
    assert "tie: width" not in found


def test_an_order_that_a_space_has_is_proposed_no_second_time_and_others_join_it():
    ordered = SearchSpace.from_dict({**SPACE.to_dict(), "order": {"width": "nondecreasing"}})
    trials = frame(lambda s: 0.9 - 0.05 * (np.diff(values(s, "depth")) < 0).sum(), space=ordered)
    found = proposals(ordered, trials)
    assert not [one for one in found if one.change.startswith("order: width")]
    (one,) = [one for one in found if one.change == "order: depth nondecreasing"]
    assert (one.kind, one.knob) == ("order", "depth")
    assert one.child.to_dict()["order"] == {
        "width": "nondecreasing", "depth": "nondecreasing"
    }  # fmt: skip
    steps = trials[[f"stages.{k}.depth" for k in range(3)]].diff(axis=1).iloc[:, 1:]
    assert (one.evidence, one.p) == _split(trials["val_accuracy"], (steps >= 0).all(axis=1))


TWO = SearchSpace.from_dict(
    {
        "name": "two",
        "stem": {"width": 8},
        "each_stage": {
            "block": "bottleneck",
            "depth": 1,
            "width": {"int": [8, 64], "step": 8},
            "bottleneck": {"choice": [0.5, 1.0]},
            "stride": 2,
        },
        "stages": [{}, {}],
    }
)


def test_two_stages_have_an_order_and_what_cannot_have_one_ends_no_search_for_others():
    """A depth is fixed, and comes first; once a width has its order, bottlenecks may have one."""

    def accuracy(setting):
        return 0.9 - sum(
            0.02 * (setting[f"stages.0.{key}"] > setting[f"stages.1.{key}"])
            for key in ("width", "bottleneck")
        )

    found = proposals(TWO, frame(accuracy, space=TWO))
    orders = {one.change for one in found if one.kind == "order"}
    assert orders == {"order: width nondecreasing", "order: bottleneck nondecreasing"}
    ordered = SearchSpace.from_dict({**TWO.to_dict(), "order": {"width": "nondecreasing"}})
    found = proposals(ordered, frame(accuracy, space=ordered))
    assert [one.change for one in found if one.kind == "order"] == [
        "order: bottleneck nondecreasing"
    ]


def test_a_study_that_is_judged_by_a_score_supports_nothing():
    judged = {"objective": "mine:train", "metric": "score", "direction": "minimize"}
    with pytest.raises(AnalysisError, match="judged by a score; its frame has the column score"):
        proposals(TWO, frame(lambda s: 0.9, space=TWO).assign(**judged))


def test_a_network_that_was_drawn_repeatedly_counts_once():
    trials = frame(lambda s: 0.9 - 0.05 * (np.diff(values(s, "width")) < 0).sum())
    trials["key"] = [
        SPACE.architecture(s).key for s in trials[list(SPACE.parameters)].to_dict("records")
    ]
    distinct = trials.drop_duplicates("key")
    twice = pd.concat([distinct, distinct.head(20)], ignore_index=True)
    once = [(one.change, one.p) for one in proposals(SPACE, distinct)]
    assert [(one.change, one.p) for one in proposals(SPACE, twice)] == once


def test_evidence_of_a_split_is_one_sentence():
    accuracy = pd.Series([0.9] * 8 + [0.8] * 7 + [0.9])
    inside = pd.Series([True] * 8 + [False] * 8)
    evidence, _ = _split(accuracy, inside)
    assert evidence == (
        "a network that keeps the rule beats one that does not with probability 0.94 (n = 8 and 8; "
        "medians 90.00% and 80.00%)"
    )
