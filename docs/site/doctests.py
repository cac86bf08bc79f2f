"""Examples in docstrings as code: mkdocstrings takes them for text, whose brackets are links."""

from __future__ import annotations

from typing import Any

import griffe


class Doctests(griffe.Extension):
    """Fences each example before a docstring is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for everything that is documented."""
        if obj.docstring is not None and not obj.is_alias:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """``text`` with its examples in fences; one lasts to the next empty line."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(
        f"```pycon\n{one.strip()}\n```" if one.lstrip().startswith(">>>") else one
        for one in paragraphs
    )
