"""What a page gives away: rows as CSV and Parquet, charts as SVG. Made when they are asked for."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from nas.study.exchange.tabular import defused


def offer(rows: pd.DataFrame, name: str, formats: Iterable[str], *, quiet: bool = False) -> None:
    """A button for each of the ``formats``; ``quiet`` ones stand below a chart."""
    for word in formats:
        write, mime = FORMATS[word]
        st.download_button(
            f"{word}" if quiet else f"Download {word}",
            partial(write, rows),
            f"{name}.{word.lower()}",
            mime,
            key=f"{name}-{word}",
            on_click="ignore",
            disabled=rows.empty,
            type="tertiary" if quiet else "secondary",
            icon=":material/download:" if quiet else None,
            help="The numbers of this chart." if quiet else None,
        )


def offer_picture(chart: alt.Chart | alt.LayerChart, name: str) -> None:
    """A button for the chart as a file that text programs and browsers show in any size."""
    st.download_button(
        "SVG",
        partial(_svg, chart),
        f"{name}.svg",
        "image/svg+xml",
        key=f"{name}-SVG",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
        help="This chart as a picture.",
    )


def _svg(chart: alt.Chart | alt.LayerChart) -> bytes:
    written = io.StringIO()
    with alt.data_transformers.enable("default", max_rows=None):
        chart.properties(width=720).save(written, format="svg")
    return written.getvalue().encode()


def _csv(rows: pd.DataFrame) -> bytes:
    texts = rows.select_dtypes("object").astype("string")
    return defused(rows.assign(**texts)).to_csv(index=False).encode()


def _parquet(rows: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


FORMATS = {"CSV": (_csv, "text/csv"), "Parquet": (_parquet, "application/vnd.apache.parquet")}
