"""What the commands that look after studies print, line by line, and how they exit."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from study_factory import write_study

from nas.cli.app import main
from nas.cli.figures import curves_figure, front_figure
from nas.study.database.tables import REVISION
from nas.study.evaluation import record_evaluation
from nas.study.reader import open_study


@pytest.fixture
def run(by_hand, tmp_path, monkeypatch, capsys):
    """``run(*words)``: the exit code and the lines that ``nas`` prints of a copy of "hand"."""
    shutil.copyfile(by_hand, tmp_path / "nas.db")
    monkeypatch.setenv("NAS_STORAGE", f"sqlite:///{tmp_path}/nas.db")
    monkeypatch.setenv("COLUMNS", "140")

    def call(*words):
        code = main(list(words))
        printed = capsys.readouterr()
        return code, [line.rstrip() for line in (printed.out + printed.err).splitlines()]

    return call


@pytest.fixture
def change(tmp_path):
    def change(*statements):
        with closing(sqlite3.connect(tmp_path / "nas.db")) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return change


def rows(lines):
    """The cells of a printed table."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]


def test_studies_are_listed_with_their_states_and_best(run, change, tmp_path):
    write_study(f"sqlite:///{tmp_path}/nas.db", "empty", trials=0)
    write_study(f"sqlite:///{tmp_path}/nas.db", "made up", trials=1, epochs=1)
    write_study(f"sqlite:///{tmp_path}/nas.db", "z", trials=1, epochs=1)
    change(
        "UPDATE nas_studies SET created = '2027-01-01 10:20:30.000000' WHERE study_id > 1",
        "UPDATE nas_studies SET config = '[]' WHERE study_id = 4",
        "UPDATE nas_studies SET provenance = json_set(provenance, '$.images', "
        """json('{"title": "a[b]\\u001b[2J"}')) WHERE study_id = 1""",
        "INSERT INTO trial_values (trial_id, objective, value, value_type) "
        "VALUES (8, 0, 0.5, 'FINITE')",
        "UPDATE trials SET state = 'COMPLETE' WHERE trial_id = 8",
    )
    code, printed = run("studies")
    assert code == 0
    assert [cell.strip() for cell in printed[1].split("┃")[1:-1]] == [
        "study",
        "created (UTC)",
        "data set",
        "trials",
        "best",
    ]
    everything = "3 complete, 1 pruned, 1 failed, 1 running, 1 waiting"
    assert rows(printed) == [
        ["hand", "2026-01-01 00:00", r"a[b]\u001b[2J", everything, "12.20 %"],
        ["empty", "2027-01-01 10:20", "–", "none", "–"],
        ["made up", "2027-01-01 10:20", "–", "1 complete", "50.00 % (synthetic)"],
        ["z", "–", "–", "damaged: its config is not a mapping", "–"],
    ]
    assert printed[3].endswith("       12.20 % │")  # to the right


def test_a_database_without_a_study_says_how_one_begins(run):
    assert run("delete", "hand", "--yes")[0] == 0
    code, printed = run("studies")
    assert code == 0
    assert printed[0].startswith("there is no study in this database yet; to begin one: ")
    assert "nas search" in printed[0]


def test_what_the_test_images_said_is_shown(run, by_hand, tmp_path):
    values = {"val_accuracy": 0.9, "test_loss": 0.3, "test_accuracy": 0.8912}
    assert not any("Trained anew" in line for line in run("show", "hand")[1])
    record_evaluation(f"sqlite:///{tmp_path}/nas.db", "hand", 1, {"epochs": 3}, **values)
    printed = run("show", "hand")[1]
    assert any("Trained anew" in line for line in printed)
    assert any(line.endswith("89.12 % │") and "90.00 %" in line for line in printed)


def test_a_study_is_shown_with_its_best_and_two_figures(run, by_hand):
    code, printed = run("show", "hand")
    assert code == 0
    assert printed[0] == "hand: 3 complete, 1 pruned, 1 failed, 1 running, 1 waiting"
    assert "The best of hand" in printed and "The best of them, trial 1:" in printed
    study = open_study(f"sqlite:///{by_hand}", "hand")
    figures = [figure(study, 100).plain.splitlines() for figure in (front_figure, curves_figure)]
    assert printed[-len(figures[0]) - len(figures[1]) - 2 :] == [*figures[0], "", *figures[1], ""]
    assert len(rows(run("show", "hand", "--rows", "1")[1])[0]) == 6
    best = [row for row in rows(run("show", "hand", "--rows", "1")[1]) if len(row) == 6]
    assert [row[0] for row in best] == ["1"]


