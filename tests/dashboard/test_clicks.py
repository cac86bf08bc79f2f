"""What a click opens, what the address then says, and that back leads back."""

from dataclasses import replace

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from nas.analysis import effects
from nas.analysis.inheritance import Lineage
from nas.dashboard.views.trial import next_commands
from nas.study.notes import Note, read_notes
from nas.study.reader import open_study
from nas.study.reader import studies as listed

POINT = "svg.marks [aria-roledescription=point]"


def point_of(page, number):
    """That of a trial, once it is drawn."""
    return next(iter(page.browser.all(f"{POINT}[aria-label*='trial: {number};']")), None)


def mark(page):
    """The first point of the charts, once it is drawn."""
    return next(iter(page.browser.all(POINT)), None)


def back(page, title):
    page.browser.driver.back()
    page.settled(title)


def test_a_study_a_trial_and_the_way_back(page, studies):
    names = list(listed(studies)["study"])[::-1]
    page.cell(names.index("guided"))
    page.settled("Progress")
    assert page.address() == ("/progress", {"study": "guided"})
    page.go("Trials")
    page.enter("Filter", "state = COMPLETE")
    page.cell(0)
    best = open_study(studies, "guided").best_trial.number
    page.settled(f"Trial {best}")
    assert page.address() == ("/trial", {"study": "guided", "number": str(best)})
    back(page, "Trials")
    assert page.address() == ("/trials", {"study": "guided", "where": "state = COMPLETE"})
    page.says("of 24 trials")
    assert "24 of 24 trials" not in page.content()


@pytest.mark.parametrize("title", ["Accuracy and cost", "Knobs", "Two knobs"])
def test_a_click_on_a_point_opens_its_trial(page, title):
    page.go(title, "resnet")
    page.click(lambda: mark(page))
    page.browser.until(lambda: page.address()[0] == "/trial")
    number = page.address()[1]["number"]
    page.settled(f"Trial {number}")
    back(page, title)


def test_the_first_page_of_pairs_is_their_effect(page, studies):
    names = list(listed(studies)["study"])[::-1]
    page.cell(names.index("pairs"))
    page.settled("Effect of residual")
    (effect,) = effects(open_study(studies, "pairs").frame(), "residual").to_dict("records")
    content = page.says(f"{100 * effect['effect']:+.2f} points")
    assert f"{100 * effect['low']:+.2f} to {100 * effect['high']:+.2f}" in content
    assert f"{effect['pairs']} pairs" in content
    page.click(lambda: mark(page))
    page.browser.until(lambda: page.address()[0] == "/trial")


def test_a_trial_is_all_in_one_page(page, studies):
    study = open_study(studies, "guided")
    best = study.best_trial
    page.go("Trial", "guided")
    page.settled(f"Trial {best.number}")
    content = page.says("What to do with it")
    assert f"--study another --start-from 'guided#{best.number}'" in content
    assert "nas retrain" not in content  # the objective is synthetic: it would be refused
    trained = replace(study.record, config={**study.record.config, "objective": "fashion_mnist"})
    (_, retrain), (_, export), _ = next_commands("guided", trained, 3, "sqlite:///nas.db")
    assert retrain == "nas retrain guided --trial 3 --output trial-3.pt"
    assert export == "nas export trial-3.pt --output trial-3.onnx"
    assert f"1 of {len(study.in_full())}" in content
    page.press("Worse")
    second = int(study.best(2)["number"].iloc[1])
    page.settled(f"Trial {second}")
    assert page.address()[1]["number"] == str(second)


def test_a_lineage_leads_from_a_trial_to_its_parent_and_back(page, studies):
    trials = open_study(studies, "inheriting").frame().set_index("number")
    lines = Lineage.of(trials.reset_index())
    page.go("Lineage", "inheriting")
    inherited = int((trials["state"] == "INHERITED").sum())
    content = page.says(f"of {inherited} inherited networks trained from scratch, too")
    assert "Drawn:" not in content
    page.browser.until(lambda: len(page.browser.all(POINT)) == len(trials))
    page.press("epochs")
    assert page.address() == ("/lineage", {"study": "inheriting", "along": "epochs"})
    child = max(lines.parent)
    parent = lines.parent[child]
    page.click(lambda: point_of(page, child))
    page.settled(f"Trial {child}")
    page.says(f"Began with the weights of trial {parent}")
    page.click(lambda: point_of(page, parent))  # on the trial's page, too
    page.settled(f"Trial {parent}")
    page.browser.until(lambda: point_of(page, child))
    back(page, f"Trial {child}")
    back(page, "Lineage")
    page.browser.until(lambda: page.address()[1].get("along") == "epochs")


def test_a_study_whose_trials_all_begin_from_scratch_has_no_lineage(page):
    page.choose("Study", "guided")
    links = [link.text for link in page.browser.all("[data-testid=stSidebarNav] a")]
    assert "Trials" in links
    assert not {"Lineage", "Effect"} & {*links}
    page.go("Trial")
    assert "Lineage" not in page.says("What to do with it")


def test_a_note_is_kept_and_shown_where_trials_are_listed(page, studies):
    page.go("Trial", "resnext")
    number = open_study(studies, "resnext").best_trial.number
    page.browser.one("textarea[aria-label='Note']").send_keys("look again")
    page.browser.one("input[aria-label='Tags']").send_keys("odd, fast")
    page.press("Save")
    page.says("Saved.")
    assert read_notes(open_study(studies, "resnext")) == {
        number: Note("look again", ("odd", "fast"))
    }
    page.go("Trials")
    page.enter("Filter", "tags has ODD")
    page.says("1 of 16 trials")


def test_a_drag_over_an_axis_joins_the_filter(page):
    page.go("Knobs", "resnet")
    page.says("All knobs at once")
    charts = page.browser.until(lambda: len(page.charts()) >= 3 and page.charts())
    chart = charts[-1]
    page.browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    labels = [t for t in chart.find_elements("css selector", "text") if t.text == "accuracy"]
    label = labels[0]
    page.browser.until(lambda: page.calm() and page.browser.still())
    mouse = ActionChains(page.browser.driver)
    mouse.move_to_element_with_offset(label, -20, -60).click_and_hold()
    mouse.move_by_offset(40, -150).release().perform()
    page.browser.until(lambda: "accuracy" in page.address()[1].get("where", ""))


def test_a_chart_is_given_away_as_picture_and_as_numbers(page, studies):
    page.go("Accuracy and cost", "resnet")
    page.browser.until(lambda: mark(page))
    page.press("SVG")
    assert page.browser.downloaded("front.svg").read_text().startswith("<svg")
    page.press("CSV")
    rows = page.browser.downloaded("front.csv").read_text().splitlines()
    assert len(rows) == 1 + len(open_study(studies, "resnet").in_full())
