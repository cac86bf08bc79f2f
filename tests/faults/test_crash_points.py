"""A driver dies between two of its writes, and the next one carries the study on as if not."""

import pytest
from faults.driving import diary_of, drive, promises_broken, start, told

from nas.faults import POINTS, crash_point

AHEAD = 90.0  # the next driver comes so much later: the leases of the dead one have run out
EACH_BUT_SLOWLY = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
OPTIONS = {"trials": 8, "scheduler": "asha", "epochs": 3}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    url = f"sqlite:///{folder}/nas.db"
    process = start(drive, url, folder, "a", **OPTIONS)
    process.join()
    assert process.exitcode == 0
    assert promises_broken(url, 8, diary_of(folder)) == []
    return told(url)


def die_at(url, folder, crash_at, **options):
    process = start(drive, url, folder, "dead", crash_at=crash_at, **OPTIONS, **options)
    process.join()
    return process.exitcode


def carry_on(url, folder, **options):
    process = start(drive, url, folder, "next", ahead=AHEAD, **OPTIONS, **options)
    process.join()
    assert process.exitcode == 0
    return promises_broken(url, 8, diary_of(folder), ahead=AHEAD)


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("database_url", EACH_BUT_SLOWLY, indirect=True)
def test_a_driver_that_dies_at_any_point_leaves_the_study_as_if_it_had_not(
    database_url, tmp_path, undisturbed, name
):
    times = 1 if name.startswith("resume") else 3
    assert die_at(database_url, tmp_path, f"{name}:{times}") == -9
    assert carry_on(database_url, tmp_path) == []
    assert told(database_url) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("name", POINTS)
def test_a_driver_with_several_trials_dies_at_any_point(database_url, tmp_path, name):
    times = 1 if name.startswith("resume") else 4
    assert die_at(database_url, tmp_path, f"{name}:{times}", at_a_time=3) == -9
    assert carry_on(database_url, tmp_path, at_a_time=3) == []


@pytest.mark.parametrize("database_url", EACH_BUT_SLOWLY, indirect=True)
def test_one_study_whose_drivers_died_at_one_point_after_another(database_url, tmp_path):
    ahead = 0.0
    for name in POINTS * 2:
        process = start(
            drive, database_url, tmp_path, name, crash_at=name, ahead=ahead, at_a_time=3, **OPTIONS
        )
        process.join()
        ahead += AHEAD
        if process.exitcode == 0:
            break
        assert process.exitcode == -9
    process = start(drive, database_url, tmp_path, "last", ahead=ahead, **OPTIONS)
    process.join()
    assert promises_broken(database_url, 8, diary_of(tmp_path), ahead=ahead) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", POINTS)
def test_a_driver_dies_at_every_passing_of_every_point(
    database_url, tmp_path, undisturbed, name, request
):
    for times in range(1, 1000):
        folder = tmp_path / str(times)
        folder.mkdir()
        url = (
            f"sqlite:///{folder}/nas.db" if database_url.startswith("sqlite") else another(request)
        )
        if die_at(url, folder, f"{name}:{times}") == 0:
            assert times > 1
            return
        assert carry_on(url, folder) == [], f"{name}:{times}"
        assert told(url) == undisturbed, f"{name}:{times}"


def another(request):
    from conftest import new_postgres_database

    return new_postgres_database(request.getfixturevalue("postgres"))


def test_a_point_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("NAS_CRASH_AT", "tel.end")
    with pytest.raises(Exception, match=r"NAS_CRASH_AT: no point 'tel.end'; .*end.written"):
        crash_point("end.written")
