"""Figures of characters: for 80 columns, a pipe, and NO_COLOR."""

import io
import json
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress

import pandas as pd
import pytest
from plotille import Canvas
from rich.console import Console
from study_factory import write_study

from nas.cli.app import main
from nas.cli.best import print_best
from nas.cli.figures import _canvas, _epoch, _with_axes, curves_figure, front_figure
from nas.quantity import count
from nas.study.reader import open_study
from nas.study.store import StudyStore
from nas.summary import summary


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


# --- sign by sign, of a study written by hand ---


@pytest.fixture
def hand(by_hand):
    return open_study(f"sqlite:///{by_hand}", "hand")


ANSI = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")


def styled(text):
    """What has a colour, with it, in the order of lines."""
    return [
        (text.plain[span.start : span.end], ANSI[span.style.color.number]) for span in text.spans
    ]


def ranks(text):
    """The colour of each digit that is drawn."""
    return {sign: style for part, style in styled(text) for sign in part if sign.isdigit()}


@pytest.fixture
def coloured(monkeypatch):
    """As on a terminal that takes colours."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")


def test_the_front_is_drawn_where_costs_and_accuracies_are(hand, coloured):
    assert lines(front_figure(hand, 42)) == [
        "validation accuracy against multiply-accumulates per image, a log scale",
        "         │                              ·",
        " 57.04 % │",
        "         │ ·",
        "         │",
        " 42.92 % │",
        "         │",
        "         │",
        " 28.80 % │",
        "         │",
        "         │                     ·",
        " 14.68 % │              ●",
        "         │",
        "         │",
        "  0.56 % │              o",
        "         └" + 32 * "─",
        "          960k         2.09M         4.57M",
        "● Pareto front   o trained in full   · stopped early or running, accuracy then",
    ]
    assert styled(front_figure(hand, 42)) == [
        ("·", "yellow"),
        ("·", "yellow"),
        ("·", "yellow"),
        ("●", "green"),
        ("o", "cyan"),
    ]


def test_curves_are_drawn_epoch_by_epoch_in_the_colours_of_their_ranks(hand, coloured):
    drawn = lines(curves_figure(hand, 30))
    assert drawn == [
        "validation accuracy by epoch of the best trials",
        "         │ 1⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤1",
        " 11.45 % │",
        "         │",
        "         │",
        "  8.83 % │",
        "         │",
        "         │",
        "  6.21 % │",
        "         │",
        "         │",
        "  3.60 % │",
        "         │",
        "         │",
        "  0.98 % │ 2⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉2",
        "         └" + 20 * "─",
        "          1                  2",
        "1 trial 1   2 trial 0",
    ]
    assert ranks(curves_figure(hand, 30)) == {"1": "green", "2": "cyan"}


def test_five_curves_are_drawn_where_no_number_is_said_and_colours_come_again(
    helpers, tmp_path, coloured
):
    store = StudyStore(f"sqlite:///{tmp_path}/nas.db", "s", helpers.record, owner="a")
    for number in range(6):
        assert helpers.add(store, number + 1) == number
        attempt = store.attempts.start(number)
        for epoch in (1, 2, 3):
            store.record_epoch(number, attempt, helpers.result(epoch, 0.9 - 0.1 * number))
        store.end_attempt(number, attempt, "complete")
    store.close()
    study = open_study(f"sqlite:///{tmp_path}/nas.db", "s")
    assert lines(curves_figure(study, 80))[-1] == "   ".join(
        f"{number + 1} trial {number}" for number in range(5)
    )
    colours = ("green", "cyan", "magenta", "yellow", "blue", "green")
    assert ranks(curves_figure(study, 80, most=6)) == dict(zip("123456", colours, strict=True))


@pytest.mark.parametrize(
    ("x", "y", "limits"),
    [
        ([1.0, 3.0], [0.5, 0.7], (0.9, 3.1, 0.49, 0.71)),
        ([2.0], [0.5, 0.5], (1.9, 2.1, 0.475, 0.525)),  # one point, or one height
        ([-2.0], [0.0], (-2.1, -1.9, -0.05, 0.05)),
    ],
)
def test_there_is_room_around_the_data(x, y, limits):
    canvas = _canvas(80, pd.Series(x), pd.Series(y))
    assert (canvas.xmin, canvas.xmax, canvas.ymin, canvas.ymax) == pytest.approx(limits)
    assert (canvas.width, canvas.height) == (70, 14)


@pytest.mark.parametrize(("width", "cells"), [(10, 20), (30, 20), (31, 21)])
def test_a_figure_has_at_least_20_cells_in_a_row(width, cells):
    assert _canvas(width, pd.Series([1.0]), pd.Series([1.0])).width == cells


def test_a_place_between_two_epochs_has_no_label():
    places = (1.0, 1.009, 0.991, 1.011, 1.5, 12.0)
    assert [_epoch(place) for place in places] == ["1", "1", "1", "", "", "12"]


def test_labels_stand_left_centred_and_right_under_any_width():
    for width, centre in ((30, 24), (31, 25), (32, 25), (33, 26)):
        canvas = Canvas(width, 2, mode="names", xmin=0.0, xmax=1.1, ymin=0.0, ymax=1.0)
        names = iter("abc")
        drawn = lines(_with_axes(canvas, "t", lambda _, names=names: next(names), "l"))
        below = drawn[-2]
        assert (below.index("a"), below.index("b"), below.index("c")) == (10, centre, 9 + width)
        assert len(below) == 10 + width


def test_the_best_are_printed_with_the_network_of_the_winner(hand, helpers):
    console = Console(file=io.StringIO(), width=80, color_system="standard", force_terminal=True)
    assert print_best(console, hand) is True
    printed = console.file.getvalue()
    assert "\x1b[1mThe best of hand" in printed
    assert "\x1b[1mThe best of them, trial \x1b[0m" in printed
    console = Console(file=io.StringIO(), width=80, color_system=None)
    print_best(console, hand)
    table = str(summary(helpers.network(2))).splitlines()
    assert [line.rstrip() for line in console.file.getvalue().splitlines()] == [
        "",
        "The best of hand",
        "┏━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━┳━━━━━━━┳━━━━━━━┓",
        "┃ trial ┃ validation accuracy ┃ epochs ┃ params ┃  MACs ┃  time ┃",
        "┡━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━╇━━━━━━━╇━━━━━━━┩",
        "│     1 │             12.20 % │      2 │  2.55k │ 1.86M │ 4m03s │",
        "│     0 │              1.20 % │      2 │  2.55k │ 1.86M │   23s │",
        "└───────┴─────────────────────┴────────┴────────┴───────┴───────┘",
        "",
        "No network has learnt anything: 12.20 % is about what guessing one of 10 classes",
        "gives.",
        "",
        "The best of them, trial 1:",
        *(line.rstrip() for line in table),
        "",
    ]


def test_what_was_made_up_is_said_in_yellow_and_five_are_printed(url):
    console = Console(file=io.StringIO(), width=120, color_system="standard", force_terminal=True)
    assert print_best(console, open_study(url, "s"))
    printed = console.file.getvalue()
    assert "\n\x1b[33mThe objective is synthetic: no network was trained" in printed
    assert sum(line.startswith("│ ") for line in printed.splitlines()) == 5
    console = Console(file=io.StringIO(), width=120, color_system=None)
    assert print_best(console, open_study(url, "none")) is False
    last = console.file.getvalue().splitlines()[-1]
    assert last == "No trial of 'none' was trained in full yet."


def test_the_winners_rows_are_not_wrapped_and_a_name_is_no_markup(hand, helpers, tmp_path):
    console = Console(file=io.StringIO(), width=30, color_system=None)
    print_best(console, hand)
    assert str(summary(helpers.network(2))) in console.file.getvalue()
    write_study(f"sqlite:///{tmp_path}/nas.db", "[/]", trials=0)
    console = Console(file=io.StringIO(), width=80, color_system=None)
    assert not print_best(console, open_study(f"sqlite:///{tmp_path}/nas.db", "[/]"))
    assert "No trial of '[/]' was trained in full yet.\n" in console.file.getvalue()


def test_a_curve_of_one_epoch_is_a_digit_in_its_colour(by_hand, tmp_path, coloured):
    shutil.copyfile(by_hand, tmp_path / "nas.db")
    with closing(sqlite3.connect(tmp_path / "nas.db")) as connection:
        connection.execute("DELETE FROM nas_epochs WHERE epoch = 2")
        connection.commit()
    drawn = curves_figure(open_study(f"sqlite:///{tmp_path}/nas.db", "hand"), 40)
    assert ranks(drawn) == {"1": "green", "2": "cyan"}


def test_a_line_of_many_trials_is_shown_to_its_end_on_80_columns(tmp_path, monkeypatch, capsys):
    url = f"sqlite:///{tmp_path}/nas.db"
    write_study(url, "s", trials=40, epochs=2)
    with closing(sqlite3.connect(tmp_path / "nas.db")) as database, database:
        for number in range(1, 40):
            told = {"trial": number - 1, "key": "a" * 64, "epochs": 1, "sha256": "b" * 64}
            database.execute(
                "INSERT INTO trial_user_attributes (trial_id, key, value_json) "
                "SELECT trial_id, 'inherits', ? FROM trials WHERE number = ?",
                (json.dumps(told), number),
            )
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["show", "s#30", "--storage", url]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split("trial ")[1].split()[0] for line in shown] == [str(n) for n in range(40)]
