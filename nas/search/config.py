"""What a search is asked to do: one frozen object, stored whole; how far each option reaches."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from nas.data.registry import DEFAULT, full_name
from nas.duration import parse_duration, spelled
from nas.errors import ConfigError, DataError, SpaceError, choose
from nas.metrics import read_minimized
from nas.objectives.contract import check_name
from nas.options import Real, Whole, number
from nas.quantity import BYTES, SECONDS, plain, read_with_unit, whole
from nas.samplers import NAMES, PARENTS
from nas.search.curves import check_log_to
from nas.search.machine import check_address
from nas.search.placement import LEAST
from nas.space import Bands, SearchSpace, amount
from nas.stopping.contract import Scheduler
from nas.study.storage_url import DEFAULT_STORAGE
from nas.training.config import TrainingConfig

MAX_STUDY_NAME = 200


def _unlimited(value: object) -> object:
    """What may be without a limit is so by the word none, too: a flag has no null."""
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


def _seconds(value: object) -> object:
    try:
        return parse_duration(value) if value is not None else value
    except ConfigError as error:
        raise ValueError(str(error)) from None  # pydantic adds the option's name


def _amount(value: object) -> object:
    try:
        return amount(value) if isinstance(value, str) else number(value)
    except SpaceError as error:
        raise ValueError(str(error)) from None


def _latency(value: object) -> object:
    return _with_unit(value, SECONDS, "latency; accepted: 2ms, 500us, 0.1s, or none for no limit")


def _memory(value: object) -> object:
    accepted = "amount of memory; accepted: 64MB, 500kB, 1.5GB, or none for no limit"
    size = _with_unit(value, BYTES, accepted, rounded=True)
    exact = whole(size)
    return size if exact is None else exact


def _with_unit(
    value: object, units: Mapping[str, Fraction], accepted: str, *, rounded: bool = False
) -> object:
    """Seconds or bytes of text; a number is that already."""
    value = plain(value)
    if not isinstance(value, str):
        return value
    read = read_with_unit(value, units)
    read = round(read) if read is not None and rounded else read
    if not read:
        raise ValueError(f"{value!r:.60} is no {accepted}")
    return read


def _band(value: str | None) -> str | None:
    try:
        return value and str(Bands.read(value))
    except SpaceError as error:
        raise ValueError(str(error)) from None


def _dataset(value: str) -> str:
    """Its path, if it has one, as it is from every folder."""
    try:
        return full_name(value)
    except DataError as error:
        raise ValueError(str(error).removeprefix("dataset is ")) from None


def _sampler(value: str) -> str:
    """A name of ours, or ``package.module:name``, which is imported when a search begins."""
    module, _, name = value.partition(":")
    if value in NAMES or (module and name):
        return value
    raise ValueError(f"{value!r:.60}; {choose(value, (*NAMES, 'package.module:name'))}")


def _minimize(value: object) -> tuple[str, ...]:
    try:
        return read_minimized(value)
    except ConfigError as error:
        raise ValueError(str(error).removeprefix("minimize is ")) from None


def _start_from(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _objective(value: str) -> str:
    try:
        return check_name(value)
    except ConfigError as error:  # it names the option, as pydantic does again
        raise ValueError(str(error).removeprefix("objective is ")) from None


def _address(value: str) -> str:
    try:
        return check_address(value)
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _log_to(value: str) -> str:
    try:
        return check_log_to(value)
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _grace(known: Mapping[str, Any]) -> int:
    """A third of the epochs, rounded up.

    Early stopping by the ranking after the first of six epochs loses against none, and after the
    second it wins: docs/search-quality.md.
    """
    return -(-int(known.get("epochs", 1)) // 3)


def _inherit_epochs(known: Mapping[str, Any]) -> int | None:
    """Half of the epochs, rounded down, where trials inherit."""
    return max(1, int(known.get("epochs", 1)) // 2) if known.get("inherit") else None


Amount = Annotated[int, BeforeValidator(_amount), Field(ge=1, strict=True)]
Seconds = Annotated[float, Field(gt=0, strict=True)]
Duration = Annotated[Seconds | None, BeforeValidator(_seconds)]
Latency = Annotated[float, BeforeValidator(_latency), Field(gt=0, le=3600, strict=True)]
Memory = Annotated[int, BeforeValidator(_memory), Field(ge=1, le=2**60, strict=True)]
Count = Annotated[Whole, Field(ge=1, le=10_000_000)]
Unlimited = BeforeValidator(_unlimited)


class Scope(Enum):
    """How far an option reaches, as metadata of its field in ``SearchConfig``."""

    FIXED = "results of a study are comparable only where it is equal"
    LIMIT = "narrows the space; kept with the study, as part of its space"
    KEPT = "kept with the study; a later call may say otherwise"
    CALL = "of the machine or of one call; a later call begins with the default again"
    SECRET = "as CALL, and never stored"


class Unnamed:
    """Metadata of a field that no flag of the command line sets."""


class SearchConfig(BaseModel):
    """A resolved search. Field names are the option names of the command line.

    Raises:
        ConfigError: a value that cannot be; the message names the option.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)

    space: Annotated[str, Scope.KEPT] = Field("resnext", min_length=1)
    study: Annotated[str, Scope.CALL] = Field("resnext", min_length=1, max_length=MAX_STUDY_NAME)
    storage: Annotated[str, Scope.SECRET] = DEFAULT_STORAGE
    runs: Annotated[str, Scope.CALL] = "nas-runs"
    address: Annotated[Annotated[str, AfterValidator(_address)] | None, Scope.CALL] = None
    insecure: Annotated[bool, Scope.CALL] = False
    dataset: Annotated[str, AfterValidator(_dataset), Scope.FIXED] = DEFAULT
    resize: Annotated[bool, Scope.FIXED] = False
    objective: Annotated[str, AfterValidator(_objective), Scope.FIXED] = "fashion_mnist"
    minimize: Annotated[tuple[str, ...], BeforeValidator(_minimize), Scope.FIXED] = ()
    trials: Annotated[Count, Scope.KEPT]
    epochs: Annotated[Whole, Field(ge=1, le=10_000), Scope.FIXED]
    start_from: Annotated[tuple[str, ...], BeforeValidator(_start_from), Scope.CALL] = ()
    inherit: Annotated[bool, Scope.FIXED] = False
    sampler: Annotated[str, AfterValidator(_sampler), Scope.KEPT] = Field(
        default_factory=lambda known: "growing" if known.get("inherit") else "model"
    )
    inherit_epochs: Annotated[Count | None, Scope.FIXED] = Field(
        default_factory=lambda known: _inherit_epochs(known)
    )
    scheduler: Annotated[Scheduler, Scope.FIXED] = Field(
        default_factory=lambda known: "none" if known.get("inherit") else "asha"
    )
    grace: Annotated[Count, Scope.FIXED] = Field(default_factory=lambda known: _grace(known))
    reduction: Annotated[Whole, Field(ge=2, le=100), Scope.FIXED] = 3
    time_budget: Annotated[Duration, Scope.CALL] = None
    concurrency: Annotated[Count | None, Unlimited, Scope.CALL] = None
    cpus_per_trial: Annotated[Real, Field(gt=0, le=1024), Scope.CALL] = 1
    gpus_per_trial: Annotated[Annotated[Real, Field(ge=0, le=64)] | Literal["auto"], Scope.CALL] = (
        0.0
    )
    max_failures: Annotated[Whole, Field(ge=0, le=1000), Scope.KEPT] = 2
    max_consecutive_failures: Annotated[Count, Scope.CALL] = 10
    trial_timeout: Annotated[Duration, Scope.CALL] = 1800.0
    keep: Annotated[Whole, Field(ge=0, le=10_000_000), Scope.KEPT] = Field(
        default_factory=lambda known: PARENTS if known.get("inherit") else 0
    )
    seed: Annotated[Whole, Field(ge=0, lt=2**32), Scope.FIXED] = 0
    data: Annotated[str | None, Scope.CALL] = None
    train_images: Annotated[Annotated[Count, Field(ge=10)] | None, Unlimited, Scope.FIXED] = None
    epoch_images: Annotated[Annotated[Count, Field(ge=10)] | None, Unlimited, Scope.FIXED] = None
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Scope.CALL] = "auto"
    max_params: Annotated[Amount | None, Unlimited, Scope.LIMIT] = None
    max_macs: Annotated[Amount | None, Unlimited, Scope.LIMIT] = None
    band: Annotated[str | None, AfterValidator(_band), Scope.LIMIT] = None
    max_latency: Annotated[Latency | None, Unlimited, Scope.FIXED] = None
    max_memory: Annotated[Memory | None, Unlimited, Scope.FIXED] = None
    latency_batch: Annotated[Whole, Field(ge=1, le=4096), Scope.FIXED] = 1
    flip: Annotated[str | None, Scope.FIXED] = None
    stream: Annotated[str | None, Scope.FIXED, Unnamed()] = None
    log_to: Annotated[str, AfterValidator(_log_to), Scope.CALL] = "none"
    training: Annotated[dict[str, Any], Scope.FIXED, Unnamed()] = Field(default_factory=dict)

    def model_post_init(self, _: object) -> None:
        """What no single field can know."""
        if self.study != self.study.strip():
            raise ConfigError(f"study: {self.study!r} begins or ends with a space")
        if not self.study.isprintable():
            raise ConfigError(f"study: {self.study!r} has a control character in it")
        if self.grace > self.epochs:
            raise ConfigError(
                f"grace: a trial is stopped after {self.grace} epochs at the earliest, but epochs "
                f"is {self.epochs}; grace must not be above it"
            )
        if self.start_from and (self.flip or self.stream):
            pairs = "flip pairs trials by their numbers" if self.flip else "a population is random"
            raise ConfigError(f"start-from is given, but {pairs}; leave it out")
        if self.inherit:
            self._check_inherit()
        if self.least_gpus > 1 and self.least_gpus % 1:
            raise ConfigError(
                f"gpus-per-trial is {self.gpus_per_trial}; above 1 it must be a whole number"
            )
        if self._outside.keys() & self.training.keys():
            raise ConfigError(
                "training: epochs, train_images, epoch_images and seed stand outside of it, where "
                "the options of these names are; split_seed is the seed"
            )
        if "growth" in self.training:
            raise ConfigError(
                "training: growth leads one network to another, and a search trains many; leave it "
                "out, or train the one by nas.fit"
            )
        self.training_config()

    def _check_inherit(self) -> None:
        """Do nothing if trials can begin with the weights of others.

        Raises:
            ConfigError: they cannot.
        """
        if self.scheduler != "none":
            raise ConfigError(
                f"scheduler is {self.scheduler}, but inherit is given: a trial that began with the "
                "weights of another one cannot be compared after so many epochs; accepted: none"
            )
        if self.objective != "fashion_mnist":
            raise ConfigError(
                f"inherit is given, but objective is {self.objective}; accepted: fashion_mnist, "
                "whose networks nas trains itself"
            )
        for name in ("minimize", "flip", "stream"):
            if getattr(self, name):
                raise ConfigError(f"inherit is given together with {name}; leave one of them out")
        if self.keep < 1:
            raise ConfigError(
                "keep is 0, but inherit is given: trials begin with weights that are kept; "
                f"accepted: at least 1, such as {PARENTS}"
            )
        if self.inherit_epochs is None or not 0 < self.inherit_epochs < self.epochs:
            raise ConfigError(
                f"inherit-epochs is {self.inherit_epochs}, and epochs is {self.epochs}; accepted: "
                "fewer than epochs, which must be 2 or more"
            )

    def training_config(self, **searched: Any) -> TrainingConfig:
        """How a trial is trained; ``searched`` are the hyper-parameters that its setting names."""
        return TrainingConfig(**{**self.training, **searched, **self._outside})

    @property
    def least_gpus(self) -> float:
        """GPUs that each trial gets; the least that one may get, where they differ."""
        return LEAST if self.gpus_per_trial == "auto" else self.gpus_per_trial

    @property
    def _outside(self) -> dict[str, Any]:
        """What of a training are options of the search."""
        return {
            "epochs": self.epochs,
            "train_images": self.train_images,
            "epoch_images": self.epoch_images,
            "seed": self.seed,
            "split_seed": self.seed,
        }

    def within(self, space: SearchSpace) -> SearchSpace:
        """The part of ``space`` within max_params, max_macs and band.

        Raises:
            SpaceError: they leave nothing of its own limits.
        """
        most = {"params": self.max_params, "macs": self.max_macs}
        space = space.with_limits({measure: (None, end) for measure, end in most.items()})
        return space.with_limits(Bands.read(self.band).by_measure) if self.band else space

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, without the storage: its URL may hold a password."""
        return self.model_dump(mode="json", exclude=set(options(Scope.SECRET)))


def options(*scopes: Scope) -> tuple[str, ...]:
    """The names of all options of these scopes."""
    return tuple(
        name
        for name, field in SearchConfig.model_fields.items()
        if any(scope in field.metadata for scope in scopes)
    )


def unnamed() -> tuple[str, ...]:
    """The names of all options that no flag of the command line sets."""
    fields = SearchConfig.model_fields.items()
    return tuple(
        name for name, field in fields if any(isinstance(one, Unnamed) for one in field.metadata)
    )


def typed(name: str, value: object) -> object:
    """A value of an option as a person would type it: 480.0 seconds, of a file, are 8m."""
    if value is None:
        return "none"
    is_duration = BeforeValidator(_seconds) in SearchConfig.model_fields[name].metadata
    return spelled(value) if is_duration and isinstance(value, int | float) else value
