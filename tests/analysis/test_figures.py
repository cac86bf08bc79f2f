"""What figures show, point by point: data, scales, words, and ink that can be read."""

import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from random_studies import study

from nas.analysis import best_values, edf, effects, efficiency, importance, plots, rank_correlation
from nas.analysis.plots.canvas import (
    canvas,
    caption,
    colours,
    cost_axis,
    percent_axes,
    shortened,
)
from nas.analysis.population import knob_value
from nas.errors import AnalysisError

BLUE, ORANGE, GREEN, RED = sns.color_palette("colorblind", 4)
A = study(
    [0.1, 0.2, 0.3, 0.4],
    "a",
    macs=[10, 20, 30, 40],
    flag=[True, False, True, True],
    w=[8, 16, 8, 32],
)
B = study([0.15, 0.2, 0.3, 0.5], "b", macs=[10, 20, 30, 40])
BOTH = pd.concat([A, B])
UPPER_RIGHT, LOWER_RIGHT, BEST = 1, 4, 0  # matplotlib's codes of places


def line(artist):
    """How a line is drawn: colour, width, marker, its size, and the way from point to point."""
    return (
        to_rgb(artist.get_color()), artist.get_linewidth(), artist.get_marker(),
        artist.get_markersize(), artist.get_drawstyle(),
    )  # fmt: skip


def points(artist):
    return np.asarray(artist.get_xydata()).tolist()


def offsets(artist):
    return np.asarray(artist.get_offsets()).tolist()


def outline(band):
    """The corners of a filled area, each once."""
    return {
        tuple(corner) for path in band.get_paths() for corner in path.vertices.round(9).tolist()
    }


def fill(artist):
    """Colour with its alpha, line width."""
    width = artist.get_linewidth()
    return tuple(artist.get_facecolor()[0]), np.ravel(width).tolist()


def legend(axes):
    found = axes.get_legend()
    assert found.get_frame_on()
    texts = found.get_texts()
    return [text.get_text() for text in texts], found._loc, texts[0].get_fontsize()


def said(axes):
    """The lines below the title."""
    (note,) = [text for text in axes.texts if text.get_fontsize() == 8]
    return note.get_text().split("\n")


def y_ticks(axes, *values):
    return [axes.yaxis.get_major_formatter()(value) for value in values]


# --- the paper ---


def test_a_canvas_is_plain_paper_and_leaves_no_state_behind():
    before = dict(mpl.rcParams)
    with canvas() as (figure, axes):
        assert mpl.rcParams["text.parse_math"] is False
        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"][:2] == [BLUE, ORANGE]
        assert tuple(figure.get_size_inches()) == (6.4, 4.0)
        assert figure.get_dpi() == 150
        assert isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine)
        assert figure.axes == [axes]
        assert axes.xaxis.get_gridlines()[0].get_visible()  # the style is a white grid
        assert axes.get_facecolor() == (1, 1, 1, 1)
    with canvas(3, 2) as (figure, _):
        assert tuple(figure.get_size_inches()) == (3, 2)
    assert dict(mpl.rcParams) == before


def test_colours_are_those_of_a_palette_for_the_colour_blind():
    assert colours(3) == [BLUE, ORANGE, GREEN]
    assert len(set(colours(12))) == 10  # then it begins anew


def pad(axes):
    """Points between the axes and its title."""
    return axes.titleOffsetTrans.get_matrix()[1, 2] * 72 / axes.figure.dpi


NAMES = [
    "plain",
    "W" * 300,
    "i" * 300,
    "many words " * 30,
    "a-b_c-" * 50,
    "$\\x{" * 40,
    "a\nb\x1b[0m",
]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:6])
def test_a_caption_is_broken_where_its_figure_ends_and_makes_room_for_its_notes(name, whole):
    with canvas() as (figure, axes):
        axes.set_yticks([0, 1], ["a long label of a tick", "b"])
        caption(axes, name, [name, "", "more"], whole=whole)
    figure.draw_without_rendering()
    (note,) = axes.texts
    for one in (note, axes._left_title):
        place = one.get_window_extent()
        assert 0 <= place.x0 < place.x1 <= figure.bbox.x1
        assert 0 <= place.y0 < place.y1 <= figure.bbox.y1
    assert note.get_text().endswith("\nmore")
    lines = note.get_text().count("\n") + 1
    assert pad(axes) == pytest.approx(6 + 10.5 * lines)
    assert "\x1b" not in note.get_text()
    assert (note.get_va(), note.get_fontsize(), note.get_color()) == ("bottom", 8, "0.35")


def test_a_caption_without_notes_stands_on_its_axes():
    with canvas() as (_, axes):
        caption(axes, "short", ["", ""])
    assert (axes.get_title("left"), pad(axes), list(axes.texts)) == ("short", 6, [])


def test_a_figure_is_drawn_on_axes_of_the_caller_s_own_and_broken_where_they_end():
    figure = Figure(figsize=(8, 4))
    first, second = figure.subplots(1, 2)
    assert plots.edf(BOTH, ax=second) is figure
    assert not first.lines
    assert second.lines
    title = second._left_title
    assert title.get_window_extent().width <= second.bbox.width


