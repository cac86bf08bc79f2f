"""Two knobs at once: how good the networks are at each place of a plane."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from nas.analysis.population import COSTS
from nas.dashboard import charts, filters, links
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing
from nas.metrics import Measure
from nas.quantity import count
from nas.study.front import in_full

CELLS = 10  # along a range
SHOWN = {"median": "their median", "best": "the best of them", "count": "how many there are"}


def page(source: Source) -> None:
    """Ranks as points, and cells of a plane in the colour of their trials."""
    measure = source.measure
    heading(
        "Two knobs",
        source.name,
        f"Where in the plane of two knobs, or of a knob and a cost, the {measure.word} is good. "
        "Trials trained in full only. Click a point to open its trial.",
    )
    full = in_full(source.trials())
    axes = _axes(source, full)
    if full.empty:
        nothing("no trial was trained in full yet")
        return
    if len(axes) < 2:
        nothing("fewer than two knobs have several values")
        return
    left, right = st.columns(2)
    x = left.selectbox("Across", list(axes), key="x", bind="query-params",
                       format_func=axes.__getitem__)  # fmt: skip
    y = right.selectbox("Upwards", list(axes), 1, key="y", bind="query-params",
                        format_func=axes.__getitem__)  # fmt: skip
    shown = filters.by_expression(full).dropna(subset=[x, y])
    filters.say_filtered(shown, full)
    if shown.empty:
        return
    points = pd.DataFrame(
        {
            "number": shown["number"],
            measure.metric: shown[measure.metric],
            "rank": shown[measure.metric].rank(ascending=measure.minimizes, method="min"),
            "x": charts.plotted(shown[x]),
            "y": charts.plotted(shown[y]),
        }
    )
    st.subheader("Ranks")
    st.caption("Yellow: the best. The rank is that among what is shown; 1 is the best.")
    drawn = charts.thinned(points)
    charts.say_thinned(len(drawn), len(points))
    charts.show(_ranks(drawn, shown, (x, y), axes, measure), drawn, key="ranks", opens=True)
    st.subheader("Contour")
    what = st.segmented_control(
        "The colour of a cell says, of the trials in it,", list(SHOWN), default="median",
        format_func=SHOWN.__getitem__, required=True, key="cell", bind="query-params",
    )  # fmt: skip
    cells = _cells(shown, x, y, measure)
    charts.show(_contour(cells, (x, y), axes, measure, what), cells, key="contour")


def _axes(source: Source, full: pd.DataFrame) -> dict[str, str]:
    """What may be an axis, with its label: knobs that vary, then costs that are known of all."""
    knobs = [name for name in source.study().space.parameters if full[name].nunique() > 1]
    costs = [name for name in COSTS if len(full) and full[name].notna().all()]
    return {name: name for name in knobs} | {
        name: COSTS[name] for name in costs if full[name].nunique() > 1
    }


def _ranks(
    drawn: pd.DataFrame,
    shown: pd.DataFrame,
    names: tuple[str, str],
    axes: dict[str, str],
    measure: Measure,
) -> alt.Chart:
    """Networks of equal values stand beside each other, instead of over each other."""
    aside = np.random.default_rng(0).uniform(-1, 1, (2, len(drawn)))
    x, y = (shown[name] for name in names)
    encodings: dict[str, Any] = {
        "x": charts.value_x("x", x, axes[names[0]]),
        "y": charts.value_y("y", y, axes[names[1]]),
    }
    wide = alt.Scale(domain=[-1.6, 1.6])
    if not charts.is_range(x):
        encodings["xOffset"] = alt.XOffset("aside_x:Q", scale=wide)
    if not charts.is_range(y):
        encodings["yOffset"] = alt.YOffset("aside_y:Q", scale=wide)
    chart: alt.Chart = (
        alt.Chart(drawn.assign(aside_x=aside[0], aside_y=aside[1]))
        .mark_point(filled=True, size=60, opacity=0.85, cursor="pointer")
        .encode(
            **encodings,
            color=alt.Color(
                "rank:Q", title="rank", scale=alt.Scale(scheme="viridis", reverse=True)
            ),
            tooltip=[
                alt.Tooltip("number:Q", title="trial"),
                alt.Tooltip("rank:Q", title="rank"),
                charts.value_tooltip(measure),
                alt.Tooltip("x", title=axes[names[0]]),
                alt.Tooltip("y", title=axes[names[1]]),
            ],
        )
        .add_params(links.clickable())
        .properties(height=charts.HEIGHT)
    )
    return chart


def _cells(shown: pd.DataFrame, x: str, y: str, measure: Measure) -> pd.DataFrame:
    """A row per cell that has trials: x, y as text, median, best, count."""
    groups = {"x": _cut(shown[x]), "y": _cut(shown[y])}
    found = shown.assign(**groups).groupby(["x", "y"], observed=True)[measure.metric]
    best = found.min() if measure.minimizes else found.max()
    table = pd.DataFrame({"median": found.median(), "best": best, "count": found.count()})
    rows = table.reset_index()
    places = {side: _order(groups[side]) for side in ("x", "y")}
    return rows.assign(
        **{side: rows[side].astype(str) for side in places},
        **{f"{side}_at": rows[side].astype(str).map(places[side]) for side in places},
    )


def _cut(values: pd.Series) -> pd.Series:
    if not charts.is_range(values):
        return values
    along = values.astype(float)
    edges = (np.geomspace if charts.is_log(values) else np.linspace)(
        along.min(), along.max(), CELLS + 1
    )
    edges[0], edges[-1] = along.min(), along.max()
    ends = [count(edge) if edge >= 1_000 else f"{edge:.3g}" for edge in edges]
    names = [f"{low} to {high}" for low, high in pairwise(ends)]
    cells: pd.Series = pd.cut(
        along, edges.tolist(), labels=names, include_lowest=True, ordered=False
    )
    return cells


def _order(values: pd.Series) -> dict[str, int]:
    known = (
        list(values.cat.categories)
        if isinstance(values.dtype, pd.CategoricalDtype)
        else sorted(values.dropna().unique())
    )
    return {str(value): place for place, value in enumerate(known)}


def _contour(
    cells: pd.DataFrame,
    names: tuple[str, str],
    axes: dict[str, str],
    measure: Measure,
    what: str,
) -> alt.Chart:
    percent = measure.is_fraction and what != "count"
    shape = ".1%" if percent else ".4~g"
    orders = {
        side: cells.sort_values(f"{side}_at")[side].drop_duplicates().tolist()
        for side in ("x", "y")
    }
    chart: alt.Chart = (
        alt.Chart(cells)
        .mark_rect()
        .encode(
            x=alt.X("x:O", title=axes[names[0]], sort=orders["x"], axis=alt.Axis(labelAngle=0)),
            y=alt.Y("y:O", title=axes[names[1]], sort=orders["y"][::-1]),
            color=alt.Color(
                f"{what}:Q",
                title=what,
                scale=alt.Scale(
                    scheme="viridis", reverse=measure.minimizes and what != "count", zero=False
                ),
                legend=alt.Legend(format=shape),
            ),
            tooltip=[
                alt.Tooltip("x:O", title=axes[names[0]]),
                alt.Tooltip("y:O", title=axes[names[1]]),
                alt.Tooltip("count:Q", title="trials"),
                alt.Tooltip("median:Q", format=".2%" if measure.is_fraction else ".4~g"),
                alt.Tooltip("best:Q", format=".2%" if measure.is_fraction else ".4~g"),
            ],
        )
        .properties(height=charts.HEIGHT)
    )
    return chart
