"""Bands of costs in one word of a command line: ``macs=4M:8M``, ``macs=4M:8M,params=:500k``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nas.errors import SpaceError, choose
from nas.quantity import SUFFIXES
from nas.space.file.fields import amount
from nas.space.file.schema import LimitsPart
from nas.space.messages import shown


@dataclass(frozen=True)
class Bands:
    """(least, most) by measure (depth, params, macs, activations); None is no bound."""

    by_measure: Mapping[str, tuple[int | None, int | None]]

    @classmethod
    def read(cls, text: str) -> Bands:
        """The inverse of ``str``.

        Raises:
            SpaceError: it is no band; the message says what is accepted.
        """
        bands: dict[str, tuple[int | None, int | None]] = {}
        for part in text.split(","):
            measure, equals, edges = (piece.strip() for piece in part.partition("="))
            low, colon, high = (piece.strip() for piece in edges.partition(":"))
            if not equals or not colon or not (low or high):
                raise SpaceError(
                    f"{shown(part)} is no band; accepted: measure=least:most, such as macs=4M:8M "
                    "or params=:500k"
                )
            if measure not in LimitsPart.model_fields:
                raise SpaceError(f"{shown(measure)}; {choose(measure, LimitsPart.model_fields)}")
            if measure in bands:
                raise SpaceError(f"{measure} occurs twice")
            least, most = amount(low) if low else None, amount(high) if high else None
            if least is not None and most is not None and least > most:
                raise SpaceError(f"{measure}: {low} is above {high}")
            bands[measure] = (least, most)
        return cls(bands)

    def __str__(self) -> str:
        return ",".join(
            f"{measure}={_short(low)}:{_short(high)}"
            for measure, (low, high) in self.by_measure.items()
        )


def _short(number: int | None) -> str:
    """Exactly that number, as a person writes it: 4M for 4000000."""
    if number is None:
        return ""
    for suffix, unit in reversed(SUFFIXES.items()):
        if number and number % unit == 0:
            return f"{number // unit}{suffix}"
    return str(number)
