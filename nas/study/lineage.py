"""Which trial began with the weights of which: the lineage of a study whose trials inherit.

A trial that inherits begins with a trained network that its own contains, and trains for fewer
epochs than the study's. Its result is of a fidelity of its own: to Optuna it is PRUNED, as it was
not trained in full, and in our frames it is INHERITED.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text

from nas.errors import DamagedError
from nas.study.damage import read_json
from nas.study.states import INHERITS

_DIGEST = re.compile(r"[0-9a-f]{64}")
_OF_STUDY = text(
    "SELECT t.number, a.value_json FROM trial_user_attributes AS a "
    "JOIN trials AS t ON t.trial_id = a.trial_id WHERE t.study_id = :study AND a.key = :name"
)


@dataclass(frozen=True)
class Inherits:
    """What a trial begins with."""

    trial: int
    """Number of the parent."""
    key: str
    """Of the parent's network."""
    epochs: int
    """That the trial trains for."""
    sha256: str
    """Of the checkpoint with the parent's weights."""

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Inherits | None:
        """That of a trial with these user attributes; None where it begins from scratch.

        Raises:
            DamagedError: what stands there is none.
        """
        told = attributes.get(INHERITS)
        if told is None:
            return None
        try:
            found = cls(**told)
        except TypeError:
            raise DamagedError(f"what a trial inherits is {str(told)[:80]!r}") from None
        whole = (found.trial, found.epochs)
        texts = (found.key, found.sha256)
        if (
            any(type(number) is not int for number in whole)
            or not (found.trial >= 0 and found.epochs >= 1)
            or not all(isinstance(one, str) and _DIGEST.fullmatch(one) for one in texts)
        ):
            raise DamagedError(f"what a trial inherits is {str(told)[:80]!r}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def parents(connection: Connection, study_id: int) -> dict[int, Inherits]:
    """By number, what each trial of a study inherits; of those that do.

    Raises:
        DamagedError: a row holds what nas cannot have written.
    """
    found = {}
    for number, stored in connection.execute(_OF_STUDY, {"study": study_id, "name": INHERITS}):
        told = Inherits.of({INHERITS: read_json(stored, f"what trial {number} inherits")})
        if told is not None:
            found[number] = told
    return found
