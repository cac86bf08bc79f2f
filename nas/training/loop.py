"""Training one architecture: epoch by epoch, each with its validation, resumable after any."""

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.architecture import Architecture
from nas.data import Dataset, LabelledImages, open_dataset
from nas.data.registry import DEFAULT
from nas.errors import ArchitectureError, CheckpointError, TrialFailedError
from nas.nested.growth import Embedding, grow
from nas.network import build
from nas.training.augment import augment
from nas.training.checkpoint import read_checkpoint, write_checkpoint
from nas.training.config import TrainingConfig
from nas.training.device import DeviceData, Images, normalise, placed
from nas.training.growing import check_growth
from nas.training.numerics import (
    choose_device,
    fast_convolutions,
    forward,
    memory_format,
    resolve_numerics,
)
from nas.training.schedule import learning_rate

EVALUATION_BATCH = 500
OnBatch: TypeAlias = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What one epoch of training led to."""

    epoch: int
    """Counted from 1."""
    train_loss: float
    """Mean over the epoch's steps, on augmented images, with label smoothing."""
    val_loss: float
    """Cross-entropy without label smoothing, on all validation images."""
    val_accuracy: float
    """Fraction of 1."""
    val_balanced_accuracy: float
    """Mean over the classes of the fraction of their images that was recognised."""
    learning_rate: float
    """Of the epoch's last step."""
    seconds: float
    """Wall time of training and validation."""
    images_per_second: float
    """Training images per second of training, validation excluded."""
    precision: str
    """Of the forward passes: float32 or bfloat16."""
    channels_last: str
    """Memory layout of the images: on or off."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, by field."""
        return asdict(self)


