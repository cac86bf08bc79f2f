"""The one way to a terminal: readable on every encoding, harmless whatever is printed.

``prepare_output`` is called once, by ``main``. A sign that the terminal's encoding lacks is spelled
in ASCII; commands print through ``Console`` and ``say``, which show as text what a terminal would
obey (nas/text.py).
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterable
from typing import Any

import rich.console
import rich.table
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from nas.text import visible

SPELLED = "nas.spelled"  # the name of our error handler, as that of "strict" or "replace"

# The signs of our own output; whatever else an encoding lacks is escaped as Python does.
_SPELLINGS = {
    "–": "-", "—": "-", "−": "-", "×": "x", "·": ".", "…": "...", "●": "*", "→": "->", "≤": "<=",
    "≥": ">=", "±": "+-", "≈": "~", "²": "2", "α": "alpha", "τ": "tau", "½": "1/2", "│": "|",
    "─": "-", "└": "+", "├": "+", "✓": "+",
    "✗": "x", "’": "'", "‘": "'", "“": '"', "”": '"', "\xa0": " ",
}  # fmt: skip
_BRAILLE = range(0x2800, 0x2900)
_UPPER, _LOWER = 0b00011011, 0b11100100  # which dots of a braille sign are in which half


class Console(rich.console.Console):
    """Rich's console, for text that may be foreign: no escape sequence but Rich's own gets out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, **options)  # a study may be called :smile:

    def render_str(self, text: str, **options: Any) -> Text:
        """As Rich does, of visible text: escaped before widths are measured."""
        return super().render_str(visible(text, lines=True), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As Rich does; what has come here otherwise is escaped, too."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(visible(segment.text, lines=True), segment.style)


class Table(rich.table.Table):
    """Rich's table, for narrow terminals too: cells are folded, as a number that is cut is another.

    Where not every word has room, the lines around the table and the spaces in it go first; where
    that is not enough, numbers and their headers are folded, too.
    """

    def add_column(self, *arguments: Any, **options: Any) -> None:
        """As Rich does."""
        whole = options.get("justify") == "right"  # numbers: a part of one is another one
        super().add_column(*arguments, **{"overflow": "fold", "no_wrap": whole, **options})

    def __rich_console__(self, console: rich.console.Console, options: ConsoleOptions) -> Any:
        if self.__rich_measure__(console, options).minimum > options.max_width:
            self.padding, self.show_edge = 0, False
        if self.__rich_measure__(console, options).minimum > options.max_width:
            for column in self.columns:  # in lines rather than cut
                column.no_wrap = False
        return super().__rich_console__(console, options)


def plain(text: str) -> Text:
    """A cell of a table, or a title: one line, in which no markup takes part."""
    return Text(visible(text))


def packed(parts: Iterable[str], width: int) -> str:
    """Parts beside one another in lines of at most ``width``: no part is broken over two lines.

    >>> packed(["3 complete", "", "best 90.50 %"], 80), packed(["3 complete", "90.50 %"], 12)
    ('3 complete  ·  best 90.50 %', '3 complete\\n90.50 %')
    """
    lines: list[str] = []
    for part in filter(None, parts):
        if lines and len(longer := f"{lines[-1]}  ·  {part}") <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return "\n".join(lines)


def say(text: str, *, sentences: bool = False) -> None:
    """Print lines as they are, on standard output: no markup, no colours, nothing wrapped.

    Long ``sentences`` are broken between words where a terminal ends, which would break numbers.
    """
    console = Console()
    whole = not (sentences and console.is_terminal)
    console.print(text, markup=False, highlight=False, soft_wrap=whole)


def prepare_output() -> None:
    """Make standard output and error take any text, whatever their encoding."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's stream has no encoding to fail in
            stream.reconfigure(errors=SPELLED)


def spell(sign: str) -> str:
    """An ASCII spelling of a sign; a Unicode escape where there is none.

    >>> spell("×"), spell("⠉"), spell("é")
    ('x', "'", '\\\\xe9')
    """
    if ord(sign) in _BRAILLE:
        dots = ord(sign) - _BRAILLE.start
        upper, lower = dots & _UPPER, dots & _LOWER
        return ":" if upper and lower else "'" if upper else "." if lower else " "
    return _SPELLINGS.get(sign) or sign.encode("ascii", "backslashreplace").decode()


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(spell, error.object[error.start : error.end])), error.end


codecs.register_error(SPELLED, _spelled)
