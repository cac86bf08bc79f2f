"""What is counted when trials fail, die or are interrupted."""

import pytest


def fail(one, reason="loss is not finite"):
    job = one.searcher.next_job()
    one.searcher.fail(job, reason, retry=False)


def states(one):
    return [event for event in one.watcher.events if event[0] not in ("started", "measured")]


def test_so_many_failures_in_a_row_make_a_search_hopeless(search):
    one = search(trials=9, max_consecutive_failures=3)
    fail(one)
    fail(one)
    assert one.searcher.hopeless is None
    fail(one, "out of memory\nand a traceback")
    assert one.searcher.hopeless == "3 trials in a row failed, the last one with: out of memory"


@pytest.mark.parametrize("end", ["complete", "pruned"])
def test_a_trial_that_was_measured_ends_a_row_of_failures(search, end):
    options = {"scheduler": "none", "epochs": 2} if end == "complete" else {"grace": 1, "epochs": 4}
    one = search(trials=9, max_consecutive_failures=2, sampler="random", **options)
    if end == "pruned":
        best = one.searcher.next_job()
        one.searcher.report(best, {**one.objective(best).epoch(), "val_accuracy": 0.99})
    fail(one)
    job = one.searcher.next_job()
    one.train(job)
    assert states(one)[-1][:2] == (end, job.number)
    fail(one)
    assert one.searcher.hopeless is None
    fail(one)
    assert one.searcher.hopeless is not None


def test_deaths_and_interruptions_neither_make_a_row_of_failures_nor_end_one(search):
    one = search(trials=9, max_consecutive_failures=2, max_failures=1)
    fail(one)
    job = one.searcher.next_job()
    one.searcher.fail(job, "its process died", retry=True)
    one.searcher.interrupt()
    assert one.searcher.hopeless is None
    fail(one)  # the one that died
    assert one.searcher.hopeless.startswith("2 trials in a row failed")


def test_a_death_is_no_interruption_and_an_interruption_no_death(search):
    """A trial may be interrupted as often as its driver is stopped, but die only so often."""
    one = search(trials=1, max_failures=1)
    for _ in range(3):
        one.searcher.next_job()
        one.searcher.interrupt()
    one.searcher.fail(one.searcher.next_job(), "its process died", retry=True)
    assert one.store.attempts.deaths(0) == 1
    one.searcher.fail(one.searcher.next_job(), "its process died again", retry=True)
    assert states(one) == [
        *[("interrupted", 0, "the search was stopped")] * 3,
        ("died", 0, "its process died"),
        ("failed", 0, "its process died again"),
    ]
    assert one.searcher.next_job() is None


def test_a_trial_that_may_not_die_fails_at_its_first_death(search):
    one = search(trials=1, max_failures=0)
    one.searcher.fail(one.searcher.next_job(), "its process died", retry=True)
    assert states(one) == [("failed", 0, "its process died")]


def test_what_ended_says_nothing_more(search):
    one = search(trials=1)
    job = one.searcher.next_job()
    one.searcher.fail(job, "first", retry=False)
    one.searcher.fail(job, "second", retry=False)
    assert not one.searcher.report(job, one.objective(job).epoch())
    one.searcher.checkpoint(job, "/nowhere")
    assert states(one) == [("failed", 0, "first")]
    assert one.store.attempts.last(0).checkpoint is None


def test_leases_are_renewed_when_a_third_of_them_has_passed(search, clock):
    """So that a driver may be late twice before another one takes its trials."""
    one = search(owner="one", trials=1)
    other = search(owner="other", trials=1)
    one.searcher.next_job()
    for _ in range(4):
        clock.pass_(11)
        one.searcher.heartbeat()
    assert other.searcher.next_job() is None
    clock.pass_(29)
    one.searcher.next_job()  # asking renews them, too
    clock.pass_(29)
    assert other.searcher.next_job() is None
    clock.pass_(2)
    assert other.searcher.next_job().attempt == 2


def test_a_heartbeat_frees_what_a_driver_that_died_held(search, clock):
    one, other = search(owner="one", trials=2), search(owner="other", trials=2)
    one.searcher.next_job()
    mine = other.searcher.next_job()
    clock.pass_(31)
    other.searcher.heartbeat()
    assert [trial.state.name for trial in other.store.trials()] == ["WAITING", "RUNNING"]
    assert other.searcher.report(mine, other.objective(mine).epoch())
