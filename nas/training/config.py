"""How a network is trained, as one frozen object: every hyper-parameter, checked, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from nas.errors import ConfigError, choose
from nas.quantity import plain, whole
from nas.training.growing import Growth, read_growth

Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


def _word(value: object) -> object:
    """YAML 1.1 reads the words on and off as booleans."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


Switch = Annotated[Literal["auto", "on", "off"], BeforeValidator(_word)]


def _as_given(steps: tuple[Growth, ...] | None) -> list[dict[str, Any]] | None:
    return None if steps is None else [step.to_dict() for step in steps]


Schedule = Annotated[
    tuple[Growth, ...] | None,
    PlainValidator(read_growth),
    PlainSerializer(_as_given),
    WithJsonSchema({"type": ["array", "null"]}),
]


class TrainingConfig(BaseModel):
    """SGD with momentum under a one-cycle learning rate, on augmented images.

    Raises:
        ConfigError: an unknown name, a wrong type (true is no number), a value out of its range.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    epochs: int = Field(4, ge=1)
    """Passes over ``epoch_images``; the learning rate's cycle is as long."""
    batch_size: int = Field(64, ge=4, le=65536)
    """Images a step at most; an epoch's steps are equally large, within one image."""
    peak_lr: float = Field(0.3, gt=0, le=100)
    """The learning rate at the top of its cycle."""
    warmup: Fraction = 0.25
    """Fraction of all steps in which the learning rate rises."""
    initial_lr_fraction: Fraction = 0.1
    """The first step's learning rate, as a fraction of the peak."""
    final_lr_fraction: Fraction = 0.0
    """The learning rate that the cycle ends at, as a fraction of the peak."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Of the gradients' running sum."""
    nesterov: bool = True
    """Nesterov's form of the momentum, which needs one above 0."""
    weight_decay: float = Field(5e-4, ge=0, le=1)
    """L2 penalty of convolutions and the linear layer; norms and biases have none."""
    averaging: float = Field(0.95, ge=0, lt=1)
    """Decay per step of the weights' running mean, which is what is validated; 0 for none."""
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    """Share of the target spread evenly over the classes (Szegedy et al. 2016)."""
    flip: bool | Literal["auto"] = "auto"
    """Mirror half of the images left to right. Auto is as the data set's row in nas/data says."""
    crop_padding: int = Field(0, ge=0, le=64)
    """Pixels by which an image may shift to each side, black moving in."""
    erasing: Fraction = 0.0
    """Probability that a random rectangle is replaced by noise (Zhong et al. 2017)."""
    validation: float | None = Field(None, gt=0, lt=1)
    """Fraction of each class that validates and does not train; none means as the data set's row
    in nas/data says: a fifth, of Fashion-MNIST a sixth. Images that came for validation alone stay
    that."""
    train_images: int | None = Field(None, ge=10)
    """How many of the training images are used, evenly over the classes; none means all."""
    epoch_images: int | None = Field(None, ge=10)
    """After how many training images an epoch ends and validates; none means after all of them.
    With fewer, the next epoch goes on among those that are left, until all were seen."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the forward pass; weights are always float32. Auto is chosen by ``resolve_numerics``."""
    channels_last: Switch = "auto"
    """Memory layout of the images. Auto is chosen by ``resolve_numerics``."""
    seed: Seed = 0
    """Of the first weights, the order of the images and their augmentation."""
    split_seed: Seed = 0
    """Of the choice of validation images: trainings that are compared share it."""

    growth: Schedule = None
    """A list of ``{epoch: …, architecture: …}``: from that epoch on, counted from 1, the training
    goes on with this larger network, which contains the one before (``nas.contains``)."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_one_line(error)) from None

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: object, info: ValidationInfo) -> object:
        """NumPy's numbers as Python's, and 64.0 as 64 where a whole number is wanted."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        number = whole(value) if annotation in (int, int | None) else None
        return plain(value) if number is None else number

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0; set nesterov to false")
        return self

    @model_validator(mode="after")
    def _growth_is_trained(self) -> Self:
        if self.growth and self.growth[-1].epoch > self.epochs:
            raise ValueError(
                f"growth begins in epoch {self.growth[-1].epoch}; accepted: up to epochs, which "
                f"is {self.epochs}"
            )
        return self

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """The inverse of ``to_dict``; what is left out has its default."""
        if not isinstance(values, Mapping):
            raise ConfigError(f"training is {values!r}, not a mapping")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types with every default written out."""
        return self.model_dump()

    def differences(self, stored: Mapping[str, Any]) -> list[str]:
        """What a training with the ``stored`` config, a ``to_dict``, did otherwise: phrases.

        Where this config says "auto", whatever was chosen is the same.
        """
        return [
            f"{name} {stored.get(name)!r:.80}, not {value!r:.80}"
            for name, value in self.to_dict().items()
            if value not in (stored.get(name), "auto")
        ]

    def replace(self, **changes: Any) -> TrainingConfig:
        """A copy with ``changes``, checked again."""
        return TrainingConfig(**{**self.to_dict(), **changes})


def _one_line(error: ValidationError) -> str:
    """The first complaint, in the words that the other errors of this package use."""
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return f"training: {first['msg'].removeprefix('Value error, ')}"
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return f"training: unknown key {name!r}; {choose(name, TrainingConfig.model_fields)}"
    expected = first["msg"].removeprefix("Input should be ")
    return f"training: {name} is {first['input']!r}; it must be {expected}"