class Training:
    """One network on its way through ``config.epochs`` epochs.

    The numbers depend on architecture, config, data and, in floating-point rounding, on the device
    and the number of threads; not on what else the process has done, for the order of the images
    and their augmentation come from (seed, epoch) alone. On a CPU they are the same to the bit,
    also when the training is resumed from a checkpoint. "auto" numerics are settled by timing when
    the first epoch begins, and stay so: ``config`` then has them, as do results and checkpoints.

    ``learner`` is the network that takes the optimizer's steps. ``model`` is the one that is
    validated, and that a training leads to: the running mean of the learner's weights (Polyak and
    Juditsky 1992). While the learning rate is high, the learner's own accuracy says little about
    the architecture; in the end both are the same.

    Where ``config`` has a growth, ``architecture`` is what the training has come to: both networks,
    their statistics and the optimizer's momentum are carried over into the larger ones, which
    compute what the smaller ones did.

    Raises:
        ConfigError: the device is not here, the data has fewer images than are asked for, or the
            network cannot grow as the config says.
    """

    def __init__(
        self,
        architecture: Architecture,
        config: TrainingConfig,
        data: Dataset,
        device: str = "auto",
    ) -> None:
        self.architecture = self._first = architecture
        for step in (config.growth or ())[:1]:
            check_growth(architecture, step)
        self.dataset = data
        self.config = config.replace(flip=data.mirrored) if config.flip == "auto" else config
        self.device = choose_device(device)
        self.data = DeviceData.place(data, self.config, self.device)
        self.epochs_done = 0
        self.on_batch: OnBatch | None = None
        """Called after each batch with the epoch, its images so far, and how many it has."""
        self._begin(architecture)

    def _begin(self, architecture: Architecture) -> None:
        """With fresh weights."""
        with self._drawing("weights"):
            learner = build(architecture, self.dataset.input_shape[0], len(self.dataset.classes))
        self.architecture = architecture
        self.learner = learner.to(self.device)
        self.model = deepcopy(self.learner)
        self.optimizer = _optimizer(self.learner, self.config)

    @contextmanager
    def _drawing(self, purpose: str) -> Iterator[None]:
        """Draw weights from the seed; the caller's random numbers go on undisturbed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_seed(self.config.seed, purpose))
            yield

    def settle(self) -> TrainingConfig:
        """The config with explicit numerics; the first call may time a few steps."""
        if "auto" in (self.config.precision, self.config.channels_last):
            shape, classes = self.dataset.input_shape, len(self.dataset.classes)
            self.config = resolve_numerics(
                self.architecture, self.config, self.device, shape, classes
            )
        for network in (self.learner, self.model):
            network.to(memory_format=memory_format(self.config))
        return self.config

    def epoch(self) -> EpochResult:
        """Train for one more epoch, then validate.

        Raises:
            TrialFailedError: the training or validation loss is infinite or no number.
        """
        config = self.settle()
        assert self.epochs_done < config.epochs, "the training is over"
        number = self.epochs_done + 1
        start = time.perf_counter()
        for step in config.growth or ():
            if step.epoch == number:
                self._grow(step.architecture, f"growth {step.epoch}")
        with fast_convolutions():
            train_loss, last_rate = self._train(number, config)
            trained = time.perf_counter()
            _check_finite(train_loss, number)
            val_loss, val_accuracy, balanced = self._evaluate(
                self.data.validation_images, self.data.validation_labels
            )
        end = time.perf_counter()
        _check_finite(val_loss, number)
        self.epochs_done = number
        return EpochResult(
            epoch=number,
            train_loss=train_loss,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            val_balanced_accuracy=balanced,
            learning_rate=last_rate,
            seconds=end - start,
            images_per_second=self._epoch_images / (trained - start),
            precision=config.precision,
            channels_last=config.channels_last,
        )

    def _grow(self, architecture: Architecture, purpose: str) -> None:
        """Go on with a larger network that computes the same, new weights drawn for ``purpose``."""
        with self._drawing(purpose):
            learner = grow(self.learner, architecture)
        learner.to(memory_format=memory_format(self.config))
        embedding, model = Embedding(learner, self.learner), deepcopy(learner)
        embedding.write(model.state_dict(), self.model.state_dict())
        optimizer = _optimizer(learner, self.config)
        if before := _momentum(self.learner, self.optimizer):
            after = {name: torch.zeros_like(p) for name, p in learner.named_parameters()}
            embedding.carry(after, before)
            for name, parameter in learner.named_parameters():
                optimizer.state[parameter]["momentum_buffer"] = after[name]
        self.architecture = architecture
        self.learner, self.model, self.optimizer = learner, model, optimizer

    def _train(self, number: int, config: TrainingConfig) -> tuple[float, float]:
        """One epoch: mean loss, last learning rate."""
        images, labels = self.data.train_images, self.data.train_labels
        order, generator = self._order(number, config)
        # Their sizes differ by one at most. That makes cuDNN time its algorithms twice, which one
        # size would save, and leave images out of each epoch.
        batches = order.tensor_split(math.ceil(len(order) / config.batch_size))
        first = (number - 1) * len(batches)
        rate, seen, total = 0.0, 0, torch.zeros((), device=self.device)
        weights, means = _floats(self.learner), _floats(self.model)
        self.learner.train()
        for step, batch in enumerate(batches, start=first):
            rate = learning_rate(step, config.epochs * len(batches), config)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            x = self._normalised(augment(images[batch], config, generator))  # (N, C, H, W)
            logits = forward(self.learner, x, config)  # (N, classes)
            loss = F.cross_entropy(logits, labels[batch], label_smoothing=config.label_smoothing)
            torch.autograd.backward(loss)
            self.optimizer.step()
            self.optimizer.zero_grad()
            # a plain mean of the first steps, so that nothing is left of the initial weights
            torch._foreach_lerp_(means, weights, max(1 - config.averaging, 1 / (step + 1)))
            total += loss.detach() * len(batch)  # read once an epoch: a GPU need not wait
            seen += len(batch)
            if self.on_batch is not None:
                self.on_batch(number, seen, len(order))
        return total.item() / len(order), rate

    @property
    def _epoch_images(self) -> int:
        return self.config.epoch_images or len(self.data.train_labels)

    def _order(self, number: int, config: TrainingConfig) -> tuple[Tensor, torch.Generator]:
        """The images of an epoch, in order, and the generator of their augmentation.

        Each pass over all images is in an order of its own; an epoch is a part of these passes laid
        end to end.
        """
        images, size = len(self.data.train_labels), self._epoch_images
        start = (number - 1) * size
        passes = range(start // images, -(-(start + size) // images))
        generators = [self._generator(config, f"epoch {one + 1}") for one in passes]
        orders = [
            torch.randperm(images, generator=generator, device=self.device)
            for generator in generators
        ]
        if size == images:
            return orders[0], generators[0]
        first = start - passes[0] * images
        part = torch.cat(orders)[first : first + size]
        return part, self._generator(config, f"part {number}")

    def _generator(self, config: TrainingConfig, purpose: str) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(_seed(config.seed, purpose))

    def evaluate(self, data: LabelledImages) -> tuple[float, float]:
        """Mean cross-entropy and accuracy (fraction of 1) on other images, such as test images."""
        self.settle()
        loss, accuracy, _ = self._evaluate(*placed(data, np.arange(len(data.labels)), self.device))
        return loss, accuracy

    def _normalised(self, images: Tensor) -> Tensor:
        return normalise(images, self.dataset.mean, self.dataset.std)

    def _evaluate(self, images: Images, labels: Tensor) -> tuple[float, float, float]:
        """Mean cross-entropy, accuracy, and the mean of the accuracies of the classes."""
        classes = len(self.dataset.classes)
        loss = torch.zeros((), device=self.device)
        right = torch.zeros(classes, dtype=torch.int64, device=self.device)  # by class
        self.model.eval()
        with torch.inference_mode():
            for start in range(0, len(labels), EVALUATION_BATCH):
                batch = slice(start, start + EVALUATION_BATCH)
                x = self._normalised(images[batch])  # (N, C, H, W)
                logits = forward(self.model, x, self.config)  # (N, classes)
                loss += F.cross_entropy(logits, labels[batch], reduction="sum")
                recognised = labels[batch][logits.argmax(1) == labels[batch]]
                right += torch.bincount(recognised, minlength=classes)
        hits, images_of = right.tolist(), torch.bincount(labels, minlength=classes).tolist()
        recalls = [hit / of for hit, of in zip(hits, images_of, strict=True) if of]
        return loss.item() / len(labels), sum(hits) / len(labels), fmean(recalls)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on, in plain types and tensors."""
        return {
            "architecture": self.architecture.to_dict(),
            "first_architecture": self._first.to_dict(),
            "config": self.config.to_dict(),
            "dataset": _description(self.dataset),
            "epochs_done": self.epochs_done,
            "learner": self.learner.state_dict(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state``, with its numerics where this config says "auto".

        Raises:
            CheckpointError: the state is that of another architecture or config.
        """
        first = state.get("first_architecture", state["architecture"])  # an older one did not grow
        if Architecture.from_dict(first).key != self._first.key:
            raise CheckpointError("the checkpoint is of another architecture")
        differences = self.config.differences(state["config"])
        if differences:
            raise CheckpointError(f"the checkpoint was trained with {differences[0]}")
        self._refuse_other_images(state)
        self.config = TrainingConfig.from_dict(state["config"])
        architecture = Architecture.from_dict(state["architecture"])
        if architecture.key != self.architecture.key:  # grown since, or not yet
            self._begin(architecture)
        self.settle()
        self.learner.load_state_dict(state["learner"])
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epochs_done = state["epochs_done"]

    def _refuse_other_images(self, state: dict[str, Any]) -> None:
        for name, value in _description(self.dataset).items():
            there = state.get("dataset", {}).get(name, value)  # an older one says nothing of it
            if there != value:
                raise CheckpointError(
                    f"the checkpoint is of images with {name} {there}, not {value}"
                )

    def inherit(self, path: Path | str) -> None:
        """Begin with what another training has come to, whose network this one contains.

        Weights, statistics and momentum are those of the checkpoint, grown into this network, which
        computes the same. Epochs and learning rate begin anew, as this config has them; all else is
        to be equal.

        Args:
            path: of a checkpoint of ``save``.

        Raises:
            CheckpointError: it cannot be read, is of other images or another recipe, or its network
                is not contained in this one.
        """
        assert self.epochs_done == 0, "the training has begun"
        state = read_checkpoint(Path(path), self.device)
        own = {"epochs": self.config.epochs, "peak_lr": self.config.peak_lr}
        theirs = {**state["config"], **own}
        if differences := self.config.differences(theirs):
            raise CheckpointError(f"the checkpoint was trained with {differences[0]}")
        self._refuse_other_images(state)
        self.settle()
        architecture = self.architecture
        self._begin(Architecture.from_dict(state["architecture"]))
        self.learner.load_state_dict(state["learner"])
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        try:
            self._grow(architecture, "inheritance")
        except ArchitectureError as error:
            raise CheckpointError(f"nothing is inherited: {error}") from None

    def save(self, path: Path | str) -> None:
        """Write a checkpoint that is whole or not there."""
        write_checkpoint(self.state_dict(), Path(path))

    def load(self, path: Path | str) -> None:
        """Go on from a checkpoint of ``save``.

        Raises:
            CheckpointError: it cannot be read, or is of another architecture or config.
        """
        self.load_state_dict(read_checkpoint(Path(path), self.device))


def fit(
    architecture: Architecture,
    data: Dataset | str = DEFAULT,
    config: TrainingConfig | None = None,
    device: str = "auto",
    checkpoint: Path | str | None = None,
    on_batch: OnBatch | None = None,
) -> Iterator[EpochResult]:
    """Train ``architecture`` and yield a result after each epoch.

    Args:
        architecture: built for the channels and the classes of ``data``.
        data: what to train and validate on, or its name as ``nas.data.open_dataset`` takes it; by
            default Fashion-MNIST, which is fetched.
        config: by default ``TrainingConfig()``.
        device: as ``choose_device`` takes it.
        checkpoint: a file to go on from if it is there, written after each epoch.
        on_batch: called after each batch with the epoch, its images so far, and how many it has.

    Raises:
        NasError: as ``open_dataset`` and ``Training`` do.

    >>> from nas import Architecture
    >>> network = Architecture.from_dict({
    ...     "stem": {"width": 8},
    ...     "stages": [{"block": "basic", "depth": 1, "width": 16, "stride": 2}],
    ... })
    >>> results = list(fit(network, "digits", TrainingConfig(epochs=2), device="cpu"))
    >>> [result.epoch for result in results]
    [1, 2]
    >>> results[-1].val_accuracy > 0.5  # fraction of 1; a guess has 0.1
    True
    """
    if isinstance(data, str):
        data = open_dataset(data)
    training = Training(architecture, config or TrainingConfig(), data, device)
    training.on_batch = on_batch
    if checkpoint is not None and Path(checkpoint).exists():
        training.load(checkpoint)
    while training.epochs_done < training.config.epochs:
        result = training.epoch()
        if checkpoint is not None:
            training.save(checkpoint)
        yield result


def _description(data: Dataset) -> dict[str, Any]:
    """What a checkpoint says of the images that it was trained on."""
    return {
        "fingerprint": data.fingerprint,
        "input_shape": list(data.input_shape),
        "classes": list(data.classes),
        "mean": list(data.mean),
        "std": list(data.std),
    }


def _check_finite(loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        raise TrialFailedError(f"loss is not finite ({loss}) in epoch {epoch}")


def _optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.SGD:
    """SGD whose weight decay leaves norms and biases alone: vectors, unlike weights."""
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    return torch.optim.SGD(
        [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=config.peak_lr,
        momentum=config.momentum,
        nesterov=config.nesterov,
        fused=True,  # one kernel rather than several per weight
    )


def _momentum(network: nn.Module, optimizer: torch.optim.SGD) -> dict[str, Tensor]:
    """The running sum of each parameter's gradients; nothing before the first step."""
    sums = {
        name: optimizer.state.get(parameter, {}).get("momentum_buffer")
        for name, parameter in network.named_parameters()
    }
    return {name: tensor for name, tensor in sums.items() if tensor is not None}


def _floats(network: nn.Module) -> list[Tensor]:
    """Weights and the norms' statistics."""
    return [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]


def _seed(seed: int, purpose: str) -> int:
    """32 bits, of which torch's CPU generator uses no more."""
    return int.from_bytes(hashlib.sha256(f"{seed} {purpose}".encode()).digest()[:4], "big")
