"""What is printed can be read on every encoding, and no text of others is obeyed by a terminal."""

import io
import sys

import pytest
from optuna.trial import create_trial
from rich.table import Table
from rich.text import Text
from study_factory import write_study
from typer.main import get_command

from nas.cli.app import app, main
from nas.cli.console import SPELLED, Console, plain, say
from nas.cli.view import LiveView
from nas.search.machine import Machine
from nas.search.resolving import resolve
from nas.text import one_line, visible

ENCODINGS = ["ascii", "latin-1", "cp1252", "cp437", "utf-8"]
ILL = "a\x1b]52;c;cm0=\x07\x1b[2J\x9b31m\u202eb\u2066\rc\td"
SHOWN = r"a\u001b]52;c;cm0=\u0007\u001b[2J\u009b31m\u202eb\u2066\rc\td"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('console')}/nas.db"
    write_study(url, "é – 文 😀", trials=30, epochs=4)
    return url


@pytest.fixture
def terminal(monkeypatch):
    """``terminal(encoding)``: standard output and error of that encoding, as Python makes them."""

    def make(encoding):
        made = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in "oe"]
        monkeypatch.setattr(sys, "stdout", made[0])
        monkeypatch.setattr(sys, "stderr", made[1])
        return made

    return make


def written(stream):
    stream.flush()
    return stream.buffer.getvalue().decode(stream.encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_command_prints_on_every_encoding(encoding, url, terminal, monkeypatch):
    monkeypatch.setenv("NAS_STORAGE", url)
    for arguments, code in [
        (["studies"], 0),
        (["spaces", "--schema"], 0),
        (["show", "é – 文 😀"], 0),
        (["show", "é – 文 😀", "--provenance"], 0),
        (["check", "é – 文 😀"], 0),
        (["cost", "resnet18"], 0),
        (["show", "é – 文 😀 ×"], 2),
        (["cost", "resnet18", "--input", "…"], 2),
        (["search", "--space", "é"], 2),
        *([(["spaces"], 0), (["space", "info", "resnext"], 0)] if encoding == "ascii" else []),
    ]:
        out, err = terminal(encoding)
        assert main(arguments) == code, arguments
        assert written(err if code else out), arguments
        if code:
            assert written(err).count("\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_every_help_page_prints_on_every_encoding(encoding, terminal):
    def pages(command, path=()):
        yield path
        for name, inner in getattr(command, "commands", {}).items():
            yield from pages(inner, (*path, name))

    for path in pages(get_command(app)):
        out, _ = terminal(encoding)
        assert main([*path, "--help"]) == 0
        assert "Usage: nas" in written(out)


def test_figures_and_tables_are_readable_in_ascii(url, terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    out, _ = terminal("ascii")
    assert main(["show", "é – 文 😀", "--storage", url]) == 0
    printed = written(out)
    assert "| trial | synthetic accuracy | epochs |" in printed
    assert "* Pareto front   o trained in full   . stopped early" in printed
    assert r"The best of \xe9 - \u6587 \U0001f600" in printed
    curves = printed.split("by epoch of the best trials\n")[1]
    assert curves.count("1") > 4 and set(curves) & set("':.")
    assert "\\u28" not in printed  # no dot of a curve is spelled out


def test_the_live_view_of_a_search_is_drawn_in_ascii():
    config = resolve({"trials": 4, "epochs": 2}, None, Machine(cpus=2, gpus=0))
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=SPELLED)
    console = Console(file=out, force_terminal=True, width=80, highlight=False)
    with LiveView(console, config, None) as view:
        view.reused(3, create_trial(value=0.5))
        view.line("trial 4 failed: ×…", "red")
    assert "trial    3  reused" in written(out)
    assert "trial 4 failed: x..." in written(out)


@pytest.mark.parametrize(
    "show",
    [
        lambda console: console.print(ILL, markup=False),
        lambda console: console.print(Text(ILL)),
        lambda console: console.print(ILL, style="red", soft_wrap=True),
        lambda console: console.print(table(ILL)),
        lambda console: console.print(table(plain(ILL))),
        lambda console: console.print(Table("name", title=ILL, min_width=200)),
    ],
)
def test_the_console_shows_what_a_terminal_would_obey(show):
    out = io.StringIO()
    show(Console(file=out, width=300))
    # Rich itself drops a bell and a carriage return, and spreads tabs
    head, tail = r"a\u001b]52;c;cm0=", r"\u001b[2J\u009b31m\u202eb\u2066"
    assert head in out.getvalue() and tail in out.getvalue()
    assert all(sign == "\n" or sign.isprintable() for sign in out.getvalue())


def table(cell):
    made = Table("name")
    made.add_row(cell)
    return made


def test_a_name_is_not_cut_because_it_had_to_be_escaped():
    out = io.StringIO()
    Console(file=out, width=300).print(table(ILL))
    assert SHOWN in out.getvalue()


def test_colours_of_our_own_are_kept():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", highlight=False)
    console.print("a\x1b[5mb", style="red", markup=False)
    assert out.getvalue() == "\x1b[31ma\\u001b[5mb\x1b[0m\n"


def test_a_line_is_said_as_it_is(capsys):
    say("[bold] :smile: " + "x" * 300 + "\nnext")
    assert capsys.readouterr().out == "[bold] :smile: " + "x" * 300 + "\nnext\n"


def test_sentences_are_broken_between_words_where_a_terminal_ends(capsys, monkeypatch):
    said = "the difference lies between -12.34 and +56.78 points"
    say(said, sentences=True)
    assert capsys.readouterr().out == f"{said}\n"  # no terminal
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "30")
    say(said, sentences=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in lines] == ["the difference lies between", said[28:]]


@pytest.mark.parametrize("command", ["show", "check", "export-frame", "report"])
def test_a_refusal_repeats_no_escape_sequence(command, url, capsys):
    rest = {"export-frame": ["a.csv"], "report": ["-o", "a.html"]}
    assert main([command, ILL, *rest.get(command, []), "--storage", url]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("nas: there is no study") and printed.count("\n") == 1
    assert printed[:-1].isprintable()


def test_text_is_shown_in_lines_or_in_one():
    assert visible(ILL) == SHOWN
    assert visible("é 文 😀 – ×") == "é 文 😀 – ×"
    assert visible("a\nb\u2028", lines=True) == "a\nb\\u2028"
    assert visible("a\nb") == r"a\nb"
    assert one_line("a\r\n b\x1b") == r"a b\u001b"
    assert visible("\udcff") == r"\udcff"


def test_a_name_that_is_no_text_is_refused(url, capsys):
    assert main(["show", "\udcff", "--storage", url]) == 2
    assert capsys.readouterr().err == (
        "nas: study '\\udcff' is not text in this terminal's encoding\n"
    )
