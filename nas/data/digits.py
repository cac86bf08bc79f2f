"""Handwritten digits: 1,797 real images of 8×8 pixels, which scikit-learn brings along.

They are the test set of https://archive.ics.uci.edu/dataset/80 (Alpaydin and Kaynak 1998). Every
class gives a fifth of its images to a test set, those that stand last.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np

from nas.data.cache import Part, Undecoded, decoded
from nas.data.dataset import Dataset
from nas.data.registry import Request
from nas.data.split import split_counts

TEST_FRACTION = 1 / 5
DARKEST = 16


def load(request: Request) -> Dataset:
    """The digits, from the installed package."""
    own = Request(request.name, None, None)
    return decoded(own, f"scikit-learn {version('scikit-learn')}", _read)


def _read() -> Undecoded:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = np.rint(images * (255 / DARKEST)).astype(np.uint8).reshape(-1, 1, 8, 8)
    test = np.zeros(len(labels), bool)
    shares = split_counts(np.bincount(labels).tolist(), TEST_FRACTION)
    for label, share in enumerate(shares):
        test[np.flatnonzero(labels == label)[-share:]] = True
    parts = {
        "train": Part.of(pixels[~test], labels[~test]),
        "test": Part.of(pixels[test], labels[test]),
    }
    return Undecoded((1, 8, 8), tuple("0123456789"), parts, "digits")
