"""A database that somebody else wrote: nothing in it breaks a command, or hides another study."""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime

import pandas as pd
import pytest
from optuna.storages._rdb.models import BaseModel
from sqlalchemy import Enum, Float, Integer, create_engine, text
from study_factory import write_study

from nas.cli.app import main
from nas.errors import DamagedError
from nas.report.report import report
from nas.study.damage import (
    OPTUNA,
    TABLES,
    damage,
    read_json,
    read_mapping,
    read_time,
    refuse_views,
    strangers,
)
from nas.study.database import tables
from nas.study.exchange.transfer import export_study, import_study
from nas.study.progress import Progress
from nas.study.reader import open_study, studies

ILL = "\x1b]52;c;cm0=\x07\x9b2J\u202e\u2066\t\r\nnas: all is well"
DEEP = "[" * 100_000 + "]" * 100_000
# each column gets one that its type allows, and one of these in turn
WRONG = (None, DEEP, b"\xff\x00\x1b", ILL, 1e300, "2026-02-31 00:00:00")
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
        write_study(f"sqlite:///{file}", name, trials=4, epochs=2, pruned=0)
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
        connection.execute(
            "INSERT INTO nas_notes SELECT study_id, 0, 'look', '[]', created FROM nas_studies"
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


@pytest.mark.parametrize("turn", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("table", EXPECTED)
def test_no_value_in_any_column_breaks_a_command_or_hides_a_study(table, turn, loose, capsys):
    good = open_study(f"sqlite:///{loose}", "good").frame()
    where = f"study_id = {OF_BAD}"
    if "study_id" not in EXPECTED[table]:
        where = f"trial_id IN (SELECT trial_id FROM trials WHERE study_id = {OF_BAD})"
    for number, column in enumerate(EXPECTED[table]):
        values = [-1 if is_number(table, column) else ILL, WRONG[number % len(WRONG)]]
        value = values[(number + turn) % 2]
        url = broken(loose, f"UPDATE {table} SET {column} = ? WHERE {where}", value)
        tried(url, capsys)
    pd.testing.assert_frame_equal(open_study(url, "good").frame(), good)


def is_number(table, column):
    kind = (OPTUNA.tables | tables.metadata.tables)[table].columns[column].type
    return isinstance(kind, Float | Integer)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE nas_studies SET config = '{}'", "trials of its config is 'None'"),
        ("UPDATE nas_studies SET config = '[1]'", "its config is not a mapping"),
        (f"UPDATE nas_studies SET config = '{DEEP}'", "its config is not JSON"),
        (f"UPDATE nas_studies SET space = '{DEEP[99_000:101_000]}'", "its space is not JSON"),
        (
            f"UPDATE nas_studies SET provenance = '{DEEP[99_900:100_100]}'",
            "its provenance is nested more than 50 deep",
        ),
        ("UPDATE nas_studies SET created = 'soon'", "its time of creation is not a time: 'soon'"),
        (
            "UPDATE nas_studies SET config = json_set(config, '$.trials', 1e300)",
            "trials of its config is '1e+300'",
        ),
    ],
)
def test_a_bad_study_is_a_row_that_says_what_is_wrong(statement, said, loose, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    url = broken(loose, f"{statement} WHERE study_id = {OF_BAD}")
    listed, shown, printed_, checked, found = tried(url, capsys)
    (row,) = [line for line in listed.splitlines() if "bad" in line]
    assert f"damaged: {said}" in row
    frame = studies(url).set_index("study")
    assert frame.loc["bad", "problem"].startswith(said) and pd.isna(frame.loc["good", "problem"])
    progress = Progress(url).read().set_index("study")
    assert list(progress.loc[["good", "bad"], "state"]) == ["interrupted", "damaged"]
    assert shown == 2 and "study 'bad' is damaged: " in printed_.err
    assert checked == 1 and found.out.endswith("bad: 1 violation\n")


def test_every_column_that_is_wrong_is_a_violation(loose, capsys):
    url = broken(
        loose,
        "UPDATE nas_epochs SET seconds = 'fast', val_loss = 'low', epoch = 1.5 "
        f"WHERE study_id = {OF_BAD} AND trial = 1",
    )
    _, shown, said, checked, found = tried(url, capsys)
    assert (shown, checked) == (2, 1)
    assert said.err == (
        "nas: study 'bad' is damaged: nas_epochs.epoch has 2 values that are not whole numbers "
        "(and 2 more: nas check)\n"
    )
    assert found.out == (
        "nas_epochs.epoch has 2 values that are not whole numbers\n"
        "nas_epochs.val_loss has 2 values that are not numbers\n"
        "nas_epochs.seconds has 2 values that are not numbers\n"
        "bad: 3 violations\n"
    )


ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_view_in_place_of_a_table_is_refused_before_it_is_read(table, tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/nas.db"
    with closing(sqlite3.connect(tmp_path / "nas.db")) as connection:
        connection.executescript(
            "CREATE TABLE nas_version (version_num); INSERT INTO nas_version VALUES ('0002')"
            if table != "nas_version"
            else ""
        )
        connection.execute(f"CREATE VIEW {table.upper()} AS {ENDLESS}")
    said = f"nas: the study database has a view in place of the table {table.upper()}\n"
    for command in (
        ["studies"], ["show", "s"], ["check", "s"], ["search", "--study", "s"], ["db", "upgrade"],
    ):  # fmt: skip
        assert main([*command, "--storage", url]) in (1, 2)
        found = capsys.readouterr()
        assert said in found.err or said[5:] in found.out


def test_a_view_in_place_of_a_table_is_refused_in_postgresql(postgres_database):
    write_study(postgres_database, "s", trials=2, epochs=1)
    engine = create_engine(postgres_database)
    with engine.begin() as connection:
        connection.execute(text("DROP VIEW nas_trials"))
        connection.execute(text("DROP TABLE nas_latencies"))
        connection.execute(text(f"CREATE VIEW nas_latencies AS {ENDLESS}"))
    engine.dispose()
    for read in (studies, lambda url: open_study(url, "s"), Progress):
        with pytest.raises(DamagedError, match="a view in place of the table nas_latencies"):
            read(postgres_database)


def test_malformed_json_in_postgresql_is_a_violation(postgres_database, capsys):
    write_study(postgres_database, "s", trials=3, epochs=1, pruned=0)
    write_study(postgres_database, "good", trials=3, epochs=1)
    engine = create_engine(postgres_database)
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE trial_user_attributes SET value_json = '{' WHERE key = 'policy' AND "
                "trial_id = (SELECT MIN(trial_id) FROM trials)"
            )
        )
    engine.dispose()
    assert main(["check", "s", "--storage", postgres_database]) == 1
    assert "policy of trial 0 is not JSON" in capsys.readouterr().out
    assert main(["show", "s", "--storage", postgres_database]) == 2
    assert len(open_study(postgres_database, "good").frame()) == 3


