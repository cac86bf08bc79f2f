"""How long a training takes to 92 %: of a network that a search found, and of the book's set-up.

    python benchmarks/time_to_accuracy.py [--goal 0.92] [--epochs 8] [--json FILE]

- ``ours``: the best network of ``studies/resnext_350k.sqlite`` by our training loop, on 50,000
  images, with the default recipe for ``--epochs`` epochs, until the accuracy on the 10,000
  validation images is the goal; validation counts.
- ``d2l``: the set-up of Dive into Deep Learning, section 8.6: ResNet-18 on images of 96×96 pixels,
  batches of 128, SGD with a rate of 0.01, by DataLoader and float32. Its first epoch over 60,000
  images is a lower bound of its time to any goal above chance; it is what is told here, from the
  median time of ``STEPS`` steps.

Prints JSON.
"""

import argparse
import json
import os
import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import nas
from nas.data import LabelledImages, open_dataset
from nas.study.provenance import processor
from nas.training import Training, TrainingConfig

STUDY = Path(__file__).parent.parent / "studies" / "resnext_350k.sqlite"
BATCH, RATE, IMAGES, STEPS = 128, 0.01, 60_000, 12  # of d2l; steps to time, after two others


class Resized(Dataset[tuple[torch.Tensor, int]]):
    """Images of 96×96 pixels, one at a time, as the book's data module has them."""

    def __init__(self, data: LabelledImages) -> None:
        self.data = data
        self.transform = transforms.Compose([transforms.Resize((96, 96)), transforms.ToTensor()])

    def __len__(self) -> int:
        return len(self.data.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = Image.fromarray(self.data.images[index, 0])
        return self.transform(image), int(self.data.labels[index])


def ours(goal: float, epochs: int) -> dict[str, Any]:
    """Our loop, until the goal."""
    study = nas.open_study(f"sqlite:///{STUDY}", "resnext_350k")
    best = int(study.best(1)["number"].iloc[0])
    config = TrainingConfig(epochs=epochs)
    training = Training(study.architecture(best), config, open_dataset("fashion_mnist"))
    training.settle()
    begun = time.perf_counter()
    curve = []
    while training.epochs_done < epochs:
        curve.append(training.epoch().val_accuracy)
        if curve[-1] >= goal:
            break
    seconds = time.perf_counter() - begun
    reached = curve[-1] >= goal
    return {"seconds": round(seconds, 1), "reached": reached, "val_accuracies": curve}


def d2l(device: torch.device) -> dict[str, Any]:
    """The book's set-up: seconds of an epoch, from those of a step."""
    data = open_dataset("fashion_mnist").train
    model = nas.build(nas.preset("d2l_resnet18")).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    loader = DataLoader(
        Resized(data), batch_size=BATCH, shuffle=True, num_workers=min(4, os.cpu_count() or 1)
    )
    ends = []
    for images, labels in loader:
        loss = F.cross_entropy(model(images.to(device)), labels.to(device))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        loss.item()  # a GPU has then done its work
        ends.append(time.perf_counter())
        if len(ends) > STEPS + 2:
            break
    step = statistics.median(later - earlier for earlier, later in pairwise(ends[2:]))
    epoch = step * IMAGES / BATCH
    return {"images_per_second": round(BATCH / step, 1), "seconds_of_an_epoch": round(epoch, 1)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--goal", type=float, default=0.92, help="validation accuracy")
    parser.add_argument("--epochs", type=int, default=8, help="of our training, at most")
    parser.add_argument("--json", type=Path, help="file for all that was measured")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    found = {"device": f"{device} {name}".strip(), "goal": arguments.goal, "d2l": d2l(device)}
    found["ours"] = ours(arguments.goal, arguments.epochs)
    if found["ours"]["reached"]:
        ratio = found["d2l"]["seconds_of_an_epoch"] / found["ours"]["seconds"]
        found["one_epoch_of_d2l_against_ours"] = round(ratio, 2)
    print(json.dumps(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
