"""Frames in files: what was written is what is read, and no text of a study becomes a formula."""

import csv

import pandas as pd
import pytest
from populous import write_study
from sqlalchemy import create_engine, text

from nas.cli.app import main
from nas.study.exchange.tabular import FORMULA, WHAT, defused, export_frame
from nas.study.reader import open_study
from nas.text import visible

HOSTILE = ['=HYPERLINK("http://x","y")', "+1+1", "-2", "@SUM(A1)", "\t=1", "  =1", "＝1"]


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path}/nas.db"
    write_study(url, "s", trials=40, epochs=3)
    return url


def frames(study):
    return {"trials": study.frame(), "epochs": study.epochs(), "attempts": study.attempts()}


@pytest.mark.parametrize("what", WHAT)
def test_parquet_keeps_values_and_dtypes(url, what, tmp_path):
    study = open_study(url, "s")
    file = tmp_path / "frame.parquet"
    written = frames(study)[what]
    assert export_frame(study, file, what) == len(written)
    pd.testing.assert_frame_equal(pd.read_parquet(file), written, check_exact=True)


@pytest.mark.parametrize("what", WHAT)
def test_csv_keeps_values(url, what, tmp_path):
    study = open_study(url, "s")
    file = tmp_path / "frame.csv"
    export_frame(study, file, what)
    written = frames(study)[what]
    times = [name for name, kind in written.dtypes.items() if "datetime" in str(kind)]
    plain = {name: kind for name, kind in written.dtypes.items() if name not in times}
    read = pd.read_csv(file, dtype=plain, parse_dates=times)
    pd.testing.assert_frame_equal(read.astype(written.dtypes.to_dict()), written, check_exact=True)


def test_hostile_texts_of_a_study_are_no_formulas_in_csv(url, tmp_path):
    engine = create_engine(url)
    with engine.begin() as connection:
        for number, reason in enumerate(HOSTILE):
            connection.execute(
                text("UPDATE nas_attempts SET reason = :reason WHERE trial = :number"),
                {"reason": reason, "number": number},
            )
    engine.dispose()
    file = tmp_path / "attempts.csv"
    export_frame(open_study(url, "s"), file, "attempts")
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    shown = {visible(f"'{reason}", lines=True) for reason in HOSTILE}
    assert {row["reason"] for row in rows} >= shown
    assert not [
        cell for row in rows for cell in row.values() if cell.lstrip(" ").startswith(FORMULA)
    ]


def test_numbers_below_0_and_harmless_texts_stay_as_they_are():
    frame = pd.DataFrame({"loss": [-1.5, 2.0], "said": pd.array(["a=b", None], dtype="string")})
    pd.testing.assert_frame_equal(defused(frame), frame)


def test_the_command_says_what_went_where(url, tmp_path, capsys):
    file = tmp_path / "epochs.parquet"
    assert main(["export-frame", "s", str(file), "--what", "epochs", "--storage", url]) == 0
    assert f"epochs written to {file}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "options", "said"),
    [
        ("frame.xlsx", [], "accepted endings: .parquet, .csv"),
        ("frame", [], "accepted endings: .parquet, .csv"),
        ("there.csv", [], "there.csv exists already"),
        ("no/such/folder/frame.csv", [], "cannot write"),
        ("frame.csv", ["--what", "trial"], "did you mean trials?"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(url, tmp_path, capsys, file, options, said):
    (tmp_path / "there.csv").write_text("mine")
    assert main(["export-frame", "s", str(tmp_path / file), *options, "--storage", url]) == 2
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.count("\n") == 1
    others = {found.name for found in tmp_path.iterdir() if not found.name.startswith("nas.db")}
    assert others == {"there.csv"}
    assert (tmp_path / "there.csv").read_text() == "mine"
