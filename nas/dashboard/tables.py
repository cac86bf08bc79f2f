"""Tables whose rows are trials: a click on a row opens it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from nas.dashboard import columns, links


def show_trials(
    rows: pd.DataFrame,
    order: Iterable[str],
    key: str,
    config: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """Rows with a column ``number``, of which the columns ``order`` are seen."""
    st.dataframe(
        rows,
        column_order=[name for name in order if name in rows],
        column_config=columns.TRIALS | dict(config or {}),
        hide_index=True,
        placeholder="",
        key=key,
        on_select=links.from_table(key, rows),
        selection_mode="single-cell",
        **options,
    )
