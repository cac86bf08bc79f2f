"""Figures can be drawn from any frame of a study, and say what they show."""

import pandas as pd
import pytest

from nas.analysis.plots import COSTS, front


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


@pytest.mark.parametrize("states", [[], ["FAIL"], ["PRUNED"], ["COMPLETE"]])
def test_a_study_that_has_hardly_begun_can_be_drawn(states):
    assert front(trials(states)).axes
