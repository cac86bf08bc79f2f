"""Our tables as they lie in a database: names, types, keys, and what may be missing."""

import pytest
from sqlalchemy import create_engine, inspect

from nas.study.database import tables
from nas.study.store import StudyStore

WHOLE, BIG, REAL, LONG, TIME = "INTEGER", "BIGINT", "FLOAT", "TEXT", "DATETIME"


def words(most):
    return f"VARCHAR({most})"


# by table: its primary key, its other columns, and those of them that may be missing
EXPECTED = {
    "nas_releases": ({"revision": words(32)}, {"nas": words(32)}, set()),
    "nas_studies": (
        {"study_id": WHOLE},
        {
            "space": LONG,
            "space_hash": words(64),
            "config": LONG,
            "dataset": words(64),
            "provenance": LONG,
            "created": TIME,
            "objective": LONG,
        },
        {"objective"},
    ),
    "nas_architectures": (
        {"study_id": WHOLE, "key": words(64)},
        {"description": LONG, "params": BIG, "macs": BIG, "activations": BIG, "depth": WHOLE},
        set(),
    ),
    "nas_attempts": (
        {"study_id": WHOLE, "trial": WHOLE, "attempt": WHOLE},
        {
            "owner": words(128),
            "lease": TIME,
            "host": words(255),
            "device": words(255),
            "numerics": words(64),
            "checkpoint": LONG,
            "state": words(16),
            "reason": LONG,
            "started": TIME,
            "ended": TIME,
        },
        {"host", "device", "numerics", "checkpoint", "reason", "ended"},
    ),
    "nas_epochs": (
        {"study_id": WHOLE, "trial": WHOLE, "attempt": WHOLE, "epoch": WHOLE},
        {
            "train_loss": REAL,
            "val_loss": REAL,
            "val_accuracy": REAL,
            "learning_rate": REAL,
            "seconds": REAL,
            "images_per_second": REAL,
            "metrics": LONG,
        },
        {"train_loss", "val_loss", "val_accuracy", "learning_rate", "images_per_second", "metrics"},
    ),
    "nas_evaluations": (
        {"study_id": WHOLE, "trial": WHOLE},
        {
            "training": LONG,
            "val_accuracy": REAL,
            "test_loss": REAL,
            "test_accuracy": REAL,
            "evaluated": TIME,
        },
        set(),
    ),
    "nas_latencies": (
        {
            "study_id": WHOLE,
            "key": words(64),
            "device": words(255),
            "batch": WHOLE,
            "threads": WHOLE,
        },
        {"milliseconds": REAL, "measured": TIME},
        set(),
    ),
    "nas_notes": (
        {"study_id": WHOLE, "trial": WHOLE},
        {"note": LONG, "tags": LONG, "changed": TIME},
        set(),
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory, helpers):
    """An inspector of a database that a search has made."""
    url = f"sqlite:///{tmp_path_factory.mktemp('tables')}/nas.db"
    StudyStore(url, "s", helpers.record, owner="a").close()
    engine = create_engine(url)
    yield inspect(engine)
    engine.dispose()


def test_these_are_all_of_our_tables(made):
    assert set(EXPECTED) == set(tables.metadata.tables)
    ours = {name for name in made.get_table_names() if name.startswith("nas_")}
    assert ours == {*EXPECTED, "nas_version"}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_table_has_its_columns_in_a_database_and_in_the_code(made, name):
    key, others, may_be_missing = EXPECTED[name]
    table = tables.metadata.tables[name]
    columns = {column.name: str(column.type) for column in table.columns}
    assert list(columns.items()) == [*key.items(), *others.items()]
    assert [column.name for column in table.primary_key] == list(key)
    assert {column.name for column in table.columns if column.nullable} == may_be_missing
    assert table.autoincrement_column is None  # ids are Optuna's
    found = made.get_columns(name)
    assert {column["name"]: str(column["type"]) for column in found} == columns
    assert {column["name"] for column in found if column["nullable"]} == may_be_missing
    assert made.get_pk_constraint(name)["constrained_columns"] == list(key)


def test_real_numbers_have_53_bits():
    bits = {
        (table.name, column.name): column.type.precision
        for table in tables.metadata.sorted_tables
        for column in table.columns
        if str(column.type) == REAL
    }
    assert len(bits) == 10 and set(bits.values()) == {53}


def test_an_epoch_is_of_an_attempt(made):
    key = ["study_id", "trial", "attempt"]
    (found,) = made.get_foreign_keys("nas_epochs")
    assert found["referred_table"] == "nas_attempts"
    assert found["constrained_columns"] == found["referred_columns"] == key
    (ours,) = tables.epochs.foreign_key_constraints
    assert list(ours.column_keys) == key
    assert [element.target_fullname for element in ours.elements] == [
        f"nas_attempts.{column}" for column in key
    ]


def test_the_code_writes_one_revision_and_reads_the_one_before():
    assert (tables.REVISION, tables.READABLE) == ("0004", "0003")
