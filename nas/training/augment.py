"""Random changes to a batch of uint8 images, all at once, on the device that holds them."""

import torch
from torch import Tensor

from nas.training.config import TrainingConfig


def augment(images: Tensor, config: TrainingConfig, generator: torch.Generator) -> Tensor:
    """The batch after ``config``'s flip, crop and erasing; (N, C, H, W) uint8 to the same."""
    assert config.flip != "auto", "a training knows whether its images may be mirrored"
    if config.flip or config.crop_padding:
        images = shift_and_flip(images, config.crop_padding, config.flip, generator)
    if config.erasing:
        images = erase(images, config.erasing, generator)
    return images


def shift_and_flip(images: Tensor, padding: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Each image moved by up to ``padding`` pixels to each side, and mirrored if a coin says so.

    Black moves in: the same as a random crop of the image padded with zeros.
    """
    count, _, height, width = images.shape
    device = images.device
    if padding:
        images = torch.nn.functional.pad(images, (padding,) * 4)
    rows, columns = (
        torch.randint(2 * padding + 1, (count, 1), generator=generator, device=device)
        + torch.arange(size, device=device)
        for size in (height, width)
    )  # (N, H), (N, W): where in the padded image each pixel comes from
    if flip:
        mirrored = torch.rand(count, 1, generator=generator, device=device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    batch = torch.arange(count, device=device)[:, None, None]
    chosen = images.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]]
    return chosen.permute(0, 3, 1, 2)  # (N, C, H, W)


def erase(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """A random rectangle of some images replaced by noise (Zhong et al., arXiv:1708.04896).

    It covers 2 % to 40 % of the image, its height being 0.3 to 3.3 times its width; one that does
    not fit is cut at the border.
    """
    count, _, height, width = images.shape
    device = images.device

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, generator=generator, device=device)

    area = uniform(0.02, 0.4) * height * width
    aspect = uniform(0.3, 1 / 0.3)
    chosen = uniform(0, 1) < probability  # (N, 1)
    inside = []
    for size, extent in ((height, (area * aspect).sqrt()), (width, (area / aspect).sqrt())):
        extent = extent.round().clamp(1, size)
        start = (uniform(0, 1) * (size - extent + 1)).floor()
        pixel = torch.arange(size, device=device)
        inside.append((pixel >= start) & (pixel < start + extent))  # (N, size)
    rows, columns = inside
    erased = (rows & chosen)[:, None, :, None] & columns[:, None, None, :]  # (N, 1, H, W)
    noise = torch.randint(256, images.shape, generator=generator, device=device, dtype=torch.uint8)
    return torch.where(erased, noise, images)
