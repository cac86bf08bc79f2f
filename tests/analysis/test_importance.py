"""Importance finds what made the accuracy, and is not made up where it cannot be known."""

import logging

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from random_studies import study
from study_factory import write_study

from nas.analysis import importance
from nas.analysis.importance import (
    _by_optuna,
    _coded,
    _grid,
    _ped_anova,
    _places,
    order,
)
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


DOMAINS = {
    "rate": FloatDistribution(0.01, 1, log=True),
    "share": FloatDistribution(0, 1),
    "half": FloatDistribution(0.5, 4, step=0.5),
    "width": IntDistribution(8, 64, step=8),
    "depth": IntDistribution(1, 200),
    "size": IntDistribution(4, 512, log=True),
    "kind": CategoricalDistribution(["x", "y", "z"]),
}


def drawn(n, seed=0):
    rng = np.random.default_rng(seed)
    columns = {
        "rate": np.exp(rng.uniform(np.log(0.01), 0, n)).tolist(),
        "share": rng.random(n).tolist(),
        "half": (0.5 * rng.integers(1, 9, n)).tolist(),
        "width": (8 * rng.integers(1, 9, n)).tolist(),
        "depth": rng.integers(1, 201, n).tolist(),
        "size": np.exp(rng.uniform(np.log(4), np.log(512), n)).round().astype(int).tolist(),
        "kind": rng.choice(["x", "y", "z"], n).tolist(),
    }
    return {name: (values, DOMAINS[name]) for name, values in columns.items()}, rng


@pytest.mark.parametrize("n", [30, 35, 200])
def test_our_ped_anova_is_optunas_for_every_kind_of_domain(n):
    coded, rng = drawn(n)
    accuracy = 0.5 + 0.1 * np.log10(coded["rate"][0]) + 0.05 * rng.random(n)
    accuracy[:3] = accuracy[5]  # ties
    theirs = _by_optuna(coded, accuracy, np.arange(n), "ped_anova", 0)
    grids = {name: _grid(*column) for name, column in coded.items()}
    by_error = np.argsort(-accuracy, kind="stable")
    ours = _ped_anova(grids, accuracy, np.ones(n, dtype=int), by_error)
    assert ours == pytest.approx(theirs)
    # some drawn twice, some not at all
    times = rng.integers(0, 3, n)
    chosen = np.repeat(np.arange(n), times)
    theirs = _by_optuna(coded, accuracy, chosen, "ped_anova", 0)
    assert _ped_anova(grids, accuracy, times, by_error) == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("name", "size", "values", "cells"),
    [
        ("rate", 50, [0.01, 0.03, 1], [0, 12, 49]),
        ("share", 50, [0, 0.25, 1], [0, 12, 49]),
        ("half", 8, [0.5, 1, 4], [0, 1, 7]),
        ("width", 8, [8, 16, 64], [0, 1, 7]),
        ("depth", 50, [1, 200], [0, 49]),
        ("size", 10, [4, 512], [0, 9]),
        ("kind", 3, ["y", "x", "z"], [1, 0, 2]),
    ],
)
def test_a_grid_has_a_cell_for_each_value_or_fifty(name, size, values, cells):
    found, domain, count = _grid(values, DOMAINS[name])
    assert (found.tolist(), count) == (cells, size)
    expected = IntDistribution(0, size - 1) if name != "kind" else DOMAINS["kind"]
    assert domain == expected


def test_where_the_best_tenth_is_like_all_knobs_matter_alike():
    coded, _ = drawn(40)
    grids = {name: _grid(*column) for name, column in coded.items()}
    same = np.full(40, 0.5)
    found = _ped_anova(grids, same, np.ones(40, dtype=int), np.arange(40))
    assert found == pytest.approx(dict.fromkeys(DOMAINS, 1 / 7))