def test_figures_are_as_wide_as_the_terminal_and_at_most_100(run, monkeypatch, by_hand):
    study = open_study(f"sqlite:///{by_hand}", "hand")
    for columns, width in (("60", 60), ("100", 100), ("101", 100)):
        monkeypatch.setenv("COLUMNS", columns)
        figure = front_figure(study, width).plain.splitlines()[1:4]
        printed = run("show", "hand")[1]
        assert figure == printed[printed.index(figure[0]) :][:3]


def test_a_study_without_a_trial_is_shown_so(run, tmp_path):
    write_study(f"sqlite:///{tmp_path}/nas.db", "empty", trials=0)
    code, printed = run("show", "empty")
    assert code == 0 and printed[0] == "empty: no trial yet"
    assert "No trial of 'empty' was trained in full yet." in printed


def test_what_a_study_was_run_with_is_shown_as_json(run, helpers):
    code, printed = run("show", "hand", "--provenance")
    assert code == 0
    found = json.loads("\n".join(printed))
    assert list(found) == ["provenance", "devices", "other_software", "dataset", "config", "space"]
    used = [tuple(row.values()) for row in found["devices"]]
    assert used[:2] == [("device 0", "numerics 1", 1), ("device 1", "numerics 1", 1)]
    assert len(used) == 6  # one never ran
    assert found["space"] == helpers.record.space


@pytest.mark.parametrize("rows", ["0", "-1", "x"])
def test_a_number_of_rows_that_cannot_be_is_refused(run, rows):
    assert run("show", "hand", "--rows", rows)[0] == 2


def test_each_violation_is_a_line_and_the_last_one_counts_them(run, change, tmp_path):
    space = open_study(f"sqlite:///{tmp_path}/nas.db", "hand").space
    change(f"UPDATE nas_studies SET space_hash = '{space.hash}'")
    lease = "trial 6: is RUNNING, but its lease ended at 2026-01-01 00:00:43 UTC"
    assert run("check", "hand") == (1, [lease, "hand: 1 violation"])
    change("DELETE FROM trial_user_attributes WHERE key = 'reason' AND value_json LIKE '%finite%'")
    code, printed = run("check", "hand")
    assert code == 1
    assert printed == [
        "trial 3: FAILed without a reason",
        lease,
        "hand: 2 violations",
    ]
    change("UPDATE nas_epochs SET seconds = 'x'")
    assert run("check", "hand") == (
        1,
        ["nas_epochs.seconds has 8 values that are not numbers", "hand: 1 violation"],
    )


@pytest.mark.parametrize(
    ("what", "said"), [("trials", "7 trials"), ("epochs", "8 epochs"), ("attempts", "7 attempts")]
)
def test_a_frame_is_written_and_counted(run, tmp_path, what, said):
    file = tmp_path / "a.csv"
    assert run("export-frame", "hand", str(file), "--what", what) == (
        0,
        [f"hand: {said} written to {file}"],
    )
    if what == "trials":
        other = tmp_path / "b.csv"
        run("export-frame", "hand", str(other))
        assert other.read_text() == file.read_text()


def test_one_trial_is_said_in_the_singular_and_made_up_ones_are_said_so(run, tmp_path):
    write_study(f"sqlite:///{tmp_path}/nas.db", "one", trials=1, epochs=1)
    file = tmp_path / "a.csv"
    code, printed = run("export-frame", "one", str(file))
    assert (code, printed[0]) == (0, f"one: 1 trial written to {file}")
    assert printed[1].startswith("The objective is synthetic")
    assert run("export-study", "one", f"{tmp_path}/a.sqlite") == (
        0,
        [f"one: 1 trial written to {tmp_path}/a.sqlite"],
    )
    assert run("import-study", f"{tmp_path}/a.sqlite", "--name", "two") == (
        0,
        [f"two: 1 trial taken from {tmp_path}/a.sqlite"],
    )


def test_a_database_of_this_version_needs_no_upgrade(run):
    said = f"has revision {REVISION} already: nothing to do"
    assert run("db", "upgrade") == (0, [said])
