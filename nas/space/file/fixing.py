"""A space with some of its parameters at one value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.space.domains import Choice, Value
from nas.space.file.schema import Document


def fixed(document: Document, values: Mapping[str, Value]) -> Document:
    """``document`` with the parameters of these paths at one value each, which is in their domain.

    They stay parameters, so that a setting of what is returned is one of ``document``.
    """
    only = {path: Choice((value,)) for path, value in values.items()}
    update: dict[str, Any] = {
        name: _with(getattr(document, name), only, f"{name}.") for name in ("stem", "training")
    }
    if document.regnet is not None:
        update["regnet"] = _with(document.regnet, only, "")
    update["stages"] = tuple(
        _with(_with(stage, {key: only[key] for key in document.tie if key in only}, ""), only, path)
        for number, stage in enumerate(document.stages)
        for path in [f"stages.{number}."]
    )
    return document.model_copy(update=update)


def _with(part: Any, only: Mapping[str, Choice], prefix: str) -> Any:
    """A part of a document with what ``only`` has of it: of its keys, behind ``prefix``."""
    given = part.given()
    return part.model_copy(
        update={key: only[prefix + key] for key in given if prefix + key in only}
    )
