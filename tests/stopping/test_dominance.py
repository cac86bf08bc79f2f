"""Non-dominated ranks against their definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.dominance import dominate, ranks


def by_definition(values, directions):
    """Fronts taken off one after the other, each pair compared."""
    found, left, rank = {}, set(range(len(values))), 0
    while left:
        front = {
            one
            for one in left
            if not any(dominate([values[other]], values[one], directions) for other in left)
        }
        found |= dict.fromkeys(front, rank)
        left, rank = left - front, rank + 1
    return [found[number] for number in range(len(values))]


@pytest.mark.parametrize("columns", [1, 2, 3])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=30)
def test_ranks_are_those_of_the_definition(seed, columns):
    values = np.random.default_rng(seed).integers(0, 5, (20, columns))
    directions = ["maximize", "minimize", "minimize"][:columns]
    assert ranks(values, directions).tolist() == by_definition(values, directions)


def test_an_equal_row_does_not_dominate():
    assert not dominate([[1, 2]], [1, 2], ["maximize", "minimize"])
    assert dominate([[1, 1]], [1, 2], ["maximize", "minimize"])
    assert not dominate([[1, 3]], [1, 2], ["maximize", "minimize"])
    assert not dominate(np.empty((0, 2)), [1, 2], ["maximize", "minimize"])
