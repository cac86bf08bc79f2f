"""Latencies predicted from measured blocks: the table, its range, and what a search makes of it."""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import torch
from searches import SPACE

from nas.cli.app import main
from nas.errors import InfeasibleError, SpaceError, StorageError
from nas.search import latency_build
from nas.search.latency_build import build_table
from nas.search.machine import Machine, Node
from nas.search.plan import prepare
from nas.search.predicting import Conditions, Errors, LatencyTable, within_prediction
from nas.space import SearchSpace
from nas.space.draw import feasible
from nas.study.provenance import processor

HERE = f"cpu {processor()}".strip()
TINY = SearchSpace.from_dict(SPACE)
LAPTOP = Machine(cpus=2, gpus=0)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A table that was measured here, in a cache of its own, and where that is."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAS_CACHE", str(cache))
        patch.setattr(latency_build, "SAMPLED", 50)
        patch.setattr(latency_build, "time", SimpleNamespace(monotonic=iter([8, 15.26]).__next__))
        return build_table(TINY, fitted=10, held_out=10), cache


@pytest.fixture
def table(built, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(built[1]))
    return built[0]


def test_a_table_predicts_networks_that_it_did_not_see(table):
    assert table.errors.networks == 10
    assert 0 <= table.errors.median <= table.errors.most
    shallow, deep = table.predict(of_depth(2)), table.predict(of_depth(6))
    assert 0 < shallow.seconds < deep.seconds < 10


def test_a_table_says_what_it_was_made_with_and_when(table):
    about = dict(table.about)
    passed = datetime.now(UTC) - datetime.fromisoformat(about.pop("measured"))
    assert timedelta(0) <= passed < timedelta(days=1)
    assert about == {"torch": torch.__version__, "seconds": 7.3, "space": "tiny"}


def test_a_table_is_found_by_what_it_holds_for_and_by_nothing_else(table):
    conditions = Conditions.of(TINY, HERE, 1, 1)
    assert LatencyTable.load(conditions) == table
    assert LatencyTable.load(Conditions.of(TINY.with_limits({"macs": (1, "9M")}), HERE, 1, 1))
    others = [
        replace(conditions, **change)
        for change in (
            {"batch": 2}, {"threads": 2}, {"device": "cuda H200"}, {"input_shape": (3, 28, 28)},
            {"space": "another"}, {"num_classes": 2}, {"precision": "bfloat16"},
        )
    ]  # fmt: skip
    assert [LatencyTable.load(one) for one in others] == [None] * len(others)


@pytest.mark.parametrize("written", ["", "[]", '{"seconds": {}}', '{"seconds": 5}'])
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path, monkeypatch, written):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    path = Conditions.of(TINY, HERE, 1, 1).path
    path.parent.mkdir()
    path.write_text(written)
    with pytest.raises(StorageError, match=r"is no table of latencies .*nas latency build"):
        LatencyTable.load(Conditions.of(TINY, HERE, 1, 1))


def by_hand(**changes):
    """A table in which a block takes a second, and nothing else takes time."""
    flat = {"stem": (0.0,) * 5, "bottleneck": (1.0, 0, 0, 0, 0), "head": (0.0,) * 5}
    made = LatencyTable(
        Conditions.of(TINY, HERE, 1, 1),
        seconds={},
        rules=flat,
        largest=dict.fromkeys(flat, (1e12,) * 5),
        offset=0.5,
        scale=2.0,
        range=(0.0, 100.0),
        errors=Errors(50, 0.05, 0.1, 0.9, 0.8),
    )
    return replace(made, **changes)


def of_depth(depth):
    return next(a for n in range(999) if (a := TINY.sample(n)).depth == depth)


def test_a_prediction_is_the_sum_of_its_parts_scaled_and_offset():
    assert by_hand().predict(of_depth(4)).seconds == 0.5 + 2 * 4
    assert str(by_hand().predict(of_depth(4))) == "8.5 s"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"range": (9.0, 12.0)},
            "8.5 s, outside its range: it was fitted on networks of 9 s to 12 s",
        ),
        ({"rules": {"stem": (0.0,) * 5, "head": (0.0,) * 5}}, "no bottleneck was measured"),
        ({"largest": dict.fromkeys(("stem", "bottleneck", "head"), (1.0,) * 5)}, "is larger than"),
    ],
)
def test_a_prediction_outside_its_range_says_so(changes, said):
    found = by_hand(**changes).predict(of_depth(4))
    assert said in str(found)
    assert by_hand(**changes).is_above(of_depth(4), 0.1) is None  # nothing is concluded from it


