"""Whatever can be read can be shown; what cannot be read or written is refused with its cause."""

import ctypes
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest
from study_factory import write_study

import nas.analysis.plots.kinds
import nas.search.latency  # noqa: F401
from nas.cli.app import main
from nas.errors import StorageError
from nas.report.report import report
from nas.study.check import violations
from nas.study.database.engines import check_url, engine_for, locked
from nas.study.database.outages import UnavailableError
from nas.study.notes import read_notes, why_not_writable
from nas.study.progress import Progress
from nas.study.reader import open_study, studies
from nas.study.store import StudyStore

NOBODY = 65534
MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
ADDED = "INSERT INTO nas_releases VALUES ('written last', '1')"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The file of a good study in WAL mode, at rest: nothing lies beside it."""
    file = tmp_path_factory.mktemp("good") / "nas.db"
    write_study(f"sqlite:///{file}", "s", trials=12, epochs=3)
    assert not [other for other in file.parent.iterdir() if other.suffix == ".db-wal"]
    return file


@pytest.fixture
def folder():
    """One that every user can read: those of pytest are closed to all others."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)


def at_rest(good, file):
    shutil.copy(good, file)


def without_wal(good, file):
    shutil.copy(good, file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")


def left_by_a_dead_writer(good, file):
    """With a write-ahead log that has what was written last, and without its index."""
    busy = good.with_name("busy.db")
    shutil.copy(good, busy)
    with closing(sqlite3.connect(busy)) as connection:
        connection.execute(ADDED)
        connection.commit()
        shutil.copy(busy, file)
        shutil.copy(f"{busy}-wal", f"{file}-wal")


def half_written(good, file):
    """With a rollback journal, which has to be played back first."""
    busy = good.with_name("busy.db")
    without_wal(good, busy)
    with closing(sqlite3.connect(busy, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size=1")  # so that pages are written before the end
        connection.execute("BEGIN")
        connection.execute("DELETE FROM nas_epochs")
        connection.execute("DELETE FROM trials")
        connection.execute("CREATE TABLE filling AS SELECT randomblob(100000) AS filled")
        shutil.copy(busy, file)
        shutil.copy(f"{busy}-journal", f"{file}-journal")


KINDS = [at_rest, without_wal, left_by_a_dead_writer, half_written]


@contextmanager
def another_user(file):
    """Be somebody who may read the folder and its files, and write neither."""
    for one in file.parent.iterdir():
        one.chmod(0o444)
    file.parent.chmod(0o555)
    if os.geteuid():
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@contextmanager
def read_only_mount(file):
    """The folder mounted over itself, read only."""
    libc, folder = ctypes.CDLL(None, use_errno=True), os.fsencode(file.parent)
    if libc.mount(folder, folder, None, MS_BIND, None):
        pytest.skip(f"needs the right to mount ({os.strerror(ctypes.get_errno())})")
    try:
        assert not libc.mount(None, folder, None, MS_REMOUNT | MS_BIND | MS_RDONLY, None)
        yield
    finally:
        assert not libc.umount2(folder, 2)


@pytest.mark.parametrize("reading", [another_user, read_only_mount])
@pytest.mark.parametrize("kind", KINDS)
def test_what_can_only_be_read_is_read_whole(kind, reading, good, folder, capsys):
    before = open_study(f"sqlite:///{good}", "s").frame()
    file = folder / "nas.db"
    kind(good, file)
    files = sorted(folder.iterdir())
    url = f"sqlite:///{file}"
    with reading(file):
        study = open_study(url, "s")
        pd.testing.assert_frame_equal(study.frame(), before)
        assert read_notes(study) == {}
        assert "cannot write" in str(why_not_writable(study))
        assert violations(study) == []
        with study.engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT revision FROM nas_releases").scalars()
            assert ("written last" in found.all()) == (kind is left_by_a_dead_writer)
        assert list(studies(url)["study"]) == list(Progress(url).read()["study"]) == ["s"]
        assert main(["studies", "--storage", url]) == 0
        assert main(["show", "s", "--storage", url]) == 0
        assert main(["check", "s", "--storage", url]) == 0
        capsys.readouterr()
        assert main(["search", "--storage", url, "--objective", "synthetic"]) == 2
        cause = "Permission denied" if reading is another_user else "Read-only file system"
        assert capsys.readouterr().err == (
            f"nas: storage: cannot write in folder {folder} ({cause})\n"
        )
    assert sorted(folder.iterdir()) == files


def test_reports_plots_and_exports_are_made_of_what_can_only_be_read(
    good, folder, tmp_path, monkeypatch
):
    at_rest(good, folder / "nas.db")
    with tempfile.TemporaryDirectory() as made, another_user(folder / "nas.db"):
        url = f"sqlite:///{folder}/nas.db"
        assert "<html" in report(open_study(url, "s"))
        for arguments in (
            ["export-frame", "s", f"{made}/s.csv"],
            ["export-study", "s", f"{made}/s.sqlite"],
            ["plot", "s", "-o", f"{made}/s.png"],
        ):
            os.seteuid(os.getuid())  # into a folder of ours
            Path(made).chmod(0o777)
            os.seteuid(NOBODY if os.getuid() == 0 else os.getuid())
            assert main([*arguments, "--storage", url]) == 0
        os.seteuid(os.getuid())
        assert len(list(Path(made).iterdir())) == 3


def test_nothing_is_measured_that_cannot_be_stored(good, folder, capsys):
    at_rest(good, folder / "nas.db")
    with another_user(folder / "nas.db"):
        assert main(["latency", "s", "--storage", f"sqlite:///{folder}/nas.db"]) == 2
    assert "cannot write in folder" in capsys.readouterr().err


def test_a_search_that_runs_is_read_by_another_user(good, folder):
    file = folder / "nas.db"
    at_rest(good, file)
    with closing(sqlite3.connect(file)) as writer:
        writer.execute(ADDED)
        writer.commit()
        with another_user(file):
            engine = engine_for(f"sqlite:///{file}", read_only=True)
        for last in ("written last", "later still"):
            with another_user(file), engine.connect() as connection:
                found = connection.exec_driver_sql("SELECT revision FROM nas_releases").scalars()
                assert last in found.all()
            folder.chmod(0o755)
            for one in folder.iterdir():
                one.chmod(0o644)
            writer.execute("INSERT OR REPLACE INTO nas_releases VALUES ('later still', '1')")
            writer.commit()


def refused(url, **options):
    with pytest.raises(StorageError) as error:
        check_url(url, **options)
    return str(error.value)


@pytest.mark.parametrize("read_only", [True, False])
def test_each_cause_is_said_as_it_is(read_only, good, folder, tmp_path):
    (folder / "empty.db").touch()
    check_url(f"sqlite:///{folder}/empty.db", read_only=read_only)
    (folder / "notes.txt").write_text("dear diary, " * 100)
    (folder / "short.txt").write_text("hm")
    for name in ("notes.txt", "short.txt"):
        said = refused(f"sqlite:///{folder}/{name}", read_only=read_only)
        assert said == f"storage: {folder}/{name} is no SQLite database"
    os.mkfifo(folder / "pipe")
    assert "is no file" in refused(f"sqlite:///{folder}/pipe", read_only=read_only)
    assert "is no file" in refused("sqlite:////dev/null", read_only=read_only)
    assert "is a folder; name a file in it" in refused(f"sqlite:///{folder}", read_only=read_only)
    said = refused(f"sqlite:///{folder}/{'x' * 300}", read_only=read_only)
    assert "File name too long" in said
    said = refused(f"sqlite:///{folder}/notes.txt/nas.db", read_only=read_only)
    assert ("there is no study database" if read_only else "there is no folder") in said
    said = refused(f"sqlite:///{folder}/no/nas.db", read_only=read_only)
    assert ("there is no study database" if read_only else "there is no folder") in said
    with another_user(folder / "empty.db"):
        at = f"sqlite:///{folder}/empty.db"
        os.seteuid(os.getuid())
        (folder / "empty.db").chmod(0o000)
        (folder / "shut").mkdir(mode=0o000)
        os.seteuid(NOBODY if os.getuid() == 0 else os.getuid())
        assert refused(at, read_only=read_only) == (
            f"storage: cannot read {folder}/empty.db (Permission denied)"
        )
        said = refused(f"sqlite:///{folder}/shut/nas.db", read_only=read_only)
        assert said == f"storage: cannot read {folder}/shut/nas.db (Permission denied)"


def test_a_file_that_alone_cannot_be_written_is_refused_by_name(good, folder):
    at_rest(good, folder / "nas.db")
    with another_user(folder / "nas.db"):
        os.seteuid(os.getuid())
        folder.chmod(0o777)
        os.seteuid(NOBODY if os.getuid() == 0 else os.getuid())
        said = refused(f"sqlite:///{folder}/nas.db")
    assert said == f"storage: cannot write {folder}/nas.db (Permission denied)"


@pytest.mark.parametrize("share", [0.2, 0.6, 0.98])
def test_a_file_that_was_cut_off_is_said_to_be_malformed(share, good, folder, capsys):
    content = good.read_bytes()
    (folder / "nas.db").write_bytes(content[: int(share * len(content))])
    for command in (["studies"], ["show", "s"], ["check", "s"], ["search", "--study", "s"]):
        code = main([*command, "--storage", f"sqlite:///{folder}/nas.db"])
        said = capsys.readouterr().err
        assert code == 2 and said.count("\n") == 1
        assert "malformed" in said


def test_a_locked_database_is_not_said_to_be_none(good, folder, monkeypatch):
    monkeypatch.setattr("nas.study.database.sqlite_file.BUSY_SECONDS", 0.01)
    without_wal(good, folder / "nas.db")
    with closing(sqlite3.connect(folder / "nas.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        said = refused(f"sqlite:///{folder}/nas.db", read_only=True)
    assert said == f"storage: {folder}/nas.db cannot be read (database is locked)"


def test_what_a_full_disk_does_not_take_waits(folder, helpers, tmp_path):
    libc, disk = ctypes.CDLL(None, use_errno=True), os.fsencode(folder)
    if libc.mount(b"tmpfs", disk, b"tmpfs", 0, b"size=1m"):
        pytest.skip(f"needs the right to mount ({os.strerror(ctypes.get_errno())})")
    try:
        outbox, url = tmp_path / "outbox", f"sqlite:///{folder}/nas.db"
        store = StudyStore(url, "s", helpers.record, owner="a", outbox=outbox)
        number = helpers.add(store)
        attempt = store.attempts.start(number)
        with suppress(OSError), (folder / "filling").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        for epoch in range(1, 100):  # the log that is there has some room
            store.record_epoch(number, attempt, helpers.result(epoch))
            if outbox.exists():
                break
        with pytest.raises(UnavailableError, match=r"cannot be written: .*disk is full"):
            store.flush()
        (folder / "filling").unlink()
        store.close()
        assert len(open_study(url, "s").epochs()) == epoch
    finally:
        assert not libc.umount2(disk, 2)


def test_a_lock_that_cannot_be_made_is_said(good, folder):
    at_rest(good, folder / "nas.db")
    engine = engine_for(f"sqlite:///{folder}/nas.db")
    (folder / "nas.db.lock").mkdir()
    with pytest.raises(StorageError, match=r"cannot lock .*nas\.db\.lock"), locked(engine):
        pass
    engine.dispose()


def test_checking_a_database_keeps_the_locks_that_this_process_has_on_it(good, folder):
    file = folder / "nas.db"
    without_wal(good, file)
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        check_url(f"sqlite:///{file}")
        pid = os.fork()  # locks are a process's
        if pid == 0:
            with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other:
                try:
                    other.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_file_at_rest_is_read_in_its_place(good, folder, monkeypatch):
    at_rest(good, folder / "nas.db")
    with another_user(folder / "nas.db"):
        monkeypatch.setattr(tempfile, "tempdir", "/nowhere")  # no copy can be made
        assert len(open_study(f"sqlite:///{folder}/nas.db", "s").frame()) == 12
        monkeypatch.undo()


def test_a_leftover_that_cannot_be_read_is_named(good, folder):
    left_by_a_dead_writer(good, folder / "nas.db")
    with another_user(folder / "nas.db"):
        os.seteuid(os.getuid())
        (folder / "nas.db-wal").chmod(0o000)
        os.seteuid(NOBODY if os.getuid() == 0 else os.getuid())
        said = refused(f"sqlite:///{folder}/nas.db", read_only=True)
    assert said == (
        f"storage: cannot copy {folder}/nas.db-wal, which has to be repaired to be read "
        "(Permission denied)"
    )
