"""What is said before and after a search: how much there is, and whether a space is used up."""

import io

import pytest
from rich.console import Console

from nas.cli.advice import print_ending, print_header
from nas.search.machine import Machine
from nas.search.plan import prepare
from nas.search.run import Outcome

FOUR = """
name: four
stem: {width: 8}
each_stage: {block: basic, width: 8, stride: 2, depth: {int: [1, 2]}}
stages: [{}, {}]
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "four.yaml").write_text(FOUR)

    def prepared(**options):
        storage = f"sqlite:///{tmp_path}/nas.db"
        given = {"space": str(tmp_path / "four.yaml"), "storage": storage, **options}
        return prepare({"objective": "synthetic", **given}, Machine(cpus=2, gpus=0))

    return prepared


def said(print_, *arguments, **options):
    text = io.StringIO()
    print_(Console(file=text, width=200), *arguments, **options)
    return text.getvalue()


def ending(plan, trials, exhausted=None):
    return said(print_ending, Outcome(plan, None, exhausted, 1.0), trials=trials, best=True)


def test_one_of_each_is_said_in_the_singular(plan):
    one = plan(trials=1, epochs=1)
    assert "1 trial of up to 1 epoch" in said(print_header, one)
    assert "1 trial ended (1s). For more:" in ending(one, 1)


def test_several_are_said_in_the_plural(plan):
    two = plan(trials=2, epochs=2)
    assert "2 trials of up to 2 epochs" in said(print_header, two)
    assert "All 2 trials ended (1s). For more:" in ending(two, 2)


@pytest.mark.parametrize(("trials", "warned"), [(4, False), (5, True), (12, True)])
def test_trials_beyond_the_number_of_networks_are_said_at_the_start(plan, trials, warned):
    line = "the space has 4 networks: no more than these are trained"
    assert (line in said(print_header, plan(trials=trials))) == warned


def test_a_number_of_networks_that_is_not_known_is_not_said(plan):
    assert "no more than" not in said(print_header, plan(space="resnext", trials=10_000))


def test_an_exhausted_space_is_the_reason_that_the_search_ended(plan):
    lines = ending(plan(trials=12), 4, exhausted="all 4 networks have been tried")
    assert "The space is exhausted (1s): all 4 networks have been tried." in lines
    assert "--trials" not in lines  # more would bring nothing
    assert "trials ended" not in lines


def test_more_trials_are_advised_than_the_study_has(plan):
    """Also where an earlier call asked for more than this one."""
    assert "--trials 88" in ending(plan(trials=10), 44)
