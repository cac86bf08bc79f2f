"""``nas compare`` and ``nas narrow`` from end to end, with the synthetic objective."""

import re
import subprocess
import sys

import pandas as pd
import pytest

from nas.cli.app import main
from nas.populations.comparing import sides_of, title_of
from nas.space import SearchSpace
from nas.study.check import violations
from nas.study.reader import open_study, studies

SPACE = """\
name: {name}
stem: {{kernel: 3, stride: 1, width: 8}}
each_stage:
  {{block: basic, depth: {{int: [1, 4]}}, stride: 2, residual: {{choice: [true, false]}}}}
stages:
  - {{width: {{choice: [8, 16, 24, 32]}}}}
  - {{width: {{choice: {widths}}}}}
tie: [residual]
"""
OPTIONS = ["--objective", "synthetic", "--models", "24", "--epochs", "2"]


def nas(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "nas", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    (folder / "wide.yaml").write_text(SPACE.format(name="wide", widths="[48, 64, 96]"))
    (folder / "any.yaml").write_text(SPACE.format(name="any", widths="[8, 12, 16, 20, 24]"))
    done = nas(folder, "compare", "wide.yaml", "any.yaml", *OPTIONS)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "said").write_text(done.stdout)
    return folder


def url(folder):
    return f"sqlite:///{folder}/nas.db"


def test_a_comparison_says_which_space_is_better_and_how_sure_that_is(folder):
    said = " ".join((folder / "said").read_text().split())
    assert "wide is better than any: a network of it is the better one with probability" in said
    assert "At a margin of 0.5 points and an error rate of 5 %, wide is better than any" in said
    assert re.search(r"\(n = 24 \+ 24( draws of \d+ \+ \d+ networks)?, 2 epochs; wide: ", said)
    assert "wide: The objective is synthetic: no network was trained" in said
    assert "training images" not in said


def test_a_space_whose_name_is_a_path_leads_into_no_other_folder(tmp_path):
    (tmp_path / "a.yaml").write_text(SPACE.format(name="../../up/here", widths="[8, 16]"))
    (tmp_path / "b.yaml").write_text(SPACE.format(name="b", widths="[8, 24]"))
    given = {"spaces": [f"{tmp_path}/{one}.yaml" for one in "ab"], "objective": "synthetic"}
    assert title_of(sides_of(given)) == "_.._up_here-vs-b"
    given = {"spaces": given["spaces"][:1], "flip": "residual", "objective": "synthetic"}
    assert title_of(sides_of(given)) == "_.._up_here-vs-residual"


def test_a_comparison_writes_its_verdict_table_and_figures(folder):
    made = {path.name for path in (folder / "wide-vs-any").iterdir()}
    assert made >= {"verdict.md", "table.csv", "edf.svg", "edf.png", "efficiency.svg"}
    table = pd.read_csv(folder / "wide-vs-any" / "table.csv")
    assert {"P(A better)", "Kolmogorov–Smirnov", "difference of medians"} <= set(table["measure"])


def test_both_populations_are_random_and_drawn_independently(folder):
    frames = [open_study(url(folder), study).frame() for study in studies(url(folder))["study"][:2]]
    for frame in frames:
        assert set(frame["policy"]) <= {"random", "reused"}
        assert (frame["state"] == "COMPLETE").all()
        assert len(frame) == 24
    depths = [list(frame["stages.0.depth"]) for frame in frames]
    assert depths[0] != depths[1]


def test_the_same_command_again_trains_nothing_and_says_the_same(folder, monkeypatch, capfd):
    before = studies(url(folder))
    recipe = "spaces: [wide.yaml, any.yaml]\nmodels: 24\nepochs: 2\nobjective: synthetic\n"
    (folder / "recipe.yaml").write_text(recipe)
    monkeypatch.chdir(folder)
    assert main(["compare", "--config", "recipe.yaml", "--quiet"]) == 0
    assert capfd.readouterr().out.strip() in (folder / "said").read_text()
    pd.testing.assert_frame_equal(studies(url(folder)), before)


def test_a_flip_compares_networks_that_are_equal_in_all_else(folder):
    options = [*OPTIONS, "--flip", "residual", "--band", "macs=:8M"]
    done = nas(folder, "compare", "any.yaml", *options)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "Flipping residual: false → true changes synthetic accuracy: +" in said
    frame = open_study(url(folder), "any-macs-:8M-flip-residual-2ep".replace(":", "-")).frame()
    assert len(frame) == 48
    assert (frame["macs"] <= 8_000_000).all()


def test_narrowing_proposes_writes_trains_and_judges(folder, monkeypatch):
    done = nas(folder, "narrow", "any.yaml", "--study", "any-2ep", "-o", "child.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "What would make any (" in said
    assert "At a margin of 0.5 points and an error rate of 5 %" in said
    parent, child = SearchSpace.load(folder / "any.yaml"), SearchSpace.load(folder / "child.yaml")
    assert child.size() < parent.size()
    assert child.to_dict()["parent"]["hash"] == parent.hash
    made = open_study(url(folder), f"{child.name}-2ep")
    assert len(made.frame()) == 24
    assert violations(made) == []
    monkeypatch.chdir(folder)
    next_step = main(["narrow", "child.yaml", "--study", made.name, "--models", "0"])
    assert next_step in (0, 1)  # 1: nothing smaller is supported


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("compare any.yaml", "1 design spaces were given"),
        ("compare any.yaml any.yaml", "accepted: two different design spaces"),
        ("compare any.yaml wide.yaml --flip residual", "2 design spaces were given"),
        ("compare any.yaml --flip residul", "did you mean residual?"),
        ("compare any.yaml --flip stages.0.depth --models 9", "4 values, too many for 9 pairs"),
        ("compare any.yaml wide.yaml --margin 0", "margin is 0; it must be greater than 0"),
        ("compare any.yaml anynetx_a", "images of different shapes"),
        ("compare any.yaml wide.yaml --band macs=8M:4M", "8M is above 4M"),
        ("compare any.yaml wide.yaml --band macs=1G:2G", "limits.macs.min"),
        ("compare any.yaml wide.yaml --models 2", "models is 2"),
        ("compare any.yaml wide.yaml --models many", "models is 'many'; it must be a whole number"),
        ("narrow wide.yaml --study any-2ep", "study 'any-2ep' is not of 'wide.yaml'"),
        ("narrow any.yaml --study any-2ep --take 99", "take is 99; accepted: 1 to"),
        ("narrow any.yaml --study any", "there is no study 'any'"),
        ("narrow any.yaml --study any-2ep -o said --models 0", "accepted endings: .yaml, .yml"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(folder, monkeypatch, capsys, command, message):
    monkeypatch.chdir(folder)
    before = studies(url(folder))
    (folder / "said").rename(folder / "kept")
    try:
        code = main([*command.split(), *(OPTIONS[:2] if command.startswith("compare") else [])])
    finally:
        (folder / "kept").rename(folder / "said")
    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert error.count("\n") == 1
    pd.testing.assert_frame_equal(studies(url(folder)), before)
