"""A study that moves between databases stays the same study."""

import errno
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import optuna
import pandas as pd
import pytest
from conftest import new_postgres_database
from sqlalchemy import Engine, create_engine, event, text
from study_factory import write_study

from nas.cli.app import main
from nas.errors import StorageError
from nas.study.check import violations
from nas.study.database.tables import metadata
from nas.study.evaluation import evaluated, record_evaluation
from nas.study.exchange import transfer
from nas.study.exchange.transfer import export_study, import_study
from nas.study.latencies import record_latencies
from nas.study.notes import Note, read_notes, write_note
from nas.study.reader import open_study, studies
from nas.study.shell import nas_command
from nas.study.store import StudyStore


@pytest.fixture
def study(searched, database_url):
    """A study with a trial of every kind, in a database that has another one, too."""
    searched(database_url, "other")
    searched(database_url)
    record_evaluation(
        database_url, "s", 0, {"epochs": 20}, val_accuracy=0.9, test_loss=0.3, test_accuracy=0.89
    )
    found = open_study(database_url, "s")
    milliseconds = dict.fromkeys(found.frame()["key"].unique(), 1.5)
    record_latencies(found, milliseconds, device="cpu", batch=1, threads=1)
    write_note(found, 0, Note("look again", ("odd",)))
    return database_url


@pytest.fixture
def elsewhere(database_url, tmp_path, request):
    """An empty database of the other kind."""
    if database_url.startswith("sqlite"):
        return new_postgres_database(request.getfixturevalue("postgres"))
    return f"sqlite:///{tmp_path}/elsewhere.db"


def everything(url, name="s"):
    """All that a study says of itself, to whoever asks it."""
    study = open_study(url, name)
    trials = optuna.load_study(study_name=name, storage=url).get_trials(deepcopy=False)
    return {
        "record": study.record,
        "frame": study.frame().drop(columns="study"),
        "epochs": study.epochs(),
        "latencies": study.latencies(),
        "violations": violations(study),
        "optuna": [{**vars(t), "_trial_id": None, "_values": t.values} for t in trials],
        "attempts": rows(url, name),
        "evaluated": evaluated(url, name, 0) | {"study_id": None},
        "notes": read_notes(study),
    }


def rows(url, name):
    engine = create_engine(url)
    query = (
        "SELECT trial, attempt, owner, host, device, checkpoint, nas_attempts.state, reason, "
        "started, ended FROM nas_attempts JOIN studies USING (study_id) "
        "WHERE study_name = :name ORDER BY trial, attempt"
    )
    with engine.connect() as connection:
        found = pd.read_sql(
            text(query), connection, params={"name": name}, parse_dates=["started", "ended"]
        )
    engine.dispose()
    return found


def assert_same(one, other):
    assert one.keys() == other.keys()
    for part in one:
        if isinstance(one[part], pd.DataFrame):
            pd.testing.assert_frame_equal(one[part], other[part], check_exact=True)
        else:
            assert one[part] == other[part], part


def test_a_study_goes_round_through_every_kind_of_database_unchanged(study, elsewhere, tmp_path):
    before = everything(study)
    assert {trial["state"].name for trial in before["optuna"]} == {
        "COMPLETE",
        "PRUNED",
        "FAIL",
        "WAITING",
    }
    assert set(before["frame"]["policy"]) == {"random", "guided", "reused"}
    assert before["violations"] == []
    first, second = tmp_path / "first.sqlite", tmp_path / "second.sqlite"
    trials = len(before["frame"])
    assert export_study(study, "s", first) == trials
    assert import_study(first, elsewhere) == ("s", trials)
    assert_same(everything(elsewhere), before)
    assert export_study(elsewhere, "s", second) == trials
    assert_same(everything(f"sqlite:///{second}"), before)
    assert import_study(second, study, "back") == ("back", trials)
    assert_same(everything(study, "back"), before)
    assert_same(everything(study), before)
    assert set(studies(study)["study"]) == {"other", "s", "back"}


def test_a_moved_study_is_carried_on(study, elsewhere, searched, tmp_path):
    export_study(study, "s", tmp_path / "s.sqlite")
    import_study(tmp_path / "s.sqlite", elsewhere)
    before = open_study(elsewhere, "s").frame()
    searched(elsewhere, end=True)
    after = open_study(elsewhere, "s").frame()
    done = before["state"] != "WAITING"
    assert list(done[~done].index) == [len(before) - 1]
    assert len(after) == 12 and "WAITING" not in set(after["state"])
    pd.testing.assert_frame_equal(after[: len(before)][done], before[done])
    assert violations(open_study(elsewhere, "s")) == []


