"""A document with nothing left out: what every stage inherits, and plain JSON of the whole.

Two files that describe one set of settings have one canonical form, however they share their lines
between ``each_stage`` and ``stages``.
"""

from __future__ import annotations

import math
from typing import Any

from nas.blocks import BLOCKS, takers
from nas.errors import SpaceError, choose
from nas.space.domains import Domain, Knob, options
from nas.space.file.fields import STAGE_KEYS
from nas.space.file.schema import Document, OrderPart, StagePart
from nas.space.messages import shown


def canonical(document: Document) -> Document:
    """``document`` with complete stages and an empty ``each_stage``, its rules checked.

    Raises:
        SpaceError: a stage lacks a key or has one that its block does not, or a rule concerns keys
            that no stage has; the message has the path.
    """
    if document.regnet is not None:
        _check_regnet(document)
        return document
    if not document.stages:
        raise SpaceError("stages is missing")
    shared = document.each_stage.given()
    _check_grouping("each_stage", shared)
    stages = [_complete(i, stage.given(), shared) for i, stage in enumerate(document.stages)]
    for key in shared:
        if not any(key in stage for stage in stages):
            raise SpaceError(
                f"each_stage.{key}: no stage takes it; leave it out, or use a block that does: "
                f"{', '.join(takers(_block_key(key)))}"
            )
    _check_ties(document.tie, stages)
    _check_order(document.order, stages)
    _check_adjustment(document.adjust, stages)
    return document.model_copy(
        update={
            "each_stage": StagePart(),
            "stages": tuple(StagePart.model_construct(**stage) for stage in stages),
            "tie": tuple(key for key in STAGE_KEYS if key in document.tie),
        }
    )


def to_dict(document: Document) -> dict[str, Any]:
    """Plain JSON types; what is left out says nothing."""
    plain = {key: _plain(value) for key, value in document.given().items()}
    return {key: value for key, value in plain.items() if value not in ({}, [])}


def _check_regnet(document: Document) -> None:
    rest = document.given()
    for key in ("stages", "each_stage", "tie", "order", "adjust"):
        if _plain(rest.get(key)) not in (None, {}, []):
            raise SpaceError(f"{key} and regnet cannot go together; accepted: one of them")
    assert document.regnet is not None
    rule = document.regnet.given()
    if min(map(float, options(rule["w_m"]))) <= 1:
        raise SpaceError("regnet.w_m: accepted are numbers above 1")
    for b in map(float, options(rule["bottleneck"])):
        if not (b.is_integer() or math.isclose(1 / b, round(1 / b))):
            raise SpaceError(f"regnet.bottleneck: {b} is not 1, 2, 3, … or 1/2, 1/3, …")


def _plain(value: Any) -> Any:
    if isinstance(value, Domain):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "given"):
        return {key: _plain(one) for key, one in value.given().items()}
    return value


def _complete(number: int, own: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """The keys of one stage: its own, then those of each_stage, then the defaults."""
    path = f"stages.{number}"
    _check_grouping(path, own)
    block = own.get("block", shared.get("block"))
    if block is None:
        raise SpaceError(f"{path}.block is missing; give it there or in each_stage")
    inherited = dict(shared)
    if "groups" in own or "group_width" in own:
        inherited.pop("groups", None)
        inherited.pop("group_width", None)
    spec = BLOCKS[block]
    for key in STAGE_KEYS:
        if _block_key(key) in spec.lacks:
            inherited.pop(key, None)
            if key in own:
                raise SpaceError(f"{path}.{key}: a {block} block has none; leave it out")
    defaults: dict[str, Knob] = {"stride": 1, **spec.keys}
    if "group_width" in inherited | own:
        defaults.pop("groups", None)
    stage = defaults | inherited | own
    for key in ("depth", "width"):
        if key not in stage:
            raise SpaceError(f"{path}.{key} is missing; give it there or in each_stage")
    return {key: stage[key] for key in ("block", *STAGE_KEYS) if key in stage}


def _block_key(key: str) -> str:
    """The key of a block behind one of a space file: two write groups."""
    return "groups" if key == "group_width" else key


def _check_grouping(path: str, stage: dict[str, Any]) -> None:
    if "groups" in stage and "group_width" in stage:
        raise SpaceError(f"{path} has both groups and group_width; accepted: one of them")


def _check_ties(tie: tuple[str, ...], stages: list[dict[str, Any]]) -> None:
    for key in tie:
        having = {i: stage[key] for i, stage in enumerate(stages) if key in stage}
        _check_known("tie", key, stages)
        if not any(isinstance(knob, Domain) for knob in having.values()):
            raise SpaceError(f"tie: {key} is fixed in all stages, so there is nothing to tie")
        first, *others = having
        for other in others:
            if having[other] != having[first]:
                raise SpaceError(
                    f"tie: {key} is {shown(_plain(having[first]))} in stages.{first} and "
                    f"{shown(_plain(having[other]))} in stages.{other}; a tied key has one domain"
                )


def _check_order(order: OrderPart, stages: list[dict[str, Any]]) -> None:
    for key in order.given():
        _check_known("order", key, stages)


def _check_adjustment(adjust: str | None, stages: list[dict[str, Any]]) -> None:
    if adjust and not any("group_width" in stage for stage in stages):
        raise SpaceError(
            f"adjust: {adjust} makes widths divisible by group_width, which no stage has; "
            "leave adjust out"
        )


def _check_known(rule: str, key: str, stages: list[dict[str, Any]]) -> None:
    known = [word for word in STAGE_KEYS if any(word in stage for stage in stages)]
    if key not in known:
        raise SpaceError(f"{rule}: no stage has {key}; {choose(key, known)}")
