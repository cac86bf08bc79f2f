"""docs/statistics.md has every statistic and every figure."""

from pathlib import Path

import pytest

from nas import analysis
from nas.analysis.plots.kinds import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")
FUNCTIONS = [
    name for name in analysis.__all__ if name.islower() and name not in ("plots", "populations")
]


@pytest.mark.parametrize("name", [*FUNCTIONS, *KINDS])
def test_the_page_names_each_statistic_and_figure(name):
    assert f"`{name}" in PAGE or f".{name}(" in PAGE
