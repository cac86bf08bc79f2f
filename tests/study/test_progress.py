"""How far studies are, and a stamp that changes whenever their results do."""

import shutil
import sqlite3
from contextlib import closing
from datetime import datetime

import pandas as pd
import pytest

from nas.errors import StorageError
from nas.study.progress import COUNTED, COUNTS, Progress, stamp


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


# --- each value, of a study written by hand ---


@pytest.fixture
def url(by_hand, tmp_path):
    """A copy of the study."""
    shutil.copyfile(by_hand, tmp_path / "nas.db")
    return f"sqlite:///{tmp_path}/nas.db"


def change(url, *statements):
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def at(second):
    return datetime(2026, 1, 1, 0, 0, second)


ROW = {
    "study_id": 1,
    "study": "hand",
    "created": at(0),
    "state": "running",
    "planned": 9,
    "trials": 7,
    "complete": 3,
    "inherited": 0,
    "pruned": 1,
    "failed": 1,
    "running": 1,
    "waiting": 1,
    "epochs": 8,
    "attempts": 7,
    "ended": 6,
    "evaluations": 1,
    "latencies": 2,
    "working": 1,
    "last_active": at(13),
    "problem": None,
}
LATENCY = (
    "INSERT INTO nas_latencies SELECT 1, key, 'cpu', 1, 1, 1.5, '2026-01-01' "
    "FROM nas_architectures LIMIT 2"
)
EVALUATION = "INSERT INTO nas_evaluations VALUES (1, 0, '{}', 0.5, 0.5, 0.5, '2026-01-01')"


def read(url, now):
    found = Progress(url, now=lambda: now).read()
    (row,) = found.astype(object).where(found.notna(), None).to_dict("records")
    return row


def test_each_count_of_a_study(url):
    change(url, LATENCY, EVALUATION)
    row = read(url, at(42))
    assert row == ROW
    assert list(row) == list(ROW)
    counts = [value for name, value in ROW.items() if name in COUNTS]
    assert stamp(pd.Series(row)) == (1, *counts)


def test_a_lease_that_has_run_out_is_over(url):
    change(url, LATENCY, EVALUATION)
    assert read(url, at(43)) == ROW  # to its last moment, as for whoever takes attempts over
    assert read(url, at(43).replace(microsecond=1)) == ROW | {"state": "interrupted", "working": 0}


@pytest.mark.parametrize(("planned", "state"), [(4, "finished"), (5, "finished"), (6, "running")])
def test_a_study_is_finished_when_as_many_trials_ended_as_were_asked_for(url, planned, state):
    change(url, f"UPDATE nas_studies SET config = json_set(config, '$.trials', {planned})")
    row = read(url, at(0))
    assert (row["planned"], row["state"], row["working"]) == (planned, state, 1)


def test_types_of_columns(url):
    kinds = Progress(url).read().dtypes.astype(str).to_dict()
    others = {"study": "str", "state": "str", "problem": "string"}
    others |= dict.fromkeys(("created", "last_active"), "datetime64[us]")
    assert kinds == {name: others.get(name, "int64") for name in ROW}


def test_a_damaged_study_and_one_without_a_trial_have_counts_of_0(url):
    change(
        url,
        "UPDATE nas_attempts SET ended = 'soon', started = 'soon' WHERE trial = 6",
        "UPDATE nas_studies SET config = '{}'",
        "INSERT INTO studies VALUES (2, 'empty')",
        'INSERT INTO nas_studies SELECT 2, space, space_hash, \'{"trials": 1, "epochs": 1}\', '
        "dataset, provenance, '2025-01-01', objective FROM nas_studies",
    )
    empty, hand = Progress(url, now=lambda: at(0)).read().to_dict("records")
    assert (empty["study"], empty["state"], empty["planned"]) == ("empty", "interrupted", 1)
    assert [empty[name] for name in COUNTED] == [0] * 13
    assert pd.isna(empty["last_active"]) and pd.isna(empty["problem"])
    assert (hand["study"], hand["state"], hand["planned"]) == ("hand", "damaged", 0)
    assert hand["problem"] == "trials of its config is 'None', not a whole number"
    assert pd.isna(hand["last_active"]) and pd.isna(hand["created"])


def test_a_database_of_others_is_refused(tmp_path):
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    url = f"sqlite:///{tmp_path}/other.db"
    with pytest.raises(StorageError) as refused:
        Progress(url)
    assert str(refused.value) == f"{url} has no studies of nas in it"


@pytest.mark.parametrize(
    "statement", ["UPDATE nas_studies SET config = '{}'", "DELETE FROM nas_studies"]
)
def test_types_of_columns_are_the_same_where_nothing_can_be_said(url, statement):
    kinds = Progress(url).read().dtypes.to_dict()
    change(url, statement, "UPDATE nas_attempts SET started = 'soon', ended = 'soon'")
    assert Progress(url).read().dtypes.to_dict() == kinds
