"""Statistics that need a random sample at one fidelity take no other, unless told to."""

import pandas as pd
import pytest
from random_studies import study

from nas.analysis import best_values, compare, edf, effects, efficiency, importance, populations
from nas.errors import AnalysisError

ERRORS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
STATISTICS = {
    "edf": edf,
    "compare": lambda frame, **rules: compare(study(ERRORS, "other"), frame, **rules),
    "effects": effects,
    "efficiency": efficiency,
    "importance": importance,
    "best_values": best_values,
}


@pytest.mark.parametrize("statistic", STATISTICS.values(), ids=STATISTICS)
@pytest.mark.parametrize(
    ("different", "said"),
    [
        ({"policy": ["guided"] + ["random"] * 5}, "1 of 6 trials of s were proposed by a guided"),
        ({"policy": ["enqueued"] + ["random"] * 5}, "or by hand"),
        (
            {"policy": ["quasi_random"] * 6},
            "6 of 6 trials of s were proposed by a guided or quasi-ra",
        ),
        ({"policy": ["quasi_random"] * 5 + ["reused"]}, "6 of 6 trials"),
        ({"state": ["PRUNED"] * 2 + ["COMPLETE"] * 4}, "2 of 6 trials of s were stopped early"),
        ({"epochs": [2] + [3] * 5}, "unequal epochs (2, 3); choose one, as epochs=3"),
        ({"state": "FAIL"}, "no trial of s was trained in full"),
    ],
)
def test_what_is_no_random_sample_at_one_fidelity_is_refused(statistic, different, said):
    with pytest.raises(AnalysisError) as refusal:
        statistic(study(ERRORS, **different))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("different", "rules", "n", "note"),
    [
        (
            {"policy": "guided"},
            {"policy": "any"},
            6,
            "6 guided trials among them: no random sample",
        ),
        (
            {"policy": "quasi_random"},
            {"policy": "any"},
            6,
            "6 quasi-random trials among them: no random sample",
        ),
        (
            {"state": ["PRUNED"] + ["COMPLETE"] * 5},
            {"stopped": "drop"},
            5,
            "1 trial stopped early, left out",
        ),
        ({"epochs": [2] + [3] * 5}, {"epochs": 3}, 5, "1 trial of other epochs, left out"),
        ({"state": ["FAIL"] * 2 + ["COMPLETE"] * 4}, {}, 4, "2 trials failed, left out"),
        (
            {"state": ["RUNNING"] + ["COMPLETE"] * 5},
            {},
            5,
            "1 trial without a result yet, left out",
        ),
        ({}, {}, 6, ""),
    ],
)
def test_what_is_left_out_or_taken_in_is_said(different, rules, n, note):
    (space,) = populations(study(ERRORS, **different), **rules).values()
    assert (len(space), space.note) == (n, note)


def test_a_reused_result_is_a_draw_of_its_own_where_all_draws_are_random():
    frame = study(ERRORS, policy=["reused"] + ["random"] * 5)
    assert len(populations(frame)["s"]) == 6
    frame.loc[1, "policy"] = "guided"
    with pytest.raises(AnalysisError, match="2 of 6"):
        populations(frame)


def test_a_trial_beside_its_flip_is_no_independent_draw():
    flips = study(ERRORS * 2, policy=["random", "flipped"] * 6, residual=[True, False] * 6)
    with pytest.raises(AnalysisError, match="6 of 12 trials of s are flips of others in one knob"):
        populations(flips)
    assert populations(flips, "any")["s"].note == "6 flips among them: not independent"
    assert len(populations(flips[~flips["residual"]])["s"]) == 6
    assert effects(flips, "residual", matching="exact")["n"].tolist() == [12]


def test_studies_of_unequal_fidelity_are_not_compared():
    both = pd.concat([study(ERRORS), study(ERRORS, "other", epochs=9)])
    with pytest.raises(AnalysisError, match=r"s 3, other 9"):
        edf(both)
    with pytest.raises(AnalysisError, match="s 3 epochs and other 9 epochs"):
        compare(study(ERRORS), study(ERRORS, "other", epochs=9))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"policy": "rndom"}, "did you mean random"),
        ({"stopped": "keep"}, "accepted: refuse, drop, bound"),
        ({"epochs": 7}, "no trial of s was trained for 7 epochs; accepted: 3"),
    ],
)
def test_a_rule_that_there_is_not_names_those_there_are(rules, said):
    with pytest.raises(AnalysisError, match=said):
        edf(study(ERRORS), **rules)


@pytest.mark.parametrize("statistic", [effects, efficiency, best_values])
def test_only_the_edf_takes_bounds(statistic):
    with pytest.raises(AnalysisError, match="only edf can use"):
        statistic(study(ERRORS), stopped="bound")


def test_of_no_trials_there_is_no_statistic():
    with pytest.raises(AnalysisError, match="there are no trials"):
        edf(study([]))
