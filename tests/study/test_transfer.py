"""A study that moves between databases stays the same study."""

import errno
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import optuna
import pandas as pd
import pytest
from conftest import new_postgres_database
from sqlalchemy import Engine, create_engine, event, text

from nas.cli.app import main
from nas.errors import StorageError
from nas.study.check import violations
from nas.study.evaluation import evaluated, record_evaluation
from nas.study.exchange import transfer
from nas.study.exchange.transfer import export_study, import_study
from nas.study.latencies import record_latencies
from nas.study.reader import open_study, studies
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
