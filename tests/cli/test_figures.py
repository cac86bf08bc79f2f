"""Figures of characters: for 80 columns, a pipe, and NO_COLOR."""

import os
import pty
import subprocess
import sys
from contextlib import suppress

import pytest
from plotille import Canvas
from populous import write_study

from nas.cli.app import main
from nas.cli.figures import _with_axes, curves_figure, front_figure
from nas.quantity import count
from nas.study.reader import open_study


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('terminal')}/nas.db"
    write_study(url, "s", trials=60, epochs=6)
    write_study(url, "none", trials=0)
    write_study(url, "interrupted", trials=1, epochs=6)
    return url


def lines(text):
    return text.plain.splitlines()


def test_the_front_has_a_sign_for_each_kind_of_trial(url):
    study = open_study(url, "s")
    *drawn, legend = lines(front_figure(study, 80))
    cells = "".join(drawn[1:])
    assert 1 <= cells.count("●") <= len(study.front())
    assert cells.count("o") and cells.count("·")
    assert legend.startswith("● Pareto front")
    labels = drawn[-1].split()
    assert labels[0] == count(study.frame()["macs"].min())
    assert labels[-1] == count(study.frame()["macs"].max())


def test_curves_are_those_of_the_best_trials(url):
    study = open_study(url, "s")
    *drawn, legend = lines(curves_figure(study, 80, most=3))
    assert legend == "   ".join(f"{k} trial {n}" for k, n in enumerate(study.best(3)["number"], 1))
    assert "".join(drawn[1:-2]).count("1") >= 6  # a sign for each of its epochs
    assert drawn[-1].split() == ["1", "6"]  # no epoch is half-way between


@pytest.mark.parametrize("width", [40, 80, 100])
@pytest.mark.parametrize("figure", [front_figure, curves_figure])
def test_no_line_is_wider_than_it_may_be(url, figure, width):
    drawn = lines(figure(open_study(url, "s"), width))[1:-1]  # without title and legend
    assert max(map(len, drawn)) <= width
    assert all(line == line.rstrip() for line in drawn)


def test_a_figure_with_nothing_to_draw_says_why(url):
    none, interrupted = open_study(url, "none"), open_study(url, "interrupted")
    assert front_figure(none, 80).plain == "No trial was measured yet: there is no front to draw."
    assert "No trial was trained in full yet" in curves_figure(none, 80).plain
    assert len(lines(front_figure(interrupted, 80))) > 10  # one point
    assert "No trial was trained in full yet" in curves_figure(interrupted, 80).plain


def on_a_terminal(arguments, **environment):
    """What ``nas`` writes to a terminal of 80 columns."""
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "nas", *arguments],
        stdout=writer,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80", **environment},
    )
    os.close(writer)
    written = b""
    with suppress(OSError), os.fdopen(reader, "rb", buffering=0) as terminal:  # EIO at the end
        while part := terminal.read(65536):
            written += part
    assert process.wait() == 0
    return written.decode()


def test_a_terminal_gets_colours_unless_NO_COLOR_is_set(url):  # noqa: N802
    show = ["show", "s", "--storage", url]
    assert "\x1b[32m●" in on_a_terminal(show)
    plain = on_a_terminal(show, NO_COLOR="1")
    assert "●" in plain and "\x1b[3" not in plain


def test_show_draws_both_in_a_pipe_of_80_columns(url, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["show", "s", "--storage", url]) == 0
    printed = capsys.readouterr().out
    assert "synthetic accuracy against multiply-accumulates" in printed
    assert "synthetic accuracy by epoch of the best trials" in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize("name", ["[red]x[/nope]", "[/]", "a[b", "\\[x]"])
def test_a_study_may_be_named_like_markup(name, tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/nas.db"
    write_study(url, name, trials=6, epochs=2, pruned=0)
    assert main(["show", name, "--storage", url]) == 0
    assert f"The best of {name}" in capsys.readouterr().out
    assert main(["studies", "--storage", url]) == 0


def test_axes_are_labelled_where_the_rows_and_the_ends_of_the_data_are():
    canvas = Canvas(30, 14, mode="names", xmin=-0.1, xmax=2.1, ymin=0.0, ymax=0.7)
    drawn = lines(_with_axes(canvas, "title", "{:.2f}".format, "legend"))
    middles = {1: "62.50 %", 4: "47.50 %", 7: "32.50 %", 10: "17.50 %", 13: "2.50 %"}
    rows = [f"{middles.get(row, ''):>8} │" for row in range(14)]  # each is 5 % high
    below = ["         └" + 30 * "─", "          0.00         1.00         2.00"]
    assert drawn == ["title", *rows, *below, "legend"]
