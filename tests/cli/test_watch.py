"""A search as another machine sees it: from what the database holds, and no more."""

import io
import json
from dataclasses import asdict

import pytest
from rich.console import Console

from nas.cli.app import main
from nas.cli.watch import NO_DRIVER, watch
from nas.search.pace import Pace, Paces
from nas.search.plan import run_name
from nas.study.following import Following
from nas.study.progress import Progress
from nas.study.reader import open_study


class StoppedError(Exception):
    """The test has seen enough."""


@pytest.fixture
def watched(clock):
    """``watched(search, *steps)``: the lines that are shown while one step is done in each pause;
    where they are done before the end, an exception is the last one."""

    def run(one, *steps, terminal=False, runs=None):
        study = open_study(one.config.storage, one.config.study)
        console = Console(file=io.StringIO(), width=200, force_terminal=terminal, color_system=None)
        left = iter(steps)

        def sleep(seconds):
            clock.pass_(seconds)
            step = next(left, None)
            if step is None:
                raise StoppedError
            step()

        progress = Progress(one.config.storage, now=clock)
        try:
            watch(console, study, Following(study, clock), progress, runs, sleep)
        except StoppedError:
            console.print("stopped")
        assert next(left, None) is None
        return [line.rstrip() for line in console.file.getvalue().splitlines()]

    return run


def test_what_a_search_prints_of_each_trial_is_shown_to_the_end(search, watched):
    one = search(trials=5, scheduler="none", sampler="random")
    for _ in range(2):
        one.train(one.searcher.next_job())
    job = one.searcher.next_job()
    one.train(job, epochs=2)

    def die():
        one.searcher.fail(job, "its process died\nTraceback", retry=True)

    title, died, *ended, status = watched(one, die, lambda: None, one.run)
    assert title == "resnext: 2 of 5 trials ended, 1 running"
    assert died.startswith("trial    2  died         ")
    assert "in 2 epochs" in died and died.endswith("2s  its process died")
    assert [line[:23] for line in ended] == [
        f"trial    {number}  complete   " for number in (2, 3, 4)
    ]
    assert all("in 4 epochs" in line for line in ended)
    assert status.startswith("5 complete, 1 died  ·  best ")
    value = open_study(one.config.storage, "resnext").best_trial
    assert f"(trial {value.number}: " in status and f"{100 * value.accuracy:.2f} %" in status


def test_a_trial_that_was_told_another_one_s_result_or_refused_is_shown(search, watched):
    one = search(trials=60, scheduler="none", sampler="random")  # of few networks
    first = one.searcher.next_job()
    one.train(first)
    number = one.store.add_empty_trial()

    def refuse():
        one.store.refuse_trial(number, "it cannot be begun: no such block")

    lines = watched(one, refuse, one.run)
    assert "trial    1  failed       it cannot be begun: no such block" in lines
    reused = [line for line in lines if "  reused  " in line]
    frame = open_study(one.config.storage, "resnext").frame()
    assert len(reused) == (frame["policy"] == "reused").sum() > 0
    row = frame[frame["policy"] == "reused"].iloc[0]
    line = f"trial {row['number']:>4}  reused       {100 * row['val_accuracy']:.2f} %  same network"
    assert any(told.startswith(line) for told in reused)


def test_how_far_an_epoch_is_is_read_from_the_folder_of_the_runs(search, watched, tmp_path):
    one = search(trials=3, scheduler="none", sampler="random")
    job = one.searcher.next_job()
    paces = Paces(tmp_path / "runs" / run_name(one.config))
    path = paces.path(job.number, job.attempt)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(asdict(Pace(1, images=5_000, of=20_000, seconds=10.0))))
    lines = watched(one, terminal=True, runs=str(tmp_path / "runs"))
    row = next(line for line in lines if line.startswith("trial 0"))
    assert row.split()[2:5] == ["0/4", "25", "%"] and " 2m30s" in row
    assert not any("25 %" in line for line in watched(one, terminal=True))


def test_on_a_terminal_what_runs_is_a_table_and_a_dead_driver_is_said_to_be_missing(
    search, watched, clock
):
    one = search(trials=3, scheduler="none", sampler="random")
    job = one.searcher.next_job()
    one.train(job, epochs=1)
    lines = watched(one, *[lambda: clock.pass_(20)] * 4, terminal=True)
    text = "\n".join(lines)
    assert "0 of 3 trials ended, 1 running" in text
    assert NO_DRIVER in text
    assert text.index("trial 0") < text.index(NO_DRIVER)
    assert text.rstrip().endswith("stopped")


def test_a_front_goes_on_from_what_was_there(search, watched):
    one = search(trials=4, minimize="macs", scheduler="none", sampler="random")
    one.train(one.searcher.next_job())
    *_, status = watched(one, one.run)
    front = open_study(one.config.storage, "resnext").front()
    assert f"front of {len(front)} (hypervolume " in status


def test_a_study_that_is_finished_or_not_there_is_said_so(stored, capsys):
    words = ["watch", "resnext", "--storage", stored["storage"]]
    assert main(words) == 0
    title, status = capsys.readouterr().out.splitlines()
    assert title == "resnext: 3 of 3 trials ended, 0 running"
    assert status.startswith("3 complete  ·  best ")
    for other, said in (
        (["watch", "resnets", *words[2:]], "there is no study 'resnets' in sqlite:"),
        (["watch", "resnext", "--storage", "sqlite:///none.db"], "there is no study database"),
        (["watch", "resnext", "--storage", "nas.db"], "storage 'nas.db' is no database URL"),
    ):
        assert main(other) == 2
        out, err = capsys.readouterr()
        assert out == "" and said in err and len(err.splitlines()) == 1
