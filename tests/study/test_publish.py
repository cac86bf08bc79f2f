"""What is taken out of a published study, on rows written by hand."""

import json
import sqlite3

import pytest

from nas.study.exchange.publish import anonymise

TRACE = "ValueError: no (attempt 1 on beta/7)\n  File /home/me/x.py"


@pytest.fixture
def published(tmp_path):
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    connection.executescript(
        "CREATE TABLE nas_attempts (owner, host, checkpoint, reason, device);"
        "CREATE TABLE trial_user_attributes (value_json);"
        "CREATE TABLE nas_studies (study_id, config);"
        "CREATE TABLE nas_notes (body); INSERT INTO nas_notes VALUES ('call me at home')"
    )
    connection.executemany(
        "INSERT INTO nas_attempts VALUES (?, ?, ?, ?, 'cpu')",
        [
            ("alpha/1/x", "beta/7", "/home/me/1", TRACE),
            ("alphabet/1/x", "alpha/2", None, "its process on alphabet/3 died"),
            ("alpha", None, None, None),
        ],
    )
    connection.execute("INSERT INTO trial_user_attributes VALUES ('\"no (attempt 1 on beta/7)\"')")
    for study in (1, 2):
        config = {"seed": study, "data": "/home/me/data", "runs": "/home/me/runs"}
        config |= {"log_to": "tensorboard:/home/me/logs"} if study == 1 else {}
        config |= {"dataset": "digits" if study == 1 else "folder:/home/me/birds"}
        connection.execute("INSERT INTO nas_studies VALUES (?, ?)", (study, json.dumps(config)))
    connection.commit()
    anonymise(connection)
    connection.close()
    with sqlite3.connect(tmp_path / "s.sqlite") as again:  # what was committed
        yield again
    again.close()


def test_hosts_are_numbered_by_name_and_what_follows_them_stays(published):
    found = published.execute("SELECT owner, host, device FROM nas_attempts").fetchall()
    assert found == [
        ("host-1/1/x", "host-3/7", "cpu"),
        ("host-2/1/x", "host-1/2", "cpu"),
        ("host-1", None, "cpu"),
    ]


def test_reasons_keep_their_first_line_with_the_hosts_number(published):
    reasons = [reason for (reason,) in published.execute("SELECT reason FROM nas_attempts")]
    assert reasons == [
        "ValueError: no (attempt 1 on host-3/7)",
        "its process on host-2/3 died",
        None,
    ]
    (attribute,) = published.execute("SELECT value_json FROM trial_user_attributes").fetchone()
    assert attribute == '"no (attempt 1 on host-3/7)"'


def test_checkpoints_and_folders_are_gone_and_other_options_stay(published):
    assert published.execute("SELECT DISTINCT checkpoint FROM nas_attempts").fetchall() == [(None,)]
    configs = published.execute("SELECT config FROM nas_studies ORDER BY study_id").fetchall()
    assert [json.loads(config) for (config,) in configs] == [
        {"seed": 1, "data": None, "runs": "nas-runs", "log_to": "none", "dataset": "digits"},
        {"seed": 2, "data": None, "runs": "nas-runs", "dataset": "folder:birds"},
    ]


def test_no_page_of_the_file_holds_what_was_taken_out(published, tmp_path):
    content = (tmp_path / "s.sqlite").read_bytes()
    assert not [word for word in (b"alpha", b"beta", b"/home/me") if word in content]
