"""What drivers are asked for while they run: to stop, to try more trials."""

import json

import pytest
from sqlalchemy import event, text

from nas.study import requests
from nas.study.database.outages import UnavailableError
from nas.study.reader import open_study
from nas.study.requests import STOP, Requests, ask_to_stop, asked_for, extend


@pytest.fixture
def ask(store, database_url, monkeypatch):
    """``ask()``: a new driver's requests; each ``look`` is into the database."""
    monkeypatch.setattr(requests, "LOOK_SECONDS", 0)

    def ask():
        found = Requests()
        found.look(store.attempts)
        return found

    return ask


def test_all_drivers_that_run_are_asked_to_stop_and_no_later_one(ask, store, database_url, clock):
    drivers = [ask(), ask()]
    study = open_study(database_url, "s")
    for _ in range(2):  # the second request is of other drivers
        assert ask_to_stop(study) == []
        for driver in drivers:
            driver.look(store.attempts)
            assert driver.stopped
        drivers = [ask(), ask()]
        for driver in drivers:
            driver.look(store.attempts)
            assert not driver.stopped
    query = text("SELECT COUNT(*) FROM study_user_attributes WHERE key = :key")
    with study.engine.connect() as connection:
        assert connection.scalar(query, {"key": STOP}) == 1


def test_drivers_with_a_live_attempt_are_named(store, open_store, helpers, database_url, clock):
    other = open_store("b")
    for one in (store, store, other):
        one.attempts.start(helpers.add(one))
    study = open_study(database_url, "s")
    assert ask_to_stop(study, clock) == ["a", "b"]
    clock.pass_(31)
    assert ask_to_stop(study, clock) == []


def test_requests_for_more_trials_add_up_and_reach_the_drivers_that_run(ask, store, database_url):
    about = (store.engine, store.attempts.study_id)
    with store.engine.begin() as connection:
        config = json.loads(connection.scalar(text("SELECT config FROM nas_studies")))
        changed = {"config": json.dumps({**config, "trials": 60})}
        connection.execute(text("UPDATE nas_studies SET config = :config"), changed)
    driver = ask()
    assert asked_for(database_url, "s") == 60
    assert [extend(*about, 50), extend(*about, 1)] == [110, 111]
    assert asked_for(database_url, "s") == 111
    driver.look(store.attempts)
    assert (driver.trials, driver.stopped) == (111, False)
    later = ask()
    later.look(store.attempts)
    assert later.trials == 0
    assert open_study(database_url, "s").record.config == {**config, "trials": 111}


def test_a_driver_looks_every_three_seconds_at_most_in_one_query(ask, store, monkeypatch):
    monkeypatch.undo()
    seen = []
    event.listen(store.engine, "before_cursor_execute", lambda *about: seen.append(about[2]))
    driver = Requests()
    for _ in range(100):
        driver.look(store.attempts)
    assert sum("SELECT" in statement for statement in seen) == 1 and requests.LOOK_SECONDS == 3


def test_a_database_that_is_away_or_damaged_asks_for_nothing(ask, store, monkeypatch):
    driver = ask()
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE nas_studies SET config = '[]'"))
    driver.look(store.attempts)
    assert (driver.stopped, driver.trials) == (False, 0)

    def away():
        raise UnavailableError("away")

    monkeypatch.setattr(type(store.attempts.engine), "connect", lambda _: away())
    driver.look(store.attempts)
    assert (driver.stopped, driver.trials) == (False, 0)
