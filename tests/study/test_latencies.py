"""Measured latencies beside the trials, each with the machine that it holds for."""

import math
import shutil
from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, text
from study_factory import write_study

from nas.study.check import violations
from nas.study.latencies import record_latencies
from nas.study.reader import open_study


@pytest.fixture
def study(database_url):
    write_study(database_url, "s", trials=30, epochs=3)
    return open_study(database_url, "s")


def record(study, milliseconds, device="cpu", batch=1):
    record_latencies(study, milliseconds, device=device, batch=batch, threads=1)


def latencies_of(study):
    """Milliseconds by key, as the trials have them."""
    return study.frame().drop_duplicates("key").set_index("key")["latency_ms"]


def test_what_was_not_measured_has_no_latency(study):
    assert study.frame()["latency_ms"].isna().all()
    assert study.front("latency_ms").empty
    first, second = study.frame()["key"][:2]
    record(study, {first: 2.5})
    by_key = latencies_of(study)
    assert by_key[first] == 2.5
    assert math.isnan(by_key[second])
    assert violations(study) == []


def test_a_second_measurement_takes_the_place_of_the_first(study):
    key = study.frame()["key"][0]
    record(study, {key: 2.5})
    record(study, {key: 2.0})
    assert study.latencies()["milliseconds"].tolist() == [2.0]


def test_a_frame_holds_latencies_of_one_machine_and_one_way_only(study):
    first, second = study.frame()["key"][:2]
    record(study, {first: 9.0, second: 8.0}, device="slow")
    record(study, {first: 5.0, second: 4.0}, batch=16)
    record(study, {second: 1.0})
    by_key = latencies_of(study)
    assert math.isnan(by_key[first])
    assert by_key[second] == 1.0
    assert len(study.latencies()) == 5


def test_the_front_of_accuracy_and_latency(study):
    frame = study.frame()
    full = frame[frame["state"] == "COMPLETE"].drop_duplicates("key")
    record(study, dict.fromkeys(full["key"], 1.0))
    front = study.front("latency_ms")
    assert front["number"].tolist() == study.best(1)["number"].tolist()  # equally fast


def test_a_latency_that_cannot_be_is_found(study, database_url):
    key = study.frame()["key"][0]
    record(study, {key: 1.0})
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE nas_latencies SET milliseconds = -1"))
    assert violations(study) == [f"the latency of architecture {key[:12]} is -1.0 ms"]
    with engine.begin() as connection:
        connection.execute(text("UPDATE nas_latencies SET milliseconds = 1, key = 'k'"))
    engine.dispose()
    assert violations(study) == ["the latency of architecture k, which is not there"]


def test_each_value_of_a_measurement_and_no_other_row_is_changed(by_hand, tmp_path, helpers):
    shutil.copyfile(by_hand, tmp_path / "nas.db")
    study = open_study(f"sqlite:///{tmp_path}/nas.db", "hand")
    a, b = helpers.network(2).key, helpers.network(3).key
    before = datetime.now(UTC)
    record_latencies(study, {a: 1.5, b: 2.5}, device="cpu", batch=1, threads=4)
    record_latencies(study, {a: 3.5}, device="gpu", batch=1, threads=4)
    record_latencies(study, {a: 4.5}, device="cpu", batch=2, threads=4)
    record_latencies(study, {a: 5.5}, device="cpu", batch=1, threads=8)
    record_latencies(study, {a: 6.5}, device="cpu", batch=1, threads=4)
    found = study.latencies()
    assert found["measured"].between(before, datetime.now(UTC)).all()
    rows = found.drop(columns="measured").to_records(index=False).tolist()
    assert rows == [
        (b, "cpu", 1, 4, 2.5),
        (a, "gpu", 1, 4, 3.5),
        (a, "cpu", 2, 4, 4.5),
        (a, "cpu", 1, 8, 5.5),
        (a, "cpu", 1, 4, 6.5),
    ]