def test_another_view_is_a_violation_and_not_read(loose, capsys):
    url = broken(loose, "DROP VIEW nas_trials")
    with closing(sqlite3.connect(loose.with_name("broken.db"))) as connection:
        connection.execute(f"CREATE VIEW nas_trials AS {ENDLESS}")
    _, shown, _, checked, found = tried(url, capsys)
    assert (shown, checked) == (0, 1)
    assert found.out.startswith("the view nas_trials is not the one that nas makes\n")


def test_a_trigger_is_a_violation(loose, capsys):
    url = broken(loose, 'CREATE TRIGGER "\x1b[2J" AFTER INSERT ON trials BEGIN SELECT 1; END')
    _, shown, _, checked, found = tried(url, capsys)
    assert (shown, checked) == (0, 1)
    assert "on the table trials, which nas did not make" in found.out


@pytest.mark.parametrize("table", ["nas_epochs", "trial_params", "nas_latencies", "studies"])
def test_a_table_or_column_that_is_missing_is_said(table, loose, capsys):
    for statement, said in (
        (f"DROP TABLE {table}", f"no such table: {table}"),
        (f"ALTER TABLE {table} RENAME TO other", f"no such table: {table}"),
    ):
        url = broken(loose, "SELECT 1")
        with closing(sqlite3.connect(loose.with_name("broken.db"))) as connection:
            connection.execute("DROP VIEW nas_trials")
            connection.execute(statement)
        assert main(["show", "bad", "--storage", url]) == 2
        assert said in printed(capsys).err
        assert main(["check", "bad", "--storage", url]) == 1
        assert said in printed(capsys).out
        assert main(["studies", "--storage", url]) in (0, 2)
        printed(capsys)