def test_a_figure_shows_itself_in_a_notebook():
    assert plots.edf(BOTH)._repr_png_().startswith(b"\x89PNG")


def test_a_long_name_of_a_study_is_cut_in_the_middle_of_a_legend():
    assert shortened("x" * 40) == "x" * 40
    assert shortened("first-" * 5 + "-" * 30 + "last") == "first-first-first-fi…---------------last"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1e6, 4.9e6, "1M 2M 3M 4M"),  # less than 0.7 decades: each digit
        (1e6, 9e6, "1M 2M 5M"),
        (900, 60_000, "1k 2k 5k 10k 20k 50k"),
        (0.4, 6, "0.5 1 2 5"),
        (150, 450_000, "200 500 1k 2k 5k 10k 20k 50k 100k 200k"),
    ],
)
def test_costs_stand_on_a_logarithmic_axis_in_short(low, high, ticks):
    with canvas() as (_, axes):
        axes.set_xlim(low, high)
        cost_axis(axes, "params")
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "parameters")
    written = [axes.xaxis.get_major_formatter()(tick) for tick in axes.xaxis.get_majorticklocs()
               if low <= tick <= high]  # fmt: skip
    assert written == ticks.split()
    assert axes.xaxis.get_minor_formatter()(3e6) == ""


def test_costs_whose_axis_begins_below_nothing_have_few_ticks():
    with canvas() as (_, axes):
        axes.set_xlim(0, 10)
        cost_axis(axes, "macs")
    assert axes.xaxis.get_major_locator()._subs.tolist() == [1, 2, 5]


def test_the_ticks_around_a_single_cost_do_not_overlap():
    with canvas() as (_, axes):
        axes.plot([3e7], [1])
        cost_axis(axes, "macs")
    assert axes.xaxis.get_major_locator()._subs.tolist() == [1, 2, 5]


def test_fractions_are_written_in_percent_on_the_axis_that_is_meant():
    with canvas() as (_, axes):
        plain = axes.yaxis.get_major_formatter()
        percent_axes(axes, "x")
        assert axes.yaxis.get_major_formatter() is plain
        percent_axes(axes, "y")
    for axis in (axes.xaxis, axes.yaxis):
        written = [axis.get_major_formatter()(value) for value in (0.07, 0.215, 1, 4e-9)]
        assert written == ["7 %", "21.5 %", "100 %", "0 %"]


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (True, "true"), (np.False_, "false"), (8, "8"), (np.int64(999), "999"), (1000, "1.00k"),
        (2_500_000, "2.50M"), (0.12345, "0.123"), (np.float64(0.5), "0.5"), ("relu", "relu"),
    ],
)  # fmt: skip
def test_a_value_is_labelled_as_the_space_file_has_it_and_in_short(value, label):
    assert knob_value(value) == label


# --- whole spaces ---


def test_a_distribution_is_steps_from_0_to_1_and_beyond_within_its_band():
    (axes,) = plots.edf(BOTH, level=0.9).axes
    found = edf(BOTH, level=0.9)
    right = 0.5 + 0.03 * (0.5 - 0.1)
    for step, band, (_, rows), colour in zip(
        axes.lines, axes.collections, found.groupby("study"), [BLUE, ORANGE], strict=True
    ):
        errors = rows["error"].tolist()
        heights = zip([errors[0], *errors, right], [0, 0.25, 0.5, 0.75, 1, 1], strict=True)
        assert points(step) == pytest.approx(np.array(list(heights)))
        assert line(step) == (colour, 1.6, "None", 6, "steps-post")
        assert fill(band) == ((*colour, 0.15), [0])
        ends = {round(value, 9) for column in ("low", "high") for value in rows[column]}
        assert {y for _, y in outline(band)} == ends
        corners = [
            *zip(errors[1:], rows["low"], strict=False),
            *zip(errors[1:], rows["high"], strict=False),
        ]
        assert {(round(x, 9), round(y, 9)) for x, y in corners} <= outline(band)
        assert max(x for x, _ in outline(band)) == pytest.approx(right)
    assert legend(axes) == (["a (n = 4, 3 epochs)", "b (n = 4, 3 epochs)"], LOWER_RIGHT, 10)
    assert axes.get_ylabel() == "fraction of networks"
    assert axes.get_xlabel() == "error (1 − validation accuracy)"
    assert axes.get_ylim() == (0, 1.02)
    assert axes.xaxis.get_major_formatter()(0.1) == "10 %"
    assert axes.get_title("left") == "Distribution of the error"
    assert said(axes) == ["band: 90 % confidence"]


