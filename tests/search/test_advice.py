"""What is said of a space that is used up, before and after a search."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from nas.search.advice import print_ending, print_header
from nas.search.machine import Machine
from nas.search.plan import prepare
from nas.study.policies import POLICIES

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


@pytest.mark.parametrize(("trials", "warned"), [(4, False), (5, True), (12, True)])
def test_trials_beyond_the_number_of_networks_are_said_at_the_start(plan, trials, warned):
    line = "the space has 4 networks: no more than these are trained"
    assert (line in said(print_header, plan(trials=trials))) == warned


def test_a_number_of_networks_that_is_not_known_is_not_said(plan):
    assert "no more than" not in said(print_header, plan(space="resnext", trials=10_000))


def test_an_exhausted_space_is_the_reason_that_the_search_ended(plan):
    tried = "all 4 networks have been tried"
    lines = said(print_ending, plan(trials=12), None, 1.0, exhausted=tried, trials=4, best=True)
    assert "The space is exhausted (1s): all 4 networks have been tried." in lines
    assert "--trials" not in lines  # more would bring nothing
    assert "All 12 trials" not in lines


def test_more_trials_are_advised_than_the_study_has(plan):
    """Also where an earlier call asked for more than this one."""
    ending = {"exhausted": None, "best": False}
    assert "--trials 88" in said(print_ending, plan(trials=10), None, 1.0, trials=44, **ending)


def test_every_policy_is_documented():
    row = next(
        line
        for line in (Path(__file__).parents[2] / "docs/frames.md").read_text().splitlines()
        if line.startswith("| `policy`")
    )
    assert all(f"{policy} ({meaning})" in row for policy, meaning in POLICIES.items())
