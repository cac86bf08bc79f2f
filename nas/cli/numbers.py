"""Whole numbers among the options of a command, read as ``nas.options`` reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic import Field, TypeAdapter, ValidationError

from nas.options import Whole, mismatch


def number_option(
    *names: str,
    least: int,
    most: int | None = None,
    help: str,  # noqa: A002
    panel: str | None = None,
) -> Any:
    """The option of a command that takes a whole number from ``least`` to ``most``."""
    return typer.Option(
        *names,
        help=help,
        rich_help_panel=panel,
        metavar="INTEGER",
        min=least,  # of the help
        max=most,
        parser=_reader(least, most),
    )


def _reader(least: int, most: int | None) -> Callable[[object], int]:
    adapter = TypeAdapter[int](Annotated[Whole, Field(ge=least, le=most)])

    def read(given: object) -> int:
        try:
            return adapter.validate_python(given)
        except ValidationError as error:
            raise typer.BadParameter(mismatch(error.errors()[0])) from None

    return read