def test_a_distribution_says_what_it_is_matched_by_bounded_by_and_without():
    far = study([0.1, 0.2, 0.3, 0.4, 0.5], "far", macs=[10, 20, 30, 40, 90], epochs=1)
    near = study([0.15, 0.25], "near", macs=[10, 40], epochs=1)
    (axes,) = plots.edf(pd.concat([far, near]), cost="macs", bins=2).axes
    assert axes.get_title("left") == "Distribution of the error, at equal macs (2 ranges)"
    assert said(axes) == [
        "band: 95 % confidence, approximate; 1 network outside of the shared range left out"
    ]
    assert legend(axes)[0] == ["far (n = 4, 1 epoch)", "near (n = 2, 1 epoch)"]
    matched = edf(pd.concat([far, near]), cost="macs", bins=2)
    assert points(axes.lines[0])[1][1] == pytest.approx(matched["edf"].iloc[0])
    bounded = A.assign(state=["COMPLETE", "COMPLETE", "COMPLETE", "PRUNED"])
    (axes,) = plots.edf(bounded, stopped="bound").axes
    assert " ".join(said(axes)) == (
        "band: 95 % confidence; stopped trials between error 0 and their last one "
        "a: 1 trial stopped early, as bounds"
    )
    (axes,) = plots.edf(pd.concat([A, A.assign(number=range(4, 8))], ignore_index=True)).axes
    assert legend(axes)[0] == ["a (n = 8 draws of 4 networks, 3 epochs)"]


def test_the_efficiency_is_a_line_of_means_on_powers_of_two_within_two_errors():
    (axes,) = plots.efficiency(BOTH, sizes=[1, 2, 4], seed=3).axes
    found = efficiency(BOTH, sizes=[1, 2, 4], seed=3)
    for drawn, band, (_, rows), colour, marker in zip(
        axes.lines, axes.collections, found.groupby("study"), [BLUE, ORANGE], "os", strict=True
    ):
        assert points(drawn) == [[m, e] for m, e in zip(rows["m"], rows["error"], strict=True)]
        assert line(drawn) == (colour, 1.4, marker, 5, "default")
        assert fill(band) == ((*colour, 0.15), [0])
        banded = rows.dropna(subset=["low"])
        corners = {
            (float(m), round(end, 9))
            for column in ("low", "high")
            for m, end in zip(banded["m"], banded[column], strict=True)
        }
        assert outline(band) == corners
    assert axes.get_xscale() == "log"
    assert axes.xaxis.get_transform().base == 2
    assert axes.get_xticks().tolist() == [1, 2, 4]
    assert axes.xaxis.get_major_formatter()(2.0) == "2"
    assert len(axes.xaxis.get_minorticklocs()) == 0
    assert axes.get_xlabel() == "networks drawn (m)"
    assert axes.get_ylabel() == "error of the best of m networks"
    assert y_ticks(axes, 0.25) == ["25 %"]
    assert legend(axes) == (["a (n = 4, 3 epochs)", "b (n = 4, 3 epochs)"], UPPER_RIGHT, 10)
    assert axes.get_title("left") == "Efficiency of random search"
    assert said(axes) == [
        "mean ± 2 standard errors over n // m draws; no band where there is one draw"
    ]
    (axes,) = plots.efficiency(A).axes
    assert axes.get_xticks().tolist() == [1, 2, 4]
    many = pd.concat([A.assign(study=name) for name in "abcdefghi"])
    (axes,) = plots.efficiency(many).axes
    assert [drawn.get_marker() for drawn in axes.lines] == list("osD^vPX*o")


# --- searches ---


def searched():
    """Three in full, one stopped, one told again, one failed, one whose costs are not known."""
    return pd.DataFrame(
        {
            "study": "s",
            "state": ["COMPLETE", "PRUNED", "COMPLETE", "COMPLETE", "COMPLETE", "FAIL", "PRUNED"],
            "policy": ["random", "guided", "guided", "reused", "guided", "guided", "random"],
            "epochs": pd.array([4, 1, 4, 4, 4, None, 9], dtype="Int64"),
            "val_accuracy": [0.8, 0.5, 0.9, 0.9, 0.7, None, 0.4],
            "macs": pd.array([2000, 1000, 5000, 5000, 3000, 100, None], dtype="Int64"),
            "params": pd.array([1, 2, 3, 3, 4, 5, 6], dtype="Int64"),
        }
    )


