"""How much faster the training loop is than torch's DataLoader with torchvision's transforms.

    python benchmarks/training.py

Ours keeps the images in memory as uint8, augments whole batches and trains in the precision and
layout that its probe picks; the other loads image by image in two processes and trains in float32.
Both train the same ResNeXt on the same images with the same optimizer, in turn, in one process;
the ratio is that of their medians per round. Validation is in neither.
"""

import os
import statistics
import time

import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import nas
from nas.data import LabelledImages, open_dataset
from nas.data.fashion_mnist import MEAN, STD
from nas.training import Training, TrainingConfig

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


def main() -> None:
    """Time both arms in turn and print their medians and ratio."""
    data = open_dataset("fashion_mnist")
    config = TrainingConfig(epochs=ROUNDS + 1, train_images=IMAGES)
    ours = Training(RESNEXT, config, data)
    other = LoaderTraining(data.train, config, ours.device)
    rounds = [(ours.epoch().images_per_second, other.epoch()) for _ in range(ROUNDS + 1)][1:]
    own, loader = (statistics.median(speeds) for speeds in zip(*rounds, strict=True))
    settled = ours.config
    layout = "channels last" if settled.channels_last == "on" else "channels first"
    print(f"on {ours.device}, {torch.get_num_threads()} threads of {os.cpu_count()} cores")
    print(f"this loop    {own:8,.0f} images/s  ({settled.precision}, {layout})")
    print(f"DataLoader   {loader:8,.0f} images/s  (float32, channels first)")
    print(f"ratio        {own / loader:8.2f}")


if __name__ == "__main__":
    main()
