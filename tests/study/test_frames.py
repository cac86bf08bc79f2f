"""What docs/frames.md says of the frames holds of real ones, and the other way round."""

import re
from pathlib import Path

import pandas as pd
import pytest
from populous import write_study

from nas.space import Choice, FloatRange, IntRange, SearchSpace
from nas.study.check import violations
from nas.study.frames import dtype
from nas.study.policies import POLICIES
from nas.study.reader import open_study, studies

PAGE = (Path(__file__).parents[2] / "docs" / "frames.md").read_text()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('frames')}/nas.db"
    write_study(url, "s", trials=60, epochs=4)
    return url


@pytest.fixture(scope="module")
def study(url):
    return open_study(url, "s")


def documented(heading):
    """Names and dtypes of the columns in a table of the page."""
    (section,) = re.findall(rf"^## `{re.escape(heading)}`.*?(?=^## |\Z)", PAGE, re.M | re.S)
    return re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", section, re.M)


def found(frame):
    return [(name, str(kind)) for name, kind in frame.dtypes.items()]


def test_the_page_and_the_frames_have_the_same_columns(study, url):
    knobs = list(study.space.parameters)
    frame = study.frame()
    assert documented("frame()") == found(frame.drop(columns=knobs))
    assert list(frame.columns[-len(knobs) :]) == knobs
    assert documented("epochs()") == found(study.epochs())
    assert documented("attempts()") == found(study.attempts())
    assert documented("latencies()") == found(study.latencies())
    assert documented("nas.studies(url)") == found(studies(url))


def test_the_page_lists_exactly_the_policies():
    (listed,) = re.findall(r"^\| `policy` \|.*\| why it was proposed: (.*) \|$", PAGE, re.M)
    assert listed == ", ".join(f"{policy} ({why})" for policy, why in POLICIES.items())


def test_frames_of_a_study_without_trials_have_the_same_columns(study, database_url):
    write_study(database_url, "none", trials=0)
    none = open_study(database_url, "none")
    for name in ("frame", "epochs", "attempts", "latencies"):
        empty = getattr(none, name)()
        assert empty.empty
        assert found(empty) == found(getattr(study, name)())


def test_a_populous_study_is_one_that_a_search_could_have_written(database_url):
    write_study(database_url, "s", trials=80, epochs=5)
    write_study(database_url, "t", trials=40, epochs=3, seed=1)
    for name in ("s", "t"):
        study = open_study(database_url, name)
        assert violations(study) == []
        frame = study.frame()
        assert set(frame["state"]) >= {"COMPLETE", "PRUNED", "WAITING"}
    assert studies(database_url)["trials"].tolist() == [80, 40]
    assert studies(database_url)["planned"].tolist() == [80, 40]


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        (Choice((True, False)), "boolean"),
        (Choice((8, 16)), "Int64"),
        (Choice((0.5, 1.0)), "float64"),
        (Choice(("basic", "bottleneck")), "string"),
        (IntRange(1, 4), "Int64"),
        (FloatRange(0.1, 0.8, log=True), "float64"),
    ],
    ids=str,
)
def test_the_dtype_of_a_knob_is_that_of_its_domain(domain, kind):
    assert dtype(domain) == kind


@pytest.mark.parametrize("name", ["resnext", "residual_or_plain"])
def test_knobs_are_the_settings_that_were_drawn(name, tmp_path):
    url = f"sqlite:///{tmp_path}/nas.db"
    write_study(url, "s", trials=30, epochs=2, space=name)
    study = open_study(url, "s")
    frame = study.frame()
    space = SearchSpace.load(name)
    for row in frame[[*space.parameters, "key"]].to_dict("records"):
        key = row.pop("key")
        assert space.architecture(row).key == key
    for number in frame["number"].iloc[[0, 29]]:  # numpy's numbers are numbers, too
        assert study.architecture(number).key == frame["key"][number]
        assert study.setting(number) == frame.loc[number, list(space.parameters)].to_dict()


def test_attempts_are_in_order_and_hold_whole_curves(study):
    attempts, epochs = study.attempts(), study.epochs()
    assert (attempts["ended"] >= attempts["started"]).all()
    assert str(attempts["started"].dt.tz) == "UTC"
    reached = epochs.groupby(["number", "attempt"])["epoch"].max()
    kept = attempts.set_index(["number", "attempt"])["epochs"]
    pd.testing.assert_series_equal(
        kept[kept > 0].sort_index(), reached.sort_index(), check_names=False
    )
    counted = attempts.groupby("number").size().reindex(study.frame()["number"], fill_value=0)
    assert counted.tolist() == study.frame()["attempts"].tolist()
    assert counted.max() == 2


def test_the_device_of_a_trial_is_that_of_its_last_attempt(study):
    frame = study.frame()
    assert (frame["device"].isna() == (frame["attempts"] == 0)).all()
    assert set(frame["device"].dropna()) == {"cpu"}
