"""An ONNX file in 8 bits: weights per channel, activations by the ranges that real images have."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.shipping.formats import INPUT

BATCH = 32


def quantize(path: Path, small: Path, images: NDArray[np.uint8]) -> None:
    """Write the file at ``path`` into ``small`` in 8 bits, fitted to ``images`` (N, C, H, W)."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Images(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches = _batches(images)

        def get_next(self) -> dict[str, Any] | None:
            return next(self.batches, None)

    prepared = small.with_name(f"{small.name}.prepared")
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)  # its advice is followed here
    try:
        quant_pre_process(path, prepared, skip_symbolic_shape=True)
        quantize_static(prepared, small, Images(), quant_format=QuantFormat.QDQ, per_channel=True)
    finally:
        logging.root.setLevel(level)
        prepared.unlink(missing_ok=True)


def _batches(images: NDArray[np.uint8]) -> Iterator[dict[str, NDArray[np.uint8]]]:
    for start in range(0, len(images), BATCH):
        yield {INPUT: images[start : start + BATCH]}
