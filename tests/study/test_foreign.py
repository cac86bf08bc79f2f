"""A study of the same name that plain Optuna made is not taken over."""

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from sqlalchemy import create_engine, inspect, text

from nas.errors import StorageError
from nas.study.reader import open_study
from nas.study.record import StudyRecord, read_record
from nas.study.store import StudyStore

RECORD = StudyRecord({"name": "x"}, "0" * 64, {"trials": 3, "epochs": 2}, "synthetic", {})


@pytest.fixture
def refused(database_url):
    """``refused()``: what every way into the study called "theirs" says."""

    def messages():
        found = set()
        for enter in (
            lambda: read_record(database_url, "theirs"),
            lambda: open_study(database_url, "theirs"),
            lambda: StudyStore(database_url, "theirs", RECORD, owner="a"),
        ):
            with pytest.raises(StorageError) as error:
                enter()
            found.add(str(error.value))
        (message,) = found
        return message

    return messages


def theirs(url, **options):
    return optuna.create_study(storage=url, study_name="theirs", **options)


def trial(**options):
    distributions = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}
    return create_trial(params={"x": 0.5, "y": 0.1}, distributions=distributions, **options)


@pytest.mark.parametrize("ours_too", [False, True], ids=["alone", "beside one of ours"])
def test_a_foreign_study_is_refused_with_what_differs(database_url, refused, ours_too):
    if ours_too:
        StudyStore(database_url, "ours", RECORD, owner="a").close()
    study = theirs(database_url, direction="minimize")
    study.add_trials([trial(value=1.0), trial(state=TrialState.PRUNED)])
    before = study.trials
    assert refused() == (
        "study 'theirs' exists and was made by another program: its direction is minimize, not "
        "maximize; 2 trials of 'x', 'y' in it, not by nas; choose another --study"
    )
    assert study.trials == before


def test_a_foreign_study_of_the_same_direction_is_refused_for_its_trials(database_url, refused):
    theirs(database_url, direction="maximize").add_trial(create_trial(value=0.5))
    assert "program: 1 trial in it, not by nas;" in refused()


def test_a_foreign_study_of_two_objectives_is_refused(database_url, refused):
    theirs(database_url, directions=["maximize", "minimize"])
    assert "its direction is maximize and minimize, not maximize" in refused()


def test_an_empty_study_becomes_one_of_ours_with_what_was_enqueued(database_url):
    """A search that was killed at its first step leaves the same."""
    theirs(database_url, direction="maximize").enqueue_trial({"x": 1})
    store = StudyStore(database_url, "theirs", RECORD, owner="a")
    assert [trial.state for trial in store.trials()] == [TrialState.WAITING]
    store.close()
    assert read_record(database_url, "theirs") == RECORD


@pytest.mark.parametrize(
    ("made", "name"),
    [
        ("trials (id INTEGER, drug VARCHAR(9))", "trials"),
        ("alembic_version (version_num VARCHAR(32))", "alembic_version"),
    ],
)
def test_a_table_of_another_program_is_not_written_beside(database_url, made, name):
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE {made}"))
    for enter in (
        lambda: read_record(database_url, "mine"),
        lambda: StudyStore(database_url, "mine", RECORD, owner="a"),
    ):
        with pytest.raises(StorageError, match=f"has a table {name} of another program"):
            enter()
    assert inspect(engine).get_table_names() == [name]
    engine.dispose()


def test_tables_of_other_names_are_no_hindrance(database_url):
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE users (id INTEGER)"))
    engine.dispose()
    assert read_record(database_url, "mine") is None
    StudyStore(database_url, "mine", RECORD, owner="a").close()
    assert read_record(database_url, "mine") == RECORD
