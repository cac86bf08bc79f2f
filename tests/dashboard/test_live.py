"""A page that follows a search by itself."""

from dashboards import Search

from nas.quantity import percent
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