def test_a_column_is_coded_by_its_distribution_or_by_its_ranks():
    numbers = pd.Series([8, 64, 8, 16])
    assert _coded(numbers, None) == ([1, 3, 1, 2], IntDistribution(1, 3))
    known = IntDistribution(8, 64, step=8)
    assert _coded(numbers, known) == ([8, 64, 8, 16], known)
    assert _coded(numbers, IntDistribution(8, 32, step=8))[0] == [1, 3, 1, 2]  # 64 is none of it
    assert _coded(numbers, IntDistribution(8, 8))[0] == [1, 3, 1, 2]  # of one value
    flags = pd.Series([True, False])
    assert _coded(flags, None) == (
        ["True", "False"], CategoricalDistribution(["False", "True"])
    )  # fmt: skip


def test_defaults_are_ped_anova_with_two_hundred_draws_and_none_of_forests():
    frame = study(ERRORS, width=WIDTH, kind=KIND)
    given = {"evaluator": "ped_anova", "level": 0.95, "draws": 200, "seed": 0}
    assert importance(frame).equals(importance(frame, **given))
    assert importance(frame, evaluator="mdi").equals(
        importance(frame, evaluator="mdi", draws=0, seed=0)
    )
    assert not importance(frame, evaluator="mdi", seed=1).equals(importance(frame, evaluator="mdi"))
    forest = importance(frame, evaluator="fanova")
    assert list(forest) == ["study", "knob", "importance", "low", "high", "place", "n"]
    assert forest["n"].tolist() == [N, N]
    assert forest["place"].isna().all() and forest["place"].dtype == "Int64"
    assert not importance(frame, evaluator="fanova", seed=1).equals(forest)


def test_studies_of_a_frame_have_their_rows_one_after_another():
    frame = study(ERRORS, width=WIDTH, kind=KIND)
    both = importance(pd.concat([frame.assign(study="b"), frame.assign(study="a")]), draws=0)
    assert both["study"].tolist() == ["b", "b", "a", "a"]
    assert both.index.tolist() == [0, 1, 2, 3]
    assert both["importance"].is_monotonic_decreasing is False
    assert both.groupby("study")["importance"].sum().tolist() == pytest.approx([1, 1])


def test_thirty_networks_are_enough_and_refusals_are_whole():
    frame = study(ERRORS, width=WIDTH, kind=KIND)
    assert len(importance(frame.head(30), draws=0)) == 2
    refused = {
        "importance of 29 networks of s is noise; accepted: 30 or more": (frame.head(29), {}),
        "all networks of s have the same one, two, so nothing can be said of its importance; drop "
        "the column": (frame.assign(one=1, two="x"), {}),
        "s has no knobs": (frame.drop(columns=["width", "kind"]), {}),
        "evaluator is 'mdy'; did you mean mdi? accepted: ped_anova, fanova, mdi":
            (frame, {"evaluator": "mdy"}),
        "draws is -1; accepted: 0 or more": (frame, {"draws": -1}),
    }  # fmt: skip
    for said, (rows, options) in refused.items():
        with pytest.raises(AnalysisError) as error:
            importance(rows, **options)
        assert str(error.value) == said
    empty = frame.assign(unknown=pd.Series([None] * N, dtype=object))
    assert set(importance(empty, draws=0)["knob"]) == {"width", "kind"}


def test_how_far_an_order_is_established_is_one_sentence():
    def of(*place):
        knobs = list("abcd")[: len(place)]
        return order(pd.DataFrame({"knob": knobs, "place": pd.array(place, dtype="Int64")}))

    assert of(1, 2) == "a is first; knobs whose intervals overlap have no established order"
    assert of(1, 1) == "no order is established: the intervals overlap"
    assert of(1, 1, 3) == ("no order is established among the first 2, whose intervals overlap")
    assert of(1, None) == "without intervals, no order is established"


def test_studies_in_memory_are_not_announced_and_optunas_words_are_left_as_they_were():
    said, before = [], optuna.logging.get_verbosity()
    handler = logging.Handler()
    handler.emit = said.append
    logger = logging.getLogger("optuna")
    logger.addHandler(handler)
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        importance(FRAME, draws=0)
        after = optuna.logging.get_verbosity()
    finally:
        optuna.logging.set_verbosity(before)
        logger.removeHandler(handler)
    assert (said, after) == ([], optuna.logging.INFO)