def test_a_front_is_of_what_was_trained_in_full_and_shows_what_was_stopped_apart():
    (axes,) = plots.front(searched()).axes
    (dots,) = axes.collections
    assert offsets(dots) == [[2000, 0.8], [1000, 0.5], [5000, 0.9], [3000, 0.7]]
    assert [tuple(colour[:3]) for colour in dots.get_facecolor()] == [BLUE, ORANGE, BLUE, BLUE]
    full, stopped, *_ = dots.get_paths()
    assert (len(full.vertices), len(stopped.vertices)) == (26, 13)  # a circle and an X
    assert set(dots.get_sizes()) == {36}
    front = axes.lines[-1]
    assert points(front) == [[2000, 0.8], [5000, 0.9]]
    assert front.get_drawstyle() == "steps-post"
    assert front.get_linewidth() == 2
    labels = ["trained in full (4 epochs)", "stopped early, accuracy then", "Pareto front"]
    assert legend(axes) == (labels, BEST, 10)
    assert y_ticks(axes, 0.25) == ["25 %"]
    assert axes.get_xscale() == "log"
    assert axes.get_title("left") == "s: 3 of 7 trials trained in full"  # one was told again
    (axes,) = plots.front(searched(), "params").axes
    assert offsets(axes.collections[0])[-1] == [6, 0.4]
    (axes,) = plots.front(searched().head(3).tail(1)).axes
    assert (points(axes.lines[-1]), axes.lines[-1].get_marker()) == ([[5000, 0.9]], "o")
    (axes,) = plots.front(searched().query("state != 'COMPLETE'").head(1)).axes
    assert legend(axes)[0] == ["stopped early, accuracy then"]  # there is no front
    assert axes.get_title("left") == "s: 0 of 1 trial trained in full"


@pytest.mark.parametrize("cost", ["mac", "activations", "val_accuracy"])
def test_a_front_is_against_a_cost_that_the_frame_has(cost):
    with pytest.raises(AnalysisError) as refused:
        plots.front(searched(), cost)
    assert str(refused.value).startswith(f"cost is {cost!r}; ")
    assert str(refused.value).endswith("accepted: macs, params")


def of_epochs(*rows):
    return pd.DataFrame(
        [(n, attempt, epoch, value) for n, attempt, epoch, value in rows],
        columns=["number", "attempt", "epoch", "val_accuracy"],
    )


CURVES = of_epochs(
    (0, 1, 1, 0.1), (0, 1, 2, 0.2), (0, 1, 3, 0.3),
    (1, 1, 1, 0.2), (1, 1, 2, 0.4), (1, 1, 3, 0.5),
    (2, 1, 1, 0.15), (2, 1, 2, 0.25),
    (3, 1, 1, 0.05),
    (4, 1, 1, 0.2), (4, 1, 2, 0.3), (4, 1, 3, 0.4),
)  # fmt: skip


def test_curves_show_the_best_in_colour_and_where_the_others_ended():
    (axes,) = plots.curves(CURVES, best=2, study="s").axes
    assert [points(drawn) for drawn in axes.lines] == [
        [[1, 0.1], [2, 0.2], [3, 0.3]],
        [[1, 0.15], [2, 0.25]],
        [[1, 0.05]],
        [[1, 0.2], [2, 0.4], [3, 0.5]],
        [[1, 0.2], [2, 0.3], [3, 0.4]],
    ]
    *others, first, second = axes.lines
    grey = to_rgb("0.6")
    assert [line(one) for one in others] == [
        (grey, 0.7, "None", 6, "default"), (grey, 0.7, ".", 6, "default"),
        (grey, 0.7, ".", 6, "default"),
    ]  # fmt: skip
    assert [one.get_markevery() for one in others] == [[2], [1], [0]]
    assert {(one.get_alpha(), one.get_zorder()) for one in others} == {(0.7, 1)}
    assert line(first) == (BLUE, 1.8, "o", 5, "default")
    assert line(second) == (ORANGE, 1.8, "s", 5, "default")
    assert first.get_zorder() > 1
    assert legend(axes) == (["trial 1 (50.00 %)", "trial 4 (40.00 %)"], LOWER_RIGHT, 10)
    assert axes.get_title("left") == "Learning curves: s"
    assert said(axes) == ["n = 5 trials, up to 3 epochs; 2 ended earlier (dots)"]
    assert axes.get_xlabel() == "epoch"
    assert axes.get_ylabel() == "validation accuracy"
    assert y_ticks(axes, 0.3) == ["30 %"]
    assert axes.xaxis.get_major_locator()._integer


def test_what_a_figure_cannot_be_drawn_of_is_said():
    both = pd.concat([A, B])
    for draw, said in (
        (lambda: plots.front(both), "one study at a time is accepted, not a, b"),
        (lambda: plots.edf([]), "no study was given; accepted: one or more, or their frames"),
        (lambda: plots.front(CURVES), "no column state; accepted: a study, or a frame as its fra"),
        (lambda: plots.curves(A), "no column attempt; accepted: a study, or a frame as its epoch"),
        (lambda: plots.curves(pd.concat([CURVES, CURVES])), "the curves are of several studies"),
    ):
        with pytest.raises(AnalysisError, match=re.escape(said)):
            draw()


def test_curves_colour_three_by_default_and_one_trial_alone():
    (axes,) = plots.curves(CURVES).axes
    assert legend(axes)[0] == ["trial 1 (50.00 %)", "trial 4 (40.00 %)", "trial 0 (30.00 %)"]
    assert axes.get_title("left") == "Learning curves"
    one = CURVES[CURVES["number"] == 1]
    (axes,) = plots.curves(one).axes
    assert said(axes) == ["n = 1 trial, up to 3 epochs"]
    (axes,) = plots.curves(CURVES, best=0).axes
    assert axes.get_legend() is None
    assert len(axes.lines) == 5
    with pytest.raises(AnalysisError, match="no trial has trained an epoch yet"):
        plots.curves(CURVES.head(0))
    many = of_epochs(*((n, 1, 1, n / 10) for n in range(9)))
    (axes,) = plots.curves(many, best=9).axes
    assert [drawn.get_marker() for drawn in axes.lines] == list("osD^vPX*o")


