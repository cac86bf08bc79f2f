"""Curves in memory against what the database has, while drivers write to it."""

import random

import pytest

from nas.study.curves import Curves


@pytest.fixture
def database_url(tmp_path):
    return f"sqlite:///{tmp_path}/nas.db"


def test_curves_are_what_the_database_has_whatever_was_read_before(open_store, helpers):
    rng, here, there = random.Random(0), open_store("a"), open_store("b")
    waiting = []
    under_way = {}  # trial -> store, attempt, next epoch
    for step in range(45):
        one = rng.choice([here, there])
        if step % 5 == 0 or not under_way:
            number = helpers.add(one, 1 + step % 8, waits=step in (0, 15))
            if step in (0, 15):
                waiting.append(number)
            else:
                under_way[number] = (one, one.attempts.start(number), 1)
            continue
        if step == 31:  # the trials that waited begin, later than others of a higher number
            for number in waiting:
                under_way[number] = (one, one.resume_trial(number), 1)
        number = rng.choice(sorted(under_way))
        store, attempt, epoch = under_way.pop(number)
        if rng.random() < 0.7:
            store.record_epoch(number, attempt, helpers.result(epoch, rng.random()))
            under_way[number] = (store, attempt, epoch + 1)
        elif epoch > 1 and rng.random() < 0.5:
            store.end_attempt(number, attempt, rng.choice(["complete", "pruned", "failed"]))
        else:
            store.end_attempt(number, attempt, "interrupted", "so")
            again = one.resume_trial(number)
            under_way[number] = (one, again, rng.randint(1, epoch))
        here.curves.refresh()
        if step % 3:
            continue
        anew = Curves(here.attempts)
        anew.refresh()
        trials = range(len(here.trials()))
        assert [here.curves.of(n) for n in trials] == [anew.of(n) for n in trials]
        for e in range(8):
            assert here.curves.at(e) == {n: anew.of(n)[e] for n in trials if e in anew.of(n)}
    assert here.curves.of(0)
    assert sum(len(here.curves.of(n)) for n in trials) > 10


def test_what_is_over_is_not_read_again(open_store, helpers, monkeypatch):
    store = open_store()
    for number in range(4):
        helpers.add(store, number + 1)
        attempt = store.attempts.start(number)
        store.record_epoch(number, attempt, helpers.result(1, number / 10))
        if number != 1:
            store.end_attempt(number, attempt, "pruned")
    asked = []
    measured = type(store.attempts).measured

    def listening(self, first, also):
        asked.append((first, set(also)))
        return measured(self, first, also)

    monkeypatch.setattr(type(store.attempts), "measured", listening)
    for _ in range(3):
        store.curves.refresh()
    assert asked == [(0, set()), (4, {1}), (4, {1})]
    assert store.curves.at(1) == {0: 0, 1: 0.1, 2: 0.2, 3: 0.3}
    assert store.curves.costs == {}
