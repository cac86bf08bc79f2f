"""What lies between stem and head: the kinds of spaces, by what makes their stages."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from nas.architecture import Architecture, Stage
from nas.space.counting import Relations
from nas.space.domains import Knob, Setting, Value
from nas.space.file.fields import STAGE_KEYS
from nas.space.file.schema import Document
from nas.space.membership import match_stages
from nas.space.regnet import RegNetRule
from nas.space.stages import StageSequences


class Body(Protocol):
    """Settings of the stages of a space, and the stages of each."""

    knobs: Mapping[str, Knob]  # by path, in the order of the space's parameters; fixed ones too
    length: int  # stages of every network

    def draw(self, rng: random.Random) -> Setting:
        """A setting that keeps every rule but the limits, with the space's weights."""

    def build(self, setting: Mapping[str, Value]) -> tuple[Stage, ...]:
        """The stages of a setting. Raises InfeasibleError: it breaks a rule."""

    def count(self) -> int:
        """How many settings keep every rule but the limits."""

    def settings(self) -> Iterator[Setting]:
        """All of them, one after another, each once; values that are fixed may be among them."""

    def match(self, architecture: Architecture) -> Setting | None:
        """A setting that gives the network's stages, if there is one."""

    def check_not_empty(self) -> None:
        """Raise SpaceError if no setting keeps the rules."""


class StagesBody:
    """Stages with knobs of their own: ``each_stage`` and ``stages`` of a space file."""

    def __init__(self, document: Document) -> None:
        relations = Relations(document.tie, document.order.given())
        stages = [stage.given() for stage in document.stages]
        self.sequences = StageSequences(stages, relations, adjust=document.adjust is not None)
        self.length = len(stages)
        knobs: dict[str, Knob] = {}
        for tied in (True, False):
            for number, stage in enumerate(stages):
                for key in STAGE_KEYS:
                    if key in stage and (key in document.tie) == tied:
                        knobs[self.sequences.path(number, key)] = stage[key]
        self.knobs: Mapping[str, Knob] = knobs

    def draw(self, rng: random.Random) -> Setting:
        """See ``Body``."""
        return self._by_path(self.sequences.draw(rng))

    def build(self, setting: Mapping[str, Value]) -> tuple[Stage, ...]:
        """See ``Body``."""
        path = self.sequences.path
        values: list[dict[str, Any]] = [
            {key: setting.get(path(number, key), knob) for key, knob in stage.items()}
            for number, stage in enumerate(self.sequences.knobs)
        ]
        return self.sequences.build(values)

    def count(self) -> int:
        """See ``Body``."""
        return self.sequences.count()

    def settings(self) -> Iterator[Setting]:
        """See ``Body``."""
        return map(self._by_path, self.sequences)

    def match(self, architecture: Architecture) -> Setting | None:
        """See ``Body``."""
        stages = match_stages(self.sequences, architecture)
        return None if stages is None else self._by_path(stages)

    def check_not_empty(self) -> None:
        """See ``Body``."""
        self.sequences.check_not_empty()

    def _by_path(self, stages: Sequence[Mapping[str, Value]]) -> Setting:
        return {
            self.sequences.path(number, key): value
            for number, values in enumerate(stages)
            for key, value in values.items()
        }


def body_of(document: Document) -> Body:
    """The stages of a space, of whichever kind."""
    return StagesBody(document) if document.regnet is None else RegNetRule(document.regnet)
