"""What a study of pairs asked: how much flipping one knob changes the accuracy."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from nas.analysis.effects import differences, effects
from nas.analysis.population import Rules, knob_value
from nas.dashboard import charts, links, tables
from nas.dashboard.data import Source
from nas.dashboard.rules import explained_refusal, say_notes
from nas.dashboard.text import heading, nothing
from nas.quantity import plural

MOST = 2_000  # trials that the statistics of this page take: more keep a visitor waiting
RULES = Rules(stopped="drop")
POINTS = "change in accuracy (percentage points)"
SHARED = {"blocks": "blocks in all stages", "macs": "MACs per image", "params": "parameters"}


def page(source: Source) -> None:
    """The effect with its interval, and the pairs that it is of."""
    knob = source.pairs
    heading(
        f"Effect of {knob}" if knob else "Effect",
        source.name,
        "Pairs of networks that are equal in all but one knob: what its other value changes. Click "
        "a point or a row to open its trial.",
    )
    if knob is None:
        nothing("this study has no pairs; its page Knobs says what each knob does")
        return
    trials = source.trials()
    if len(trials) > MOST:
        st.caption(f"Of the first {MOST:,} of {len(trials):,} trials.")
    with explained_refusal():
        found, pairs = _measured(source, trials.head(MOST), knob)
        for effect in found.to_dict("records"):
            _headline(knob, effect)
        say_notes(trials.head(MOST), RULES, flips=True)
        _pairs(pairs, found, knob)


@st.cache_resource(show_spinner="Computing …", max_entries=32)
def _measured(
    _source: Source, trials: pd.DataFrame, knob: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    return effects(trials, knob, matching="exact", **RULES), differences(trials, knob, **RULES)


def _headline(knob: str, effect: Mapping[Hashable, Any]) -> None:
    flip = f"{knob}: {knob_value(effect['value'])} → {knob_value(effect['other'])}"
    pairs = plural(effect["pairs"], "pair")
    if pd.isna(effect["effect"]):
        st.text(f"{flip}: {pairs} of networks cannot show a difference.")
        return
    low, high = 100 * effect["low"], 100 * effect["high"]
    sure = "the interval is clear of 0" if low * high > 0 else "no effect was shown"
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    left.metric(flip, f"{100 * effect['effect']:+.2f} points")
    right.text(
        f"95 % interval {low:+.2f} to {high:+.2f}: {sure}.\n"
        f"{pairs} of networks, {effect['cost_ratio']:.3f} times the MACs, Wilcoxon "
        f"p = {effect['p_wilcoxon']:.2g}"
    )


def _pairs(pairs: pd.DataFrame, found: pd.DataFrame, knob: str) -> None:
    shared = [str(name) for name in pairs.columns[6:] if pairs[name].nunique() > 1]
    shared = shared or ["macs"]  # all pairs are equal in all of these, as the first one is
    against = st.selectbox(
        "The pairs, against", shared, format_func=lambda name: SHARED.get(name, name),
        key="against", bind="query-params",
    )  # fmt: skip
    drawn = charts.thinned(pairs)
    charts.say_thinned(len(drawn), len(pairs), "pairs")
    values = drawn[against]
    along = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    points = drawn[["number", "other_number"]].assign(
        flip=drawn["value"].map(knob_value) + " → " + drawn["other"].map(knob_value),
        points=100 * drawn["difference"],
        against=charts.plotted(values, along=along),
    )
    y = alt.Y("points:Q", title=POINTS, scale=alt.Scale(zero=True, padding=8))
    dots = (
        alt.Chart(points)
        .mark_point(filled=True, size=70, opacity=0.75, cursor="pointer")
        .encode(
            x=charts.value_x("against", values, SHARED.get(against, against), along=along),
            y=y,
            color=charts.nominal("flip", points["flip"]),
            tooltip=[
                alt.Tooltip("number:Q", title="trial"),
                alt.Tooltip("other_number:Q", title="its pair"),
                alt.Tooltip("points:Q", title="points", format="+.2f"),
                alt.Tooltip("against", title=SHARED.get(against, against)),
            ],
        )
        .add_params(links.clickable())
    )
    known = found.dropna(subset=["effect"])
    means = alt.Chart(
        pd.DataFrame(
            {"mean": 100 * known["effect"], "low": 100 * known["low"], "high": 100 * known["high"]}
        )
    )
    band = means.mark_rect(opacity=0.15, color="#888888").encode(
        y=alt.Y("low:Q", title=POINTS), y2="high:Q"
    )
    middle = means.mark_rule(strokeDash=[6, 4], color="#888888").encode(y="mean:Q")
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color="#888888").encode(y="zero:Q")
    chart = (band + zero + middle + dots).properties(height=charts.HEIGHT)
    charts.show(chart, pairs, key="pairs", opens=True)
    st.caption(
        "Each point is a pair. Dashed: their mean, shaded: its 95 % interval; above the line at 0 "
        f"the second value of {knob} is the better one."
    )
    st.subheader("Pairs, the largest change first")
    order = pairs["difference"].abs().sort_values(ascending=False).index
    listed = pairs.loc[order].head(charts.POINTS).assign(points=100 * pairs["difference"])
    tables.show_trials(
        listed.assign(macs_m=listed["macs"] / 1e6),
        ["number", "other_number", "points", *(n for n in shared if n != "params"), "macs_m"],
        "pairs-table",
        {
            "other_number": st.column_config.NumberColumn("its pair"),
            "points": st.column_config.NumberColumn("change (points)", format="%+.2f"),
            "macs": None,
        },
        height=360,
    )
