"""Columns of trials as tables show them: numbers in units that have three digits or so."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from nas.metrics import PREFIX

UTC = "YYYY-MM-DD HH:mm:ss"
TRIALS: dict[str, ColumnConfig | str | None] = {
    "number": st.column_config.NumberColumn("trial", pinned=True),
    "attempt": "attempt",
    "state": "state",
    "policy": st.column_config.TextColumn("policy", help="Why it was proposed."),
    "inherits": st.column_config.NumberColumn(
        "inherits from", help="The trial whose weights it began with: a fidelity of its own."
    ),
    "epochs": st.column_config.NumberColumn("epochs", help="Trained when it was measured."),
    "accuracy": st.column_config.NumberColumn(
        "accuracy", format="%.2f %%", help="On the validation images, after these epochs."
    ),
    "score": st.column_config.NumberColumn(
        "score", format="%.4g", help="What the objective reports, after these epochs."
    ),
    "val_loss": st.column_config.NumberColumn("loss", format="%.3f", help="Validation, nats."),
    "params_k": st.column_config.NumberColumn("params (k)", format="%.1f", help="Thousands."),
    "macs_m": st.column_config.NumberColumn(
        "MACs (M)", format="%.2f", help="Millions of multiply-accumulates per image."
    ),
    "activations_k": st.column_config.NumberColumn(
        "activations (k)", format="%.1f", help="Thousands per image."
    ),
    "latency_ms": st.column_config.NumberColumn(
        "latency (ms)", format="%.3g", help="Of one image, where it was measured."
    ),
    "trial_ms": st.column_config.NumberColumn(
        "latency (ms)", format="%.3g", help="Of a forward pass, as the trial measured it."
    ),
    "memory_mb": st.column_config.NumberColumn(
        "memory (MB)", format="%.1f", help="As the trial measured it."
    ),
    "seconds": st.column_config.NumberColumn("seconds", format="%.1f", help="Of training."),
    "device": "device",
    "attempts": "attempts",
    "host": "worker (host/process)",
    "started": st.column_config.DatetimeColumn("started (UTC)", format=UTC),
    "ended": st.column_config.DatetimeColumn("ended (UTC)", format=UTC),
    "tags": st.column_config.TextColumn("tags", help="Of the trial's page."),
    "note": st.column_config.TextColumn("note", help="Of the trial's page."),
    "reason": st.column_config.TextColumn("reason", help="Why it failed or was stopped."),
}
HIDDEN = (
    "study", "key", "val_accuracy", "val_balanced_accuracy", "params", "macs", "activations",
    "objective", "metric", "direction", "minimize", "latency", "memory",
)  # fmt: skip


# Columns beside those of the frame, in units that have three digits or so
UNITS = ("accuracy", "params_k", "macs_m", "activations_k", "trial_ms", "memory_mb")


def in_units(trials: pd.DataFrame) -> pd.DataFrame:
    """The frame with accuracy in percent and counts in thousands and millions beside its own."""
    return trials.assign(
        accuracy=100 * trials["val_accuracy"],
        params_k=trials["params"] / 1e3,
        macs_m=trials["macs"] / 1e6,
        activations_k=trials["activations"] / 1e3,
        trial_ms=1e3 * trials["latency"],
        memory_mb=trials["memory"] / 1e6,
    )


def label(name: str) -> str:
    """What the head of a column says.

    >>> label("macs_m"), label("stages.0.width"), label("metrics.recall")
    ('MACs (M)', 'stages.0.width', 'recall')
    """
    config = TRIALS.get(name)
    said = config if isinstance(config, str) else (config or {}).get("label")
    return str(said or name.removeprefix(PREFIX))


def knobs(trials: pd.DataFrame) -> list[str]:
    """The columns of a frame that are knobs of its space."""
    own = metrics(trials)
    return [name for name in trials.columns if name not in (*TRIALS, *HIDDEN, *own)]


def metrics(trials: pd.DataFrame) -> list[str]:
    """The columns of a frame that are metrics which the study's objective alone knows."""
    return [name for name in trials.columns if name.startswith(PREFIX)]