def test_a_network_is_above_where_the_error_does_not_explain_it():
    table, four = by_hand(), of_depth(4)  # 8.5 seconds, give or take a tenth
    assert table.is_above(four, 7.7) is not None
    assert table.is_above(four, 7.8) is None
    beyond = replace(table, range=(0.0, 8.0))  # slower than all that it knows is slow
    assert beyond.is_above(four, 7.7) is not None


def test_what_is_predicted_to_be_above_is_neither_drawn_nor_feasible(monkeypatch):
    monkeypatch.setattr(feasible, "TRIES", 200)
    narrowed = TINY.refusing(by_hand().rule(7.7))
    depths = {narrowed.sample(seed).depth for seed in range(40)}
    assert depths == {2, 3}
    deep = next(s for n in range(99) if TINY.architecture(s := _setting(n)).depth == 6)
    with pytest.raises(InfeasibleError) as refused:
        narrowed.architecture(deep)
    assert str(refused.value) == (
        "max-latency is 7.7 s but this network is predicted to have 12.5 s"
    )
    assert narrowed == TINY and narrowed.hash == TINY.hash
    assert narrowed.with_limits({"macs": (1, "1G")}).rule is narrowed.rule
    with pytest.raises(SpaceError, match=r"max-latency is 1 s but the smallest of .* has 4.5 s"):
        TINY.refusing(by_hand().rule(1.0)).sample(0)


def _setting(number):
    return TINY.sample_setting(random.Random(number))


def test_a_search_with_a_budget_proposes_within_its_prediction(tmp_path, monkeypatch, search):
    monkeypatch.setattr(feasible, "TRIES", 200)
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tiny.yaml").write_text(json.dumps(SPACE))
    by_hand().save()
    given = {
        "space": str(tmp_path / "tiny.yaml"), "storage": f"sqlite:///{tmp_path}/nas.db",
        "objective": "synthetic", "runs": str(tmp_path / "runs"),
    }  # fmt: skip
    free, bound = (prepare({**given, **more}, LAPTOP) for more in ({}, {"max_latency": "7.7s"}))
    assert free.notes == [] and free.proposed is free.space
    assert {bound.proposed.sample(seed).depth for seed in range(30)} == {2, 3}
    assert bound.space.rule is None and bound.record.space == free.record.space
    [note] = bound.notes
    assert "predicted to be above 7.7 s by more than 10 % are not proposed" in note
    with pytest.raises(SpaceError, match="max-latency is 1 s but the smallest of"):
        prepare({**given, "max_latency": "1s"}, LAPTOP)
    for elsewhere in (Machine.of([Node(1, 0)] * 2, "it"), Machine(2, 1)):
        config = bound.config.model_copy(update={"gpus_per_trial": float(elsewhere.gpus)})
        assert within_prediction(bound.space, config, elsewhere) == (bound.space, None)
    one = search(sampler="random", trials=4, proposed=bound.proposed)
    one.run()
    assert {one.space.architecture(t.params).depth for t in one.store.trials()} <= {2, 3}


def test_the_command_measures_tries_and_stores(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    monkeypatch.setattr(latency_build, "SAMPLED", 50)
    (tmp_path / "tiny.yaml").write_text(json.dumps(SPACE))
    build = ["latency", "build", str(tmp_path / "tiny.yaml"), "--held-out", "10", "--blocks", "12"]
    assert main([*build, "--input", "1x8x8", "--classes", "3", "--batch", "2"]) == 0
    said = capsys.readouterr().out
    for part in ("measuring 12 parts and 35 networks on", "2 at a time, one thread, float32",
                 "error on 10 networks that it was not fitted to: median", "rank correlation",
                 "for others it says so", str(tmp_path)):  # fmt: skip
        assert part in said
    space = TINY.for_images((1, 8, 8), 3, "x")
    table = LatencyTable.load(Conditions.of(space, HERE, 2, 1))
    assert table is not None and len(table.seconds) == 12
    assert main([*build, "--held-out", "5000"]) == 2
    assert "tiny has too few different networks" in capsys.readouterr().err