def correlated(n=12):
    rng = np.random.default_rng(0)
    values = rng.random(n)
    return of_epochs(
        *(
            (k, 1, epoch, values[k] + rng.normal(0, 0.4 / epoch))
            for k in range(n)
            for epoch in (1, 2, 3)
        )
    )


def test_correlations_are_dots_side_by_side_with_their_intervals():
    frame = pd.concat([correlated(), of_epochs((20, 1, 1, 0.5))])
    (axes,) = plots.fidelity(frame, stopped="drop", level=0.8, seed=1, study="s").axes
    found = rank_correlation(frame, stopped="drop", level=0.8, seed=1)
    assert len(axes.containers) == 2
    for bars, name, shift, colour, marker in zip(
        axes.containers, ["kendall", "spearman"], [-0.06, 0.06], [BLUE, ORANGE], "os", strict=True
    ):
        drawn, caps, (reach,) = bars.lines
        assert points(drawn) == pytest.approx(np.array([found["early"] + shift, found[name]]).T)
        assert line(drawn) == (colour, 1.4, marker, 5, "default")
        ends = np.array([segment[:, 1] for segment in reach.get_segments()])
        assert ends == pytest.approx(found[[f"{name}_low", f"{name}_high"]].to_numpy())
        assert [cap.get_markersize() for cap in caps] == [6, 6]  # twice the cap
        assert reach.get_linewidth() == [1.4]
    assert legend(axes) == (["Kendall's τ", "Spearman's ρ"], LOWER_RIGHT, 10)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epochs trained", "correlation with epoch 3")
    assert axes.get_xlim() == (0.5, 2.5)
    assert axes.get_ylim() == (min(0, found["kendall_low"].min()), 1.03)
    assert axes.xaxis.get_major_locator()._integer
    assert axes.get_title("left") == "Rank correlation between fidelities: s"
    assert said(axes) == [
        "n = 12 trials; intervals: 80 % bootstrap", "1 trial that did not come to epoch 3 left out"
    ]  # fmt: skip


def test_correlations_of_networks_that_every_epoch_ranks_alike_are_drawn():
    """Those of some draws are 0.9999999999999999."""
    frame = of_epochs(
        *((k, 1, epoch, 0.05 * k + 0.01 * epoch) for k in range(12) for epoch in (1, 2))
    )
    axes = plots.fidelity(frame).axes[0]
    for bars in axes.containers:
        assert points(bars.lines[0])[0][1] == pytest.approx(1)


def test_correlations_are_with_the_epoch_that_is_asked_and_may_be_below_zero():
    frame = correlated()
    frame.loc[frame["epoch"] == 1, "val_accuracy"] *= -1
    (axes,) = plots.fidelity(frame, late=2).axes
    assert axes.get_ylabel() == "correlation with epoch 2"
    found = rank_correlation(frame, late=2)
    assert axes.get_ylim()[0] == pytest.approx(found["kendall_low"].min())
    assert axes.get_ylim()[0] < 0
    assert axes.get_title("left") == "Rank correlation between fidelities"
    assert said(axes) == ["n = 12 trials; intervals: 95 % bootstrap"]
    with pytest.raises(AnalysisError, match="did not come to epoch 3"):
        plots.fidelity(pd.concat([frame, of_epochs((20, 1, 1, 0.5))]))


# --- knobs ---


def test_a_knob_of_few_values_is_a_column_of_points_for_each_with_its_median():
    (axes,) = plots.marginal(A, "w", seed=2).axes
    dots, bars = axes.collections[::2], axes.collections[1::2]
    rng = np.random.default_rng(2)
    columns = [[0.9, 0.7], [0.8], [0.6]]
    for k, heights in enumerate(columns):
        moved = [k + shift for shift in rng.uniform(-0.15, 0.15, len(heights))]
        assert offsets(dots[k]) == pytest.approx(np.array([moved, heights]).T)
        assert fill(dots[k])[0] == (*BLUE, 0.7)
        assert dots[k].get_sizes().tolist() == [16]
        (segment,) = bars[k].get_segments()
        middle = np.median(heights)
        assert segment == pytest.approx(np.array([[k - 0.28, middle], [k + 0.28, middle]]))
        assert bars[k].get_linewidth() == [2]
        assert bars[k].get_edgecolor().tolist() == [list(to_rgba("0.15"))]
    assert axes.get_xticks().tolist() == [0, 1, 2]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["8\nn = 2", "16\nn = 1", "32\nn = 1"]
    assert axes.get_xlim() == (-0.5, 2.5)
    assert not axes.xaxis.get_gridlines()[0].get_visible()
    assert axes.yaxis.get_gridlines()[0].get_visible()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("w", "validation accuracy")
    assert y_ticks(axes, 0.25) == ["25 %"]
    assert axes.get_title("left") == "a (n = 4, 3 epochs)"
    assert said(axes) == ["bars: median of the networks with this value"]
    assert offsets(plots.marginal(A, "w").axes[0].collections[0]) == offsets(
        plots.marginal(A, "w", seed=0).axes[0].collections[0]
    )
    labels = plots.marginal(A, "flag").axes[0].get_xticklabels()
    assert [t.get_text() for t in labels] == ["false\nn = 1", "true\nn = 3"]


