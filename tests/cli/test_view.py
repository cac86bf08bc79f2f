"""What a person reads of a search while it runs."""

import io
from types import SimpleNamespace

import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from nas.architecture import Architecture, Stage, Stem
from nas.cli import view
from nas.cli.view import LinesView, LiveView, QuietView, View
from nas.cost import Cost
from nas.search.job import Job
from nas.search.machine import Machine
from nas.search.pace import Pace
from nas.search.resolving import resolve

WAITING = TrialState.WAITING
CONFIG = resolve({"epochs": 4}, None, Machine(cpus=2, gpus=0))
NET = Architecture(Stem(8), (Stage("basic", 1, 8),))


def job(number, attempt=1):
    costs = Cost(params=12_345, macs=6_700_000, activations=1)
    return Job(number, attempt, NET, costs, {}, None)


def result(epoch, accuracy):
    return {"epoch": epoch, "val_accuracy": accuracy, "images_per_second": 1234.4, "seconds": 2.0}


@pytest.fixture
def time(monkeypatch):
    """A clock that the test sets."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(view, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def shown(time):
    """``shown(View, deadline)``: a view, whose console's file holds what was printed."""

    def make(kind, deadline=None):
        console = Console(file=io.StringIO(), width=200, color_system=None, force_terminal=False)
        return kind(console, CONFIG, deadline)

    return make


def run(one, time):
    one.started(job(0))
    one.measured(job(0), result(1, 0.5))
    one.measured(job(0), result(4, 0.81))
    time.now += 83
    one.ended(job(0), "complete", None)
    one.started(job(1))
    one.measured(job(1), result(1, 0.75))
    time.now += 5
    one.ended(job(1), "pruned", None)
    one.started(job(2))
    one.ended(job(2), "failed", "out of [memory]\na traceback")
    one.started(job(3, attempt=2))
    one.measured(job(3, attempt=2), result(2, 0.9))


def test_each_ending_is_a_line_with_what_it_led_to(shown, time):
    one = shown(LinesView)
    run(one, time)
    assert one.console.file.getvalue().splitlines() == [
        "trial    0  complete     81.00 % in 4 epochs   12.3k params  6.70M MACs   1m23s",
        "trial    1  pruned       75.00 % in 1 epoch    12.3k params  6.70M MACs      5s",
        "trial    2  failed             – in 0 epochs   12.3k params  6.70M MACs      0s"
        "  out of [memory]",
    ]


def test_the_status_counts_and_names_the_best_that_was_trained_in_full(shown, time):
    one = shown(LinesView, deadline=250.0)
    assert one.status() == "no trial ended yet  ·  0s  ·  2m30s left at most"
    run(one, time)
    assert one.status() == (
        "1 complete, 1 pruned, 1 failed  ·  best 81.00 % (trial 0: 12.3k params, 6.70M MACs)  ·  "
        "1m28s  ·  1m02s left at most"
    )
    one.ended(job(3, attempt=2), "interrupted", "the search was stopped")
    one.started(job(4))
    one.measured(job(4), result(4, 0.82))
    one.ended(job(4), "complete", None)
    one.started(job(5))
    one.measured(job(5), result(4, 0.8))
    one.ended(job(5), "complete", None)
    time.now = 300.0
    assert "best 82.00 % (trial 4:" in one.status()
    assert one.status().endswith("·  3m20s  ·  0s left at most")


def test_without_a_deadline_nothing_is_said_of_one(shown):
    assert shown(LinesView).status() == "no trial ended yet  ·  0s"


def test_a_reason_is_given_where_something_went_wrong_alone(shown):
    one = shown(LinesView)
    for number, state in enumerate(["died", "failed", "interrupted", "pruned"]):
        one.started(job(number))
        one.ended(job(number), state, "because")
    assert [row.endswith("  because") for row in one.console.file.getvalue().splitlines()] == [
        True, True, False, False
    ]  # fmt: skip


def test_a_live_view_shows_what_runs(shown, time):
    one = shown(LiveView)
    run(one, time)
    one.started(job(4))
    time.now += 7
    one.console.file.truncate(0)
    one.console.print(one._render())
    text = one.console.file.getvalue().strip("\0\n ")
    rows = [" ".join(row.split()) for row in text.splitlines()]
    assert rows[:-2] == [
        "running epoch of it accuracy params MACs images/s time left",
        "trial 3 (attempt 2) 2/4 – 90.00 % 12.3k 6.70M 1,234 7s 4s",
        "trial 4 0/4 – – 12.3k 6.70M – 7s –",
    ]
    assert rows[-1].endswith(" to the last trial")
    assert rows[-2].startswith("1 complete, 1 pruned, 1 failed · best")