def test_an_exported_file_is_all_there_is(study, tmp_path):
    before = {file for file in tmp_path.iterdir() if not file.name.startswith("nas.db")}
    export_study(study, "s", tmp_path / "s.sqlite")
    files = {file for file in tmp_path.iterdir() if not file.name.startswith("nas.db")}
    assert files - before == {tmp_path / "s.sqlite"}
    assert list(studies(f"sqlite:///{tmp_path}/s.sqlite")["study"]) == ["s"]


def test_a_file_that_exists_is_not_written(study, tmp_path):
    (tmp_path / "s.sqlite").write_text("mine")
    with pytest.raises(StorageError, match=r"s\.sqlite exists already"):
        export_study(study, "s", tmp_path / "s.sqlite")
    assert (tmp_path / "s.sqlite").read_text() == "mine"
    with pytest.raises(StorageError, match="there is no folder"):
        export_study(study, "s", tmp_path / "no" / "s.sqlite")


@pytest.fixture
def small(tmp_path, helpers):
    """A SQLite database with a study of two trials, and how to add one."""
    url = f"sqlite:///{tmp_path}/small.db"
    store = StudyStore(url, "s", helpers.record, owner="a")

    def add():
        number = helpers.add(store, len(store.trials()) + 1)
        attempt = store.attempts.start(number)
        for epoch in (1, 2, 3):
            store.record_epoch(number, attempt, helpers.result(epoch, 0.1 * (number + epoch)))
        store.end_attempt(number, attempt, "complete")

    add()
    add()
    yield SimpleNamespace(url=url, add=add, engine=store.engine)
    store.close()


def dump(url, table):
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(f"SELECT * FROM {table}"))]
    engine.dispose()
    return found


def test_an_export_is_synced_before_it_takes_its_name(small, tmp_path, disk):
    export_study(small.url, "s", tmp_path / "s.sqlite")
    (_, partial, content), *others = [call for call in disk if call[0] in ("sync", "rename")]
    assert partial.startswith(".") and partial.endswith(".partial")
    assert others == [("rename", partial, "s.sqlite")]
    assert content == (tmp_path / "s.sqlite").read_bytes()


def test_an_export_is_of_one_moment(small, tmp_path, monkeypatch):
    copy_ours = transfer._copy_ours

    def meanwhile(*arguments):
        small.add()  # while the rows of Optuna's tables have been read and ours have not
        copy_ours(*arguments)

    monkeypatch.setattr(transfer, "_copy_ours", meanwhile)
    assert export_study(small.url, "s", tmp_path / "s.sqlite") == 2
    url = f"sqlite:///{tmp_path}/s.sqlite"
    for table in ("nas_attempts", "nas_epochs"):
        assert {trial for _, trial, *_ in dump(url, table)} == {0, 1}


def test_rows_are_copied_in_the_order_in_which_they_were_made(small, tmp_path):
    def backwards(connection, _):
        connection.execute("PRAGMA reverse_unordered_selects = ON")

    event.listen(Engine, "connect", backwards)
    try:
        export_study(small.url, "s", tmp_path / "s.sqlite")
    finally:
        event.remove(Engine, "connect", backwards)
    copy = f"sqlite:///{tmp_path}/s.sqlite"
    for table in ("trials", "trial_params", "trial_user_attributes", "trial_intermediate_values"):
        assert dump(copy, table) == dump(small.url, table)


def test_tables_of_another_optuna_take_no_study(searched, small, tmp_path):
    searched(f"sqlite:///{tmp_path}/whole.db")
    export_study(f"sqlite:///{tmp_path}/whole.db", "s", tmp_path / "s.sqlite")
    with sqlite3.connect(tmp_path / "s.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9.9.9'")
    said = r"revision v9\.9\.9 there and v\S+ here; bring both to one"
    with pytest.raises(StorageError, match=said):
        import_study(tmp_path / "s.sqlite", small.url, "t")
    assert list(studies(small.url)["study"]) == ["s"]


def test_a_file_that_cannot_be_written_is_refused_and_leaves_nothing(small, tmp_path, monkeypatch):
    def full(source, target):
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    before = set(tmp_path.iterdir())
    with pytest.raises(StorageError, match=r"cannot write .*s\.sqlite \(No space left on device\)"):
        export_study(small.url, "s", tmp_path / "s.sqlite")
    assert set(tmp_path.iterdir()) == before