def test_a_knob_of_many_values_is_a_cloud():
    frame = study(np.arange(13) / 20, w=range(13))
    (axes,) = plots.marginal(frame, "w").axes
    (dots,) = axes.collections
    assert offsets(dots) == pytest.approx(np.array([np.arange(13), 1 - np.arange(13) / 20]).T)
    assert fill(dots)[0] == (*BLUE, 0.8)
    assert dots.get_sizes().tolist() == [16]
    assert said(axes) == ["too many values for medians"]
    twelve = study(np.arange(12) / 20, w=range(12))
    assert len(plots.marginal(twelve, "w").axes[0].collections) == 24
    with pytest.raises(AnalysisError, match=r"^s has no knob 'v'; accepted: w$"):
        plots.marginal(frame, "v")


def test_the_best_value_of_a_knob_is_a_line_in_its_interval_over_all_errors():
    (axes,) = plots.knob(A, "w", level=0.5, seed=1).axes
    (row,) = best_values(A, "w", level=0.5, seed=1).to_dict("records")
    (middle,), (dots,), (band,) = axes.lines, axes.collections, axes.patches
    assert middle.get_xdata() == [row["median"]] * 2
    assert (to_rgb(middle.get_color()), middle.get_linewidth()) == (RED, 1.4)
    assert (band.get_x(), band.get_x() + band.get_width()) == (row["low"], row["high"])
    assert (band.get_facecolor(), band.get_linewidth()) == ((*BLUE, 0.15), 0)
    assert offsets(dots) == pytest.approx(np.array([[8, 16, 8, 32], [0.1, 0.2, 0.3, 0.4]]).T)
    assert fill(dots)[0] == (*to_rgb("0.25"), 0.8)
    assert dots.get_sizes().tolist() == [16]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("w", "error (1 − validation accuracy)")
    assert axes.get_xscale() == "linear"
    assert y_ticks(axes, 0.1) == ["10 %"]
    low, mid, high = (f"{row[name]:.3g}" for name in ("low", "median", "high"))
    assert said(axes) == [f"best w: {mid} [{low}, {high}], 50 % of 10,000 bootstrap draws"]
    (axes,) = plots.knob(A, "macs").axes
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "multiply-accumulates per image")
    (row,) = best_values(A, "macs").to_dict("records")
    assert f"[{row['low']:.3g}, {row['high']:.3g}], 95 % of" in said(axes)[0]


def test_the_best_of_two_values_is_said_with_its_share():
    (axes,) = plots.knob(A, "flag", seed=2).axes
    (row,) = best_values(A, "flag", seed=2).to_dict("records")
    assert said(axes) == [f"best flag: true in {row['share']:.0%} of 10,000 draws"]
    assert axes.get_xlabel() == "flag"
    rng = np.random.default_rng(2)
    first, _, second, _ = axes.collections
    assert offsets(first) == pytest.approx(np.array([[rng.uniform(-0.15, 0.15)], [0.2]]).T)
    assert [y for _, y in offsets(second)] == pytest.approx([0.1, 0.3, 0.4])


def flips(n=6, effect=0.02):
    """n pairs of networks that differ in residual, one for each depth; effects grow with it."""
    base = np.linspace(0.2, 0.4, n)
    errors = np.ravel([(e, e - effect - 0.001 * k) for k, e in enumerate(base)])
    depths = np.repeat(np.arange(1, n + 1), 2)
    macs = np.ravel([(1000 * d, 1100 * d) for d in range(1, n + 1)])
    return study(errors, residual=[False, True] * n, stages__0__depth=depths, macs=macs)


