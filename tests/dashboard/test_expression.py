"""Filters by expression: what they let through, and what they refuse."""

import pandas as pd
import pytest

from nas.dashboard.expression import DEEPEST, LONGEST, matching
from nas.errors import AnalysisError

ROWS = pd.DataFrame(
    {
        "state": pd.array(["COMPLETE", "PRUNED", "FAIL", None], "string"),
        "val_accuracy": [0.91, 0.8, float("nan"), 0.5],
        "macs": pd.array([8_500_000, 2_000_000, None, 3_000_000], "Int64"),
        "stages.0.depth": pd.array([1, 2, 3, None], "Int64"),
        "residual": pd.array([True, False, None, True], "boolean"),
        "top 5 %": [0.0, 1.0, float("nan"), 2.0],
        "kind": pd.array(["it's", "a b", "3", "or"], "string"),
    }
)


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("", [0, 1, 2, 3]),
        ("accuracy >= 80 %", [0, 1]),
        ("accuracy >= 80%", [0, 1]),
        ("val_accuracy < 0.9", [1, 3]),
        ("macs <= 3M", [1, 3]),
        ("macs > 2_000_000 and state = COMPLETE", [0]),
        ("state != COMPLETE", [1, 2]),
        ("not state = COMPLETE", [1, 2, 3]),
        ("stages.0.depth in (1, 3)", [0, 2]),
        ("stages.0.depth not in (1, 3)", [1]),
        ("residual = true", [0, 3]),
        ("residual == false or stages.0.depth = 3", [1, 2]),
        ("state = FAIL or state = PRUNED and macs > 5M", [2]),
        ("(state = FAIL or state = PRUNED) and macs < 5M", [1]),
        ("""kind = "it's" or kind = 'a b'""", [0, 1]),
        ("kind = 3", [2]),
        ("kind = 'or'", [3]),
        ("kind has T", [0]),
        ("not state has pl", [1, 2, 3]),
        ('"stages.0.depth" = 2 or "top 5 %" > 1', [1, 3]),
    ],
)
def test_an_expression_is_true_of_the_rows_that_it_says(expression, rows):
    found = matching(ROWS, expression, {"accuracy": "val_accuracy"})
    assert found.dtype == bool
    assert list(ROWS.index[found]) == rows


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("accurcy > 1", "there is no column 'accurcy'; did you mean accuracy?"),
        ("accuracy > 90", "accuracy 90: write 90 %, or a fraction of 1"),
        ("macs > many", "macs is compared with 'many'; accepted: a number"),
        ("residual = 1", "residual is compared with '1'; accepted: true, false"),
        ("state < FAIL", "accepted are =, != and in"),
        ("macs", "the filter ends where a comparison has to stand"),
        ("macs >", "the filter ends where a value has to stand"),
        ("macs > 1 macs", "'macs' is not understood; accepted: and, or, or the end"),
        ("(macs > 1", "the end stands where ')' has to"),
        ("macs in 3", "'3' stands where '(' has to"),
        ("macs ! 3", "'! 3' is not understood"),
        ("__import__('os').system('x') > 1", "is not understood"),
        ("__import__('os') > 1", "there is no column '__import__'"),
        ("macs.__class__ = 1", "there is no column 'macs.__class__'"),
        ("macs > 1e999", "is not understood"),
        ("(" * 100 + "macs > 1", f"nested deeper than {DEEPEST} times"),
        ("x" * (LONGEST + 1), "accepted: 1,000"),
    ],
)
def test_what_is_no_expression_is_refused_in_one_line(expression, said):
    with pytest.raises(AnalysisError) as refusal:
        matching(ROWS, expression, {"accuracy": "val_accuracy"})
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
