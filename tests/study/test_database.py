"""A URL that cannot be used is refused in one line, and leaves nothing behind."""

import sqlite3

import pytest

from nas.errors import StorageError
from nas.study.database import check_url, engine_for, shown


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("results.db", "for a file write sqlite:///results.db"),
        ("", "no database URL"),
        ("mongodb://host/db", "unknown scheme 'mongodb'; accepted: sqlite:///"),
        ("mysql+pymysql://host/db", "unknown scheme"),
        ("postgres://host/db", "write postgresql+psycopg:// instead of postgres://"),
        ("postgresql+psycopg2://host/db", "unknown scheme"),
        ("sqlite://", "must outlive its process"),
        ("sqlite:///:memory:", "must outlive its process"),
        ("sqlite:///missing/folder/nas.db", "there is no folder missing/folder"),
        ("sqlite:////proc/nas.db", "cannot write in folder /proc"),
        ("sqlite:///.", "is a folder"),
    ],
)
def test_a_wrong_url_says_what_to_write(url, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError) as refused:
        check_url(url)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not any(tmp_path.iterdir())


def test_a_file_that_is_no_database_stays_as_it_is(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("dear diary, " * 100)
    with pytest.raises(StorageError, match="is no SQLite database"):
        check_url(f"sqlite:///{file}")
    assert file.read_text() == "dear diary, " * 100


def test_a_missing_driver_names_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr("nas.study.database.find_spec", lambda name: None)
    with pytest.raises(StorageError, match=r"pip install 'nas\[postgres\]'"):
        check_url("postgresql+psycopg://host/db")


@pytest.mark.parametrize("secret", ["me:hunter2@host/db", "me@host/db?password=hunter2"])
def test_a_password_is_never_shown(secret):
    assert "hunter2" not in shown(f"postgresql+psycopg://{secret}")


def test_a_reader_does_not_create_the_file(tmp_path):
    with pytest.raises(StorageError, match="there is no study database"):
        engine_for(f"sqlite:///{tmp_path}/nas.db", read_only=True)
    assert not any(tmp_path.iterdir())


def test_a_reader_cannot_write(tmp_path):
    path = tmp_path / "nas.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    engine = engine_for(f"sqlite:///{path}", read_only=True)
    with engine.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    engine.dispose()


def test_a_url_without_a_password_is_shown_as_it_is():
    assert shown("sqlite:///a b.db") == "sqlite:///a b.db"