def test_effects_stand_in_rows_with_their_intervals_pairs_and_costs():
    frame = flips()
    figure = plots.effects(frame, "residual", level=0.9, seed=4)
    (row,) = effects(frame, "residual", level=0.9, seed=4).to_dict("records")
    (axes,) = figure.axes
    (right,) = axes.child_axes
    (bars,) = axes.containers
    drawn, caps, (reach,) = bars.lines
    assert points(drawn) == [[pytest.approx(100 * row["effect"]), 0]]
    assert (to_rgb(drawn.get_color()), drawn.get_marker(), drawn.get_markersize()) == (BLUE, "o", 5)
    assert drawn.get_linestyle() == "None"
    (segment,) = reach.get_segments()
    assert segment[:, 0] == pytest.approx([100 * row["low"], 100 * row["high"]])
    assert reach.get_linewidth() == [1.4]
    assert [cap.get_markersize() for cap in caps] == [4, 4]
    (zero,) = [one for one in axes.lines if list(one.get_xdata()) == [0, 0]]
    assert (zero.get_color(), zero.get_linewidth()) == ("0.3", 0.8)
    assert tuple(figure.get_size_inches()) == pytest.approx((7.4, 1.5 + 0.24))
    assert axes.get_yticks().tolist() == [0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["residual: false → true"]
    assert right.get_yticks().tolist() == [0]
    assert [t.get_text() for t in right.get_yticklabels()] == ["6 pairs, 1.10 × macs"]
    assert right.get_yticklabels()[0].get_fontsize() == 8
    assert right.yaxis.get_ticklines()[0].get_markersize() == 0
    assert axes.get_xlabel() == "effect on validation accuracy (percentage points, 90 % interval)"
    assert axes.get_ylim() == (-0.7, 0.7)
    assert not axes.yaxis.get_gridlines()[0].get_visible()
    assert axes.xaxis.get_gridlines()[0].get_visible()
    assert axes.get_legend() is None
    assert axes.get_title("left") == "Effect of a knob: s (n = 12, 3 epochs)"
    assert said(axes) == ["● pairs of networks equal in all other knobs"]


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        (None, ["residual", "wide"]),
        ("wide", ["wide"]),
        (["wide", "residual"], ["wide", "residual"]),
    ],
)
def test_effects_are_of_the_knobs_that_were_asked_for_in_their_order(asked, drawn):
    frame = flips(10).assign(wide=np.arange(20) % 4 > 1)
    (axes,) = plots.effects(frame, asked, matching="cost", tolerance=9).axes
    rows = [text.get_text() for text in axes.get_yticklabels()]
    assert rows == [f"{knob}: false → true" for knob in drawn]


def test_effects_of_pairs_by_cost_say_so_and_what_has_too_few_is_left_out():
    rng = np.random.default_rng(0)
    residual, macs = np.arange(60) % 2 == 0, rng.integers(1000, 2000, 60)
    kind = np.where(np.arange(60) < 57, np.where(np.arange(60) % 3, "x", "y"), "z")
    errors = 0.5 - macs / 1e5 - 0.01 * residual + rng.normal(0, 0.003, 60)
    frame = study(errors, residual=residual, kind=kind, lr=rng.random(60), macs=macs)
    figure = plots.effects(frame, cost="macs", tolerance=0.2)
    found = effects(frame, cost="macs", tolerance=0.2)
    (axes,), (bars,) = figure.axes, figure.axes[0].containers
    kept = found.dropna(subset=["effect"])
    assert len(kept) == 2 and len(found) == 4
    drawn = bars.lines[0]
    assert points(drawn) == pytest.approx(np.array([100 * kept["effect"], [1, 0]]).T)
    assert (to_rgb(drawn.get_color()), drawn.get_marker()) == (ORANGE, "s")
    assert said(axes) == [
        "■ pairs of networks whose macs differ by at most 20 %",
        "2 flips with fewer than 5 pairs left out",
    ]
    assert axes.get_ylim() == (-0.7, 1.7)
    assert tuple(figure.get_size_inches()) == pytest.approx((7.4, 1.5 + 0.48))
    with pytest.raises(
        AnalysisError, match=r"^no two values of a knob of s have 5 pairs; train more$"
    ):
        plots.effects(frame, "residual", matching="exact")
    assert "by at most 10 %" in said(plots.effects(frame, "residual", cost="params").axes[0])[0]


def test_of_more_effects_than_can_be_read_the_largest_are_drawn(monkeypatch):
    monkeypatch.setattr("nas.analysis.plots.knobs.SHOWN", 1)
    two = flips(10)
    two["other"] = np.arange(20) % 4 > 1
    (axes,) = plots.effects(two, ["other", "residual"], matching="cost", tolerance=9).axes
    found = effects(two, ["other", "residual"], matching="cost", tolerance=9)
    largest = found.loc[found["effect"].abs().idxmax(), "knob"]
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"{largest}: false → true"]
    assert "the 1 largest effects; 1 smaller ones left out" in " ".join(said(axes))


def test_ticks_of_whole_numbers_are_whole(monkeypatch):
    frame = study([0.1, 0.2, 0.3, 0.4, 0.2], depth=[1, 2, 3, 2, 1], lr=[0.1, 0.2, 0.3, 0.4, 0.5])
    (axes,) = plots.knob(frame, "depth").axes
    axes.figure.draw_without_rendering()
    assert all(tick % 1 == 0 for tick in axes.get_xticks())
    (axes,) = plots.knob(frame, "lr").axes
    assert any(tick % 1 for tick in axes.get_xticks())