def test_where_nothing_is_redrawn_what_runs_is_said_once_a_minute(shown, time):
    one = shown(LinesView)
    for number in range(view.LINES + 2):
        one.started(job(number))
        one.paced(job(number), Pace(epoch=1, images=5_000, of=20_000, seconds=10.0))
    one.started(job(99))  # of which nothing is known
    for _ in range(2):
        time.now += view.LINES_EVERY
        one.draw()
        one.draw()
    said = one.console.file.getvalue().splitlines()
    words = "epoch   1/4  25 %, 5,000 of 20,000 images  500 images/s  2m30s left"
    assert said == 2 * [*(f"trial {n:>4}  {words}" for n in range(view.LINES)), "and 2 more"]


def test_a_live_view_shows_how_far_an_epoch_is_before_its_first_result(shown, time):
    one = shown(LiveView)
    one.started(job(0))
    one.paced(job(0), Pace(epoch=1, images=5_000, of=20_000, seconds=10.0))
    one.console.print(one._render())
    said = [" ".join(row.split()) for row in one.console.file.getvalue().splitlines()]
    # a quarter of the first of four epochs took 10 seconds
    assert "trial 0 0/4 25 % – 12.3k 6.70M 500 0s 2m30s" in said
    one.measured(job(0), result(1, 0.5))
    assert one.pace((0, 1)) is None  # that epoch is over
    assert one.seconds_left((0, 1)) == 6.0


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_line_is_longer_than_the_terminal_and_no_number_is_broken(width, time):
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=True)
    one = LiveView(console, CONFIG, 10_000.0)
    run(one, time)
    one.paced(job(3, attempt=2), Pace(epoch=3, images=5_000, of=20_000, seconds=10.0))
    console.file.truncate(0)
    console.print(one._render())
    rows = console.file.getvalue().strip("\0").splitlines()
    assert max(map(len, rows)) <= width
    said = " ".join(" ".join(rows).split())
    for whole in ("90.00 %", "12.3k", "6.70M", "500", "25 %", "best 81.00 % (trial 0:"):
        assert any(whole in row for row in rows), whole
    assert "left at most" in said


def test_on_80_columns_what_runs_again_is_one_row_too_and_seconds_are_whole(time):
    console = Console(file=io.StringIO(), width=80, color_system=None, force_terminal=True)
    one = LiveView(console, CONFIG, 10_000.0)
    one.started(job(1234, attempt=2))
    one.measured(job(1234, attempt=2), {**result(3, 0.9), "seconds": 5000.0})
    time.now += 0.08
    console.print(one._render())
    rows = [" ".join(row.split()) for row in console.file.getvalue().splitlines()]
    assert rows == [
        "",
        "running epoch of it accuracy params MACs images/s time left",
        "trial 1234 (attempt 2) 3/4 – 90.00 % 12.3k 6.70M 1,234 0s 1h23m",
        "no trial ended yet · 0s · 2h44m left at most",
        "",
    ]


def test_after_the_last_trial_nothing_is_said_of_the_time_to_it(shown, time):
    one = shown(LiveView)
    for number in range(CONFIG.trials):
        one.started(job(number))
        time.now += 2
        assert (one.search_left() is None) == (number == 0)
        one.ended(job(number), "failed", None)
    assert one.search_left() is None


def test_a_quiet_view_says_nothing_and_knows_all(shown, time):
    one = shown(QuietView)
    run(one, time)
    assert one.console.file.getvalue() == ""
    assert one.best[0] == 0.81


def test_what_was_not_trained_is_a_line_and_counts(shown):
    one, earlier, waits = shown(LinesView), create_trial(value=0.9), create_trial(state=WAITING)
    earlier.number, waits.number = 4, 5
    one.reused(6, earlier)
    one.reused(7, waits)
    one.refused(8, "does not fit [here]")
    assert one.console.file.getvalue().splitlines() == [
        "trial    6  reused       90.00 %  same network as trial 4",
        "trial    7  reused            –  same network as trial 5",
        "trial    8  failed       does not fit [here]",
    ]
    assert one.status() == "2 reused, 1 failed  ·  0s"


