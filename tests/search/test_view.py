"""The lines that a person sees of a search, and which trial they call the best."""

from io import StringIO

import pytest
from rich.console import Console

from nas.architecture import Architecture, Stage, Stem
from nas.cost import cost
from nas.search.config import resolve
from nas.search.machine import Machine
from nas.search.searcher import Job
from nas.search.view import LinesView


@pytest.fixture
def view():
    config = resolve({"trials": 3, "epochs": 4}, None, Machine(cpus=2, gpus=0))
    console = Console(file=StringIO(), width=200)
    view = LinesView(console, config, None)
    view.said = lambda: console.file.getvalue().splitlines()
    return view


def job(number, attempt=1):
    network = Architecture(Stem(8), (Stage("basic", 1, 8),))
    return Job(number, attempt, network, cost(network), {}, None)


def run(view, one, *accuracies, state="complete", reason=None):
    view.started(one)
    for epoch, accuracy in enumerate(accuracies, 1):
        view.measured(one, {"epoch": epoch, "val_accuracy": accuracy})
    view.ended(one, state, reason)


def test_the_best_is_the_first_of_the_most_accurate_that_were_completed(view):
    run(view, job(0), 0.9, 0.5)
    run(view, job(1), 0.7)
    run(view, job(2), 0.7)
    run(view, job(3), 0.99, state="pruned")
    assert view.best[0] == 0.7
    assert view.best[1].number == 1
    assert view.running == {}
    assert view.status().startswith("3 complete, 1 pruned  ·  best 70.00 % (trial 1: ")


@pytest.mark.parametrize("state", ["failed", "died", "interrupted"])
def test_a_line_says_how_a_trial_ended_and_the_first_line_of_why(view, state):
    run(view, job(7), 0.5, state=state, reason="no memory\nFile x.py")
    (line,) = view.said()
    assert line.startswith(f"trial    7  {state:<11}  ")
    assert " after 1 epoch " in line
    assert line.endswith("no memory") == (state != "interrupted")
    assert view.counts == {state: 1}
    assert view.best is None
