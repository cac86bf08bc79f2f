"""Databases of other versions of nas: carried over after a copy, or refused and left alone."""

import re
import shutil
import sqlite3
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from nas.cli.app import main
from nas.errors import StorageError
from nas.metrics import ACCURACY, METRICS
from nas.study.check import violations
from nas.study.database.clock import utc_now
from nas.study.database.engines import engine_for
from nas.study.database.tables import REVISION
from nas.study.database.upgrade import (
    SCRIPTS,
    Upgrade,
    create_tables,
    has_studies,
    revision,
    upgrade,
)
from nas.study.reader import open_study, studies
from nas.study.record import read_record
from nas.study.shell import nas_command
from nas.study.store import StudyStore

NEXT = f"{int(REVISION) + 1:04}"
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{after}", "{before}"

def upgrade():
    op.add_column("nas_attempts", sa.Column("colour", sa.String(8), server_default="red"))
    {then}
"""


@pytest.fixture
def later_nas(tmp_path, monkeypatch):
    """``later_nas(then)``: our migrations from now on are followed by one that does ``then``."""

    def install(then=""):
        folder = tmp_path / "scripts"
        shutil.copytree(SCRIPTS, folder)
        (folder / "versions" / f"{NEXT}_colour.py").write_text(
            MIGRATION.format(after=NEXT, before=REVISION, then=then)
        )
        monkeypatch.setattr("nas.study.database.upgrade.SCRIPTS", folder)

    return install


@pytest.fixture
def study(store, helpers, database_url):
    """A database of this version, with a trial in it and no driver."""
    number = helpers.add(store)
    attempt = store.attempts.start(number)
    store.record_epoch(number, attempt, helpers.result(1))
    store.end_attempt(number, attempt, "pruned")
    store.close()
    return database_url


@pytest.fixture
def sqlite_study(tmp_path, helpers):
    """As ``study``, on SQLite alone."""
    url = f"sqlite:///{tmp_path}/one.db"
    store = StudyStore(url, "s", helpers.record, owner="a")
    store.attempts.start(helpers.add(store))
    store.attempts.end(0, 1, "interrupted", None)
    store.close()
    return url


def run(url, *statements):
    engine = create_engine(url)
    with engine.begin() as connection:
        found = [connection.execute(text(statement)) for statement in statements][-1]
        rows = found.fetchall() if found.returns_rows else []
    engine.dispose()
    return [tuple(row) for row in rows]


def rows(url):
    """Everything in our tables."""
    tables = ("studies", "architectures", "attempts", "epochs", "trials", "version")
    return {name: run(url, f"SELECT * FROM nas_{name}") for name in tables}


def stamp(url, revision):
    run(url, f"UPDATE nas_version SET version_num = '{revision}'")


def test_the_last_migration_is_the_revision_that_the_code_names():
    script = ScriptDirectory(str(SCRIPTS))
    assert script.get_current_head() == REVISION
    names = [revision.revision for revision in script.walk_revisions()]
    assert names == sorted(names, reverse=True)  # older and newer are told by the number


def test_a_fresh_database_says_which_nas_brought_its_revision(study):
    found = run(study, "SELECT revision, nas FROM nas_releases ORDER BY revision")
    assert found == [(f"{n:04}", "0.1.0") for n in range(1, int(REVISION) + 1)]


def test_an_upgrade_keeps_every_row_and_copies_a_file_first(study, later_nas, tmp_path):
    before = rows(study)
    later_nas()
    done = upgrade(study)
    assert (done.before, done.after) == (REVISION, NEXT)
    assert run(study, "SELECT trial, state, colour FROM nas_attempts") == [(0, "pruned", "red")]
    after = rows(study)
    for table in ("studies", "architectures", "epochs", "trials"):
        assert after[table] == before[table]
    assert run(study, "SELECT MAX(revision) FROM nas_releases") == [(NEXT,)]
    if not study.startswith("sqlite"):
        assert done.backup is None
        return
    assert done.backup.parent == tmp_path
    assert rows(f"sqlite:///{done.backup}") == before


def make_first(url):
    """Take back what our migrations did after the first one."""
    view = "CREATE VIEW nas_trials AS SELECT study_id, val_accuracy, seconds FROM nas_epochs"
    must = "" if url.startswith("sqlite") else "ALTER TABLE nas_epochs ALTER {} SET NOT NULL"
    run(
        url,
        "DROP VIEW nas_trials",
        "DROP TABLE nas_latencies",
        "DROP TABLE nas_notes",
        "ALTER TABLE nas_studies DROP COLUMN objective",
        "ALTER TABLE nas_epochs DROP COLUMN metrics",
        *(must.format(name) for name in METRICS if must),
        view,
        "DELETE FROM nas_releases WHERE revision > '0001'",
    )
    stamp(url, "0001")


def test_a_study_of_the_first_nas_is_carried_over_whole(database_url, searched):
    searched(database_url)
    make_first(database_url)
    before = rows(database_url)
    assert run(database_url, "SELECT version_num FROM nas_version") == [("0001",)]
    with pytest.raises(
        StorageError, match=r"revision 0001 of an older nas.*run: .*nas db upgrade --storage"
    ):
        open_study(database_url, "s")
    done = upgrade(database_url)
    assert (done.before, done.after) == ("0001", REVISION)
    after = rows(database_url)
    for table in ("studies", "architectures", "attempts", "epochs"):
        new = 1 if table in ("studies", "epochs") else 0  # columns, last and without a value
        assert sorted(after[table]) == sorted(row + (None,) * new for row in before[table])
    study = open_study(database_url, "s")
    assert violations(study) == []
    assert study.record.measure == ACCURACY
    assert study.latencies().empty


def test_a_migration_that_fails_changes_nothing(study, later_nas):
    before = rows(study)
    later_nas('op.execute("DELETE FROM no_such_table")')
    with pytest.raises(StorageError, match="no_such_table"):
        upgrade(study)
    assert rows(study) == before


def test_a_database_of_this_version_is_left_alone(study, tmp_path):
    files = sorted(tmp_path.iterdir())
    done = upgrade(study)
    assert (done.before, done.after, done.backup) == (REVISION, REVISION, None)
    assert [f for f in sorted(tmp_path.iterdir()) if f.suffix == ".backup"] == []
    assert set(files) <= set(tmp_path.iterdir())


def test_an_older_database_is_refused_with_the_command_and_not_changed(study, helpers):
    stamp(study, "0000")
    before = rows(study)
    for refused in (
        lambda: StudyStore(study, "s", helpers.record, owner="a"),
        lambda: read_record(study, "s"),
        lambda: open_study(study, "s"),
        lambda: studies(study),
    ):
        with pytest.raises(
            StorageError, match=r"revision 0000 .*; run: .*nas db upgrade --storage"
        ):
            refused()
    assert rows(study) == before


def test_a_newer_database_is_refused_with_the_version_that_it_needs(study, helpers):
    stamp(study, "9999")
    run(study, "INSERT INTO nas_releases VALUES ('9999', '4.2.0')")
    before = rows(study)
    for refused in (
        lambda: StudyStore(study, "s", helpers.record, owner="a"),
        lambda: open_study(study, "s"),
        lambda: studies(study),
        lambda: upgrade(study),
    ):
        with pytest.raises(StorageError, match=r"revision 9999 and needs nas 4\.2\.0; this is 0"):
            refused()
    assert rows(study) == before


def test_a_newer_database_that_names_no_version_is_refused_too(study):
    stamp(study, "9999")
    with pytest.raises(StorageError, match="needs nas in a newer version"):
        has_studies(engine_for(study), study)


def test_an_upgrade_under_a_running_search_is_refused(study, later_nas):
    run(
        study,
        "UPDATE nas_attempts SET state = 'running', ended = NULL, lease = '2099-01-01 00:00:00'",
    )
    later_nas()
    with pytest.raises(StorageError, match=r"a search is running on the study database \(a\)"):
        upgrade(study)


@pytest.mark.parametrize(
    "change",
    ["state = 'running', lease = '2020-01-01 00:00:00'", "lease = '2099-01-01 00:00:00'"],
    ids=["its lease ran out", "it has ended"],
)
def test_an_attempt_that_nobody_runs_is_in_no_upgrades_way(sqlite_study, later_nas, change):
    run(sqlite_study, f"UPDATE nas_attempts SET {change}")
    later_nas()
    assert upgrade(sqlite_study).after == NEXT


@pytest.fixture
def far_east(monkeypatch):
    """The clock on the wall is nine hours ahead of UTC."""
    monkeypatch.setenv("TZ", "XXX-09:00")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_lease_is_compared_with_the_time_in_utc(sqlite_study, later_nas, far_east):
    later_nas()
    for minutes, runs in ((1, True), (-1, False)):
        lease = f"{utc_now() + timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S.%f}"
        run(sqlite_study, f"UPDATE nas_attempts SET state = 'running', lease = '{lease}'")
        with pytest.raises(StorageError, match="is running") if runs else nullcontext():
            upgrade(sqlite_study)


def test_there_is_nothing_to_upgrade_where_no_studies_are(database_url, tmp_path):
    with pytest.raises(StorageError, match=r"there is no study database|has no studies of nas"):
        upgrade(database_url)
    assert list(tmp_path.glob("*.db*")) == []
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(StorageError, match="has no studies of nas in it"):
        upgrade(f"sqlite:///{file}")


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("v0.0.0", "pip install -U optuna"),  # one that this Optuna has never heard of
        ("v2.6.0.a", "optuna storage upgrade"),
    ],
)
def test_tables_of_another_optuna_are_refused_in_its_words(study, helpers, revision, said):
    run(study, f"UPDATE alembic_version SET version_num = '{revision}'")
    with pytest.raises(StorageError, match=said) as refused:
        StudyStore(study, "s", helpers.record, owner="a")
    assert "\n" not in str(refused.value)


def test_the_command_names_the_copy(study, later_nas, capsys):
    later_nas()
    assert main(["db", "upgrade", "--storage", study]) == 0
    printed = capsys.readouterr().out
    assert f"from revision {REVISION} to {NEXT}" in printed
    assert (".backup" in printed) == study.startswith("sqlite")


@pytest.mark.parametrize("command", [["studies"], ["show", "s"], ["check", "s"], ["search"]])
def test_commands_refuse_an_older_database_in_the_same_words(study, command, capsys):
    stamp(study, "0000")
    assert main([*command, "--storage", study]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.endswith(f"; run: {nas_command('db upgrade', storage=study)}\n")


# --- word by word, on SQLite ---


def refused(call):
    with pytest.raises(StorageError) as error:
        call()
    return str(error.value)


def test_each_refusal_names_both_revisions(sqlite_study, monkeypatch):
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    engine = engine_for(sqlite_study)
    stamp(sqlite_study, "0001")
    assert refused(lambda: has_studies(engine, sqlite_study)) == (
        f"the study database has revision 0001 of an older nas, this one writes {REVISION}; "
        f"run: {nas_command('db upgrade', storage=sqlite_study)}"
    )
    stamp(sqlite_study, "0077")
    mine = f"this is {version('nas')}, which knows revisions up to {REVISION}"
    for call in (lambda: has_studies(engine, sqlite_study), lambda: upgrade(sqlite_study)):
        assert refused(call) == (
            f"the study database has revision 0077 and needs nas in a newer version; {mine}"
        )
    run(sqlite_study, "INSERT INTO nas_releases VALUES ('0077', '7.7'), ('0078', '7.8')")
    for call in (lambda: has_studies(engine, sqlite_study), lambda: upgrade(sqlite_study)):
        assert refused(call) == f"the study database has revision 0077 and needs nas 7.7; {mine}"
    run(sqlite_study, "DROP TABLE nas_releases")
    assert "needs nas in a newer version" in refused(lambda: has_studies(engine, sqlite_study))
    engine.dispose()


def test_a_revision_is_that_of_our_tables_or_none(sqlite_study, tmp_path):
    engine = engine_for(sqlite_study)
    with engine.connect() as connection:
        assert revision(connection) == REVISION
    assert has_studies(engine, sqlite_study) is True
    run(sqlite_study, "DELETE FROM nas_version")
    with engine.connect() as connection:
        assert revision(connection) is None
    assert has_studies(engine, sqlite_study) is False
    engine.dispose()
    other = engine_for(f"sqlite:///{tmp_path}/other.db")
    with other.connect() as connection:
        assert revision(connection) is None
    assert has_studies(other, "") is False
    other.dispose()


def test_tables_are_made_once(tmp_path):
    url = f"sqlite:///{tmp_path}/new.db"
    engine = engine_for(url)
    for _ in range(2):
        create_tables(engine, url)
    assert run(url, "SELECT version_num FROM nas_version") == [(REVISION,)]
    assert run(url, "SELECT revision FROM nas_releases") == [
        (f"{n:04}",) for n in range(1, int(REVISION) + 1)
    ]
    engine.dispose()


def test_a_copy_is_named_after_its_revision_and_time_and_is_whole(sqlite_study, later_nas):
    later_nas()
    before = datetime.now(UTC)
    done = upgrade(sqlite_study)
    name = re.fullmatch(
        rf"one\.db\.{REVISION}-(\d{{8}}T\d{{6}}\.\d{{6}})Z\.backup", done.backup.name
    )
    made = datetime.strptime(name[1], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    assert before <= made <= datetime.now(UTC)
    assert done == Upgrade(REVISION, NEXT, done.backup)
    assert run(f"sqlite:///{done.backup}", "PRAGMA integrity_check") == [("ok",)]
    assert run(f"sqlite:///{done.backup}", "SELECT version_num FROM nas_version") == [(REVISION,)]
    again = upgrade(sqlite_study)
    assert again == Upgrade(NEXT, NEXT, None)


def test_a_search_that_runs_is_named_by_its_owner(sqlite_study, later_nas):
    later_nas()
    run(sqlite_study, "UPDATE nas_attempts SET state = 'running', lease = '2099-01-01'")
    assert refused(lambda: upgrade(sqlite_study)) == (
        "a search is running on the study database (a); stop it first"
    )
    assert run(sqlite_study, "SELECT version_num FROM nas_version") == [(REVISION,)]


def test_a_database_without_studies_is_named(tmp_path):
    url = f"sqlite:///{tmp_path}/other.db"
    assert refused(lambda: upgrade(url)) == (
        f"storage: there is no study database {tmp_path}/other.db"
    )
    run(url, "CREATE TABLE t (x)")
    assert refused(lambda: upgrade(url)) == f"{url} has no studies of nas in it"
    assert run(url, "SELECT name FROM sqlite_master") == [("t",)]


def test_migrations_lie_in_a_folder_of_any_name(tmp_path, monkeypatch):
    shutil.copytree(SCRIPTS, tmp_path / "100 % (a)s")
    monkeypatch.setattr("nas.study.database.upgrade.SCRIPTS", tmp_path / "100 % (a)s")
    url = f"sqlite:///{tmp_path}/new.db"
    engine = engine_for(url)
    create_tables(engine, url)
    engine.dispose()
    assert run(url, "SELECT version_num FROM nas_version") == [(REVISION,)]
