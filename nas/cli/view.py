"""What a person sees of a running search: a live table on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from nas.cli.console import Table, packed
from nas.cli.fronts import Front
from nas.cli.pace import in_words
from nas.metrics import ACCURACY, Measure
from nas.quantity import count, format_duration, plural
from nas.search.config import SearchConfig
from nas.search.job import Job, Watcher
from nas.search.pace import Pace, seconds_left
from nas.study.record import SYNTHETIC
from nas.study.states import ENDED
from nas.text import visible

_STYLES = {
    "complete": "green",
    "inherited": "green",
    "pruned": "yellow",
    "failed": "red",
    "died": "red",
    "abandoned": "red",
    "interrupted": "magenta",
}
LINES_EVERY = 60.0  # seconds without a line, before some say how far what runs is
LINES = 4  # of them at a time
WIDE = 100  # columns of a terminal with room between those of the table
_FAILURES = ("failed", "died", "abandoned")


class View(Watcher):
    """Follows a search; subclasses decide what is shown when."""

    def __init__(
        self,
        console: Console,
        config: SearchConfig,
        deadline: float | None,
        measure: Measure = ACCURACY,
    ) -> None:
        """``deadline`` is a time of ``time.monotonic``; ``measure``, what the networks are judged
        by, beside the costs that ``config`` minimizes."""
        self.console = console
        self.measure = measure
        self.config = config
        self.deadline = deadline
        self.trained = config.objective != SYNTHETIC  # else speeds are made up
        self.begun = time.monotonic()
        self.counts: Counter[str] = Counter()
        self.running: dict[tuple[int, int], tuple[Job, float, Mapping[str, Any]]] = {}
        self.paces: dict[tuple[int, int], Pace] = {}  # of what runs, where its worker says so
        self.last = -1  # the highest number of a trial that ended
        self.spent: list[float] = []  # seconds of the attempts that ended by themselves
        self.best: tuple[float, Job] | None = None
        self.front = Front(measure, config.minimize) if config.minimize else None

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def starting(self) -> None:
        """See ``Watcher``."""
        self.line("Starting Ray …\n", "dim")

    def started(self, job: Job) -> None:
        """See ``Watcher``."""
        self.running[job.number, job.attempt] = (job, time.monotonic(), {})

    def measured(self, job: Job, result: Mapping[str, Any]) -> None:
        """See ``Watcher``."""
        _, begun, _ = self.running[job.number, job.attempt]
        self.running[job.number, job.attempt] = (job, begun, result)
        if self.front and result["epoch"] == 1:
            self.front.first_epoch(job, result)

    def paced(self, job: Job, pace: Pace) -> None:
        """See ``Watcher``."""
        self.paces[job.number, job.attempt] = pace

    def ended(self, job: Job, state: str, reason: str | None) -> None:
        """See ``Watcher``."""
        _, begun, last = self.running.pop((job.number, job.attempt))
        self.paces.pop((job.number, job.attempt), None)
        self.last = max(self.last, job.number)
        if state in ENDED:
            self.spent.append(time.monotonic() - begun)
        self.counts[state] += 1
        if state == "complete":
            value = self.measure.of(last)
            if self.best is None or self.measure.beats(value, self.best[0]):
                self.best = (value, job)
            if self.front:
                self.front.add(job, value)
        shown = self.measure.shown(self.measure.of(last)) if last else f"{'–':>7}"
        self.line(
            _ending(job, state, reason, last, shown, time.monotonic() - begun), _STYLES[state]
        )

    def refused(self, number: int, reason: str) -> None:
        """See ``Watcher``."""
        self.counts["failed"] += 1
        self.line(f"trial {number:>4}  failed       {reason}", _STYLES["failed"])

    def reused(self, number: int, source: FrozenTrial) -> None:
        """See ``Watcher``."""
        self.told(number, source.number, source.values[0] if source.values else None)

    def avoided(self, host: str, reason: str) -> None:
        """See ``Watcher``."""
        self.line(f"node {visible(host)} gets no more trials: {visible(reason)}", _STYLES["failed"])

    def told(self, number: int, source: int, value: float | None) -> None:
        """A trial was told what became of another one."""
        self.counts["reused"] += 1
        shown = "     –" if value is None else self.measure.shown(value)
        same = f"same network as trial {source}"
        self.line(f"trial {number:>4}  reused       {shown}  {same}", "cyan")

    def line(self, text: str, style: str) -> None:
        """A trial came to an end."""

    def epochs(self, job: Job) -> int:
        """That an attempt trains for; where only a study is followed, those of that."""
        return int(job.training.get("epochs", self.config.epochs))

    def pace(self, key: tuple[int, int]) -> Pace | None:
        """Of the epoch that is under way in an attempt, where that is known."""
        pace, (_, _, result) = self.paces.get(key), self.running[key]
        return pace if pace and pace.epoch > result.get("epoch", 0) else None

    def seconds_left(self, key: tuple[int, int]) -> float | None:
        """Of an attempt, if it is trained in full; None before anything is known of its speed."""
        job, _, result = self.running[key]
        last = float(result["seconds"]) if result.get("seconds") else None
        return seconds_left(self.epochs(job), int(result.get("epoch", 0)), self.pace(key), last)

    def search_left(self) -> float | None:
        """Seconds that the rest of the search may take, going by the trials that ended; None before
        one has."""
        if not self.spent:
            return None
        seen = max((number for number, _ in self.running), default=-1)
        waiting = max(0, self.config.trials - 1 - max(seen, self.last))
        running = [self.seconds_left(key) or 0.0 for key in self.running]
        mean = sum(self.spent) / len(self.spent)
        if not running and not waiting:
            return None
        slots = self.config.concurrency or 1
        return (sum(running) + waiting * mean) / max(1, min(slots, len(running) + waiting))

    def status(self) -> str:
        """One line on the whole search."""
        done = ", ".join(f"{n} {state}" for state, n in self.counts.items()) or "no trial ended yet"
        best = ""
        if self.best:
            value, job = self.best
            costs = f"{count(job.cost.params)} params, {count(job.cost.macs)} MACs"
            what = f"best {self.measure.word}" if self.front else "best"
            best = f"{what} {self.measure.shown(value).strip()} (trial {job.number}: {costs})"
        front = self.front.text if self.front else ""
        left = ""
        if self.deadline is not None:
            left = f"{_whole(max(0.0, self.deadline - time.monotonic()))} left at most"
        spent = _whole(time.monotonic() - self.begun)
        return packed((done, front, best, spent, left), self.console.width)


class LinesView(View):
    """One line per trial that ended: for files and pipes."""

    _printed = 0.0

    def draw(self) -> None:
        """Now and then, lines on what runs, where it is known how far that is."""
        if time.monotonic() < max(self._printed, self.begun) + LINES_EVERY:
            return
        paces = {key: pace for key in self.running if (pace := self.pace(key))}
        for key, pace in list(paces.items())[:LINES]:
            epochs = self.epochs(self.running[key][0])
            words = in_words(pace, epochs, self.seconds_left(key))
            self.line(f"trial {key[0]:>4}  {words}", "dim")
        if len(paces) > LINES:
            self.line(f"and {len(paces) - LINES} more", "dim")

    def line(self, text: str, style: str) -> None:
        """Print it at once."""
        self._printed = time.monotonic()
        self.console.print(text, style=style, markup=False)
        self.console.file.flush()


class LiveView(LinesView):
    """The trials that run, redrawn in place, below the lines of those that ended."""

    def __init__(
        self,
        console: Console,
        config: SearchConfig,
        deadline: float | None,
        measure: Measure = ACCURACY,
    ) -> None:
        super().__init__(console, config, deadline, measure)
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=4, transient=True
        )

    def starting(self) -> None:
        """See ``Watcher``."""
        super().starting()
        self.draw()

    def draw(self) -> None:
        """Show what runs, as it is now."""
        if self._live.is_started:
            self._live.refresh()
        else:
            self._live.start(refresh=True)

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _render(self) -> Group:
        wide = self.console.width >= WIDE
        table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0))
        headers = ("running", "epoch", "of it", self.measure.word, "params", "MACs", "images/s")
        for header in (*headers, "time", "left"):
            table.add_column(header, justify="left" if header == "running" else "right")
        for key, (job, begun, result) in list(self.running.items()):
            pace, left = self.pace(key), self.seconds_left(key)
            table.add_row(
                f"trial {job.number}" + (f" (attempt {job.attempt})" if job.attempt > 1 else ""),
                f"{result.get('epoch', 0)}/{self.epochs(job)}",
                f"{100 * pace.share:.0f} %" if pace else "–",
                self.measure.shown(self.measure.of(result)).strip() if result else "–",
                count(job.cost.params),
                count(job.cost.macs),
                _speed(result, pace) if self.trained else "–",
                _whole(time.monotonic() - begun),
                "–" if left is None else format_duration(left),
            )
        about = self.search_left()
        left_ = "" if about is None else f"about {format_duration(about)} to the last trial"
        return Group(Text(""), table, Text(self.status(), style="bold"), Text(left_))


class QuietView(View):
    """Nothing until the end."""


def _whole(seconds: float) -> str:
    """A time that is redrawn as it passes: whole seconds, as digits below would only flicker."""
    return format_duration(int(seconds))


def _speed(result: Mapping[str, Any], pace: Pace | None) -> str:
    """Images a second, where the objective says so: now, or in the last epoch."""
    speed = pace.images_per_second if pace else result.get("images_per_second")
    return "–" if speed is None else f"{speed:,.0f}"


def _ending(
    job: Job, state: str, reason: str | None, last: Mapping[str, Any], value: str, seconds: float
) -> str:
    epochs = int(last.get("epoch", 0))
    text = (  # 80 characters, the width of many a terminal
        f"trial {job.number:>4}  {state:<11}  {value} in {plural(epochs, 'epoch'):<9}  "
        f"{count(job.cost.params):>5} params  {count(job.cost.macs):>5} MACs  "
        f"{format_duration(seconds):>6}"
    )
    return f"{text}  {reason.splitlines()[0]}" if reason and state in _FAILURES else text
