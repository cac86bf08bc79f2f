"""Commands that are printed lead back: a real shell runs them."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nas.cli.app import main
from nas.study.reader import open_study
from nas.study.shell import (
    install_command,
    nas_command,
    needs_password,
    program,
)
from nas.study.storage_url import DEFAULT_STORAGE, without_password

NAMES = ["it's mine", "-x", '100 % $HOME `id` "q" \\', "Größe ☃", "a;b&c|d", "*", "a\x1b\nb"]
SECRET = "postgresql+psycopg://me:pass%20word@host/db?sslpassword=hidden&connect_timeout=3"


@pytest.mark.parametrize("name", NAMES)
def test_a_shell_takes_every_name_for_one_word(name, tmp_path):
    """As an argument, an option and a storage; ``nas`` is a program that tells its arguments."""
    nas = tmp_path / "nas"
    nas.write_text(f"#!{sys.executable}\nimport sys\nprint(ascii(sys.argv[1:]))\n")
    nas.chmod(0o755)
    command = nas_command("show", name, study=name, storage=f"sqlite:///{name}", here=False)
    told = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    option = [f"--study={name}"] if name.startswith("-") else ["--study", name]
    rest = [*option, "--storage", f"sqlite:///{name}"]
    expected = ["show", *rest, "--", name] if name.startswith("-") else ["show", name, *rest]
    assert told == ascii(expected)


@pytest.mark.parametrize("name", NAMES[:-1])
def test_a_printed_command_finds_the_study_of_a_hostile_name_and_path(
    name, searched, tmp_path, monkeypatch
):
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    folder = tmp_path / "it's 100 % $HOME"
    folder.mkdir()
    url = searched(f"sqlite:///{folder}/a b.db", name)
    words = shlex.split(nas_command("show", name, storage=url))
    assert main(words[1:] if words[0].endswith("nas") else words[3:]) == 0


def test_a_real_shell_runs_the_command_of_this_program(searched, tmp_path):
    url = searched(f"sqlite:///{tmp_path}/it's a b%.db", "-x y")
    done = subprocess.run(
        ["sh", "-c", nas_command("check", "-x y", storage=url)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout == "-x y: all is well\n"


def test_the_storage_is_named_where_the_command_would_take_another_one(monkeypatch):
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    assert "--storage" not in nas_command("show", "s")
    assert "--storage sqlite:///b.db" in nas_command("show", "s", storage="sqlite:///b.db")
    monkeypatch.setenv("NAS_STORAGE", "sqlite:///b.db")
    assert "--storage" not in nas_command("show", "s", storage="sqlite:///b.db")
    assert "--storage sqlite:///nas.db" in nas_command("show", "s")
    assert "--storage" in nas_command("show", "s", storage="sqlite:///b.db", here=False)


def test_a_password_is_in_no_command_and_what_has_it_is_said(monkeypatch):
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    plain = "postgresql+psycopg://me@host/db?connect_timeout=3"
    assert without_password(SECRET) == plain
    assert plain in nas_command("show", "s", storage=SECRET)
    assert needs_password(SECRET)
    assert not needs_password(plain)
    monkeypatch.setenv("NAS_STORAGE", SECRET)
    assert not needs_password(SECRET)
    assert "--storage" not in nas_command("show", "s", storage=SECRET)


def test_an_extra_is_installed_into_this_environment():
    python, *rest = shlex.split(install_command("postgres"))
    assert Path(python).absolute() == Path(sys.executable)
    assert rest == ["-m", "pip", "install", "nas[postgres]"]


def test_a_file_of_two_studies_names_a_command_that_exports_one(
    searched, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    url = searched(f"sqlite:///{tmp_path}/two of them.db", "a b")
    searched(url, "c")
    assert main(["import-study", f"{tmp_path}/two of them.db"]) == 2
    command = capsys.readouterr().err.partition("of its own: ")[2].strip()
    subprocess.run(["sh", "-c", command], check=True, capture_output=True)
    assert len(open_study(f"sqlite:///{tmp_path}/out.sqlite", "a b").frame()) == 10


# --- line by line ---


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """A working directory of ours, and no environment of a user."""
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_options_are_spelled_as_the_command_line_has_them(elsewhere):
    assert nas_command("db upgrade", here=False) == "nas db upgrade"
    assert nas_command("search", time_budget="9m", resume=True, seed=0, here=False) == (
        "nas search --time-budget 9m --resume --seed 0"
    )
    assert nas_command("search", resume=False, grace=None, here=False) == "nas search"
    assert nas_command("search", grace=None, seed=0, here=False) == "nas search --seed 0"
    assert nas_command("show", "a", "b", rows=-1, here=False) == "nas show a b --rows=-1"
    assert nas_command("show", "a", "-b", rows=2, here=False, storage="sqlite:///x.db") == (
        "nas show --rows 2 --storage sqlite:///x.db -- a -b"
    )
    assert nas_command("show", "a\tb", here=False) == r"nas show $'\x61\x09\x62'"


def test_the_default_storage_is_not_named():
    assert DEFAULT_STORAGE == "sqlite:///nas.db"
    assert nas_command("show", storage="sqlite:///nas.db", here=False) == "nas show"


def test_the_environment_of_another_reader_is_not_ours(elsewhere, monkeypatch):
    monkeypatch.setenv("NAS_STORAGE", "sqlite:///b.db")
    assert nas_command("show", here=False) == "nas show"
    assert nas_command("show", storage="sqlite:///b.db", here=False) == (
        "nas show --storage sqlite:///b.db"
    )


def script(folder):
    """A program ``nas`` beside a ``python`` in the folder; the path of the latter."""
    folder.mkdir(exist_ok=True)
    (folder / "nas").write_text("#!/bin/sh\n")
    (folder / "nas").chmod(0o755)
    return str(folder / "python")


def test_this_program_is_called_as_the_users_shell_finds_it(elsewhere, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(elsewhere / "bare" / "python"))
    assert program() == [f"{elsewhere}/bare/python", "-m", "nas"]  # no script beside it
    monkeypatch.setattr(sys, "executable", script(elsewhere / "bin"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == ["bin/nas"]
    script(elsewhere / "other")
    monkeypatch.setenv("PATH", f"{elsewhere}/other")
    assert program() == ["bin/nas"]  # the other one is another program
    monkeypatch.setenv("PATH", f"{elsewhere}/bin")
    assert program() == ["nas"]
    monkeypatch.chdir(elsewhere / "other")
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == [f"{elsewhere}/bin/nas"]  # not below the working directory
    assert nas_command("show", "s") == f"{elsewhere}/bin/nas show s"
    assert install_command("postgres") == (f"{elsewhere}/bin/python -m pip install 'nas[postgres]'")


@pytest.mark.parametrize(
    ("url", "less"),
    [
        ("sqlite:///a b.db", "sqlite:///a b.db"),
        ("postgresql://host/db?sslmode=require", "postgresql://host/db?sslmode=require"),
        ("postgresql://me:x@host/db", "postgresql://me@host/db"),
        ("postgresql://host/db?password=x&sslmode=require", "postgresql://host/db?sslmode=require"),
        ("postgresql://me:@host/db", "postgresql://me@host/db"),
    ],
)
def test_a_url_loses_its_password_alone(url, less, elsewhere, monkeypatch):
    assert without_password(url) == less
    assert needs_password(url) == (url != less)
    monkeypatch.setenv("NAS_STORAGE", url)
    assert not needs_password(url)
    monkeypatch.setenv("NAS_STORAGE", less)
    assert not needs_password(url)  # the user's own environment leads there