def test_what_is_damaged_is_not_imported(tmp_path, capsys):
    good, bad = tmp_path / "good.sqlite", tmp_path / "bad.sqlite"
    write_study(f"sqlite:///{tmp_path}/of.db", "bad", trials=4, epochs=2)
    export_study(f"sqlite:///{tmp_path}/of.db", "bad", good)
    target = f"sqlite:///{tmp_path}/nas.db"
    for statement, said in (
        ("UPDATE nas_studies SET config = '{}'", "is damaged: trials of its config"),
        ("UPDATE nas_epochs SET seconds = x'00'", "is damaged: nas_epochs.seconds"),
        ("UPDATE trial_values SET value = 0.9", "is not what nas has written (trial "),
        ("CREATE TRIGGER t AFTER INSERT ON trials BEGIN SELECT 1; END", "there is a trigger 't'"),
        ("UPDATE studies SET study_name = 'a' || char(27) || 'b'", "printable characters"),
        ("DROP VIEW nas_trials", "the view nas_trials is not the one"),
        ("DROP TABLE nas_epochs", "no such table: nas_epochs"),
    ):
        shutil.copyfile(good, bad)
        with closing(sqlite3.connect(bad)) as connection:
            connection.execute("PRAGMA foreign_keys=OFF")
            if statement.startswith("DROP TABLE"):
                connection.execute("DROP VIEW nas_trials")
            connection.execute(statement)
            connection.commit()
        assert main(["import-study", str(bad), "--storage", target]) == 2
        err = printed(capsys).err
        assert said in err and err.count("\n") == 1
        assert not (tmp_path / "nas.db").exists()
    assert import_study(good, target) == ("bad", 4)


def test_texts_of_others_are_shown_in_reports_and_csv(loose, tmp_path, capsys):
    url = broken(
        loose,
        "UPDATE nas_attempts SET reason = ?1, host = ?1, device = ?1, owner = ?1, numerics = ?1",
        ILL,
    )
    with closing(sqlite3.connect(loose.with_name("broken.db"))) as connection:
        connection.execute("UPDATE studies SET study_name = ?1 WHERE study_name = 'bad'", [ILL])
        connection.execute(
            "UPDATE nas_studies SET space = json_set(space, '$.description', ?1), "
            "provenance = json_set(provenance, '$.system', ?1), "
            "config = json_set(config, '$.sampler', ?1)",
            [ILL],
        )
        connection.commit()
    assert main(["export-frame", ILL, str(tmp_path / "a.csv"), "--what", "attempts",
                 "--storage", url]) == 0  # fmt: skip
    printed(capsys)
    assert main(["show", ILL, "--provenance", "--storage", url]) == 0
    assert json.loads(printed(capsys).out)["provenance"]["system"] == ILL
    page = report(open_study(url, ILL))
    csv = (tmp_path / "a.csv").read_text(encoding="utf-8")
    for content in (page, csv):
        assert all(sign == "\n" or sign.isprintable() for sign in content)
        assert r"\u001b]52;c;cm0=\u0007" in content


def test_the_tables_of_optuna_that_are_read_are_as_optuna_has_them():
    for name, table in OPTUNA.tables.items():
        theirs = BaseModel.metadata.tables[name]
        for column in table.columns:
            other = theirs.columns[column.name].type
            kinds = (Enum, Float, Integer)
            assert [isinstance(column.type, k) for k in kinds] == [
                isinstance(other, k) for k in kinds
            ], (name, column.name)
            if isinstance(other, Enum):
                assert set(column.type.enums) == set(other.enums)
    assert set(BaseModel.metadata.tables) <= TABLES


# --- value by value, on the study of by_hand ---


@pytest.fixture
def damaged(by_hand, tmp_path):
    """``damaged(statement)``: what is said of the study after it was carried out."""

    def change(statement, study=1):
        shutil.copyfile(by_hand, tmp_path / "nas.db")
        with closing(sqlite3.connect(tmp_path / "nas.db")) as connection:
            connection.execute("PRAGMA ignore_check_constraints=ON")
            connection.executescript(statement)
        engine = create_engine(f"sqlite:///{tmp_path}/nas.db")
        with engine.connect() as connection:
            found = list(damage(connection, study))
        engine.dispose()
        return found

    return change


