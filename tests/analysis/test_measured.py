"""A frame knows what its accuracies are: figures, notes, verdicts and exports of it say so."""

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.text import Text
from random_studies import study
from study_factory import write_study

from nas.analysis import compare, plots, populations
from nas.analysis.measured import accuracy_label, error_label, untrained_notes
from nas.cli.app import main
from nas.populations.verdicts import setup
from nas.study.reader import open_study

SAID = "The objective is synthetic: no network was trained"
FOLDER = Path(__file__).parents[2] / "studies"
RULES = {"policy": "any", "stopped": "drop"}
FIGURES = {
    "front": lambda one: plots.front(one.frame()),
    "edf": lambda one: plots.edf(one.frame(), **RULES),
    "efficiency": lambda one: plots.efficiency(one.frame(), **RULES),
    "knob": lambda one: plots.knob(one.frame(), "stages.0.width", **RULES),
    "marginal": lambda one: plots.marginal(one.frame(), "stages.0.width", **RULES),
    "effects": lambda one: plots.effects(one.frame(), **RULES),
    "importance": lambda one: plots.importance(one.frame(), draws=2, **RULES),
    "curves": lambda one: plots.curves(one.epochs()),
    "fidelity": lambda one: plots.fidelity(one.epochs(), stopped="drop"),
}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('measured')}/nas.db"
    write_study(url, "made-up", trials=60, epochs=2, pruned=0.0)
    return url


@pytest.fixture(scope="module")
def made_up(url):
    return open_study(url, "made-up")


@pytest.fixture(scope="module")
def trained():
    name = "anynetx_a_28-macs-4M-8M-2ep"
    return open_study(f"sqlite:///{FOLDER}/{name}.sqlite", name)


def words(figure):
    return " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).split())


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_every_figure_of_made_up_accuracies_says_so(draw, made_up):
    said = words(draw(made_up))
    assert SAID in said
    assert "validation accuracy" not in said


@pytest.mark.parametrize("kind", ["front", "edf", "curves"])
def test_a_figure_of_trained_networks_says_nothing_of_it(kind, trained):
    said = words(FIGURES[kind](trained))
    assert "synthetic" not in said
    assert "validation accuracy" in said


def test_both_kinds_in_one_frame_are_accuracies_and_each_has_its_note(made_up, trained):
    both = pd.concat([made_up.frame(), trained.frame()])
    assert accuracy_label(both) == "accuracy"
    assert [len(untrained_notes(one.frame())) for one in (made_up, trained)] == [1, 0]
    assert error_label(study([0.1])) == "error (1 − validation accuracy)"  # made by hand
    assert SAID in populations(both, epochs=2, **RULES)["made-up"].note


def test_verdicts_and_set_ups_say_it(made_up, trained):
    frame = made_up.frame()
    verdict = compare(frame, frame.assign(study="other"), draws=100, **RULES).verdict
    assert f"made-up: {SAID}" in verdict
    assert SAID in setup(made_up)
    assert "images" not in setup(made_up)
    assert "training images of Fashion-MNIST, measured on validation images" in setup(trained)


@pytest.mark.parametrize("what", ["trials", "epochs"])
def test_an_exported_frame_says_it_in_each_row(what, url, tmp_path):
    file = tmp_path / f"{what}.csv"
    command = ["export-frame", "made-up", str(file), "--what", what, "--storage", url]
    assert main(command) == 0
    assert set(pd.read_csv(file)["objective"]) == {"synthetic"}
