"""A trial's share of a GPU: the device started, its memory capped, and given back after the trial.

Several trials share a card, each a process of its own that is used again. What torch keeps of its
largest network, the others cannot have.
"""

from __future__ import annotations

import gc

import torch

from nas.errors import ConfigError, MachineError
from nas.training.numerics import choose_device, trial_device


def start_device(name: str, gpus: float) -> torch.device:
    """The device of a trial that asks for ``name`` and was given so many GPUs, at work.

    Of a GPU that it shares, it gets no more memory than its share.

    Raises:
        MachineError: it is not here, or does not start.

    >>> start_device("cpu", 0)
    device(type='cpu')
    """
    try:
        device = choose_device(trial_device(name, gpus))
        if device.type == "cuda":
            torch.empty(1, device=device)  # CUDA starts here
            torch.cuda.set_per_process_memory_fraction(memory_fraction(gpus), device)
    except torch.OutOfMemoryError:  # of its neighbours, or of the trial before
        raise
    except (ConfigError, RuntimeError) as error:
        said = str(error).strip().splitlines()[0]
        raise MachineError(f"its device cannot be used: {said}") from None
    if gpus and name == "auto" and device.type == "cpu":
        raise MachineError("it was given a GPU by Ray, but torch finds none here")
    return device


def memory_fraction(gpus: float) -> float:
    """The part of a card's memory that a trial with so many GPUs may take; all, without a share.

    >>> memory_fraction(0.25), memory_fraction(2), memory_fraction(0)
    (0.25, 1.0, 1.0)
    """
    return min(1.0, gpus) or 1.0


def free_memory() -> None:
    """Give back what torch keeps of networks that are gone; nothing without CUDA."""
    gc.collect()  # networks and their optimizers refer to each other
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
