"""Figures can be drawn from any frame of a study, and say what they show."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from random_studies import study

from nas.analysis import plots
from nas.analysis.plots import COSTS, front
from nas.errors import AnalysisError


def trials(states):
    return pd.DataFrame(
        {
            "study": "s",
            "number": range(len(states)),
            "state": states,
            "policy": "random",
            "epochs": pd.array([4 if s == "COMPLETE" else 1 for s in states], dtype="Int64"),
            "val_accuracy": [0.8 + 0.01 * n if s != "FAIL" else None for n, s in enumerate(states)],
            **{cost: pd.array([1000 * (n + 1) for n in range(len(states))]) for cost in COSTS},
        }
    )


@pytest.mark.parametrize("cost", COSTS)
def test_the_front_names_its_axes_and_the_fidelity(cost, tmp_path):
    figure = front(trials(["COMPLETE", "PRUNED", "FAIL", "COMPLETE"]), cost)
    (axes,) = figure.axes
    assert axes.get_xlabel() == COSTS[cost]
    assert axes.get_ylabel() == "validation accuracy"
    assert axes.get_title("left") == "s: 2 of 4 trials trained in full"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [
        "trained in full (4 epochs)",
        "stopped early, accuracy then",
        "Pareto front",
    ]
    for ending in ("png", "svg", "pdf"):
        figure.savefig(tmp_path / f"front.{ending}")
        assert (tmp_path / f"front.{ending}").stat().st_size > 1000


@pytest.mark.parametrize("states", [["PRUNED"], ["COMPLETE"], ["FAIL", "RUNNING", "PRUNED"]])
def test_a_study_that_has_hardly_begun_can_be_drawn(states, tmp_path):
    front(trials(states)).savefig(tmp_path / "front.svg")


def test_a_study_may_be_named_like_a_broken_formula(tmp_path):
    front(trials(["COMPLETE"]).assign(study="$\\x{$")).savefig(tmp_path / "front.svg")


@pytest.mark.parametrize("states", [[], ["FAIL"]])
def test_a_front_without_a_trial_says_so(states):
    with pytest.raises(AnalysisError, match="no trial has ended with an accuracy and macs yet"):
        front(trials(states))


# --- figures of statistics ---

RNG = np.random.default_rng(0)
N = 40
A, B = (
    study(
        RNG.uniform(0.1, 0.3, N),
        name,
        macs=RNG.integers(10**6, 10**7, N),
        residual=RNG.random(N) < 0.5,
        stages__0__width=RNG.choice([8, 16, 32], N),
        training__peak_lr=RNG.random(N),
    )
    for name in ("a", "b")
)
CURVES = pd.DataFrame(
    [
        {"number": n, "attempt": 1, "epoch": e, "val_accuracy": 0.5 + e / 10 + RNG.random() / 10}
        for n in range(12)
        for e in (1, 2, 3)
    ]
)
FIGURES = {
    "edf": (lambda: plots.edf(pd.concat([A, B])), "error (1 − validation accuracy)"),
    "edf at equal cost": (
        lambda: plots.edf(pd.concat([A, B]), cost="macs", bins=2),
        "error (1 − validation accuracy)",
    ),
    "efficiency": (lambda: plots.efficiency(pd.concat([A, B])), "networks drawn (m)"),
    "knob": (lambda: plots.knob(A, "stages.0.width"), "stages.0.width"),
    "knob of two values": (lambda: plots.knob(A, "residual"), "residual"),
    "cost as knob": (lambda: plots.knob(A, "macs"), "multiply-accumulates per image"),
    "effects": (
        lambda: plots.effects(A),
        "effect on validation accuracy (percentage points, 95 % interval)",
    ),
    "importance": (lambda: plots.importance(A), "importance (ped_anova; all add up to 1)"),
    "marginal": (lambda: plots.marginal(A, "stages.0.width"), "stages.0.width"),
    "marginal of numbers": (lambda: plots.marginal(A, "training.peak_lr"), "training.peak_lr"),
    "curves": (lambda: plots.curves(CURVES), "epoch"),
    "fidelity": (lambda: plots.fidelity(CURVES), "epochs trained"),
}


def words(figure):
    """All that is written in a figure."""
    return " ".join(text.get_text() for text in figure.findobj(Text))


@pytest.mark.parametrize(("draw", "x"), FIGURES.values(), ids=FIGURES)
def test_a_figure_says_n_and_fidelity_and_nothing_is_cut(draw, x, tmp_path):
    figure = draw()
    axes = figure.axes[0]
    assert axes.get_xlabel() == x
    said = words(figure)
    assert re.search(r"n = \d+", said)
    assert "epoch" in said
    figure.savefig(tmp_path / "figure.png")
    drawn, paper = axes.get_tightbbox(), figure.bbox
    assert paper.x0 <= drawn.x0 < drawn.x1 <= paper.x1
    assert paper.y0 <= drawn.y0 < drawn.y1 <= paper.y1
    for ending in ("svg", "pdf"):
        figure.savefig(tmp_path / f"figure.{ending}")


@pytest.mark.parametrize("draw", [plots.edf, plots.efficiency, plots.importance])
def test_what_a_statistic_left_out_stands_in_its_figure(draw):
    stopped = A.assign(state=["PRUNED"] * 5 + ["COMPLETE"] * (N - 5))
    assert "5 trials stopped early, left out" in words(draw(stopped, stopped="drop"))
    with pytest.raises(AnalysisError):
        draw(stopped)


def test_a_percent_is_not_rounded_to_another():
    figure = plots.edf(study([0.215, 0.225, 0.235]))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    for tick, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True):
        assert float(label.get_text().removesuffix(" %")) == pytest.approx(100 * tick)
