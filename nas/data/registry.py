"""Every data set, one row each; the module of a row reads it.

A data set is added by a module with a function ``load(request: Request) -> Dataset`` and a row
here. ``nas.data.cache.decoded`` turns what the module reads into a ``Dataset``, and keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.errors import DataError, choose


@dataclass(frozen=True)
class Row:
    """What is known of a data set before anything is read."""

    title: str
    """For people."""
    module: str
    """That reads it, in ``nas.data``."""
    mirrored: bool
    """Whether an image mirrored left to right is one of its class; the default of ``flip``."""
    validation_fraction: float = 1 / 5
    """Share of the training images that validates."""
    has_path: bool = False
    """Whether the name goes on with a path, as in ``folder:PATH``."""
    licence: str = "not stated by its authors"
    """Under which they give it away, as they say on the page of ``home``."""
    home: str | None = None
    """The data set's own page."""


_CIFAR = "https://www.cs.toronto.edu/~kriz/cifar.html"
_YOURS = "that of the images, which whoever brought them knows"
DATASETS = {
    # 10,000 of the 60,000 images: as many as there are for the test
    "fashion_mnist": Row(
        "Fashion-MNIST",
        "fashion_mnist",
        True,
        validation_fraction=1 / 6,
        licence="MIT",
        home="https://github.com/zalandoresearch/fashion-mnist",
    ),
    "digits": Row(
        "Digits",
        "digits",
        False,
        licence="CC BY 4.0",
        home="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    ),
    # CC BY-SA 3.0 is what others say of it
    "mnist": Row("MNIST", "torchvision_sets", False, home="http://yann.lecun.com/exdb/mnist/"),
    "kmnist": Row(
        "Kuzushiji-MNIST",
        "torchvision_sets",
        False,
        licence="CC BY-SA 4.0",
        home="https://github.com/rois-codh/kmnist",
    ),
    "emnist": Row(
        "EMNIST Balanced",
        "torchvision_sets",
        False,
        home="https://www.nist.gov/itl/products-and-services/emnist-dataset",
    ),
    "cifar10": Row("CIFAR-10", "torchvision_sets", True, home=_CIFAR),
    "cifar100": Row("CIFAR-100", "torchvision_sets", True, home=_CIFAR),
    "svhn": Row(
        "SVHN",
        "torchvision_sets",
        False,
        licence="for non-commercial use only",
        home="http://ufldl.stanford.edu/housenumbers/",
    ),
    "folder": Row("a folder of images", "folder", True, has_path=True, licence=_YOURS),
    "npz": Row("an .npz file", "npz", True, has_path=True, licence=_YOURS),
}
DEFAULT = "fashion_mnist"


@dataclass(frozen=True)
class Request:
    """A data set as it is asked for."""

    name: str
    """The key of its row."""
    path: Path | None
    """Of its folder or file: what the name goes on with, or where it was said to be."""
    input_shape: tuple[int, int, int] | None
    """What a folder of images is converted to; without it, the shape of the first image."""

    @property
    def row(self) -> Row:
        """Of the registry."""
        return DATASETS[self.name]

    @property
    def full_name(self) -> str:
        """As ``open_dataset`` takes it."""
        return f"{self.name}:{self.path}" if self.row.has_path else self.name

    @property
    def title(self) -> str:
        """For people."""
        return title_of(self.full_name)


def parse(name: str) -> tuple[str, Path | None]:
    """The key of the row, and the path where the name goes on with one.

    Raises:
        DataError: there is no such data set, a path is missing, or one was not expected.
    """
    key, _, rest = name.partition(":")
    accepted = [f"{one}:PATH" if row.has_path else one for one, row in DATASETS.items()]
    if key not in DATASETS:
        raise DataError(f"dataset is {name!r:.80}; {choose(key, accepted)}")
    if DATASETS[key].has_path != bool(rest):
        wanted = f"{key}:PATH" if DATASETS[key].has_path else key
        raise DataError(f"dataset is {name!r:.80}; accepted: {wanted}")
    if not rest:
        return key, None
    if "\0" in rest:
        raise DataError(f"dataset is {name!r:.80}, which no path can be")
    return key, Path(rest).expanduser().absolute()


def full_name(name: str) -> str:
    """The name, its path absolute.

    Raises:
        DataError: as ``parse`` does.
    """
    key, path = parse(name)
    return f"{key}:{path}" if path else key


def title_of(name: str) -> str:
    """What people call the data set of that name: Fashion-MNIST, or the name of its folder."""
    key, _, rest = name.partition(":")
    if key not in DATASETS:
        return name
    return (Path(rest).name or rest) if rest else DATASETS[key].title
