"""Shapes of images, as a command is given them."""

from nas.errors import SpaceError
from nas.quantity import read_number, whole


def read_shape(text: str) -> tuple[int, int, int]:
    """(channels, height, width).

    Raises:
        SpaceError: it is none.

    >>> read_shape("3x224×224")
    (3, 224, 224)
    """
    parts = text.lower().replace("×", "x").split("x")
    sizes = [size for part in parts if (size := whole(read_number(part))) and size > 0]
    if len(parts) != 3 or len(sizes) != 3:
        raise SpaceError(f"input is {text!r}; accepted: channels x height x width, as 3x224x224")
    channels, height, width = sizes
    return channels, height, width