def test_pairs_are_points_against_what_they_share_by_flip():
    frame = flips()
    (axes,) = plots.pairs(frame, "residual").axes
    (dots,) = axes.collections
    effects_ = [2 + 0.1 * k for k in range(6)]
    assert offsets(dots) == pytest.approx(np.array([range(1, 7), effects_]).T)
    assert fill(dots) == ((*BLUE, 0.75), [0])
    assert dots.get_sizes().tolist() == [28]
    (zero,) = axes.lines
    assert (list(zero.get_ydata()), zero.get_color(), zero.get_linewidth()) == ([0, 0], "0.3", 0.8)
    assert legend(axes) == (["false → true (6 pairs)"], BEST, 8)
    assert axes.get_xlabel() == "blocks in all stages"
    assert axes.get_ylabel() == "effect on validation accuracy (points)"
    assert axes.get_title("left") == "Flipping residual: s (n = 12, 3 epochs)"
    assert said(axes) == ["each point: two networks that are equal in every other knob"]
    (axes,) = plots.pairs(frame, "residual", against="stages.0.depth").axes
    assert (axes.get_xlabel(), axes.get_xscale()) == ("stages.0.depth", "linear")
    (axes,) = plots.pairs(frame, "residual", against="macs").axes
    assert (axes.get_xlabel(), axes.get_xscale()) == ("multiply-accumulates per image", "log")


def test_pairs_of_networks_whose_depth_is_not_searched_stand_by_their_cost():
    (axes,) = plots.pairs(flips().rename(columns={"stages.0.depth": "depth"}), "residual").axes
    assert axes.get_xlabel() == "multiply-accumulates per image"


def test_pairs_stand_beside_the_names_of_a_knob_that_has_no_numbers():
    frame = flips().assign(block=np.repeat(["basic", "bottleneck"], 6))
    (axes,) = plots.pairs(frame, "residual", against="block").axes
    assert [x for x, _ in offsets(axes.collections[0])] == [0, 0, 0, 1, 1, 1]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["basic", "bottleneck"]
    frame["wide"] = np.repeat([True, False], 6)
    (axes,) = plots.pairs(frame, "residual", against="wide").axes
    assert [x for x, _ in offsets(axes.collections[0])] == [1, 1, 1, 0, 0, 0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["false", "true"]


def test_each_flip_of_a_knob_of_three_values_has_its_colour_and_mark():
    errors = np.ravel([np.array([0.1, 0.2, 0.4]) + 0.01 * k for k in range(5)])
    frame = study(errors, stages__0__depth=np.repeat(range(1, 6), 3), w=[8, 16, 32] * 5)
    (axes,) = plots.pairs(frame, "w").axes
    assert [fill(one)[0][:3] for one in axes.collections] == [BLUE, ORANGE, GREEN]
    assert legend(axes)[0] == ["8 → 16 (5 pairs)", "8 → 32 (5 pairs)", "16 → 32 (5 pairs)"]
    for one, height in zip(axes.collections, [-10, -30, -20], strict=True):
        assert [y for _, y in offsets(one)] == pytest.approx([height] * 5)
    corners = [len(one.get_paths()[0].vertices) for one in axes.collections]
    assert corners == [26, 5, 5]  # circle, square, diamond
    square, diamond = (one.get_paths()[0].vertices for one in axes.collections[1:])
    assert len(set(np.round(square[:, 0], 6))) == 2 < len(set(np.round(diamond[:, 0], 6)))


def test_importances_are_bars_from_the_greatest_down_with_their_intervals():
    rng = np.random.default_rng(0)
    w, other = rng.choice([8, 16, 32], 200), rng.integers(2, size=200)
    frame = study(0.5 - 0.01 * w + 0.001 * rng.random(200), w=w, other=other)
    figure = plots.importance(frame, level=0.8, draws=30, seed=1)
    found = importance(frame, level=0.8, draws=30, seed=1)
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == found["importance"].tolist()
    assert {bar.get_facecolor() for bar in axes.patches} == {(*BLUE, 1.0)}
    (lines,) = axes.collections
    ends = [segment[:, 0].tolist() for segment in lines.get_segments()]
    assert ends == found[["low", "high"]].to_numpy().tolist()
    assert lines.get_linewidth() == [1.4]
    assert lines.get_edgecolor().tolist() == [list(to_rgba("0.15"))]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["w", "other"]
    assert axes.yaxis.get_inverted()
    assert axes.get_xlabel() == "importance (ped_anova; all add up to 1)"
    assert not axes.yaxis.get_gridlines()[0].get_visible()
    assert axes.xaxis.get_gridlines()[0].get_visible()
    assert tuple(figure.get_size_inches()) == pytest.approx((6.4, 1.6 + 0.48))
    assert axes.get_title("left") == "Importance of knobs: s (n = 200, 3 epochs)"
    first = "w is first; knobs whose intervals overlap have no established order"
    assert " ".join(said(axes)) == f"{first}; lines: 80 % bootstrap"
    (axes,) = plots.importance(frame, evaluator="mdi").axes
    assert list(axes.collections) == []
    assert said(axes) == ["without intervals, no order is established"]
    assert axes.get_xlabel() == "importance (mdi; all add up to 1)"
