from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.training.config import TrainingConfig
from nas.training.schedule import learning_rate

fractions = st.floats(0, 1)


def rates(steps, config):
    return [learning_rate(step, steps, config) for step in range(steps)]


def test_the_cycle_begins_peaks_and_ends_where_the_config_says():
    config = TrainingConfig(
        peak_lr=0.5, warmup=0.25, initial_lr_fraction=0.1, final_lr_fraction=0.02
    )
    cycle = rates(101, config)
    assert cycle[0] == pytest.approx(0.05)
    assert cycle[25] == max(cycle) == pytest.approx(0.5)
    assert cycle[-1] == pytest.approx(0.01)


def test_the_rate_rises_in_a_line_and_falls_as_half_a_cosine():
    config = TrainingConfig(peak_lr=1.0, warmup=0.5, initial_lr_fraction=0.0, final_lr_fraction=0.0)
    assert rates(9, config) == pytest.approx(
        [0, 0.25, 0.5, 0.75, 1, 0.853553, 0.5, 0.146447, 0], abs=1e-6
    )


@given(st.integers(1, 200), fractions, fractions, fractions)
def test_the_rate_rises_once_falls_once_and_never_leaves_its_bounds(steps, warmup, first, last):
    config = TrainingConfig(
        peak_lr=1.0, warmup=warmup, initial_lr_fraction=first, final_lr_fraction=last
    )
    cycle = rates(steps, config)
    top = cycle.index(max(cycle))
    assert all(min(first, last) - 1e-9 <= rate <= 1 + 1e-9 for rate in cycle)
    assert all(a <= b + 1e-9 for a, b in pairwise(cycle[: top + 1]))
    assert all(a >= b - 1e-9 for a, b in pairwise(cycle[top:]))


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_a_cycle_may_have_only_one_side(warmup):
    config = TrainingConfig(peak_lr=1.0, warmup=warmup)
    cycle = rates(10, config)
    assert max(cycle) == cycle[-1 if warmup else 0] == 1.0


@pytest.mark.parametrize(
    ("step", "rate"),
    # 4 of 16 steps rise from 0.2 × 0.5 to 0.5; 12 fall to 0.1 × 0.5
    [(0, 0.1), (1, 0.2), (2, 0.3), (4, 0.5), (8, 0.05 + 0.45 * 0.75), (10, 0.275), (16, 0.05)],
)
def test_the_rate_at_a_step_by_hand(step, rate):
    config = TrainingConfig(
        peak_lr=0.5, warmup=0.25, initial_lr_fraction=0.2, final_lr_fraction=0.1
    )
    assert learning_rate(step, 17, config) == pytest.approx(rate, rel=1e-12)


def test_a_cycle_of_one_step_is_its_beginning_and_of_no_warmup_its_peak():
    config = TrainingConfig(peak_lr=0.5, initial_lr_fraction=0.2, final_lr_fraction=0.1)
    assert learning_rate(0, 1, config) == pytest.approx(0.1)
    assert learning_rate(0, 1, config.replace(warmup=0.0)) == 0.5
    assert rates(3, config.replace(warmup=1.0)) == pytest.approx([0.1, 0.3, 0.5])