def test_a_machine_that_is_avoided_is_a_line_that_does_nothing(shown):
    one = shown(LinesView)
    one.avoided("gpu7 (10.0.0.7)", "disk [full]\x1b[31m")
    said = "node gpu7 (10.0.0.7) gets no more trials: disk [full]\\u001b[31m\n"
    assert one.console.file.getvalue() == said


def test_of_equal_bests_the_first_is_named(shown):
    one = shown(LinesView)
    for number in (0, 1):
        one.started(job(number))
        one.measured(job(number), result(4, 0.8))
        one.ended(job(number), "complete", None)
    assert "(trial 0:" in one.status()


class Styled(View):
    """Remembers each line with its style."""

    def line(self, text, style):
        self.lines = [*getattr(self, "lines", []), (text.split()[1], text.split()[2], style)]


def test_each_way_to_end_has_a_colour(shown):
    one = shown(Styled)
    states = ["complete", "pruned", "failed", "died", "abandoned", "interrupted", "inherited"]
    for number, state in enumerate(states):
        one.started(job(number))
        one.measured(job(number), result(4, 0.5))
        one.ended(job(number), state, None)
    one.refused(7, "odd")
    earlier = create_trial(value=0.9)
    earlier.number = 0
    one.reused(8, earlier)
    assert one.lines == [
        ("0", "complete", "green"), ("1", "pruned", "yellow"), ("2", "failed", "red"),
        ("3", "died", "red"), ("4", "abandoned", "red"), ("5", "interrupted", "magenta"),
        ("6", "inherited", "green"), ("7", "failed", "red"), ("8", "reused", "cyan"),
    ]  # fmt: skip
    assert one.status().startswith("1 complete, 1 pruned, 2 failed, 1 died, 1 abandoned, ")


def test_a_line_is_printed_in_its_colour_at_once_and_is_no_markup():
    written = io.StringIO()
    flushed = []
    written.flush = lambda: flushed.append(written.getvalue())
    console = Console(file=written, width=80, force_terminal=True, color_system="standard")
    LinesView(console, CONFIG, None).line("a b", "red")
    assert written.getvalue() == "\x1b[31ma b\x1b[0m\n"
    assert flushed[-1] == written.getvalue()


def test_a_live_view_is_drawn_four_times_a_second_and_leaves_nothing(shown):
    one = shown(LiveView, deadline=130.0)
    assert one.deadline == 130.0
    live = one._live
    assert (live.console, live.refresh_per_second, live.transient) == (one.console, 4, True)
    assert live.get_renderable().renderables[1].columns[0].header == "running"
    with one as entered:
        assert entered is one
        assert not live.is_started
        one.starting()
        assert live.is_started
    assert not live.is_started
    with shown(View) as plain:
        assert isinstance(plain, View)


def test_a_live_table_has_words_at_the_left_and_numbers_at_the_right(shown):
    _, table, status, _ = shown(LiveView)._render().renderables
    assert [column.header for column in table.columns] == [
        "running", "epoch", "of it", "accuracy", "params", "MACs", "images/s", "time", "left"
    ]  # fmt: skip
    assert [column.justify for column in table.columns] == ["left", *["right"] * 8]
    assert (table.box, table.padding) == (None, (0, 2, 0, 0))
    assert status.style == "bold"


def test_made_up_speeds_are_a_dash(shown, time):
    one = shown(LiveView)
    one.trained = False
    one.started(job(0))
    one.measured(job(0), result(1, 0.5))
    one.console.print(one._render())
    assert "50.00 %   12.3k  6.70M         –    0s" in one.console.file.getvalue()


def test_what_ended_runs_no_more_and_time_is_counted_from_each_beginning(shown, time):
    one = shown(LinesView)
    one.started(job(0))
    time.now += 10
    one.started(job(1))
    one.measured(job(0), result(1, 0.5))
    assert list(one.running) == [(0, 1), (1, 1)]
    time.now += 5
    one.ended(job(0), "pruned", "because\nof it")
    one.ended(job(1), "pruned", None)
    assert [row.split()[-1] for row in one.console.file.getvalue().splitlines()] == ["15s", "5s"]
    assert one.running == {}
    assert one.best is None  # of a trial in full alone
