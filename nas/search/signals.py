"""Ctrl-C and a polite kill: the first one ends a search in order, the second one at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143}
# Of the reasons why a search ends, those that are no signals
TIME_OVER = "time budget"
ASKED = "nas stop"  # from elsewhere; otherwise as SIGINT
STOPPED = {**EXIT_CODES, ASKED: EXIT_CODES["SIGINT"]}
"""The exit code of a search that was stopped, by the reason."""


class Signalled(BaseException):
    """A signal of ``EXIT_CODES``, whose name is the message; no error of anybody."""


@contextmanager
def raise_on_signal() -> Iterator[None]:
    """For work that can be left at any instant: each signal raises ``Signalled`` there."""

    def leave(number: int, _: FrameType | None) -> None:
        raise Signalled(signal.Signals(number).name)

    with _handled(leave):
        yield


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], str | None]]:
    """Yields a function that names the signal that came, or returns None."""
    came: list[str] = []

    def note(number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        if came:
            os._exit(EXIT_CODES[name])
        came.append(name)

    with _handled(note):
        yield lambda: came[0] if came else None


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if current_thread() is not main_thread():
        yield  # Python handles signals in its main thread alone
        return
    before = {name: signal.signal(getattr(signal, name), handler) for name in EXIT_CODES}
    try:
        yield
    finally:
        for name, former in before.items():
            signal.signal(getattr(signal, name), former)
