"""Frames of studies that tests of statistics use, as ``Study.frame`` returns them."""

import numpy as np
import pandas as pd


def study(
    errors, name="s", *, state="COMPLETE", policy="random", epochs=3, macs=None, key=None, **knobs
):
    """One trial per error; knobs as ``stages__0__width=[…]``; equal keys are one network."""
    n = len(errors)
    macs = np.arange(1, n + 1) * 1000 if macs is None else macs
    return pd.DataFrame(
        {
            "study": pd.array([name] * n, dtype="string"),
            "number": np.arange(n),
            "state": pd.array([state] * n if isinstance(state, str) else state, dtype="string"),
            "policy": pd.array([policy] * n if isinstance(policy, str) else policy, dtype="string"),
            "epochs": pd.array([epochs] * n if isinstance(epochs, int) else epochs, dtype="Int64"),
            "val_accuracy": 1 - np.asarray(errors, dtype=float),
            "macs": pd.array(macs, dtype="Int64"),
            "params": pd.array(np.arange(1, n + 1) * 10, dtype="Int64"),
            "key": pd.array(
                [f"{name}-{k}" for k in range(n)] if key is None else key, dtype="string"
            ),
            "activations": pd.array(np.arange(1, n + 1) * 7, dtype="Int64"),
            **{path.replace("__", "."): values for path, values in knobs.items()},
        }
    )
