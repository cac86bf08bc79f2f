"""Text that somebody else wrote, as it may be shown: nothing in it does anything.

A study's name, a reason, a host come out of a database that anybody may have written. Whatever is
not printable (escape sequences, C1 controls, marks that turn the direction of writing) stands as
an escape of JSON, so that a reader sees it and a terminal does not obey it.
"""

from __future__ import annotations

import json


def visible(text: object, *, lines: bool = False) -> str:
    r"""``text`` with all that is not printable escaped; with ``lines``, line breaks are kept.

    >>> visible("a\x1b[31m\nb")
    'a\\u001b[31m\\nb'
    """
    text = str(text)
    if text.isprintable():
        return text
    kept = "\n" if lines else ""
    return "".join(
        sign if sign.isprintable() or sign in kept else json.dumps(sign)[1:-1] for sign in text
    )


def one_line(text: object) -> str:
    r"""``text`` in one line: line breaks and what surrounds them become a space.

    >>> one_line("a \n  b")
    'a b'
    """
    return visible(" ".join(str(text).split()))
