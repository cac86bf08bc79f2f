"""Drivers that share a study, and processes that open a database at once."""

import multiprocessing

import pytest
from conftest import new_postgres_database
from faults.driving import (
    PROCESSES,
    diary_of,
    drive,
    open_driver,
    promises_broken,
    start,
    twice,
    wait_for,
)

from nas.study.check import violations
from nas.study.reader import open_study


@pytest.mark.parametrize("trials", [60, pytest.param(400, marks=pytest.mark.slow)])
def test_two_drivers_of_one_study_try_each_trial_once(database_url, tmp_path, trials):
    options = {"trials": trials, "epochs": 3, "at_a_time": 2}
    drivers = [start(drive, database_url, tmp_path, owner, **options) for owner in "ab"]
    for driver in drivers:
        driver.join()
    assert [driver.exitcode for driver in drivers] == [0, 0]
    assert promises_broken(database_url, trials, diary_of(tmp_path)) == []
    study = open_study(database_url, "s")
    proposed = study.frame()
    own = proposed[proposed["policy"] != "reused"]
    assert own["key"].nunique() > 0.9 * len(own)  # equal seeds do not make equal proposals
    with study.engine.connect() as connection:
        owners = connection.exec_driver_sql(
            "SELECT owner, COUNT(*) FROM nas_attempts GROUP BY owner"
        ).all()
    assert len(owners) == 2


@pytest.mark.slow
def test_of_two_drivers_one_dies_and_the_other_one_finishes(database_url, tmp_path):
    options = {"trials": 40, "epochs": 3, "at_a_time": 2, "scheduler": "none"}
    # within the six epochs of its first two trials: the other one may take all that follow
    dead = start(drive, database_url, tmp_path, "dead", crash_at="epoch.half:4", **options)
    wait_for(dead, 1, tmp_path / "diary")
    alive = start(drive, database_url, tmp_path, "alive", **options)
    dead.join()
    alive.join()  # after the lease of the dead one, which is real time here
    assert (dead.exitcode, alive.exitcode) == (-9, 0)
    assert promises_broken(database_url, 40, diary_of(tmp_path)) == []


def open_at_once(url, barrier):
    barrier.wait()
    open_driver(url, multiprocessing.current_process().name).store.close()


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_eight_processes_open_a_fresh_database_at_once(request, database_url, tmp_path, rounds):
    for round_ in range(rounds):
        url = f"sqlite:///{tmp_path}/{round_}.db"
        if database_url.startswith("postgresql"):
            url = new_postgres_database(request.getfixturevalue("postgres"))
        barrier = PROCESSES.Barrier(8)
        processes = [start(open_at_once, url, barrier) for _ in range(8)]
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * 8
        study = open_study(url, "s")
        assert violations(study) == []
        assert twice(study) == []
