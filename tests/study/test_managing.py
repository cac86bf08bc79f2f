"""A study is renamed or deleted whole, or not at all while a driver works on it."""

import io
import json
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, inspect, text

from nas.cli.app import main
from nas.errors import StorageError
from nas.study.attempts import LEASE
from nas.study.check import violations
from nas.study.evaluation import record_evaluation
from nas.study.latencies import record_latencies
from nas.study.managing import delete_study, rename_study
from nas.study.reader import open_study, studies
from nas.study.retrained import RETRAINS

HOSTILE = '\'; DROP TABLE trials;-- "$(rm)" <b>'


@pytest.fixture
def two(searched, database_url):
    """Two studies, and rows of "s" in every table that has some."""
    searched(database_url, "other")
    searched(database_url)
    record_evaluation(
        database_url, "s", 0, {"epochs": 20}, val_accuracy=0.9, test_loss=0.3, test_accuracy=0.89
    )
    found = open_study(database_url, "s")
    milliseconds = dict.fromkeys(found.frame()["key"].unique(), 1.5)
    record_latencies(found, milliseconds, device="cpu", batch=1, threads=1)
    return database_url


def rows(url):
    """How many each table has."""
    engine = create_engine(url)
    with engine.connect() as connection:
        names = sorted(inspect(engine).get_table_names())
        found = {n: connection.scalar(text(f'SELECT COUNT(*) FROM "{n}"')) for n in names}
    engine.dispose()
    return found


def test_a_deleted_study_leaves_nothing_behind_and_others_as_they_are(
    searched, two, tmp_path, capsys
):
    alone = f"sqlite:///{tmp_path}/alone.db"
    searched(alone, "other")
    before = open_study(two, "other").frame()
    number = len(open_study(two, "s").frame())
    assert main(["delete", "s", "--yes", "--storage", two]) == 0
    assert capsys.readouterr().out == f"s: deleted, {number} trials\n"
    assert list(studies(two)["study"]) == ["other"]
    found = rows(two)
    assert {name: n for name, n in rows(alone).items() if found[name] != n} == {}
    assert open_study(two, "other").frame().equals(before)
    assert violations(open_study(two, "other")) == []


@pytest.mark.parametrize(
    ("typed", "deleted"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_a_study_is_deleted_where_the_person_says_so(
    typed, deleted, searched, tmp_path, monkeypatch, capsys
):
    url = f"sqlite:///{tmp_path}/nas.db"
    searched(url)
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert main(["delete", "s", "--storage", url]) == (0 if deleted else 2)
    assert ("s" in set(studies(url)["study"])) != deleted
    assert ("nothing was deleted" in capsys.readouterr().err) != deleted


def test_a_renamed_study_is_the_same_and_is_carried_on(searched, two, capsys):
    before = open_study(two, "s").frame().drop(columns="study")
    assert main(["rename", "s", HOSTILE, "--storage", two]) == 0
    assert "is called" in capsys.readouterr().out
    assert set(studies(two)["study"]) == {"other", HOSTILE}
    assert open_study(two, HOSTILE).frame().drop(columns="study").equals(before)
    searched(two, HOSTILE, end=True)
    assert len(open_study(two, HOSTILE).frame()) == 12


def test_what_was_trained_anew_belongs_to_a_study_by_its_new_name_too(two, capsys):
    about = {RETRAINS: {"study": "s", "recipe": "long"}}
    update = text("UPDATE nas_studies SET provenance = :about WHERE study_id = :id")
    engine = create_engine(two)
    with engine.begin() as connection:
        given = {"about": json.dumps(about), "id": open_study(two, "other").id}
        connection.execute(update, given)
    engine.dispose()

    def trained_anew(name):
        found = open_study(two, name).retrained()
        return found[found["study"] == "other"]

    before = trained_anew("s")
    assert len(before) > 5
    assert main(["rename", "s", HOSTILE, "--storage", two]) == 0
    renamed = open_study(two, HOSTILE)
    assert trained_anew(HOSTILE).equals(before)
    config = open_study(two, "other").record.config
    assert renamed.retraining("long", config["seed"], config["epochs"]) == "other"
    assert renamed.retraining("long", config["seed"], config["epochs"] + 1) is None
    assert renamed.retraining("short", config["seed"], config["epochs"]) is None


@pytest.mark.parametrize("change", [delete_study, lambda *a, **o: rename_study(*a[:2], "new", **o)])
def test_a_study_that_a_driver_works_on_is_refused_until_its_lease_is_over(
    change, open_store, helpers, clock, database_url
):
    store = open_store()
    number = helpers.add(store)
    store.attempts.start(number)
    before = rows(database_url)
    with pytest.raises(StorageError, match=r"is being searched by 1 driver \(a\); end that first"):
        change(database_url, "s", now=clock)
    assert rows(database_url) == before
    clock.pass_((LEASE + timedelta(seconds=1)).total_seconds())
    change(database_url, "s", now=clock)
    assert "s" not in set(studies(database_url)["study"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("delete t --yes", "there is no study 't' in "),
        ("rename t u", "there is no study 't' in "),
        ("rename s other", "there is a study 'other' in "),
        ("rename s ''", "accepted: 1 to 200 printable characters"),
        ("rename s \x1b[31m", "accepted: 1 to 200 printable characters"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(
    words, said, searched, tmp_path, capsys
):
    url = f"sqlite:///{tmp_path}/nas.db"
    searched(url)
    searched(url, "other")
    before = rows(url)
    arguments = ["" if word == "''" else word for word in words.split()]
    assert main([*arguments, "--storage", url]) == 2
    assert said in capsys.readouterr().err
    assert rows(url) == before
    missing = f"sqlite:///{tmp_path}/none.db"
    assert main([*arguments, "--storage", missing]) == 2
    assert not (tmp_path / "none.db").exists()
