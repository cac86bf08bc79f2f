"""How far studies are, and a stamp that changes whenever their results do."""

import pytest

from nas.errors import StorageError
from nas.study.progress import Progress, stamp


@pytest.fixture
def look(store, database_url, clock):
    progress = Progress(database_url, now=clock)
    return lambda: progress.read().iloc[0]


def test_a_study_runs_while_a_driver_holds_an_attempt(look, store, helpers, clock):
    assert look()["state"] == "interrupted"
    number = helpers.add(store)
    attempt = store.attempts.start(number)
    assert (look()["state"], look()["working"]) == ("running", 1)
    clock.pass_(31)  # its lease is over: the driver is taken for dead
    assert (look()["state"], look()["working"]) == ("interrupted", 0)
    assert attempt == 1


def test_the_stamp_changes_with_each_step_of_a_trial(look, store, helpers):
    seen = [stamp(look())]

    def changed() -> bool:
        seen.append(stamp(look()))
        return seen[-1] not in seen[:-1]

    number = helpers.add(store)
    assert changed()
    attempt = store.attempts.start(number)
    assert changed()
    store.attempts.record_epoch(number, attempt, helpers.result(1))
    assert changed()
    store.attempts.end(number, attempt, "died", "its process did")
    assert changed()
    assert stamp(look()) == seen[-1]


def test_a_searched_study_is_finished_when_all_trials_ended(database_url, searched):
    searched(database_url, name="stopped")
    searched(database_url, name="ended", end=True)
    found = Progress(database_url).read().set_index("study")
    assert found["state"].to_dict() == {"stopped": "interrupted", "ended": "finished"}
    assert found.loc["ended", ["trials", "planned", "waiting"]].tolist() == [12, 12, 0]
    assert found.loc["stopped", "trials"] == 10


def test_a_database_without_studies_is_refused(tmp_path):
    with pytest.raises(StorageError, match="there is no study database"):
        Progress(f"sqlite:///{tmp_path}/none.db")
