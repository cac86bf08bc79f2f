"""Searches that start from what is known: networks by name, trials and results of other studies."""

import json
import shutil

import optuna
import pytest
from optuna.trial import TrialState
from searches import SPACE, Search
from small_studies import Clock
from sqlalchemy import create_engine, text

from nas.analysis import compare
from nas.errors import AnalysisError, ConfigError
from nas.search.config import SearchConfig
from nas.search.machine import Machine
from nas.search.plan import prepare
from nas.space import SearchSpace
from nas.study.check import violations
from nas.study.reader import open_study

HERE = Machine(cpus=2, gpus=0)
OPTIONS = {"objective": "synthetic", "epochs": 4, "scheduler": "none"}


class Started(Search):
    """A search as ``nas search`` would begin it, but for Ray."""

    def __init__(self, url, clock, space=SPACE, study="b", trials=12, **options):
        given = {**OPTIONS, "trials": trials, "study": study, "storage": url, **options}
        self.plan = prepare({**given, "space": SearchSpace.from_dict(space)}, HERE)
        super().__init__(url, clock, space, study=study, trials=trials, **{**OPTIONS, **options})
        self.searcher.start(self.plan.results, self.plan.enqueued)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A database with the study ``a`` of six random networks."""
    path = tmp_path_factory.mktemp("first") / "nas.db"
    one = Search(f"sqlite:///{path}", Clock(), study="a", trials=6, sampler="random", **OPTIONS)
    one.run()
    one.store.close()
    return path


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return f"sqlite:///{tmp_path}/nas.db"


@pytest.fixture
def first(url, made, tmp_path):
    shutil.copy(made, tmp_path / "nas.db")
    return open_study(url, "a")


@pytest.fixture
def started(url, clock):
    """``started(start_from=[…])``: a search that begins so."""
    searches = []

    def open_(**options) -> Started:
        searches.append(Started(url, clock, **options))
        return searches[-1]

    yield open_
    for one in searches:
        one.store.close()


def told(one):
    """Policy and key of each trial that has one."""
    return [(t.user_attrs.get("policy"), t.user_attrs.get("key")) for t in one.store.trials()]


def broken(one):
    return violations(open_study(one.config.storage, one.config.study), now=one.store.clock)


# --- results of a study ---


@pytest.mark.parametrize("options", [{}, {"sampler": "random", "scheduler": "asha"}])
def test_results_of_a_comparable_study_count_as_those_of_a_search(started, first, options):
    one = started(start_from=["a"], trials=9, **options)
    best, distinct = first.best_trial, first.frame()["key"].nunique()
    assert told(one) == [("imported", key) for key in first.frame()["key"].unique()]
    found = open_study(one.config.storage, "b")
    assert (found.best_trial.accuracy, found.best_trial.architecture) == (
        best.accuracy,
        best.architecture,
    )
    trial = one.store.trials()[0]
    assert trial.user_attrs["imported"] == {"study": "a", "trial": 0}
    theirs = optuna.load_study(study_name="a", storage=one.config.storage).trials[0]
    assert trial.intermediate_values == theirs.intermediate_values
    assert (trial.values, trial.params) == (theirs.values, theirs.params)
    assert trial.distributions == theirs.distributions
    one.store.curves.refresh()
    assert one.store.curves.of(0) == theirs.intermediate_values
    assert broken(one) == []
    one.run()
    assert len(one.store.trials()) == 9
    assert {policy for policy, _ in told(one)[distinct:]}.isdisjoint({"imported"})
    assert broken(one) == []


def test_results_are_taken_over_once_however_often_a_search_begins(started, first, caplog):
    caplog.set_level("INFO", "nas.search.searcher")
    before = told(started(start_from=["a"]))
    again = started(start_from=["a", "a"])
    assert told(again) == before
    assert caplog.messages == [f"{len(before)} results taken over from other studies"]
    bare = started()
    assert told(bare) == before
    assert bare.plan.command() == again.plan.command()
    assert "start-from" not in again.plan.command()


def test_nothing_is_taken_over_where_a_write_fails(started, first):
    one = started()
    results = started(start_from=["a"], study="c").plan.results
    broken_last = [*results[:-1], results[-1].__class__(**{**vars(results[-1]), "number": 99})]
    with pytest.raises(KeyError):
        one.searcher.start(broken_last, [])
    assert told(one) == []
    one.searcher.start(results, [])
    assert len(told(one)) == len(results)


def test_of_another_space_those_networks_count_that_lie_in_it(started, first):
    deeper = {**SPACE, "each_stage": {**SPACE["each_stage"], "depth": {"int": [1, 2]}}}
    inside = SearchSpace.from_dict(deeper)
    keys = [k for n, k in first.frame()["key"].items() if inside.contains(first.architecture(n))]
    one = started(start_from=["a"], space=deeper)
    assert [key for _, key in told(one)] == list(dict.fromkeys(keys))
    assert broken(one) == []


def test_what_is_minimized_beside_it_is_known_of_results(started, first):
    one = started(start_from=["a"], minimize=["macs"])
    macs = first.frame().set_index("key")["macs"]
    assert [t.values[1] for t in one.store.trials()] == [macs[key] for _, key in told(one)]
    assert broken(one) == []


def test_a_result_taken_over_is_no_random_draw(started, first):
    one = started(start_from=["a"], sampler="random")
    one.run()
    frame = open_study(one.config.storage, "b").frame()
    with pytest.raises(AnalysisError, match="taken over from another study"):
        compare(frame, first.frame())
    drawn = frame[frame["policy"] == "random"]
    assert set(drawn["number"]) <= set(range(first.frame()["key"].nunique(), 12))


def test_an_import_without_its_origin_is_a_violation(started, first):
    one = started(start_from=["a"])
    with one.store.engine.begin() as connection:
        connection.execute(text("DELETE FROM trial_user_attributes WHERE key = 'imported'"))
    assert any("taken over from" in line for line in broken(one))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"seed": 1}, "seed is 1, not 0"),
        ({"epochs": 5}, "epochs is 5, not 4"),
        ({"training": {"momentum": 0.8}}, "training.momentum is 0.8, not null"),
    ],
)
def test_of_a_study_that_is_not_comparable_the_best_are_trained_again(
    started, first, options, reason
):
    one = started(start_from=["a"], trials=5, **options)
    assert not one.plan.results
    assert reason in one.plan.notes[0]
    one.run()
    best = first.best(5)["key"].tolist()
    assert told(one) == [("enqueued", key) for key in best][:5]


# --- networks ---


def test_a_network_is_tried_first_by_its_key_or_as_a_trial(started, first, caplog):
    caplog.set_level("INFO", "nas.search.searcher")
    keys = first.frame()["key"]
    one = started(start_from=[keys[3][:8], "a#1"], trials=3, seed=1)
    assert caplog.messages == ["2 networks put first"]
    one.run()
    assert told(one)[:2] == [("enqueued", keys[3]), ("enqueued", keys[1])]
    again = started(start_from=[keys[3], "a#1", "a#2"], trials=3, seed=1)
    assert len(told(again)) == 4
    assert caplog.messages[-1] == "1 network put first"
    assert again.store.trials()[3].state == TrialState.WAITING


def test_a_study_may_be_named_as_a_trial_is(first, url):
    with create_engine(url).begin() as connection:
        connection.execute(text("UPDATE studies SET study_name = 'a#1'"))
    given = {**OPTIONS, "trials": 3, "study": "b", "storage": url, "start_from": "a#1#2"}
    plan = prepare({**given, "space": SearchSpace.from_dict(SPACE)}, HERE)
    assert plan.enqueued == [open_study(url, "a#1").setting(2)]


def test_a_published_network_is_tried_first_and_what_is_searched_beside_it_is_drawn(started):
    space = {
        "name": "residual",
        "stem": {"width": {"choice": [16, 32]}},
        "each_stage": {"block": "basic", "depth": {"choice": [3, 9]}},
        "stages": [{"width": 16}, {"width": 32, "stride": 2}, {"width": 64, "stride": 2}],
        "training": {"peak_lr": {"float": [0.1, 0.4]}},
    }
    one = started(start_from="resnet20", space=space, trials=1)
    one.run()
    [trial] = one.store.trials()
    assert (trial.params["stem.width"], trial.params["stages.0.depth"]) == (16, 3)
    assert 0.1 <= trial.params["training.peak_lr"] <= 0.4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"start_from": "resnet18"}, "start-from is 'resnet18', which is not in the space: no set"),
        ({"start_from": "resnet19"}, "start-from is 'resnet19', which .* did you mean resnet18"),
        ({"start_from": "0123456789"}, "start-from is '0123456789', which sqlite.* does not have"),
        ({"start_from": "a#77"}, "study 'a' has no trial 77"),
        ({"start_from": "b", "study": "a"}, "start-from is 'b', which"),
        ({"start_from": "a", "study": "a"}, "the study itself"),
        ({"start_from": "a", "trials": 2}, "trials is 2, those taken over .* accepted: more"),
        (
            {"start_from": "a", "sampler": "random", "flip": "stages.0.depth"},
            "flip pairs trials by their numbers",
        ),
    ],
)
def test_what_cannot_be_started_from_is_refused_in_one_line(made, given, message):
    url = f"sqlite:///{made}"
    with pytest.raises(Exception, match=message) as error:
        prepare(
            {"storage": url, "study": "b", "trials": 9, **OPTIONS, **given}
            | {"space": SearchSpace.from_dict(SPACE)},
            HERE,
        )
    assert "\n" not in str(error.value)


def test_the_option_is_stored_as_the_study_began_and_not_carried_on(started, first, url):
    started(start_from=["a"])
    config = open_study(url, "b").record.config
    assert json.loads(json.dumps(config))["start_from"] == ["a"]
    assert prepare({"storage": url, "study": "b"}, HERE).config.start_from == ()
    with pytest.raises(ConfigError):
        SearchConfig(trials=1, epochs=1, start_from="a", stream="x")
