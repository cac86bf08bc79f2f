"""A network on a page: its picture, and its parts in numbers."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from nas.dashboard.data import Source
from nas.report.drawing import draw, draw_pair
from nas.summary import summary


def show(source: Source, number: int) -> None:
    """The network of a trial."""
    space = source.study().space
    architecture = source.study().architecture(number)
    _picture(draw(architecture, space.input_shape, space.num_classes))
    _numbers(source, number)


def show_pair(source: Source, first: int, second: int) -> None:
    """The networks of two trials, one above the other, what differs marked."""
    space = source.study().space
    a, b = (source.study().architecture(number) for number in (first, second))
    if a.key == b.key:
        st.text("Both trials have the same network.")
    names = (f"trial {first}", f"trial {second}")
    _picture(draw_pair(a, b, space.input_shape, space.num_classes, names))
    for number in (first, second):
        st.subheader(f"Trial {number}")
        _numbers(source, number)


def _picture(svg: str) -> None:
    # In the page, not as an image file: its lines take the colour of the text, light or dark. All
    # words in it are ours. A blank line would end the HTML and begin Markdown.
    whole = svg.replace("\n", "&#10;")
    st.markdown(
        f'<div class="network" style="overflow-x: auto">{whole}</div>', unsafe_allow_html=True
    )


def _numbers(source: Source, number: int) -> None:
    """The table of stem, stages and head, with what each puts out and costs."""
    space = source.study().space
    parts = summary(source.study().architecture(number), space.input_shape, space.num_classes)
    rows = pd.DataFrame(parts.rows)
    shape = rows["output_shape"].map(lambda sizes: " × ".join(map(str, sizes)))
    st.dataframe(
        rows.assign(output_shape=shape),
        column_config={
            "output_shape": st.column_config.TextColumn(
                "output", help="Channels × height × width of one image."
            ),
            "params": st.column_config.NumberColumn("params", format="localized"),
            "macs": st.column_config.NumberColumn("MACs per image", format="localized"),
            "activations": st.column_config.NumberColumn("activations", format="localized"),
        },
        hide_index=True,
        placeholder="",
    )
