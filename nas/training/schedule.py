"""The learning rate as a pure function of the step, so that a checkpoint needs none of it."""

import math

from nas.training.config import TrainingConfig


def learning_rate(step: int, steps: int, config: TrainingConfig) -> float:
    """One cycle over ``steps`` steps, ``step`` counted from 0 (Smith and Topin, arXiv:1708.07120).

    Rises in a line from ``initial_lr_fraction`` of the peak in the first ``warmup`` of the steps,
    then falls along half a cosine to ``final_lr_fraction`` of it at the last step.
    """
    position = step / max(1, steps - 1)  # 0 … 1
    if position < config.warmup:
        low, share = config.initial_lr_fraction, position / config.warmup
    else:
        fallen = (position - config.warmup) / (1 - config.warmup) if config.warmup < 1 else 0.0
        low, share = config.final_lr_fraction, (1 + math.cos(math.pi * fallen)) / 2
    return config.peak_lr * (low + (1 - low) * share)
