"""A page that follows a search by itself."""

import json
from dataclasses import asdict

from dashboards import Search
from streamlit.testing.v1 import AppTest

from nas.dashboard.data import source
from nas.dashboard.views.live import PACE, _paced, _with_results
from nas.quantity import percent
from nas.search.pace import Pace
from nas.search.watched import paces_of
from nas.study.reader import open_study


def test_a_running_search_is_followed_without_a_click(studies, visit, dashboard):
    search = Search(studies, "live", "resnet", sampler="random", scheduler="none", trials=2)
    page = visit(dashboard)
    page.go("Progress", "live")
    content = page.says("0 of 2 trials ended")
    assert "no trial has ended with a result yet" in content
    assert content.count("The objective is synthetic") == 1 and "Trained" not in content
    job, objective = search.begin()
    search.epoch(job, objective)
    page.says("running now\n1")
    while search.epoch(job, objective):
        pass
    content = page.says("1 of 2 trials ended")
    assert "state\ninterrupted" in content
    best = open_study(studies, "live").frame()["val_accuracy"].max()
    assert percent(best).strip() in content
    search.run()
    page.says("state\nfinished")
    assert page.complaints() == []


def test_how_far_epochs_are_is_seen_where_the_folder_of_the_runs_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/nas.db"
    search = Search(url, "live", "resnet", sampler="random", scheduler="none")
    (first, objective), _ = search.begin(), search.begin()
    search.epoch(first, objective)
    found = source(url, "live")
    attempts = found.attempts()
    running = _with_results(attempts[attempts["state"] == "running"], found)
    assert "of it" not in _paced(running, found, epochs=4)
    path = paces_of(found.study()).path(first.number, first.attempt)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(asdict(Pace(2, images=5_000, of=20_000, seconds=10.0))))
    shown = _paced(running, found, epochs=4).set_index("number")[list(PACE)]
    assert shown.loc[0].tolist() == [25.0, 500, "1m50s"]  # 2.75 epochs of 40 seconds
    assert shown.loc[1].isna().all()


def test_each_page_says_why_it_has_nothing_to_show(studies, visit, dashboard):
    Search(studies, "empty").store.close()
    page = visit(dashboard)
    page.choose("Study", "empty")
    for title, reason in {
        "Progress": "no trial is being trained",
        "Trials": "no trial has begun yet",
        "Trial": "no trial has begun yet",
        "Learning curves": "no trial has trained an epoch yet",
        "Accuracy and cost": "no network has been proposed yet",
        "Architectures": "no network has been proposed yet",
        "Knobs": "no trial was trained in full yet",
        "Two knobs": "no trial was trained in full yet",
        "Failures": "no trial has begun yet",
        "Workers": "no trial has begun yet",
    }.items():
        page.go(title)
        page.says(f"Nothing to show: {reason}")
    assert page.complaints() == []


def test_the_first_pair_of_a_study_is_shown_before_there_is_another_one(tmp_path):
    url = f"sqlite:///{tmp_path}/nas.db"
    options = {"sampler": "random", "scheduler": "none", "flip": "residual"}
    Search(url, "pairs", "resnet_vs_plain", **options).run(until=2)

    def script(url):
        from nas.dashboard.data import source
        from nas.dashboard.views import effect

        effect.page(source(url, "pairs"))

    page = AppTest.from_function(script, kwargs={"url": url}).run(timeout=60)
    assert not page.exception
    assert "residual: false → true: 1 pair of networks cannot show" in page.text[1].value
    assert page.selectbox(key="against").options == ["MACs per image"]
