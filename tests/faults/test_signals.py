"""SIGINT and SIGTERM to a search that really trains: how soon it ends, and what is left."""

import signal
import time

import pytest
from faults.searching import Search
from sqlalchemy import create_engine, text

# epochs of all images, which take far longer than a signal may
TRAINING = ["--sampler", "random", "--scheduler", "none", "--trials", "8", "--epochs", "40"]
TRAINING += ["--time-budget", "1h", "--train-images", "20000", "--max-macs", "3M"]


@pytest.fixture
def search(database_url, tmp_path, data_folder):
    """One that has an epoch's checkpoint, and is in the middle of the next."""
    search = Search(tmp_path, database_url, *TRAINING, "--data", str(data_folder))
    process = search.start()
    while not has_checkpoint(search):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.2)
    yield search, process
    process.kill()
    process.stdout.close()
    process.wait()


def has_checkpoint(search):
    return not search.missing() and any(checkpoint for _, checkpoint in attempts(search))


def ends_within(process, seconds):
    begun = time.monotonic()
    process.wait(timeout=60)
    assert time.monotonic() - begun <= seconds


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_training_in_order(search, number, code):
    search, process = search
    process.send_signal(number)
    ends_within(process, 10)
    assert process.returncode == code
    said = process.stdout.read()
    assert f"Stopped by {number.name}" in said
    assert "Traceback" not in said
    states = attempts(search)
    assert {state for state, _ in states} == {"interrupted"}
    assert any(checkpoint for _, checkpoint in states)
    search.wait_until_no_process_is_left()


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(search):
    search, process = search
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)  # another one: two equal signals may arrive as one
    ends_within(process, 2)
    assert process.returncode == 143
    search.wait_until_no_process_is_left()


def attempts(search):
    engine = create_engine(search.url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT state, checkpoint FROM nas_attempts")).all()
    engine.dispose()
    return rows
