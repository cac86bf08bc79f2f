"""What is said of a study and of its trials: kept, shown as text, and never in the way."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import create_engine, text

from nas.cli.app import main
from nas.errors import ConfigError, DamagedError, StorageError
from nas.study.check import violations
from nas.study.database.upgrade import upgrade
from nas.study.exchange.transfer import export_study, import_study
from nas.study.notes import (
    LONGEST,
    LONGEST_TAG,
    MOST_TAGS,
    OF_STUDY,
    Note,
    read_notes,
    read_study_notes,
    why_not_writable,
    write_note,
)
from nas.study.progress import Progress
from nas.study.reader import open_study, studies

REFERENCE = Path(__file__).resolve().parents[2] / "studies"


def run(url, *statements):
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def make_older(url):
    """As the nas before notes left it."""
    run(
        url,
        "DROP TABLE nas_notes",
        "DELETE FROM nas_releases WHERE revision = '0004'",
        "UPDATE nas_version SET version_num = '0003'",
    )


def test_a_note_is_kept_until_another_one_or_none_is_written(searched, database_url):
    searched(database_url)
    study = open_study(database_url, "s")
    assert why_not_writable(study) is None
    write_note(study, OF_STUDY, Note("the first", ("a", "b")))
    write_note(study, 0, Note(tags=("odd",)))
    write_note(study, 0, Note("line\nline", ("odd", "fast")))
    assert read_notes(study) == {
        OF_STUDY: Note("the first", ("a", "b")),
        0: Note("line\nline", ("odd", "fast")),
    }
    assert read_study_notes(study.engine, study.url) == {study.id: Note("the first", ("a", "b"))}
    write_note(study, 0, Note())
    assert list(read_notes(study)) == [OF_STUDY]
    assert violations(study) == []


@pytest.fixture
def hand(by_hand, tmp_path):
    """The URL of a copy of the study "hand", with a note."""
    file = tmp_path / "nas.db"
    shutil.copyfile(by_hand, file)
    return f"sqlite:///{file}"


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (Note("x" * (LONGEST + 1)), "accepted: 10,000 at most"),
        (Note("a\0b"), "a sign that no database keeps"),
        (Note(tags=("x" * (LONGEST_TAG + 1),)), "accepted: 40 signs"),
        (Note(tags=tuple(map(str, range(MOST_TAGS + 1)))), "accepted: 20 at most"),
    ],
)
def test_a_note_that_is_too_long_is_refused(hand, note, said):
    study = open_study(hand, "hand")
    with pytest.raises(ConfigError, match=said):
        write_note(study, 0, note)
    assert read_notes(study) == {}


def test_a_database_of_the_nas_before_is_read_and_carried_over(hand, capsys):
    study = open_study(hand, "hand")
    before = violations(study)
    make_older(hand)
    assert read_notes(study) == {} == read_study_notes(study.engine, hand)
    assert len(study.frame()) == 7
    assert violations(study) == before
    assert list(Progress(hand).read()["study"]) == ["hand"]
    assert main(["show", "hand", "--storage", hand]) == 0
    capsys.readouterr()
    assert "nas db upgrade" in str(why_not_writable(study))
    with pytest.raises(StorageError, match=r"writes 0004; run: .*nas db upgrade"):
        write_note(study, 0, Note("no"))
    upgrade(hand)
    assert why_not_writable(study) is None
    write_note(study, 0, Note("yes"))
    assert read_notes(study) == {0: Note("yes")}


def test_the_studies_of_this_repository_are_read_and_imported(tmp_path):
    file = REFERENCE / "resnet_vs_plain-macs-4M-8M-flip-residual-2ep.sqlite"
    there = f"sqlite:///{file}"
    (name,) = studies(there)["study"]
    assert read_notes(open_study(there, name)) == {}
    url = f"sqlite:///{tmp_path}/nas.db"
    import_study(file, url)
    assert why_not_writable(open_study(url, name)) is None


def test_what_others_wrote_is_shown_as_text_or_said_to_be_damaged(hand):
    study = open_study(hand, "hand")
    write_note(study, 0, Note("a\x1b[2J\nb", ("t\x07",)))
    assert read_notes(study) == {0: Note("a\\u001b[2J\nb", ("t\\u0007",))}
    with closing(sqlite3.connect(urlsplit(hand).path)) as connection:
        connection.execute("UPDATE nas_notes SET tags = '{'")
        connection.commit()
    with pytest.raises(DamagedError, match="the tags of a note is not JSON"):
        read_notes(study)


def test_a_note_goes_along_with_its_study(hand, tmp_path):
    run(hand, "UPDATE trials SET state = 'FAIL' WHERE state = 'RUNNING'")
    write_note(open_study(hand, "hand"), OF_STUDY, Note("mine", ("kept",)))
    export_study(hand, "hand", tmp_path / "out.sqlite")
    assert read_notes(open_study(f"sqlite:///{tmp_path}/out.sqlite", "hand")) == {
        OF_STUDY: Note("mine", ("kept",))
    }