@pytest.mark.parametrize(
    ("time", "is_one"),
    [
        ("2026-01-01 00:00:00", True),
        ("2026-01-01 00:00:00.123456", True),
        ("0001-01-01 00:00:00", True),
        ("9999-12-31 23:59:59.999999", True),
        ("2026-01-01 00:00:00.12345", False),
        ("2026-01-01 00:00:00.1234567", False),
        ("2026-01-01 00:00:00.12345x", False),
        ("2026-01-01 00:00:00+00", False),
        ("2026-02-30 00:00:00", False),
        ("2026-01-01 24:00:01", False),
        ("2026-01-01T00:00:00", False),
        ("2026-01-01", False),
        ("0000-01-01 00:00:00", False),
        ("soon", False),
        ("", False),
    ],
)
def test_a_time_is_one_that_can_be_read(damaged, time, is_one):
    said = [] if is_one else ["nas_attempts.started has 1 value that is not times"]
    assert damaged(f"UPDATE nas_attempts SET started = '{time}' WHERE trial = 2") == said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("nas_epochs SET seconds = 'x'", "nas_epochs.seconds has 8 values that are not numbers"),
        ("nas_epochs SET seconds = 5", None),
        ("nas_attempts SET started = 5.5", "nas_attempts.started has 7 values that are not times"),
        ("nas_attempts SET ended = NULL, host = NULL, reason = NULL", None),
        ("nas_attempts SET owner = x'00'", "nas_attempts.owner has 7 values that are not text"),
        (
            "nas_attempts SET trial = 1.5 WHERE trial = 6",
            "nas_attempts.trial has 1 value that is not whole numbers",
        ),
        (
            "trials SET state = 'ODD' WHERE number = 2",
            "trials.state has 1 value that is not states",
        ),
        ("trials SET number = 1.5", "trials.number has 7 values that are not whole numbers"),
        ("trials SET number = NULL", "trials.number has 7 values that are not whole numbers"),
        ("trial_values SET value = NULL", None),
        ("trial_values SET value = 'x'", "trial_values.value has 4 values that are not numbers"),
        ("trial_intermediate_values SET intermediate_value = NULL", None),
        (
            "trial_params SET param_value = 'x'",
            "trial_params.param_value has 7 values that are not numbers",
        ),
        (
            "trial_params SET distribution_json = '{'",
            "trial_params.distribution_json has 7 values that are not JSON of its kind",
        ),
        (
            "nas_studies SET space = '{'",
            "nas_studies.space has 1 value that is not JSON of its kind",
        ),
        (
            "nas_studies SET config = 'x'",
            "nas_studies.config has 1 value that is not JSON of its kind",
        ),
        (
            "nas_studies SET provenance = x'7b7d'",
            "nas_studies.provenance has 1 value that is not JSON of its kind",
        ),
        ("nas_studies SET space_hash = 'x'", None),
        (
            "nas_architectures SET description = ''",
            "nas_architectures.description has 5 values that are not JSON of its kind",
        ),
        *(
            (
                f"trial_user_attributes SET value_json = '5' WHERE key = '{key}'",
                f"trial_user_attributes.value_json has {values} that {are} not JSON of its kind",
            )
            for key, values, are in (
                ("key", "7 values", "are"),
                ("policy", "7 values", "are"),
                ("reason", "2 values", "are"),
            )
        ),
        (
            "trial_user_attributes SET value_json = '\"5\"' WHERE key = 'source'",
            "trial_user_attributes.value_json has 1 value that is not JSON of its kind",
        ),
        ("trial_user_attributes SET value_json = '[5]' WHERE key = 'cause'", None),
        (
            "trial_user_attributes SET value_json = '{' WHERE key = 'cause'",
            "trial_user_attributes.value_json has 1 value that is not JSON of its kind",
        ),
        (
            "trial_user_attributes SET value_json = x'22' WHERE key = 'cause'",
            "trial_user_attributes.value_json has 1 value that is not JSON of its kind",
        ),
    ],
)
def test_each_kind_of_column_takes_its_own_values_alone(damaged, change, said):
    assert damaged(f"UPDATE {change}") == ([said] if said else [])
    assert damaged(f"UPDATE {change}", study=2) == []  # of which there is none


