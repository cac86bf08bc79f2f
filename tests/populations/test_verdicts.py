"""What populations say in words has the numbers of their statistics, at the level that is asked."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from nas.analysis import compare, effects
from nas.analysis.comparison import Decision, Estimate
from nas.populations.verdicts import Verdict, format_decision, of_flips, of_spaces
from nas.study.reader import open_study

FOLDER = Path(__file__).parents[2] / "studies"


def published(name):
    return open_study(f"sqlite:///{FOLDER}/{name}.sqlite", name)


@pytest.fixture(scope="module")
def spaces():
    return [published(f"anynetx_{one}_28-macs-4M-8M-2ep") for one in "ac"]


@pytest.fixture(scope="module")
def flips():
    return published("resnet_vs_plain-macs-4M-8M-flip-residual-2ep")


@pytest.fixture(scope="module")
def judged(spaces):
    return of_spaces(*spaces, margin=0.02, error_rate=0.2)


def test_spaces_are_compared_and_decided_at_the_error_rate_that_is_asked(spaces, judged):
    frames = [one.frame().assign(study=one.space.name) for one in spaces]
    plain = compare(*frames, level=0.8)
    matched = compare(*frames, cost="macs", level=0.8)
    decision = format_decision(plain, plain.decide(0.02, 0.2))
    expected = [plain.verdict, decision, f"With both weighted to equal MACs: {matched.verdict}"]
    assert judged.lines[1:] == expected
    assert judged.title == f"{plain.a} against {plain.b}"
    plain_rows = judged.table[judged.table["matched"] == ""].drop(columns="matched")
    pd.testing.assert_frame_equal(plain_rows, plain.table())
    assert (judged.table["matched"] == "macs").sum() == len(matched.table())
    assert set(judged.figures) == {"edf", "efficiency", "edf_at_equal_macs"}


def test_spaces_that_share_no_costs_have_a_verdict_without_them(spaces):
    a, b = spaces
    small = a.frame()
    a.frame = lambda: small.assign(macs=small["macs"] % 1000 + 1)
    try:
        verdict = of_spaces(a, b, margin=0.01, error_rate=0.05)
    finally:
        del a.frame
    assert verdict.lines[-1].startswith("At equal MACs nothing can be said: the spaces share no")
    assert "edf_at_equal_macs" not in verdict.figures


def test_a_verdict_is_written_as_text_table_and_pictures(judged, tmp_path):
    Verdict(judged.title, judged.lines, judged.table, {"edf": judged.figures["edf"]}).write(
        tmp_path / "made" / "here"
    )
    folder = tmp_path / "made" / "here"
    assert {path.name for path in folder.iterdir()} == {
        "verdict.md", "table.csv", "edf.svg", "edf.png",
    }  # fmt: skip
    parts = [f"# {judged.title}", *judged.lines, "![edf](edf.svg)"]
    assert (folder / "verdict.md").read_text() == "\n\n".join(parts) + "\n"
    assert len(pd.read_csv(folder / "table.csv")) == len(judged.table)


@pytest.mark.parametrize("error_rate", [0.05, 0.4])
def test_a_flip_is_said_with_its_interval_pairs_and_p(flips, error_rate):
    trials = flips.frame()
    (row,) = effects(trials, "residual", matching="exact", level=1 - error_rate).to_dict("records")
    verdict = of_flips(flips, "residual", error_rate)
    low, effect, high = (100 * row[name] for name in ("low", "effect", "high"))
    assert f"{effect:+.2f} points on average [{low:+.2f}, {high:+.2f}]" in verdict.lines[1]
    assert f"Wilcoxon p = {row['p_wilcoxon']:.2g}, over {row['pairs']} pairs" in verdict.lines[1]
    assert f"({row['cost_ratio']:.3f} times the MACs)" in verdict.lines[1]
    change = "was not shown to change" if low <= 0 <= high else "changes"
    assert f"Flipping residual: false → true {change} validation accuracy: " in verdict.lines[1]


def test_a_flip_of_too_few_pairs_ends_in_a_sentence_and_what_can_be_drawn(flips):
    some = flips.frame().head(6)
    flips.frame = lambda: some
    try:
        verdict = of_flips(flips, "residual", 0.05)
    finally:
        del flips.frame
    assert verdict.lines[1:] == [
        "residual: false → true: 3 pairs of networks cannot show a difference."
    ]
    assert list(verdict.figures) == ["pairs"]


def test_an_effect_whose_interval_holds_zero_was_not_shown(flips):
    """A knob without any effect: what both networks of a pair reached is exchanged in half."""
    trials = flips.frame()
    pairs = trials["number"] // 2
    own = trials["val_accuracy"]
    other = trials.groupby(pairs)["val_accuracy"].transform("sum") - own
    swapped = trials.assign(val_accuracy=own.where(pairs % 2 == 0, other))
    flips.frame = lambda: swapped
    try:
        verdict = of_flips(flips, "residual", 0.01)
    finally:
        del flips.frame
    assert "was not shown to change" in verdict.lines[1]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("better", "x is better than y"),
        ("worse", "x is worse than y"),
        ("equal", "x and y are equal for practical purposes"),
        ("undecided", "it is undecided which of x and y is better"),
    ],
)
def test_a_decision_is_said_with_its_bounds_in_order(spaces, outcome, words):
    frames = [one.frame().assign(study=name) for one, name in zip(spaces, "xy", strict=True)]
    comparison = replace(compare(*frames, draws=100), a="x", b="y")
    decision = Decision(outcome, True, Estimate(0.5, -0.01, 0.0234), 0.005, 0.1, "median")
    assert format_decision(comparison, decision) == (
        f"At a margin of 0.5 points and an error rate of 10 %, {words}: the difference of the "
        "median accuracies lies between -1.00 and +2.34 points."
    )
