"""The space file as pydantic models: which keys there are.

``Document`` is one file, as it was written. What its parts mean together (which stage inherits
what, ties, orders, divisibility) is the business of the modules that read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from nas.blocks import BLOCKS
from nas.errors import ConfigError, SpaceError, choose
from nas.space.domains import Domain, Value, ends
from nas.space.file.fields import (
    STORED,
    Adjustment,
    Amount,
    Block,
    Digest,
    Direction,
    FixedFlag,
    FixedSize,
    Flag,
    Kernel,
    Multiplier,
    Name,
    Shape,
    Size,
    Strides,
    Text,
    Tied,
    is_stored,
    mistake,
    searched,
)
from nas.space.messages import explain, shown
from nas.training.config import TrainingConfig

MAX_STAGES = 64
_BLOCKS = "; ".join(f"{spec.name}: {spec.layers}" for spec in BLOCKS.values())


class _Part(BaseModel):
    """A mapping with known keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_known_keys(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            keys = ", ".join(cls.model_fields)
            raise mistake(f"{shown(raw)} is not a mapping; accepted: the keys {keys}")
        for key in raw:
            if key not in cls.model_fields:
                raise mistake(f"unknown key {shown(key)}; {choose(key, cls.model_fields)}")
            if raw[key] is None:  # `limits:` with nothing behind it
                raise mistake(f"{key} has no value; give one, or leave the key out")
        return raw

    def given(self) -> dict[str, Any]:
        """The keys that have a value."""
        values = {key: getattr(self, key) for key in type(self).model_fields}
        return {key: value for key, value in values.items() if value is not None}


class StemPart(_Part):
    """The first convolution, and the pool that may follow it."""

    kernel: Kernel = Field(3, description="Side of the convolution's kernel")
    width: Size = Field(description="Output channels")
    stride: Size = Field(1, description="Of the convolution")
    pool: Flag = Field(False, description="Whether a 3×3 max-pool of stride 2 follows")


class StagePart(_Part):
    """A stage: blocks of one width, the first of which carries the stride."""

    block: Block = Field(None, description=_BLOCKS)
    depth: Size = Field(None, description="Blocks")
    width: Size = Field(None, description="Output channels of every block")
    stride: Size = Field(None, description="Of the first block; 1 if left out")
    groups: Size = Field(None, description="Groups of the 3×3 convolution; 1 if left out")
    group_width: Size = Field(None, description="Channels in a group, instead of groups")
    bottleneck: Multiplier = Field(None, description="Inner width / width; 1 if left out")
    residual: Flag = Field(None, description="Whether a block adds its input; true if left out")


class OrderPart(_Part):
    """How a key runs from stage to stage."""

    depth: Direction = None
    width: Direction = None
    groups: Direction = None
    group_width: Direction = None
    bottleneck: Direction = None


class Bounds(_Part):
    """The least and the most that is accepted; either may be left out."""

    min: Amount = None
    max: Amount = None

    @model_validator(mode="after")
    def _leave_room(self) -> Self:
        if self.min is None and self.max is None:
            raise mistake("no bounds; accepted: the keys min, max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise mistake(f"min {self.min:,} is above max {self.max:,}")
        return self


class LimitsPart(_Part):
    """Bounds of the whole network, for one image of the space's input shape."""

    depth: Bounds | None = Field(None, description="Blocks in all stages together")
    params: Bounds | None = Field(None, description="Trainable parameters")
    macs: Bounds | None = Field(None, description="Multiply-accumulates of one forward pass")
    activations: Bounds | None = Field(None, description="Output elements of the convolutions")


class TrainingPart(_Part):
    """Hyper-parameters of the training that are searched together with the architecture.

    They are fields of nas.training.TrainingConfig and have its bounds.
    """

    peak_lr: Annotated[Domain | None, searched("peak_lr")] = None
    weight_decay: Annotated[Domain | None, searched("weight_decay")] = None
    label_smoothing: Annotated[Domain | None, searched("label_smoothing")] = None
    momentum: Annotated[Domain | None, searched("momentum")] = None
    nesterov: Annotated[Domain | None, searched("nesterov")] = None
    batch_size: Annotated[Domain | None, searched("batch_size")] = None
    crop_padding: Annotated[Domain | None, searched("crop_padding")] = None
    erasing: Annotated[Domain | None, searched("erasing")] = None

    def extremes(self) -> Iterator[dict[str, Value]]:
        """Every combination of the lowest and the highest value of each: the corners of what is
        searched, where a rule that concerns several of them is broken first."""
        given: dict[str, Domain] = self.given()
        for corner in product(*map(ends, given.values())):
            yield dict(zip(given, corner, strict=True))

    @model_validator(mode="after")
    def _hold_together(self, info: ValidationInfo) -> Self:
        if is_stored(info):
            return self
        for values in self.extremes():
            try:
                TrainingConfig(**values)
            except ConfigError as error:
                raise mistake(
                    f"{str(error).removeprefix('training: ')} ({shown(values)})"
                ) from None
        return self


TRAINING_KEYS = tuple(TrainingPart.model_fields)


class RegNetPart(_Part):
    """The rule of RegNet, instead of stages: see nas/space/regnet.py."""

    depth: Size = Field(description="Blocks in all stages together, d")
    w_0: Size = Field(description="Width of the first block")
    w_a: Multiplier = Field(description="What each block is wider than the one before it")
    w_m: Multiplier = Field(description="Width of a stage / width of the one before it; above 1")
    group_width: Size = Field(description="Channels in a group")
    bottleneck: Multiplier = Field(1.0, description="Inner width / width")
    strides: Strides = Field((2, 2, 2, 2), description="Of each stage; so many stages there are")


class ParentPart(_Part):
    """The space that this one was narrowed from."""

    name: Name = Field(description="The parent's name")
    hash: Digest = Field(description="The parent's hash")
    evidence: Text = Field("", description="What the narrowing rests on")


class Document(_Part):
    """A design space."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["stages"]}, {"required": ["regnet"]}]}
    )

    name: Name
    description: Text = ""
    input_shape: Shape = Field((1, 28, 28), description="Channels, height and width of an image")
    classes: FixedSize = Field(10, description="Outputs of the network")
    conv_bias: FixedFlag = Field(False, description="Whether convolutions have biases")
    shortcut_norm: FixedFlag = Field(True, description="Whether a 1×1 shortcut has a norm")
    preactivation: FixedFlag = Field(False, description="Whether norm and ReLU come before f")
    stem: StemPart
    each_stage: StagePart = Field(StagePart(), description="What a stage does not say itself")
    stages: tuple[StagePart, ...] = Field((), min_length=1, max_length=MAX_STAGES)
    regnet: RegNetPart | None = Field(None, description="The rule of RegNet, instead of stages")
    tie: Tied = Field((), description="Keys with one value for all stages")
    order: OrderPart = OrderPart()
    adjust: Adjustment = Field(None, description="How indivisible widths are made divisible")
    limits: LimitsPart = LimitsPart()
    training: TrainingPart = TrainingPart()
    parent: ParentPart | None = Field(None, description="Lineage; no part of what is searched")


def read_document(raw: object, *, stored: bool = False) -> Document:
    """The models of what a file holds, or of what a study has ``stored``.

    Raises:
        SpaceError: the first mistake in it, with the path of its key.
    """
    try:
        return Document.model_validate(raw, context=STORED if stored else None)
    except ValidationError as error:
        raise SpaceError(explain(error)) from None


def json_schema() -> dict[str, Any]:
    """JSON schema of a space file, for editors that complete and check YAML."""
    schema = _without_null(Document.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _without_null(schema: Any) -> Any:
    """``schema`` without what stands for a key that is left out: null, and defaults of it."""
    if isinstance(schema, list):
        return [_without_null(one) for one in schema if one != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_null(value)
        for key, value in schema.items()
        if key != "default" or isinstance(value, bool | int | str)
    }
