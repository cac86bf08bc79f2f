"""The empirical bootstrap against a transcription of the paper's sentence."""

import numpy as np
import pandas as pd
import pytest
from random_studies import study

from nas.analysis import best_values
from nas.analysis.bootstrap import winners
from nas.errors import AnalysisError


def by_the_paper(errors, values, draws, seed):
    """Draw 25 % with replacement, select the value of the lowest error, repeat; percentiles."""
    rng = np.random.default_rng(seed)
    best = []
    for _ in range(draws):
        chosen = rng.choice(len(errors), size=round(0.25 * len(errors)), replace=True)
        best.append(values[chosen[np.argmin(errors[chosen])]])
    return np.percentile(best, [2.5, 50, 97.5])


def test_the_interval_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    widths = rng.uniform(0, 1, 100)
    errors = (widths - 0.6) ** 2 + rng.normal(0, 0.01, 100)
    errors = errors - errors.min()
    (row,) = best_values(study(errors, width=widths)).to_dict("records")
    expected = by_the_paper(errors, widths, 10_000, 1)
    assert [row["low"], row["median"], row["high"]] == pytest.approx(expected, abs=0.01)
    assert row["low"] < 0.6 < row["high"]


def test_how_often_each_network_wins_is_the_probability_that_it_does():
    # of n = 8, draws of 2: rank k (from 0) wins with ((8 − k)² − (7 − k)²) / 64
    errors = np.arange(8) / 10
    (row,) = best_values(study(errors, kind=list("abcdefgh")), draws=40_000).to_dict("records")
    assert row["most"] == "a"
    assert row["share"] == pytest.approx(15 / 64, abs=0.01)
    assert np.isnan(row["median"])


def test_a_knob_that_there_is_not_names_those_there_are():
    with pytest.raises(AnalysisError, match="did you mean width"):
        best_values(study([0.1] * 8, width=range(8)), "widht")


def test_too_few_networks_are_refused():
    with pytest.raises(AnalysisError, match="is none; train more"):
        best_values(study([0.1], width=[3]))


@pytest.mark.parametrize(("level", "part"), [(0.5, 0.25), (0.9, 0.5)])
def test_percentiles_are_those_of_the_exact_chances_to_win(level, part):
    """Of n = 40, draws of k: rank r wins with ((40 − r)ᵏ − (39 − r)ᵏ) / 40ᵏ."""
    n, size = 40, round(40 * part)
    left = (np.arange(n, -1, -1) / n) ** size
    reached = 1 - left[1:]  # that one of the ranks up to this one wins
    (row,) = best_values(
        study(np.arange(n) / n, width=np.arange(n)), part=part, level=level, draws=20_000
    ).to_dict("records")
    ends = [(1 - level) / 2, 0.5, (1 + level) / 2]
    expected = [int(np.searchsorted(reached, end)) for end in ends]
    assert [row["low"], row["median"], row["high"]] == pytest.approx(expected, abs=1)
    assert row["high"] > row["low"]


def test_all_knobs_that_vary_and_costs_that_are_asked_have_a_row():
    frame = study([0.1, 0.2, 0.3, 0.4], width=[1, 2, 3, 4], fixed=7)
    assert best_values(frame)["knob"].tolist() == ["width"]
    (row,) = best_values(frame, "params", part=1.0).to_dict("records")
    assert (row["most"], row["n"]) == (10, 4)
    assert best_values(frame, "fixed")["share"].tolist() == [1]


@pytest.mark.parametrize("options", [{"part": 0}, {"part": 1.1}, {"draws": 0}, {"level": 1}])
def test_a_bootstrap_that_cannot_be_is_refused(options):
    with pytest.raises(AnalysisError, match="accepted"):
        best_values(study([0.1] * 8, width=range(8)), **options)


def test_a_quarter_is_drawn_ten_thousand_times_at_95_percent_by_default():
    frame = study(np.arange(40) / 50, width=np.arange(40))
    given = {"part": 0.25, "draws": 10_000, "level": 0.95, "seed": 0}
    assert best_values(frame).equals(best_values(frame, **given))
    assert not best_values(frame, seed=1).equals(best_values(frame))


def test_a_row_is_that_of_the_winners_that_were_drawn():
    errors = np.random.default_rng(1).permutation(20) / 20
    frame = study(errors, width=np.arange(20) * 3, kind=list("ab") * 10, flag=[True, False] * 10)
    won = winners(errors, 5, 50, 7)
    rng = np.random.default_rng(7)
    best = np.argsort(errors)[rng.integers(20, size=(50, 5)).min(axis=1)]
    assert won.tolist() == best.tolist()
    rows = best_values(frame, draws=50, level=0.5, seed=7).set_index("knob")
    assert list(rows.index) == ["width", "kind", "flag"]
    width = rows.loc["width"]
    assert [width["low"], width["median"], width["high"]] == pytest.approx(
        np.quantile(best * 3, [0.25, 0.5, 0.75])
    )
    values, counts = np.unique(best * 3, return_counts=True)
    assert width["share"] == pytest.approx(counts.max() / 50)
    assert width["most"] in values[counts == counts.max()]
    for name in ("kind", "flag"):  # no numbers
        assert rows.loc[name, ["low", "median", "high"]].isna().all()
    assert set(rows["n"]) == {20}
    assert set(rows["study"]) == {"s"}


def test_of_equal_errors_the_one_of_the_earlier_network_is_lower():
    won = winners(np.tile([0.2, 0.1], 20), 1, 500, 7)
    ranks = np.random.default_rng(7).integers(40, size=500)
    assert won.tolist() == np.array([*range(1, 40, 2), *range(0, 40, 2)])[ranks].tolist()


def test_a_network_that_was_drawn_twice_wins_as_one():
    errors = np.arange(8) / 10
    frame = study(errors, width=np.arange(8))
    twice = pd.concat([frame, frame], ignore_index=True)
    assert best_values(twice).equals(best_values(frame))


def test_a_knob_that_is_not_known_everywhere_cannot_be_asked_for_and_costs_can():
    frame = study([0.1] * 8, width=range(8), half=[1, None] * 4)
    assert best_values(frame)["knob"].tolist() == ["width"]
    with pytest.raises(AnalysisError) as refused:
        best_values(frame, "half")
    assert str(refused.value) == "s has no knob 'half'; accepted: width, macs, params, activations"
    for cost in ("macs", "params", "activations"):
        assert best_values(frame, cost)["knob"].tolist() == [cost]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"part": 0}, "part is 0, draws 10000; accepted: part in (0, 1], draws ≥ 1"),
        ({"draws": 0}, "part is 0.25, draws 0; accepted: part in (0, 1], draws ≥ 1"),
        ({"level": 0}, "level is 0; accepted: between 0 and 1, as 0.95"),
        ({"part": 0.01}, "0.01 of 8 networks is none; train more"),
    ],
)
def test_a_refusal_is_whole(options, message):
    with pytest.raises(AnalysisError) as refused:
        best_values(study([0.1] * 8, width=range(8)), **options)
    assert str(refused.value) == message
    assert len(best_values(study([0.1] * 8, width=range(8)), part=1, draws=1)) == 1
