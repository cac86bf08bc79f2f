"""Tables that lead: a click on a row opens what it is of, a click on a head sorts.

A table that gets the keyboard, as it does when its head is clicked on, selects its first cell. That
must open nothing, so the first column is one of buttons, whose cells are not listened to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from nas.dashboard import columns, links

OPEN = "open"  # the column of buttons
ICON = ":material/open_in_new:"
Config = Mapping[str, ColumnConfig | str | None]
# Called with the position of a row, whatever it is sorted by, and the column that was clicked
Opens = Callable[[int, str], None]


def show(
    rows: pd.DataFrame,
    order: Iterable[str],
    config: Config,
    key: str,
    opens: Opens,
    **options: Any,
) -> None:
    """A table with the columns ``order``, each of whose rows ``opens`` something."""
    button = st.column_config.ButtonColumn(
        "", width=40, pinned=True, type="tertiary", help="Open it.",
        key=f"{key}-{OPEN}", on_click=partial(_pressed, f"{key}-{OPEN}", opens),
    )  # fmt: skip
    st.dataframe(
        rows.assign(**{OPEN: ICON}),
        column_order=[OPEN, *order],
        column_config={**config, OPEN: button},
        hide_index=True,
        placeholder="",
        key=key,
        on_select=partial(_selected, key, opens),
        selection_mode="single-cell",
        **options,
    )


def show_trials(
    rows: pd.DataFrame,
    order: Iterable[str],
    key: str,
    config: Config | None = None,
    **options: Any,
) -> None:
    """Rows with a column ``number``, of which the columns ``order`` are seen.

    A cell of a column whose name ends in ``number``, or of ``inherits``, opens the trial that it
    names.
    """
    seen = [name for name in order if name in rows]
    opens = partial(_open_trial, rows)
    show(rows, seen, columns.TRIALS | dict(config or {}), key, opens, **options)


def _open_trial(rows: pd.DataFrame, position: int, column: str) -> None:
    row = rows.iloc[position]
    names = (column.endswith("number") or column == "inherits") and pd.notna(row[column])
    links.open_trial(int(row[column if names else "number"]), row.get("study"))


def _selected(key: str, opens: Opens) -> None:
    for position, column in links.selection(key).get("cells") or ():
        if column != OPEN:
            opens(position, column)


def _pressed(key: str, opens: Opens) -> None:
    opens(st.session_state[key]["row"], OPEN)
