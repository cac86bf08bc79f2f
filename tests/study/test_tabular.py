"""Frames in files: what was written is what is read, and no text of a study becomes a formula."""

import csv
import resource

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import create_engine, text
from study_factory import write_study

from nas.cli.app import main
from nas.errors import NasError, StorageError
from nas.study.exchange.tabular import FORMULA, WHAT, _write_new, defused, export_frame
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


# --- each cell, of a study written by hand ---


@pytest.fixture
def hand(by_hand):
    return open_study(f"sqlite:///{by_hand}", "hand")


def test_a_csv_file_is_a_header_and_a_line_for_each_row(hand, tmp_path):
    assert export_frame(hand, tmp_path / "a.csv", "attempts") == 7
    assert (tmp_path / "a.csv").read_text().splitlines()[:4] == [
        "number,attempt,state,owner,host,device,numerics,started,ended,epochs,reason",
        "0,1,complete,me/1/x,h0/1,device 0,numerics 1,"
        "2026-01-01 00:00:01+00:00,2026-01-01 00:00:02+00:00,2,",
        "1,1,died,me/1/x,h1/1,device 1,numerics 1,"
        "2026-01-01 00:00:03+00:00,2026-01-01 00:00:04+00:00,1,its process died",
        "1,2,complete,me/1/x,h1/2,device 1,numerics 2,"
        "2026-01-01 00:00:05+00:00,2026-01-01 00:00:06+00:00,2,",
    ]


def test_the_trials_are_written_where_no_frame_is_named(hand, tmp_path):
    assert export_frame(hand, tmp_path / "t.parquet") == 7
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), hand.frame())


@pytest.mark.parametrize(
    ("text_", "said"),
    [
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@A", "'@A"),
        ("\t1", "'\\t1"),
        ("\r1", "'\\r1"),
        ("\n1", "'\n1"),
        ("＝1", "'＝1"),
        ("＋1", "'＋1"),
        ("－1", "'－1"),
        ("＠1", "'＠1"),
        ("  =1", "'  =1"),
        ("a=1", "a=1"),
        ("a\n=1", "a\n=1"),
        ("a\x1b[2J", "a\\u001b[2J"),
        ("", ""),
    ],
)
def test_each_sign_that_a_formula_begins_with_is_defused(text_, said):
    frame = pd.DataFrame({"x": pd.array([text_, None, "b"], dtype="string"), "n": [1, 2, 3]})
    found = defused(frame)
    assert found["x"].tolist() == [said, pd.NA, "b"]
    assert found.dtypes.tolist() == frame.dtypes.tolist()
    assert frame["x"][0] == text_  # the frame that was given stays as it is


@pytest.mark.parametrize(
    ("file", "what", "said"),
    [
        ("a.xlsx", "trials", "file is '{}/a.xlsx'; accepted endings: .parquet, .csv"),
        (
            "a.csv",
            "epoch",
            "what is 'epoch'; did you mean epochs? accepted: trials, epochs, attempts",
        ),
        (
            "there.csv",
            "trials",
            "{}/there.csv exists already; name another file, or remove it first",
        ),
        ("no/a.csv", "trials", "cannot write {}/no/a.csv (No such file or directory)"),
    ],
)
def test_a_refusal_says_what_is_accepted(hand, tmp_path, file, what, said):
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(NasError) as refused:
        export_frame(hand, tmp_path / file, what)
    assert str(refused.value) == said.format(tmp_path)


def test_a_file_that_did_not_become_whole_is_taken_away(tmp_path):
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, kept[1]))  # as on a disk that is full
    try:
        with pytest.raises(StorageError) as refused:
            _write_new(tmp_path / "a.csv", b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert str(refused.value) == f"cannot write {tmp_path}/a.csv (File too large)"
    assert list(tmp_path.iterdir()) == []


def test_a_parquet_file_has_the_columns_of_the_frame_and_no_other(hand, tmp_path):
    export_frame(hand, tmp_path / "t.parquet", "epochs")
    assert pq.read_schema(tmp_path / "t.parquet").names == list(hand.epochs().columns)
