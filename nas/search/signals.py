"""Ctrl-C and a polite kill: the first one ends a search in order, the second one at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143}


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], str | None]]:
    """Yields a function that names the signal that came, or returns None."""
    came: list[str] = []

    def note(number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        if came:
            os._exit(EXIT_CODES[name])
        came.append(name)

    before = {name: signal.signal(getattr(signal, name), note) for name in EXIT_CODES}
    try:
        yield lambda: came[0] if came else None
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