def test_the_training_of_an_evaluation_is_json(damaged):
    row = "INSERT INTO nas_evaluations VALUES (1, 0, '{}', 1, 0.5, 0.5, '2026-01-01 00:00:00')"
    assert damaged(row.format("{}")) == []
    assert damaged(row.format("{")) == [
        "nas_evaluations.training has 1 value that is not JSON of its kind"
    ]


def test_these_tables_may_be_no_views():
    expected = {
        *("nas_releases", "nas_studies", "nas_architectures", "nas_attempts", "nas_epochs"),
        *("nas_evaluations", "nas_latencies", "nas_notes", "nas_version"),
        *("studies", "study_directions", "study_user_attributes", "study_system_attributes"),
        *("trials", "trial_user_attributes", "trial_system_attributes", "trial_params"),
        *("trial_values", "trial_intermediate_values", "trial_heartbeats"),
        *("alembic_version", "version_info"),
    }
    assert expected == TABLES


@pytest.fixture
def connection():
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_views_and_triggers_of_others_are_their_own(connection):
    connection.exec_driver_sql("CREATE TABLE t (x)")
    connection.exec_driver_sql("CREATE VIEW mine AS SELECT 1")
    connection.exec_driver_sql("CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END")
    refuse_views(connection)
    no_view = "the view nas_trials is not the one that nas makes"
    assert list(strangers(connection)) == [no_view]
    connection.exec_driver_sql("CREATE TABLE TRIALS (x)")
    connection.exec_driver_sql("CREATE TRIGGER b AFTER INSERT ON TRIALS BEGIN SELECT 1; END")
    assert list(strangers(connection)) == [
        "there is a trigger 'b' on the table TRIALS, which nas did not make",
        no_view,
    ]


def test_a_virtual_table_in_place_of_a_table_is_refused(connection):
    connection.exec_driver_sql("CREATE VIRTUAL TABLE trial_values USING fts5(x)")
    with pytest.raises(DamagedError) as refused:
        refuse_views(connection)
    said = "the study database has a view in place of the table trial_values"
    assert str(refused.value) == said


def nested(levels, value="[{}]"):
    return value.format(nested(levels - 1, value)) if levels else "1"


@pytest.mark.parametrize("value", ["[{}]", '{{"a": {}}}', '[1, {{"a": 2, "b": {}}}]'])
def test_json_may_be_nested_50_deep(value):
    levels = 25 if value.startswith("[1") else 50  # that has two at once
    text_ = nested(levels, value)
    assert read_json(text_, "it") == json.loads(text_)
    with pytest.raises(DamagedError) as refused:
        read_json(nested(levels + 1, value), "it")
    assert str(refused.value) == "it is nested more than 50 deep"


@pytest.mark.parametrize("stored", [None, 5, b"{}", "", "{", "null", "[" * 100_000])
def test_what_is_no_json_is_said_so(stored):
    with pytest.raises(DamagedError) as refused:
        read_json(stored, "it")
    assert str(refused.value) == "it is not JSON"


def test_json_of_any_kind_is_read_and_a_mapping_where_it_must_be_one():
    assert read_json("5", "it") == 5
    assert read_json('"a"', "it") == "a"
    assert read_json("false", "it") is False
    assert read_mapping('{"a": 1}', "it") == {"a": 1}
    with pytest.raises(DamagedError) as refused:
        read_mapping("[]", "it")
    assert str(refused.value) == "it is not a mapping"


def test_a_time_is_read_from_text_or_taken_as_it_is():
    time = datetime(2026, 1, 2, 3, 4, 5, 6)
    assert read_time(time, "it") is time
    assert read_time("2026-01-02 03:04:05.000006", "it") == time
    for stored, shown in (("soon", "'soon'"), (None, "'None'"), ("x" * 41, f"'{'x' * 40}'")):
        with pytest.raises(DamagedError) as refused:
            read_time(stored, "it")
        assert str(refused.value) == f"it is not a time: {shown}"
