"""A report is one file that opens offline, says what it does not show, and trusts no text."""

import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from populous import write_study
from sqlalchemy import create_engine, text

from nas.cli.app import main
from nas.quantity import percent
from nas.report.caveats import caveats
from nas.report.report import report
from nas.study.evaluation import record_evaluation
from nas.study.reader import open_study

HOSTILE = (
    "$\\x{ <script>alert(1)</script> <img src=x onerror=alert(1)> '; DROP TABLE trials;-- {{ 7*7 }}"
)
SECTIONS = [
    "Question", "Set-up", "Provenance", "Results", "The best trials", "The winner, trial {}",
    "Failures", "What this does not show", "To run it again",
]  # fmt: skip


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.texts, self.headings = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        if self.tags[-1:] == ["h2"] and data.strip():
            self.headings.append(data)
        self.texts.append(data)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('report')}/nas.db"
    write_study(url, "s", trials=120, epochs=6)
    write_study(url, "none", trials=0)
    write_study(url, HOSTILE, trials=60, epochs=3, pruned=0.2)
    run(url, "UPDATE nas_studies SET space = REPLACE(space, '\"resnext\"', :name)", name=quoted())
    run(
        url,
        "UPDATE trial_user_attributes SET value_json = :name WHERE key = 'reason'",
        name=quoted(),
    )
    return url


def quoted():
    return '"' + HOSTILE.replace("\\", "\\\\") + '"'


def run(url, statement, **values):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()


@pytest.fixture(scope="module")
def page(url):
    return Page(report(open_study(url, "s")))


def test_a_report_has_its_parts_in_order(url, page):
    winner = open_study(url, "s").best(1)["number"].iloc[0]
    assert page.headings == [heading.format(winner) for heading in SECTIONS]


def test_nothing_is_fetched_from_anywhere(page):
    sources = [value for name, value in page.attributes if name in ("src", "href", "srcset")]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert "link" not in page.tags and "script" not in page.tags


def test_every_figure_of_a_study_with_enough_trials_is_drawn(page):
    assert page.tags.count("figure") == page.tags.count("img") == 8
    assert "Not drawn" not in "".join(page.texts)


def test_the_numbers_are_those_of_the_study(url, page):
    best = open_study(url, "s").best(10)
    cells = [cell.strip() for cell in page.texts]
    for row in best.to_dict("records"):
        assert str(row["number"]) in cells
        assert percent(row["val_accuracy"]).strip() in cells
    assert "nas search --space space.yaml --config search.yaml --study s" in "".join(page.texts)


def test_a_study_without_a_result_says_so_in_place_of_figures(url):
    page = Page(report(open_study(url, "none")))
    said = "".join(page.texts)
    assert "No trial of 0 was trained in full yet." in said
    assert said.count("Not drawn: ") >= 3
    assert "svg" not in page.tags  # no winner to draw


def test_hostile_names_and_reasons_are_text(url):
    page = Page(report(open_study(url, HOSTILE)))
    assert {"script", "iframe", "link", "object"}.isdisjoint(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "x" not in [value for name, value in page.attributes if name == "src"]
    said = "".join(page.texts)
    assert said.count(HOSTILE) >= 3  # study, space, reason
    assert page.tags.count("img") == 8  # dollars in a name are no formula


def test_caveats_name_what_holds_of_this_study(url):
    study = open_study(url, "s")
    trials, best = study.frame(), study.best(10)
    said = " ".join(caveats(study, trials, best))
    for state, phrase in (("PRUNED", "trials ended early"), ("FAIL", "trials failed")):
        assert f"{(trials['state'] == state).sum()} {phrase}" in said
    guided = (trials["policy"] == "guided").sum()
    assert (
        f"Proposed by a sampler that had seen earlier results: {guided} of {len(trials)} trials."
        in said
    )
    assert "The objective is synthetic" in said
    assert "images" not in said


def test_caveats_of_accuracies_that_were_trained_for_say_how_sure_they_are(url):
    study = open_study(url, "s")
    config = {**study.record.config, "objective": "fashion_mnist"}
    study.record = replace(study.record, config=config)
    trials, best = study.frame(), study.best(10)
    said = " ".join(caveats(study, trials, best))
    assert "standard error of 0.4" in said  # sqrt(0.75 · 0.25 / 10,000) and near it
    assert "synthetic" not in said
    assert "Trained anew" not in said
    values = {"val_accuracy": 0.8, "test_loss": 1.0, "test_accuracy": 0.789}
    record_evaluation(url, "s", int(best["number"].iloc[0]), {}, **values)
    assert "reached 78.90 % on the test images" in " ".join(caveats(study, trials, best))


def test_the_command_writes_the_file(url, tmp_path):
    file = tmp_path / "report.html"
    assert main(["report", "none", "-o", str(file), "--storage", url]) == 0
    assert file.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "report.txt"], "accepted ending: .html"),
        (["-o", "/proc/folder/report.html"], "cannot write in /proc"),
        (["-o", "report.html", "--pdf"], "needs one of chromium"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(
    url, arguments, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["report", "none", *arguments, "--storage", url]) == 2
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_chromium_prints_it(url, tmp_path):
    file = tmp_path / "report.html"
    assert main(["report", "none", "-o", str(file), "--pdf", "--storage", url]) == 0
    assert file.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