def test_an_exported_file_can_be_read_where_nothing_can_be_written(small, tmp_path):
    export_study(small.url, "s", tmp_path / "s.sqlite")
    with closing(sqlite3.connect(tmp_path / "s.sqlite")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_study_that_runs_is_not_moved(store, helpers, database_url, tmp_path):
    helpers.add(store)
    before = set(tmp_path.iterdir())
    with pytest.raises(StorageError, match="study 's' has 1 running trial; stop its search"):
        export_study(database_url, "s", tmp_path / "s.sqlite")
    assert not (tmp_path / "s.sqlite").exists()
    assert set(tmp_path.iterdir()) == before


def test_a_name_that_is_taken_is_refused_and_nothing_is_changed(study, tmp_path):
    export_study(study, "s", tmp_path / "s.sqlite")
    before = counts(study)
    with pytest.raises(StorageError, match=r"there is a study 's' in .* choose another --name"):
        import_study(tmp_path / "s.sqlite", study)
    assert counts(study) == before


def counts(url):
    """How many rows each table has."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            table: connection.scalar(text(f"SELECT COUNT(*) FROM {table}"))
            for table in ("studies", "trials", "trial_params", "nas_attempts", "nas_epochs")
        }
    engine.dispose()
    return found


def test_a_copy_that_fails_half_way_leaves_no_study(study, elsewhere, searched, tmp_path):
    export_study(study, "s", tmp_path / "s.sqlite")
    searched(elsewhere, "there")
    before = counts(elsewhere)
    engine = create_engine(f"sqlite:///{tmp_path}/s.sqlite")
    with engine.begin() as connection:  # the last of all tables gets a row that none can take
        connection.execute(text("PRAGMA foreign_keys=OFF"))
        connection.execute(text("UPDATE nas_epochs SET trial = 99 WHERE trial = 0 AND epoch = 1"))
    engine.dispose()
    with pytest.raises(StorageError):
        import_study(tmp_path / "s.sqlite", elsewhere)
    assert counts(elsewhere) == before


@pytest.mark.parametrize("name", ["", " s", "s ", "a\nb", "x" * 201])
def test_a_name_that_no_search_could_have_is_refused(searched, tmp_path, name):
    searched(f"sqlite:///{tmp_path}/nas.db")
    with pytest.raises(StorageError, match="printable characters"):
        import_study(tmp_path / "nas.db", f"sqlite:///{tmp_path}/new.db", name)
    assert not (tmp_path / "new.db").exists()


def test_only_a_file_with_one_study_is_imported(searched, tmp_path):
    url = f"sqlite:///{tmp_path}/nas.db"
    searched(url)
    searched(url, "other")
    with pytest.raises(StorageError, match="holds 2 studies, not one"):
        import_study(tmp_path / "nas.db", f"sqlite:///{tmp_path}/new.db")
    with pytest.raises(StorageError, match="there is no file"):
        import_study(tmp_path / "missing.db", url)
    (tmp_path / "notes.txt").write_text("dear diary, " * 100)
    with pytest.raises(StorageError, match="is no SQLite database"):
        import_study(tmp_path / "notes.txt", url)
    assert not (tmp_path / "new.db").exists()


def test_the_commands_say_what_went_where(searched, tmp_path, capsys):
    url, file = searched(f"sqlite:///{tmp_path}/nas.db", end=True), str(tmp_path / "a b%20?.sqlite")
    assert main(["export-study", "s", file, "--storage", url]) == 0
    assert capsys.readouterr().out == f"s: 12 trials written to {file}\n"
    assert main(["import-study", file, "--name", "t", "--storage", url]) == 0
    assert capsys.readouterr().out == f"t: 12 trials taken from {file}\n"
    assert main(["check", "t", "--storage", url]) == 0
    assert main(["import-study", file, "--storage", url]) == 2
    assert "choose another --name" in capsys.readouterr().err


def test_a_published_study_has_every_result_and_no_name_of_a_host_or_path(study, tmp_path):
    engine = create_engine(study)
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE nas_attempts SET owner = 'secret-host/1/ab', host = 'secret-host/2', "
                "checkpoint = '/home/somebody/nas-runs/1', reason = CASE WHEN reason IS NULL THEN "
                "NULL ELSE 'ValueError: no (attempt 1 on secret-host/2)\n/home/somebody/x.py' END"
            )
        )
        config = {**open_study(study, "s").record.config, "data": "/home/somebody/data"}
        connection.execute(text("UPDATE nas_studies SET config = :c"), {"c": json.dumps(config)})
    engine.dispose()
    file = tmp_path / "published.sqlite"
    export_study(study, "s", file, publish=True)
    content = file.read_bytes()
    assert b"secret-host" not in content
    assert b"somebody" not in content
    published = open_study(f"sqlite:///{file}", "s")
    assert violations(published) == []
    pd.testing.assert_frame_equal(published.frame(), open_study(study, "s").frame())
    attempts = published.attempts()
    assert set(attempts["owner"]) == {"host-1/1/ab"}
    assert set(attempts["host"]) == {"host-1/2"}
    assert "ValueError: no (attempt 1 on host-1/2)" in set(attempts["reason"].dropna())
    assert published.record.config["data"] is None
    assert read_notes(published) == {}


# --- row by row, of a study written by hand, on SQLite ---

OPTUNAS = (
    "trials", "study_directions", "trial_user_attributes", "trial_params", "trial_values",
    "trial_intermediate_values", "study_user_attributes", "study_system_attributes",
    "trial_system_attributes",
)  # fmt: skip


@pytest.fixture
def still(by_hand, tmp_path):
    """The file of "hand", whose last trial does not run any more, with a row in each table."""
    file = tmp_path / "hand.db"
    shutil.copyfile(by_hand, file)
    change(
        file,
        "UPDATE nas_attempts SET state = 'interrupted', reason = 'so', checkpoint = '/there', "
        "ended = '2026-01-01 00:00:20.000000' WHERE trial = 6",
        "UPDATE trials SET state = 'WAITING', datetime_start = NULL WHERE number = 6",
        "INSERT INTO nas_evaluations VALUES (1, 0, '{}', 0.5, 0.25, 0.75, "
        "'2026-01-01 00:00:30.000000')",
        "INSERT INTO nas_latencies SELECT study_id, key, 'cpu', 1, 4, 1.5, "
        "'2026-01-01 00:00:40.000000' FROM nas_architectures",
        "INSERT INTO nas_notes VALUES (1, 0, 'look', '[\"odd\"]', '2026-01-01 00:00:50.000000')",
        "INSERT INTO study_user_attributes VALUES (NULL, 1, 'note', '5')",
        "INSERT INTO study_system_attributes VALUES (NULL, 1, 'version', '7')",
        "INSERT INTO trial_system_attributes VALUES (NULL, 3, 'grid', '6')",
        f"UPDATE nas_studies SET space_hash = '{open_study(url(by_hand), 'hand').space.hash}'",
    )
    return file


def url(file):
    return f"sqlite:///{file}"


def change(file, *statements):
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def shape(file, study):
    """The rows of a study in every table, without the ids by which tables refer to each other."""
    found = {}
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        (study_id,) = connection.execute(
            "SELECT study_id FROM studies WHERE study_name = ?", [study]
        ).fetchone()
        query = "SELECT trial_id, number FROM trials WHERE study_id = ?"
        numbers = {row[0]: row[1] for row in connection.execute(query, [study_id])}
        ours = [name for name in metadata.tables if name != "nas_releases"]
        for table in (*OPTUNAS, *ours):
            rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
            key = f"{table.removesuffix('s')}_id"
            found[table] = [
                {
                    name: numbers[value] if name == "trial_id" else value
                    for name, value in row.items()
                    if name not in ("study_id", "trial_value_id", "param_id", key)
                    and not (name.endswith("_id") and name != "trial_id")
                }
                for row in rows
                if row.get("study_id", study_id) == study_id
                and row.get("trial_id", next(iter(numbers))) in numbers
            ]
            if table in ours:  # which have keys of their own instead of an order
                found[table].sort(key=str)
    return found


def test_every_row_of_every_table_goes_along_into_a_database_with_other_ids(still, tmp_path):
    before = shape(still, "hand")
    assert all(before.values())  # of each table there is one
    target = tmp_path / "target.db"
    for name in ("first", "second"):
        write_study(url(target), name, trials=3, epochs=1)
    assert import_study(still, url(target)) == ("hand", 7)
    assert shape(target, "hand") == before
    assert import_study(still, url(target), "again") == ("again", 7)
    assert shape(target, "again") == shape(target, "hand") == before
    assert export_study(url(target), "again", tmp_path / "out.sqlite") == 7
    assert shape(tmp_path / "out.sqlite", "again") == before
    assert shape(still, "hand") == before
    assert studies(url(target))["study"].tolist() == ["again", "first", "hand", "second"]


def refused(call):
    with pytest.raises(StorageError) as error:
        call()
    return str(error.value)


def test_an_export_that_cannot_be_says_why(by_hand, still, tmp_path):
    there, folder = tmp_path / "there.sqlite", tmp_path / "no"
    there.touch()
    out = tmp_path / "out.sqlite"
    assert refused(lambda: export_study(url(still), "hand", there)) == (
        f"{there} exists already; name another file, or remove it first"
    )
    assert refused(lambda: export_study(url(still), "hand", folder / "a.sqlite")) == (
        f"there is no folder {folder}; make it first"
    )
    assert refused(lambda: export_study(url(by_hand), "hand", out)) == (
        "study 'hand' has 1 running trial; stop its search first (Ctrl-C). Where it died, carry "
        "it on for a moment: that frees what it left behind"
    )
    change(still, "UPDATE trials SET state = 'RUNNING' WHERE number > 4")
    said = refused(lambda: export_study(url(still), "hand", out))
    assert said.startswith("study 'hand' has 2 running trials; stop")
    assert not out.exists()


def test_an_import_that_cannot_be_says_why_and_makes_no_database(by_hand, still, tmp_path):
    target = url(tmp_path / "target.db")
    none = tmp_path / "none.sqlite"
    assert refused(lambda: import_study(none, target)) == f"there is no file {none}"
    assert refused(lambda: import_study(tmp_path, target)) == f"there is no file {tmp_path}"
    said = refused(lambda: import_study(by_hand, target))
    assert said.startswith("study 'hand' has 1 running trial; stop its search first")
    change(still, "UPDATE nas_epochs SET val_loss = 9e999 WHERE trial = 2")
    problem = "trial 2, attempt 1: epoch 1: val_loss is not finite (inf)"
    assert refused(lambda: import_study(still, target)) == (
        f"{still} is not taken: its study 'hand' is not what nas has written ({problem}); nas "
        "check says all of it"
    )
    change(still, "UPDATE nas_epochs SET val_loss = 9e999 WHERE trial = 5")
    assert f"({problem}, and 1 more); nas check" in refused(lambda: import_study(still, target))
    empty = tmp_path / "empty.db"
    write_study(url(empty), "x", trials=0)
    change(empty, "DELETE FROM nas_studies")
    assert refused(lambda: import_study(empty, target)) == f"{empty} holds 0 studies, not one"
    for name in "yz":
        write_study(url(empty), name, trials=0)
    assert refused(lambda: import_study(empty, target)) == (
        f"{empty} holds 2 studies, not one; write the one to be moved into a file of its own: "
        + nas_command("export-study", "y", "out.sqlite", storage=url(empty))
    )
    assert not (tmp_path / "target.db").exists()


def test_a_name_that_is_taken_is_said_with_its_database(still, tmp_path):
    target = url(tmp_path / "target.db")
    import_study(still, target, "a")
    assert refused(lambda: import_study(still, target, "a")) == (
        f"there is a study 'a' in {target} already; choose another --name"
    )
    longest = "x" * 200
    assert import_study(still, target, longest) == (longest, 7)
    for name, shown in (("", ""), ("x" * 201, "x" * 80), (" a", " a"), ("a\n", "a\\n")):
        assert refused(lambda name=name: import_study(still, target, name)) == (
            f"name is '{shown}'; accepted: 1 to 200 printable characters, no space at either end"
        )


def test_tables_of_other_columns_are_not_copied(still, tmp_path):
    change(still, "ALTER TABLE trial_values ADD COLUMN unit")
    said = refused(lambda: import_study(still, url(tmp_path / "target.db")))
    assert said == "the table trial_values has other columns there than here"
    change(still, "ALTER TABLE trial_values DROP COLUMN unit", "DROP TABLE trial_heartbeats")
    said = refused(lambda: import_study(still, url(tmp_path / "target.db")))
    assert said == "the table trial_heartbeats has other columns there than here"


def test_what_is_published_has_lost_paths_and_what_is_not_has_them(still, tmp_path):
    for publish, checkpoint in ((False, "/there"), (True, None)):
        file = tmp_path / f"{publish}.sqlite"
        export_study(url(still), "hand", file, publish=publish)
        (attempt,) = [row for row in shape(file, "hand")["nas_attempts"] if row["trial"] == 6]
        assert attempt["checkpoint"] == checkpoint
