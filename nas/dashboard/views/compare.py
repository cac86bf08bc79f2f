"""Several studies in one picture."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from nas.analysis.comparison import compare
from nas.analysis.edf import edf
from nas.analysis.population import COSTS, Rules
from nas.dashboard import charts, data, links
from nas.dashboard.rules import choose_rules, explained_refusal, say_notes
from nas.dashboard.text import no_study, nothing
from nas.study.front import in_full, pareto_front
from nas.text import visible

MOST = 6
STEPS = 500  # of a curve
MOST_COMPARED = 1_000  # trials of a study: more keep a visitor waiting
UNMATCHED = "not matched"


def page(url: str) -> None:
    """Accuracy against cost of the chosen studies, each with its front."""
    st.title("Compare studies")
    st.caption(
        "Trials trained in full, by study. Accuracies are comparable only where the studies "
        "trained for as many epochs, on the same images."
    )
    names = data.names(url)
    if not names:
        no_study(url)
        return
    chosen = st.multiselect(
        f"Studies (at most {MOST})",
        names,
        default=data.with_results(url)[:2],
        max_selections=MOST,
        key="studies",
        bind="query-params",
        format_func=visible,
    )  # fmt: skip
    sources = [found for name in chosen if (found := data.source(url, name))]
    untrained: dict[str, list[str]] = {}
    for source in sources:
        if said := source.study().record.untrained:
            untrained.setdefault(said, []).append(source.name)
    for said, of in untrained.items():
        st.warning(said)
        st.text(visible(", ".join(of)))  # a warning is Markdown, which a name could bring
    scored = [source.name for source in sources if not source.measure.is_fraction]
    if scored:
        nothing(f"{visible(', '.join(scored))}: judged by a score, which is no accuracy to compare")
    sources = [source for source in sources if source.name not in scored]
    frames = [source.trials() for source in sources]
    full = {source.name: in_full(trials) for source, trials in zip(sources, frames, strict=True)}
    if not full or all(trials.empty for trials in full.values()):
        nothing("none of the chosen studies has a trial that was trained in full")
        return
    st.subheader("Accuracy and cost")
    _fronts(full, charts.choose_cost(pd.concat(full.values())))
    st.subheader("Distribution of the error")
    st.caption(
        "How many of a study's networks are at most this bad: the further to the left, the better. "
        "Networks that cost more tend to be better, so compare spaces at equal cost."
    )
    costs = [UNMATCHED, *COSTS]
    chosen_cost = st.selectbox(
        "Matched by cost", costs, index=1, format_func=lambda cost: COSTS.get(cost, cost),
        key="matched", bind="query-params",
    )  # fmt: skip
    matched = None if chosen_cost == UNMATCHED else chosen_cost
    rules = choose_rules("compare", bounds=True)
    with explained_refusal():
        together = pd.concat(frames, ignore_index=True)
        say_notes(together, rules)
        _distributions(edf(together, cost=matched, **rules), list(full))
        if len(frames) > 1:
            _verdict(frames[0], frames[1], matched, rules)


def _fronts(full: dict[str, pd.DataFrame], cost: str) -> None:
    most = charts.POINTS // len(full)
    drawn = pd.concat([charts.thinned(trials, most) for trials in full.values()])
    charts.say_thinned(len(drawn), sum(map(len, full.values())))
    fronts = pd.concat([pareto_front(trials, cost) for trials in full.values()])
    columns = ["study", "number", "val_accuracy", "epochs", cost]
    x, y, colour = charts.cost_axis(cost), charts.value_axis(), charts.study_colour(list(full))
    points = (
        alt.Chart(drawn[columns])
        .mark_point(filled=True, size=40, opacity=0.5, cursor="pointer")
        .encode(
            x=x,
            y=y,
            color=colour,
            tooltip=[
                alt.Tooltip("study:N", title="study"),
                alt.Tooltip("number:Q", title="trial"),
                charts.value_tooltip(),
                alt.Tooltip("epochs:Q", title="after epochs"),
                alt.Tooltip(f"{cost}:Q", title=COSTS[cost], format=".3~s"),
            ],
        )
        .add_params(links.clickable("study"))
    )
    lines = (
        alt.Chart(fronts[columns])
        .mark_line(interpolate="step-after")
        .encode(x=x, y=y, color=colour)
    )
    chart = (points + lines).properties(height=charts.HEIGHT)
    charts.show(chart, drawn[columns], key="fronts", opens=True)


def _distributions(found: pd.DataFrame, names: list[str]) -> None:
    first = found.groupby("study", sort=False).head(1).assign(edf=0.0)  # it rises from 0
    thinned = [charts.thinned(rows, STEPS) for _, rows in found.groupby("study", sort=False)]
    drawn = pd.concat([first, *thinned], ignore_index=True)
    x = alt.X(
        "error:Q",
        title="error (1 − validation accuracy)",
        scale=alt.Scale(zero=False),
        axis=alt.Axis(format=".1~%"),
    )
    fraction = alt.Scale(domain=[0, 1])
    y = alt.Y("edf:Q", title="fraction of networks", scale=fraction)
    colour = charts.study_colour(names)
    lines = (
        alt.Chart(drawn)
        .mark_line(interpolate="step-after")
        .encode(
            x=x,
            y=y,
            color=colour,
            tooltip=[
                alt.Tooltip("study:N", title="study"),
                alt.Tooltip("error:Q", title="error up to", format=".2%"),
                alt.Tooltip("edf:Q", title="fraction of networks", format=".2f"),
                alt.Tooltip("n:Q", title="draws"),
                alt.Tooltip("networks:Q", title="different networks"),
            ],
        )
    )
    band = (
        alt.Chart(drawn)
        .mark_area(interpolate="step-after", opacity=0.15)
        .encode(x=x, y=alt.Y("low:Q", scale=fraction), y2="high:Q", color=colour)
    )
    charts.show((band + lines).properties(height=charts.HEIGHT), drawn, key="edf")
    st.caption("Bands: 95 % confidence for the whole curve.")


def _verdict(a: pd.DataFrame, b: pd.DataFrame, cost: str | None, rules: Rules) -> None:
    st.subheader("The first two, compared")
    if max(len(a), len(b)) > MOST_COMPARED:
        st.caption(f"Of the first {MOST_COMPARED:,} trials of each.")
    with explained_refusal():
        st.text(_comparison(a.head(MOST_COMPARED), b.head(MOST_COMPARED), cost, rules))


@st.cache_resource(show_spinner="Comparing …", max_entries=32)
def _comparison(a: pd.DataFrame, b: pd.DataFrame, cost: str | None, rules: Rules) -> str:
    return compare(a, b, cost=cost, **rules).verdict
