"""Who may write on the user's terminal: we; what Ray and its libraries print goes to a file."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TextIO

from nas.cli.console import SPELLED, Console
from nas.text import visible


@contextmanager
def screen(log: Path, *, verbose: bool = False) -> Iterator[Console]:
    """A console on the real standard output, while descriptors 1 and 2 lead to ``log``.

    With ``verbose``, the console also gets what nas logs.

    Ray's C++ parts write to the descriptors themselves, so replacing sys.stdout would not do.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    try:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        with os.fdopen(os.dup(saved[0]), "w", encoding=encoding, errors=SPELLED) as terminal:
            console = Console(file=terminal, highlight=False, soft_wrap=not terminal.isatty())
            with _logging(terminal) if verbose else nullcontext():
                yield console
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, original in zip((1, 2), saved, strict=True):
            os.dup2(original, number)
            os.close(original)


@contextmanager
def _logging(terminal: TextIO) -> Iterator[None]:
    handler = _Visible(terminal)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("nas")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Visible(logging.StreamHandler[TextIO]):
    """Escapes what a terminal would obey: messages may hold names of others."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record), lines=True)
