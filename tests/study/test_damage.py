"""A database that somebody else wrote: nothing in it breaks a command, or hides another study."""

import shutil
import sqlite3
from contextlib import closing

import pandas as pd
import pytest
from populous import write_study

from nas.command_line import main
from nas.errors import NasError
from nas.study import tables
from nas.study.damage import OPTUNA
from nas.study.progress import Progress
from nas.study.reader import open_study

ILL = "\x1b]52;c;cm0=\x07\x9b2J\u202e\u2066\t\r\nnas: all is well"
DEEP = "[" * 100_000 + "]" * 100_000
VALUES = [ILL, "", "12", None, b"\xff\x00\x1b", DEEP, "[" * 900 + "]" * 900, "{}", '"x"', "NaN",
          -1, 0, 2**63 - 1, 1e300, 9e999, "2026-02-31 00:00:00", "9" * 5000]  # fmt: skip
EXPECTED = {name: list(OPTUNA.tables[name].columns.keys()) for name in OPTUNA.tables} | {
    table.name: list(table.columns.keys())
    for table in tables.metadata.sorted_tables
    if "study_id" in table.columns
}
OF_BAD = "(SELECT study_id FROM kept WHERE study_name = 'bad')"


@pytest.fixture(scope="module")
def loose(tmp_path_factory):
    """Two studies in tables without any constraint: each column takes everything."""
    file = tmp_path_factory.mktemp("damage") / "nas.db"
    for name in ("good", "bad"):
        write_study(f"sqlite:///{file}", name, trials=5, epochs=2, pruned=0)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("PRAGMA journal_mode=DELETE; DROP VIEW nas_trials")
        connection.execute(
            "INSERT INTO nas_evaluations SELECT study_id, 0, '{}', 0.5, 0.5, 0.5, created "
            "FROM nas_studies"
        )
        connection.execute(
            "INSERT INTO nas_latencies SELECT study_id, key, 'cpu', 1, 1, 0.5, "
            "'2026-01-01 00:00:00.000000' FROM nas_architectures"
        )
        for name in EXPECTED:
            connection.executescript(
                f"CREATE TABLE copied AS SELECT * FROM {name}; DROP TABLE {name}; "
                f"ALTER TABLE copied RENAME TO {name}"
            )
        connection.execute("CREATE TABLE kept AS SELECT study_id, study_name FROM studies")
        connection.execute(tables.trials_view("sqlite"))
        connection.commit()
    return file


def broken(loose, statement, *values):
    """The URL of a copy in which the statement was carried out."""
    file = loose.with_name("broken.db")
    shutil.copyfile(loose, file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(statement, values)
        connection.commit()
    return f"sqlite:///{file}"


def printed(capsys):
    found = capsys.readouterr()
    for part in found:
        assert all(sign == "\n" or sign.isprintable() for sign in part), part[:500]
    return found


def tried(url, capsys, code=(0, 1, 2)):
    """What commands say of the bad study; the good one is shown whatever that is."""
    assert main(["studies", "--storage", url]) == 0
    listed = printed(capsys).out
    assert "good" in listed
    assert "good" in list(Progress(url).read()["study"])
    shown = main(["show", "bad", "--storage", url])
    said = printed(capsys)
    assert shown in code and (shown == 0 or said.err.count("\n") == 1), said
    checked = main(["check", "bad", "--storage", url])
    assert checked in code and (checked != 2 or printed(capsys).err.count("\n") == 1)
    found = printed(capsys)
    return listed, shown, said, checked, found


@pytest.mark.parametrize("table", EXPECTED)
def test_no_value_in_any_column_breaks_a_command_or_hides_a_study(table, loose, capsys):
    good = open_study(f"sqlite:///{loose}", "good").frame()
    where = f"study_id = {OF_BAD}"
    if "study_id" not in EXPECTED[table]:
        where = f"trial_id IN (SELECT trial_id FROM trials WHERE study_id = {OF_BAD})"
    for column in EXPECTED[table]:
        for value in VALUES:
            url = broken(loose, f"UPDATE {table} SET {column} = ? WHERE {where}", value)
            tried(url, capsys)
            for read in ("frame", "epochs", "attempts", "latencies", "devices"):
                try:
                    getattr(open_study(url, "bad"), read)()
                except NasError:
                    break
        pd.testing.assert_frame_equal(open_study(url, "good").frame(), good)
