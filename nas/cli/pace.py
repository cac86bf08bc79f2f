"""How far an epoch is, for whoever waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self

from rich.live import Live
from rich.text import Text

from nas.cli.console import Console
from nas.quantity import format_duration
from nas.search.pace import Pace

LINE_EVERY = 30.0  # seconds between lines where nothing can be redrawn: in files and pipes


class PaceLine:
    """A line below those that ``say`` prints: redrawn in place on a terminal, printed now and then
    elsewhere."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._printed = clock()
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """Print a line; the epoch that was under way is over."""
        self._live.update(Text(""), refresh=True)
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._printed = self._clock()

    def paced(self, pace: Pace, epochs: int, left: float) -> None:
        """Show an epoch under way, of so many, with the seconds that are ``left`` of all."""
        text = in_words(pace, epochs, left)
        if self._console.is_terminal:
            self._live.update(Text(text, style="dim"), refresh=True)
        elif self._clock() >= self._printed + LINE_EVERY:
            self.say(text)


def in_words(pace: Pace, epochs: int, left: float | None) -> str:
    """An epoch under way in a line.

    >>> in_words(Pace(2, images=5_000, of=20_000, seconds=10.0), epochs=4, left=110.0)
    'epoch   2/4  25 %, 5,000 of 20,000 images  500 images/s  1m50s left'
    """
    ends = "" if left is None else f"  {format_duration(left)} left"
    return (
        f"epoch {pace.epoch:>3}/{epochs}  {100 * pace.share:.0f} %, {pace.images:,} of "
        f"{pace.of:,} images  {pace.images_per_second:,.0f} images/s{ends}"
    )
