"""Importance finds what made the accuracy, and is not made up where it cannot be known."""

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from populous import write_study
from random_studies import study

from nas.analysis import importance
from nas.analysis.importance import _places, order
from nas.errors import AnalysisError
from nas.study.reader import open_study

RNG = np.random.default_rng(0)
N = 80
WIDTH, KIND, NOTHING = RNG.choice([8, 64, 512], N), RNG.choice(["x", "y"], N), RNG.random(N)
ERRORS = 0.5 - 0.1 * np.log2(WIDTH) / 9 - 0.02 * (KIND == "x")
FRAME = study(ERRORS, width=WIDTH, kind=KIND, nothing=NOTHING)


@pytest.mark.parametrize("evaluator", ["fanova", "mdi", "ped_anova"])
def test_the_knob_that_made_the_accuracy_is_first_and_all_add_up_to_1(evaluator):
    found = importance(FRAME, evaluator=evaluator, draws=3)
    assert found["knob"].iloc[0] == "width"
    assert found["importance"].sum() == pytest.approx(1)
    assert set(found["knob"]) == {"width", "kind", "nothing"}


def test_fanova_is_the_share_of_the_variance_where_knobs_only_add_up():
    """Σ of two independent terms: each explains its variance; seen on a full grid."""
    width, depth = (axis.ravel() for axis in np.meshgrid([1, 2, 3, 4] * 2, [1, 2, 3, 4] * 2))
    frame = study(0.5 - 0.02 * width - 0.01 * depth, width=width, depth=depth)
    found = importance(frame, evaluator="fanova").set_index("knob")["importance"]
    assert found["width"] == pytest.approx(0.8, abs=0.05)  # 2² / (2² + 1²)


def test_equal_seeds_give_equal_importances():
    assert importance(FRAME, seed=3).equals(importance(FRAME, seed=3))


@pytest.mark.parametrize(
    ("frame", "options", "said"),
    [
        (FRAME.head(29), {}, "29 networks of s is noise; accepted: 30 or more"),
        (FRAME.assign(fixed=1), {}, "have the same fixed"),
        (FRAME.drop(columns=["width", "kind", "nothing"]), {}, "has no knobs"),
        (FRAME.assign(key="x"), {}, "importance of 1 network of s is noise"),
        (FRAME, {"evaluator": "anova"}, "did you mean fanova"),
        (FRAME, {"level": 95}, "level is 95"),
        (FRAME, {"draws": -1}, "draws is -1; accepted: 0 or more"),
    ],
)
def test_what_cannot_be_known_is_refused(frame, options, said):
    with pytest.raises(AnalysisError, match=said):
        importance(frame, **options)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A study as a search leaves it, by us and by Optuna."""
    url = f"sqlite:///{tmp_path_factory.mktemp('importance')}/nas.db"
    write_study(url, "s", trials=150, epochs=2, pruned=0.2)
    return open_study(url, "s").frame(), optuna.load_study(study_name="s", storage=url)


@pytest.mark.parametrize(
    ("evaluator", "theirs"),
    [
        (None, None),
        ("ped_anova", optuna.importance.PedAnovaImportanceEvaluator()),
        ("mdi", optuna.importance.MeanDecreaseImpurityImportanceEvaluator(seed=0)),
    ],
)
def test_importances_are_those_of_optuna_on_the_same_study(stored, evaluator, theirs):
    frame, study = stored
    options = {"evaluator": evaluator} if evaluator else {}
    found = importance(frame, policy="any", stopped="drop", draws=0, **options)
    expected = optuna.importance.get_param_importances(study, evaluator=theirs)
    assert dict(zip(found["knob"], found["importance"], strict=True)) == pytest.approx(expected)


def test_intervals_are_percentiles_of_optuna_s_own_importances_of_networks_drawn_anew():
    """Draw networks with replacement, each with both of its draws; ask Optuna; percentiles."""
    n, widths = 60, np.tile([8, 16, 32], 20)
    kinds = RNG.choice(["x", "y"], n)
    errors = 0.5 - 0.05 * np.log2(widths) - 0.01 * (kinds == "x") + 0.02 * RNG.random(n)
    frame = study(errors, width=widths, kind=kinds)
    twice = pd.concat([frame, frame], ignore_index=True)
    domains = {"width": IntDistribution(1, 3), "kind": CategoricalDistribution(["x", "y"])}
    rng, drawn = np.random.default_rng(0), []
    for _ in range(20):
        theirs = optuna.create_study(direction="maximize")
        for k in np.tile(rng.integers(n, size=n), 2):
            params = {"width": int(np.log2(widths[k])) - 2, "kind": str(kinds[k])}
            theirs.add_trial(
                optuna.create_trial(params=params, distributions=domains, value=1 - errors[k])
            )
        drawn.append(optuna.importance.get_param_importances(theirs)["width"])
    found = importance(twice, draws=20, level=0.8).set_index("knob").loc["width"]
    assert (found["low"], found["high"]) == pytest.approx(np.quantile(drawn, [0.1, 0.9]))
    assert found["n"] == n


def places(*intervals):
    found = pd.DataFrame(intervals, columns=["low", "high"])
    found["knob"] = list("abcdef")[: len(found)]
    return found.assign(place=_places(found))


@pytest.mark.parametrize(
    ("intervals", "expected", "said"),
    [
        ([(0.5, 0.6), (0.2, 0.3), (0.05, 0.1)], [1, 2, 3], "a is first; knobs whose"),
        ([(0.5, 0.6), (0.2, 0.3), (0.1, 0.2)], [1, 2, 2], "a is first; knobs whose"),
        ([(0.3, 0.6), (0.2, 0.4), (0.1, 0.15)], [1, 1, 3], "among the first 2, whose"),
        # a and b are apart, but c, whose place is below, overlaps both
        ([(0.5, 0.6), (0.2, 0.3), (0.1, 0.55)], [1, 1, 1], "no order is established: the"),
    ],
)
def test_knobs_whose_intervals_overlap_share_a_place(intervals, expected, said):
    found = places(*intervals)
    assert found["place"].tolist() == expected
    assert said in order(found)


def test_noise_has_no_first_place_and_a_strong_knob_has_it():
    noise = study(RNG.random(44), **{f"k{k}": RNG.integers(1, 5, 44) for k in range(4)})
    assert importance(noise)["place"].tolist() == [1] * 4
    found = importance(study(ERRORS, width=WIDTH, kind=KIND))
    assert found["place"].tolist() == [1, 2]
    forest = importance(FRAME, evaluator="mdi")
    assert forest["low"].isna().all()
    assert order(forest) == "without intervals, no order is established"
