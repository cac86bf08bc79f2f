"""How far a worker is within an epoch: a file of one line, written at most once a second.

It lies in the folder of the runs, which a driver and its workers share for checkpoints, so it costs
the database nothing. It is for people who watch, wherever that folder is seen: where it is late or
missing, nothing else changes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from nas.search.checkpoints import attempt_folder

EVERY = 1.0  # seconds between writes, and between a driver's looks
FOLDER = "pace"  # below that of a study's runs


@dataclass(frozen=True)
class Pace:
    """An epoch that is under way."""

    epoch: int
    """Counted from 1."""
    images: int
    """Of it that were trained on."""
    of: int
    seconds: float
    """Since it began."""

    @property
    def share(self) -> float:
        """Of the epoch that is done, a fraction of 1."""
        return self.images / self.of

    @property
    def images_per_second(self) -> float:
        """Training images a second, so far."""
        return self.images / max(self.seconds, 1e-9)


def seconds_left(
    epochs: int, done: int, pace: Pace | None, last: float | None = None
) -> float | None:
    """Of a training, ``done`` of whose ``epochs`` are over, the ``last`` one in so many seconds;
    None before anything is known of its speed.

    >>> seconds_left(4, 0, Pace(1, images=50, of=200, seconds=10.0))
    150.0
    """
    whole = pace.seconds / pace.share if last is None and pace is not None else last
    if whole is None:
        return None
    return max(0.0, (epochs - done - (pace.share if pace else 0.0)) * whole)


class PaceMeter:
    """Called by a training after each batch, it calls ``tell`` at most once a second."""

    def __init__(
        self, tell: Callable[[Pace], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._epoch, self._skipped = 0, 0
        self._begun = self._written = clock()

    def __call__(self, epoch: int, images: int, of: int) -> None:
        """So many ``of`` all images were trained on in this epoch."""
        now = self._clock()
        if epoch != self._epoch:  # how long its first batch took is not known, so it is not counted
            self._epoch, self._begun, self._skipped = epoch, now, images
        if now < self._written + EVERY or images == self._skipped:
            return
        self._written = now
        seconds = (now - self._begun) * images / (images - self._skipped)
        self._tell(Pace(epoch, images, of, seconds))


class PaceWriter(PaceMeter):
    """One that tells a file."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(self._write, clock)
        self._path = path

    def _write(self, pace: Pace) -> None:
        partial = self._path.with_suffix(".partial")
        with suppress(OSError):  # a full disk does not end a training
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(asdict(pace)))
            partial.replace(self._path)


class Paces:
    """Those of the attempts of one study."""

    def __init__(self, runs: Path) -> None:
        """``runs`` is the study's folder."""
        self._folder = runs / FOLDER
        self._looked = 0.0

    def path(self, number: int, attempt: int) -> Path:
        """Where the worker of an attempt writes."""
        return self._folder / f"{attempt_folder(number, attempt)}.json"

    def is_time(self) -> bool:
        """Whether a second has passed since it was last said."""
        now = time.monotonic()
        if now < self._looked + EVERY:
            return False
        self._looked = now
        return True

    def read(self, number: int, attempt: int) -> Pace | None:
        """What the worker wrote last; None where there is nothing that can be read."""
        with suppress(OSError, ValueError, TypeError):
            pace = Pace(**json.loads(self.path(number, attempt).read_text()))
            return pace if 0 < pace.images <= pace.of else None
        return None

    def drop(self, number: int, attempt: int) -> None:
        """An attempt is over."""
        with suppress(OSError):
            self.path(number, attempt).unlink()

    def close(self) -> None:
        """The driver ends."""
        with suppress(OSError):
            self._folder.rmdir()  # another driver may have files there
