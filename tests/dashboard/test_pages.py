"""Each page in a real browser, on studies that searches made."""

import re
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest
from selenium.webdriver.common.action_chains import ActionChains

from nas.analysis import compare, edf
from nas.errors import AnalysisError
from nas.study.reader import open_study

PAGES = {  # words that a page has of the guided study, and how many charts
    "Progress": ("24 of 24 trials ended", 1),
    "Trials": ("24 of 24 trials", 0),
    "Trial": ("What to do with it", 1),
    "Learning curves": ("Measure", 1),
    "Accuracy and cost": ("The front, from the cheapest", 1),
    "Architectures": ("stem", 0),
    "Knobs": ("All knobs at once", 2),
    "Two knobs": ("Contour", 2),
    "Failures": ("loss is not finite", 0),
    "Workers": ("How busy each worker was", 1),
    "Run it again": ("nas search --space space.yaml --config search.yaml --study guided", 0),
    "Compare studies": ("Accuracy and cost", 1),
}

CELLS = "[data-testid=data-grid-canvas] [role=gridcell]"  # for screen readers
ACCURACY = 320  # pixels from the left end of the table of trials to this column


def test_every_page_opens_and_draws_its_charts(page, studies):
    file = Path(urlsplit(studies).path)
    before = sha256(file.read_bytes()).hexdigest()
    page.choose("Study", "guided")
    for title, (words, charts) in PAGES.items():
        page.go(title)
        page.says(words)
        page.browser.until(lambda n=charts: len(page.charts()) >= n, f"charts of {title}")
    assert sha256(file.read_bytes()).hexdigest() == before  # it only reads


def test_filters_leave_the_trials_that_pandas_leaves(page, studies):
    trials = open_study(studies, "guided").frame()
    page.go("Trials", "guided")
    page.says("24 of 24 trials")
    page.choose("Filter by", "state")
    page.choose("state", "PRUNED")
    pruned = trials[trials["state"] == "PRUNED"]
    page.says(f"{len(pruned)} of 24 trials")
    page.enter("Filter", "accuracy > 99 %")
    page.says("no trial is left by these filters")
    page.enter("Filter", "accurcy > 99 %")
    page.says("Filter: there is no column 'accurcy'; did you mean accuracy?")


def test_a_click_on_a_head_sorts_the_table(page, studies):
    page.go("Trials", "guided")

    def first() -> str:
        found = page.browser.all(f"{CELLS}[aria-colindex='6']")
        return next((cell.get_attribute("textContent") for cell in found), "")

    before = page.browser.until(first)
    for _ in ("ascending", "descending"):
        page.head(ACCURACY)
        page.browser.until(lambda shown=before: first() not in ("", shown))
        before = first()
    assert float(before) == 100 * open_study(studies, "guided").frame()["val_accuracy"].max()
    assert page.address()[0] == "/trials"


def test_a_table_that_gets_the_keyboard_opens_nothing(page):
    page.go("Trials", "guided")
    page.browser.until(lambda: page.browser.all(CELLS))
    grid = page.browser.one("[data-testid=data-grid-canvas]")
    ActionChains(page.browser.driver).move_to_element(grid).perform()
    page.browser.driver.execute_script("arguments[0].focus()", grid)
    page.browser.one(f"{CELLS}[aria-selected=true][aria-colindex='1']")
    page.enter("Filter", "state = FAIL")
    page.says("2 of 24 trials")
    assert page.address()[0] == "/trials"


def test_a_link_to_a_study_that_is_not_there_opens_another_one(browser, dashboard):
    browser.open(f"{dashboard}/?study=%3Cscript%3Ewindow.pwned=1%3C/script%3E")
    browser.sees("trials ended")
    assert browser.driver.execute_script("return window.pwned") is None


def test_a_download_is_the_frame_that_is_shown(page, studies):
    page.go("Trials", "guided")
    page.says("24 of 24 trials")
    page.choose("Filter by", "state")
    page.choose("state", "FAIL")
    trials = open_study(studies, "guided").frame()
    failed = trials[trials["state"] == "FAIL"]
    page.says(f"{len(failed)} of 24 trials")
    page.press("Download Parquet")
    found = pd.read_parquet(page.browser.downloaded("trials.parquet"))
    pd.testing.assert_frame_equal(found, failed.reset_index(drop=True))
    page.press("Download CSV")
    rows = page.browser.downloaded("trials.csv").read_text().splitlines()
    assert len(rows) == 1 + len(failed)
    assert rows[0].startswith("study,number,state")


def test_two_architectures_stand_side_by_side_with_their_differences_marked(page):
    page.go("Architectures", "guided")
    assert "≠" not in page.browser.one(".network svg").text
    page.choose("Compare with", "0:")
    page.browser.until(lambda: "≠" in page.browser.one(".network svg").text)


def test_hovering_a_point_shows_its_network(page):
    page.go("Accuracy and cost", "resnet")
    point = page.browser.one("svg.marks [aria-roledescription=point]")
    ActionChains(page.browser.driver).move_to_element(point).perform()
    tip = page.browser.one("#vg-tooltip-element.visible")
    page.browser.until(lambda: "stage 0" in tip.text)
    assert "basic" in tip.text


def choose_studies(page, *names):
    page.go("Compare studies")
    clear = "[data-testid=stMain] button[aria-label='Clear all']"
    page.click(lambda: page.browser.one(clear))
    page.says("none of the chosen studies")
    page.choose("Studies", *names)


def test_two_random_studies_have_the_verdict_of_the_statistics(page, studies):
    choose_studies(page, "resnet", "resnext")
    page.choose("Matched by cost", "not matched")
    frames = (open_study(studies, name).frame() for name in ("resnet", "resnext"))
    page.says(compare(*frames).verdict)
    page.browser.until(lambda: len(page.charts()) == 2, "the fronts and the distributions")


def test_statistics_refuse_a_guided_study_and_say_why(page, studies):
    choose_studies(page, "guided")
    with pytest.raises(AnalysisError) as refusal:
        edf(open_study(studies, "guided").frame())
    said = page.says(f"Nothing to show: {refusal.value.reason}. Choose “leave them out” in “Trials")
    assert "stopped=" not in said
    page.choose("Matched by cost", "not matched")
    page.choose("Trials that the statistics use", "guided, quasi-random")
    page.says("were stopped early")
    page.choose("Trials that were stopped early", "leave them out")
    page.browser.until(lambda: len(page.charts()) == 2, "the distribution")


def test_a_visitor_who_likes_it_dark_has_it_dark(visit, dashboard, browser):
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    page = visit(dashboard)
    page.go("Accuracy and cost", "resnet")
    background = browser.one("[data-testid=stApp]").value_of_css_property("background-color")
    red, green, blue = map(int, re.findall(r"\d+", background)[:3])
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert max(red, green, blue) < 64
