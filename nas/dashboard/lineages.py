"""Pictures of who begins with whose weights: trials as points, a line from each to its children."""

from __future__ import annotations

from collections.abc import Iterable

import altair as alt
import pandas as pd
import streamlit as st

from nas.analysis.inheritance import Lineage
from nas.dashboard import charts, links
from nas.dashboard.data import Source
from nas.metrics import Measure

SCRATCH, INHERITED = "from scratch", "with the weights of another trial"
TRIAL, TRAINED = "trial", "trained"  # what may lie along the picture
DRAWN = 300  # trials: the lines between more are a tangle
_TRAINED = {"images": "images trained on", "epochs": "epochs trained"}
_EDGE = "#888888"  # seen on light and on dark


def measured(source: Source) -> pd.DataFrame:
    """The trials that have a place in such a picture: with a value of their own."""
    trials = source.trials()
    own = (trials["policy"] != "reused") & (trials["state"] != "FAIL")
    return trials[own & trials[source.measure.metric].notna()]


def choose_axis(source: Source, key: str) -> str:
    """What lies along the picture, from a row of buttons that the address calls ``key``."""
    words = {TRIAL: "trials", TRAINED: _unit(source)[1]}
    return st.segmented_control(
        "Along", list(words), default=TRIAL, format_func=words.__getitem__, required=True,
        key=key, bind="query-params",
    )  # fmt: skip


def _unit(source: Source) -> tuple[int, str]:
    """What trainings are counted in, and how many of it an epoch has."""
    record = source.study().record
    if (images := record.images) is None:
        return 1, "epochs"
    asked = record.config.get("epoch_images")
    most = asked if type(asked) is int and asked > 0 else images.training
    return min(most, images.training), "images"


def best_lines(
    trials: pd.DataFrame,
    lineage: Lineage,
    measure: Measure,
    always: Iterable[int] = (),
    most: int = DRAWN,
) -> pd.DataFrame:
    """Of many ``trials``, those ``always`` wanted, and the best with all that stand behind their
    weights: ``most`` in all."""
    if len(trials) <= most:
        return trials
    best = trials.sort_values(measure.metric, ascending=measure.minimizes)["number"].map(int)
    left = set(best)
    kept: set[int] = set()
    for number in (*reversed(list(always)), *best):
        if len(kept) == most:
            break
        line = [one for one in (number, *reversed(lineage.ancestors(number))) if one in left]
        line = line[: most - len(kept)]
        kept.update(line)
        left.difference_update(line)
    return trials[trials["number"].isin(kept)]


def say_drawn(drawn: int, there: int) -> None:
    """Say it where not all are drawn."""
    if drawn < there:
        st.caption(
            f"Drawn: {drawn:,} of {there:,} trials, the best and all that stand behind their "
            "weights."
        )


def draw(
    source: Source,
    trials: pd.DataFrame,
    lineage: Lineage,
    along: str,
    key: str,
    marked: Iterable[int] = (),
    height: int = charts.HEIGHT,
) -> None:
    """The picture of the ``trials``, with a ring around those that are ``marked``."""
    measure = source.measure
    points = _points(source, trials, lineage, along)
    lines = points.dropna(subset=["inherits"]).merge(
        points[["number", "along", measure.metric]].rename(columns={"number": "inherits"}),
        on="inherits",
        suffixes=("", "_before"),
    )
    scale = alt.Scale(zero=False, nice=False, padding=12)
    ticks = alt.Axis(format="d" if along == TRIAL else ".3~s", tickMinStep=1, labelOverlap=True)
    title = "trial" if along == TRIAL else f"{_TRAINED[_unit(source)[1]]}, its ancestors' included"
    x = alt.X("along:Q", title=title, scale=scale, axis=ticks)
    y = charts.value_axis(measure)
    edges = (
        alt.Chart(lines[["along", measure.metric, "along_before", f"{measure.metric}_before"]])
        .mark_rule(color=_EDGE, opacity=0.6)
        .encode(x=x, y=y, x2="along_before:Q", y2=f"{measure.metric}_before:Q")
    )
    words = [SCRATCH, INHERITED]
    legend = alt.Legend(orient="top", labelLimit=300, columns=1)  # a phone is narrow
    dots = (
        alt.Chart(points)
        .mark_point(filled=True, size=70, opacity=0.9, cursor="pointer")
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "began:N", title=None, legend=legend,
                scale=alt.Scale(domain=words, range=charts.COLOURS[:2]),
            ),
            shape=alt.Shape(
                "began:N", title=None, legend=legend,
                scale=alt.Scale(domain=words, range=["square", "circle"]),
            ),
            tooltip=[
                alt.Tooltip("number:Q", title="trial"),
                charts.value_tooltip(measure),
                alt.Tooltip("began:N", title="began"),
                alt.Tooltip("parent:N", title="inherits from"),
                alt.Tooltip("children:Q", title="began with its weights"),
                alt.Tooltip("epochs:Q", title="own epochs"),
                alt.Tooltip("macs:Q", title="MACs", format=".3~s"),
            ],
        )
        .add_params(links.clickable())
    )  # fmt: skip
    ringed = points[points["number"].isin(list(marked))]
    rings = (
        alt.Chart(ringed[["along", measure.metric]])
        .mark_point(filled=False, size=240, color=charts.LINE, strokeWidth=2)
        .encode(x=x, y=y)
    )
    layers = edges + dots if ringed.empty else edges + rings + dots
    chart: alt.LayerChart = layers.properties(height=height)
    charts.show(chart, points.drop(columns=["along", "parent"]), key=key, opens=True)


def _points(source: Source, trials: pd.DataFrame, lineage: Lineage, along: str) -> pd.DataFrame:
    """What is drawn of each trial: where it stands, how it began, what a pointer is told."""
    numbers = trials["number"].map(int)
    per_epoch, _ = _unit(source)
    trained = per_epoch * numbers.map(lineage.trained())
    known = ["number", "inherits", "epochs", source.measure.metric, "macs", "params"]
    return trials[known].assign(
        began=[SCRATCH if scratch else INHERITED for scratch in trials["inherits"].isna()],
        parent=trials["inherits"].astype("string").fillna("–"),
        children=[len(lineage.children.get(number, ())) for number in numbers],
        along=numbers if along == TRIAL else trained,
        trained=trained,
    )
