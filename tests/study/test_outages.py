"""A database that is away: one exception, in one line, and no second wait for a silent host."""

import sqlite3

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from nas.study.database import engines, outages
from nas.study.database.outages import UnavailableError
from nas.study.database.storage import open_storage

NOBODY = "postgresql+psycopg://me:canary@127.0.0.1:1/nas"  # a port that refuses at once


@pytest.fixture
def clock(monkeypatch):
    """The seconds that ``outages`` sees, which pass when they are told to."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(outages, "time", clock)
    return clock


@pytest.fixture
def away(clock):
    """``away(seconds)``: a try to connect to nobody, which takes so long; whether it was made."""
    engine = engines.engine_for(NOBODY)
    engines.configure_writer(engine)
    connect, tries = engine.dialect.connect, []
    engine.dialect.connect = lambda *args, **options: tries.append(1) or slow(*args, **options)
    took = [0.0]

    def slow(*args, **options):
        clock.now += took[0]
        return connect(*args, **options)

    def try_(seconds=0.0):
        took[0], before = seconds, len(tries)
        with pytest.raises(UnavailableError) as said, engine.connect():
            pass
        assert str(said.value).startswith("the study database cannot be reached: connection failed")
        assert "\n" not in str(said.value) and "canary" not in str(said.value)
        return len(tries) > before

    yield try_
    engine.dispose()


def test_a_host_that_refuses_is_asked_again_after_half_a_second(away, clock):
    assert away()
    clock.now += 0.49
    assert not away()
    clock.now += 0.01
    assert away()


def test_a_host_that_kept_us_waiting_is_left_alone_five_times_as_long(away, clock):
    assert away(seconds=2)
    clock.now += 9.99
    assert not away()
    clock.now += 0.01
    assert away()
    clock.now += 0.5  # the last try was quick again
    assert away()


@pytest.fixture
def busy(tmp_path, monkeypatch):
    """A SQLite database that another process is writing to, and an engine that waits briefly."""
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.02)
    with sqlite3.connect(tmp_path / "nas.db") as made:
        made.execute("CREATE TABLE t (x PRIMARY KEY)")
    other = sqlite3.connect(tmp_path / "nas.db", isolation_level=None)
    engine = engines.engine_for(f"sqlite:///{tmp_path}/nas.db")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))
    other.execute("BEGIN IMMEDIATE")
    yield engine
    other.close()
    engine.dispose()


def test_a_sqlite_file_that_stays_locked_is_away(busy):
    said = "^the study database cannot be reached: database is locked$"
    with pytest.raises(UnavailableError, match=said), busy.begin():
        pass


@pytest.mark.parametrize(
    ("statement", "error"),
    [("SELECT * FROM missing", OperationalError), ("INSERT INTO t VALUES (1)", IntegrityError)],
)
def test_a_mistake_is_no_outage(tmp_path, statement, error):
    engine = engines.engine_for(f"sqlite:///{tmp_path}/nas.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (x PRIMARY KEY)"))
        connection.execute(text("INSERT INTO t VALUES (1)"))
    with pytest.raises(error), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_mistake_that_never_came_to_the_database_is_none_either(tmp_path):
    engine = engines.engine_for(f"sqlite:///{tmp_path}/nas.db")
    with pytest.raises(ProgrammingError, match="Incorrect number of bindings"), engine.begin() as c:
        c.exec_driver_sql("SELECT ?", ())
    engine.dispose()


@pytest.mark.parametrize(("idle", "noticed"), [(0.99, False), (1.0, True)])
def test_a_connection_that_was_closed_while_it_lay_idle_is_replaced(
    postgres_database, clock, idle, noticed
):
    engine, other = open_storage(postgres_database).engine, create_engine(postgres_database)
    asked = text("SELECT pg_backend_pid()")
    with engine.connect() as connection:
        first = connection.scalar(asked)
    with other.connect() as connection:
        assert connection.scalar(text(f"SELECT pg_terminate_backend({first}, 5000)"))
    clock.now += idle
    if not noticed:  # whoever used it a moment ago asks again, as after any outage
        with pytest.raises(UnavailableError), engine.connect() as connection:
            connection.scalar(asked)
    with engine.connect() as connection:
        assert connection.scalar(asked) != first
    engine.dispose()
    other.dispose()
