"""How fast the training loop is: against torch's DataLoader, and against the most that it could be.

    python benchmarks/training.py [--json FILE]        # make bench: benchmarks/training.json

All arms train the same ResNeXt on the same images with the same optimizer, in turn, in one run:

- ``loop``: ours, in one process. Images in memory as uint8, augmented as whole batches; precision
  and layout are what its probe picks.
- ``workers``: ours, as a search runs it on a CPU: a process with one thread for each core, at once.
- ``loader``: torchvision's transforms image by image in DataLoader's two processes, float32.
- ``limit``: forward and backward passes alone, in precision and layout of ``loop``, on one batch
  that is there already: no images, no augmentation, no optimizer. Nothing that trains is faster.

Each number is the median over the rounds. Validation is in none. Prints a table and writes JSON.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import nas
from nas.data import LabelledImages, open_dataset
from nas.data.fashion_mnist import MEAN, STD
from nas.study.provenance import processor
from nas.training import Training, TrainingConfig
from nas.training.numerics import fast_convolutions, forward

IMAGES = 6_400
ROUNDS = 5  # after one to warm up
RESNEXT = nas.Architecture(
    nas.Stem(16),
    tuple(
        nas.Stage("bottleneck", 2, width, stride, groups=width // 8)
        for width, stride in [(16, 1), (32, 2), (64, 2)]
    ),
)


class Images(Dataset[tuple[torch.Tensor, int]]):
    """One image at a time, by way of PIL, as torchvision's own datasets have them."""

    def __init__(self, data: LabelledImages) -> None:
        self.data = data
        self.transform = transforms.Compose(
            [
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = self.transform(Image.fromarray(self.data.images[index, 0]))
        return image, int(self.data.labels[index])


class LoaderTraining:
    """The named alternative; ``config`` gives its optimizer."""

    def __init__(self, data: LabelledImages, config: TrainingConfig, device: torch.device) -> None:
        self.device = device
        self.smoothing = config.label_smoothing
        self.model = nas.build(RESNEXT).to(device)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(),
            lr=config.peak_lr,
            momentum=config.momentum,
            nesterov=config.nesterov,
            weight_decay=config.weight_decay,
        )
        self.loader = DataLoader(
            Images(data),
            batch_size=config.batch_size,
            shuffle=True,
            num_workers=2,
            persistent_workers=True,
            pin_memory=device.type == "cuda",
        )

    def epoch(self) -> float:
        """Train on all images once; images per second."""
        self.model.train()
        start = time.perf_counter()
        for images, labels in self.loader:
            logits = self.model(images.to(self.device, non_blocking=True))
            labels = labels.to(self.device, non_blocking=True)
            loss = F.cross_entropy(logits, labels, label_smoothing=self.smoothing)
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()
        loss.item()  # a GPU has then done its work
        return IMAGES / (time.perf_counter() - start)


class Limit:
    """Forward and backward passes of a batch that is there already."""

    def __init__(self, config: TrainingConfig, device: torch.device) -> None:
        """``config`` has explicit numerics."""
        self.config = config
        layout = torch.channels_last if config.channels_last == "on" else torch.contiguous_format
        self.model = nas.build(RESNEXT).to(device).to(memory_format=layout).train()
        self.images = torch.randn(config.batch_size, 1, 28, 28, device=device)  # (N, C, H, W)
        self.labels = torch.randint(0, 10, (config.batch_size,), device=device)

    def epoch(self) -> float:
        """As many images as the others; images per second."""
        steps = IMAGES // self.config.batch_size
        start = time.perf_counter()
        with fast_convolutions():
            for _ in range(steps):
                logits = forward(self.model, self.images, self.config)  # (N, classes)
                loss = F.cross_entropy(logits, self.labels)
                self.model.zero_grad()
                torch.autograd.backward(loss)
        loss.item()  # a GPU has then done its work
        return steps * self.config.batch_size / (time.perf_counter() - start)


def work(line: Connection, config: TrainingConfig) -> None:
    """A process of one thread: an epoch for each message, until there is none."""
    torch.set_num_threads(1)
    training = Training(RESNEXT, config, open_dataset("fashion_mnist"), "cpu")
    training.settle()
    line.send(0.0)
    while line.recv():
        line.send(training.epoch().images_per_second)


@contextmanager
def workers(config: TrainingConfig, number: int) -> Iterator[Callable[[], float]]:
    """So many processes; the call returns their images per second together."""
    context = get_context("spawn")
    pairs = [context.Pipe() for _ in range(number)]
    started = [context.Process(target=work, args=(own, config), daemon=True) for _, own in pairs]
    lines = [line for line, _ in pairs]
    for process in started:
        process.start()
    for line in lines:
        line.recv()

    def epoch() -> float:
        for line in lines:
            line.send(True)
        return sum(line.recv() for line in lines)

    yield epoch
    for line in lines:
        line.send(False)
    for process in started:
        process.join()


def measured() -> dict[str, Any]:
    """All arms in turn: images per second of each round, and the ratios of the medians."""
    data = open_dataset("fashion_mnist")
    config = TrainingConfig(epochs=ROUNDS + 1, train_images=IMAGES)
    ours = Training(RESNEXT, config, data)
    settled, device, cores = ours.settle(), ours.device, len(os.sched_getaffinity(0))
    loader, limit = LoaderTraining(data.train, config, device), Limit(settled, device)
    arms: dict[str, Callable[[], float]] = {
        "loop": lambda: ours.epoch().images_per_second,
        "loader": loader.epoch,
        "limit": limit.epoch,
    }
    speeds: dict[str, list[float]] = {}
    on_cpu = device.type == "cpu"
    with workers(config, cores if on_cpu else 0) as at_once:
        if on_cpu:
            arms["workers"] = at_once
        for _ in range(ROUNDS + 1):
            for name, epoch in arms.items():
                speeds.setdefault(name, []).append(epoch())
    rounds = {name: found[1:] for name, found in speeds.items()}
    medians = {name: statistics.median(found) for name, found in rounds.items()}
    ratios = {f"{name}/loader": medians[name] / medians["loader"] for name in medians}
    ratios["loop/limit"] = medians["loop"] / medians["limit"]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {
        "device": f"{device} {name}".strip(),
        "cores": cores,
        "torch": str(torch.__version__),
        "precision": settled.precision,
        "channels_last": settled.channels_last,
        "batch_size": settled.batch_size,
        "images": IMAGES,
        "images_per_second": rounds,
        "medians": medians,
        "ratios": ratios,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file for all that was measured")
    arguments = parser.parse_args()
    found = measured()
    layout = "channels last" if found["channels_last"] == "on" else "channels first"
    print(f"{found['device']}, {found['cores']} cores, torch {found['torch']}")
    print(f"loop and limit in {found['precision']}, {layout}; loader in float32, channels first")
    print(f"{'':10}{'images/s':>10}{'against loader':>16}")
    for name, median in sorted(found["medians"].items(), key=lambda one: one[1]):
        print(f"{name:10}{median:10,.0f}{found['ratios'][f'{name}/loader']:16.2f}")
    print(f"the loop reaches {found['ratios']['loop/limit']:.2f} of the limit")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
