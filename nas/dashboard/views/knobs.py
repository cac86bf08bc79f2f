"""What each knob of the space does: its values, what the statistics say, all knobs at once."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from nas.analysis.effects import effects
from nas.analysis.importance import importance, order
from nas.analysis.population import Rules, knob_value
from nas.dashboard import charts, filters, links
from nas.dashboard.data import Source
from nas.dashboard.links import CLICKED
from nas.dashboard.parallel import BRUSH, on_brush, parallel
from nas.dashboard.rules import choose_rules, explained_refusal, say_notes
from nas.dashboard.text import heading, nothing
from nas.metrics import Measure
from nas.quantity import plural
from nas.study.front import in_full

AXES = 14  # of parallel coordinates: the names of more overlap
LINES = 200  # of parallel coordinates: more are a carpet
TITLE = "change in accuracy (percentage points, 95 % interval)"
NUMBERS = ("importance", "low", "high")
MOST = 500  # trials that the statistics of this page take: more keep a visitor waiting


def page(source: Source) -> None:
    """Charts of one knob, the statistics of all, and all of a trial as one line."""
    heading(
        "Knobs",
        source.name,
        f"What is searched, and how {source.measure.word} goes with it. Trials trained in full "
        "only.",
    )
    trials = source.trials()
    knobs = [knob for knob in source.study().space.parameters if trials[knob].nunique() > 1]
    full = in_full(trials)
    if full.empty:
        nothing("no trial was trained in full yet")
        return
    if not knobs:
        nothing("all trials have the same setting")
        return
    st.subheader("One knob at a time")
    first = knobs.index(source.pairs) if source.pairs in knobs else 0
    chosen = st.selectbox("Knob", knobs, first, key="knob", bind="query-params")
    _values(full, chosen, source.measure)
    st.subheader("What the statistics say")
    rules = choose_rules("knobs")
    _statistics(source, knobs, chosen, rules)
    st.subheader("All knobs at once")
    _all_at_once(full, [*knobs, source.measure.metric], source.measure)


def _all_at_once(full: pd.DataFrame, axes: list[str], measure: Measure) -> None:
    st.caption(
        f"Each line is a trial, its colour the {measure.word}. Click a line to open its trial; "
        "drag over a part of an axis to filter by it."
    )
    knobs, result = axes[:-1], axes[-1]
    if len(knobs) > AXES:
        chosen = st.multiselect(
            f"Axes (at most {AXES} of {len(knobs)} knobs)", knobs, knobs[:AXES],
            max_selections=AXES, key="axes", bind="query-params",
        )  # fmt: skip
        axes = [*chosen, result]
    wanted = filters.by_expression(full)
    kept = full.index.isin(wanted.index)
    drawn = pd.concat([charts.thinned(full[~kept], LINES // 2), charts.thinned(wanted, LINES)])
    drawn = charts.thinned(full, LINES) if kept.all() else drawn
    charts.say_thinned(len(drawn), len(full))
    st.text(f"{len(wanted):,} of {plural(len(full), 'trial')}")
    chart = parallel(drawn, pd.Series(kept, full.index), axes, measure)
    charts.show(
        chart,
        drawn[["number", *axes]],
        key="parallel",
        on_select=on_brush("parallel", drawn, axes, measure),
        selections=[CLICKED, BRUSH],
    )


def _values(full: pd.DataFrame, chosen: str, measure: Measure) -> None:
    drawn = charts.thinned(full.dropna(subset=[chosen]))
    charts.say_thinned(len(drawn), len(full))
    values = drawn[chosen]
    points = drawn[["number", measure.metric]].assign(value=charts.plotted(values))
    chart = (
        alt.Chart(points)
        .mark_point(filled=True, size=45, opacity=0.6, cursor="pointer")
        .encode(
            x=charts.value_x("value", values, chosen),
            y=charts.value_axis(measure),
            tooltip=[
                alt.Tooltip("number:Q", title="trial"),
                alt.Tooltip("value", title=chosen),
                charts.value_tooltip(measure),
            ],
        )
        .add_params(links.clickable())
        .properties(height=320)
    )
    charts.show(chart, points, key="marginal", opens=True)


def _statistics(source: Source, knobs: list[str], chosen: str, rules: Rules) -> None:
    columns = ["study", "number", "state", "policy", "epochs", source.measure.metric, "macs"]
    columns += ["metric", "direction", *knobs]
    trials = source.trials()[columns].head(MOST)
    if len(trials) < len(source.trials()):
        st.caption(f"Of the first {MOST} of {len(source.trials()):,} trials.")
    with explained_refusal():
        say_notes(trials, rules)
        left, right = st.columns(2)
        with left, explained_refusal():
            _importance(_importances(source, trials, rules))
        with right, explained_refusal():
            _effects(_flips(source, trials, chosen, rules), chosen)


@st.cache_resource(show_spinner="Computing …", max_entries=32)
def _importances(_source: Source, trials: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    return importance(trials, **rules)


@st.cache_resource(show_spinner="Computing …", max_entries=32)
def _flips(_source: Source, trials: pd.DataFrame, knob: str, rules: Rules) -> pd.DataFrame:
    return effects(trials, knob, **rules)


def _importance(found: pd.DataFrame) -> None:
    st.markdown("**Importance**: how much each knob matters for being among the best 10 %")
    st.caption(f"Lines: 95 % bootstrap. {order(found).capitalize()}.")
    title = "importance (PED-ANOVA; all add up to 1)"
    x = alt.X("importance:Q", title=title)
    y = alt.Y("knob:N", title=None, sort=None, axis=alt.Axis(labelLimit=160))
    tooltip = ["knob:N", *(alt.Tooltip(f"{name}:Q", format=".3f") for name in NUMBERS)]
    chart = alt.Chart(found[["knob", *NUMBERS]])
    bars = chart.mark_bar(color=charts.COLOURS[0]).encode(x=x, y=y, tooltip=tooltip)
    lines = chart.mark_rule(strokeWidth=2, color="#888888").encode(
        x=alt.X("low:Q", title=title), x2="high:Q", y=y
    )
    st.altair_chart(bars + lines, key="importance")


def _effects(found: pd.DataFrame, knob: str) -> None:
    st.markdown("**Effect**: change in accuracy when this knob is flipped")
    st.caption(
        "Over pairs of trials that are equal in all other knobs; where there are fewer than 5 such "
        "pairs, over pairs whose MACs differ by at most 10 %. An interval that crosses 0 shows no "
        "effect."
    )
    known = found.dropna(subset=["effect"])
    if known.empty:
        nothing(f"no two values of {knob} have 5 pairs of trials")
        return
    flips = known.assign(
        flip=known["value"].map(knob_value) + " → " + known["other"].map(knob_value),
        points=100 * known["effect"],
        low=100 * known["low"],
        high=100 * known["high"],
    )
    y = alt.Y("flip:N", title=None, sort=None, axis=alt.Axis(labelOverlap=False))
    x = alt.X("points:Q", title=TITLE)
    tooltip = [
        alt.Tooltip("flip:N", title=knob),
        alt.Tooltip("points:Q", title="points", format="+.2f"),
        alt.Tooltip("low:Q", format="+.2f"),
        alt.Tooltip("high:Q", format="+.2f"),
        alt.Tooltip("pairs:Q", title="pairs"),
        alt.Tooltip("matching:N", title="matched by"),
        alt.Tooltip("cost_ratio:Q", title="MACs ratio", format=".2f"),
    ]
    chart = alt.Chart(flips[["flip", "points", "low", "high", "pairs", "matching", "cost_ratio"]])
    whiskers = chart.mark_rule(strokeWidth=2, color=charts.COLOURS[0]).encode(
        x=alt.X("low:Q", title=TITLE), x2="high:Q", y=y
    )
    dots = chart.mark_point(filled=True, size=70).encode(x=x, y=y, tooltip=tooltip)
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color="#888888").encode(x="zero:Q")
    # above the chart, which may be lower than the name is long
    title = alt.Title(knob, anchor="start", fontSize=13, fontWeight="normal")
    layers = (zero + whiskers + dots).properties(height=110 + 26 * len(flips), title=title)
    st.altair_chart(layers, key="effects")
