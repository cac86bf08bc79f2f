import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import SpaceError
from nas.space import Choice, FloatRange, IntRange
from nas.space.domains import below

DOMAINS = [
    Choice((16, 32, 64)),
    Choice((0.5, 1, 2)),
    Choice((True, False)),
    Choice(("basic", "bottleneck")),
    IntRange(1, 4),
    IntRange(8, 64, step=8),
    IntRange(1, 1000, log=True),
    FloatRange(0.1, 0.7, step=0.1),
    FloatRange(-1.0, 1.0),
    FloatRange(1e-5, 0.5, log=True),
    IntRange(8, 1024, step=8, log=True),
    FloatRange(1.5, 3.0, step=0.01, log=True),
]


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_a_domain_contains_what_it_samples(domain):
    rng = random.Random(0)
    for _ in range(500):
        assert domain.contains(domain.sample(rng))


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_a_discrete_domain_lists_its_values_in_increasing_order(domain):
    if domain.count is None:
        assert domain.values is None
        return
    assert list(domain.values) == sorted(domain.values)
    assert len(set(domain.values)) == domain.count == len(domain.weights)
    rng = random.Random(0)
    assert {domain.sample(rng) for _ in range(50 * domain.count)} <= set(domain.values)


@pytest.mark.parametrize("domain", [d for d in DOMAINS if d.count and d.count < 10], ids=str)
def test_linear_values_are_equally_likely(domain):
    rng, draws = random.Random(1), 20_000
    counts = Counter(domain.sample(rng) for _ in range(draws))
    assert set(counts) == set(domain.values)
    expected = draws / domain.count
    assert all(abs(count - expected) < 5 * math.sqrt(expected) for count in counts.values())


@pytest.mark.parametrize(
    "domain",
    [
        IntRange(2, 9, log=True),
        IntRange(8, 64, step=8, log=True),
        FloatRange(0.1, 0.7, step=0.1, log=True),
    ],
    ids=repr,
)
def test_a_value_on_a_log_scale_is_drawn_in_proportion_to_its_inverse(domain):
    rng, draws = random.Random(2), 50_000
    counts = Counter(domain.sample(rng) for _ in range(draws))
    whole = sum(1 / value for value in domain.values)
    for value in domain.values:
        expected = draws / value / whole
        assert abs(counts[value] - expected) < 5 * math.sqrt(expected)


def test_a_log_float_falls_in_each_decade_equally_often():
    domain, rng = FloatRange(1e-4, 1e-1, log=True), random.Random(3)
    decades = Counter(math.floor(math.log10(domain.sample(rng))) for _ in range(9000))
    assert all(abs(decades[decade] - 3000) < 300 for decade in (-4, -3, -2))


def test_a_seed_gives_the_same_values_on_every_machine():
    rng = random.Random(7)
    drawn = [domain.sample(rng) for domain in DOMAINS]
    assert drawn == [
        16, 0.5, True, "basic", 3, 24, 1, 0.4, -0.925008683116, 0.00109065667092, 8, 1.59,
    ]  # fmt: skip


def test_a_step_is_decimal():
    assert FloatRange(0.1, 0.7, step=0.2).values == (0.1, 0.3, 0.5, 0.7)


def test_a_rounding_error_is_on_the_step():
    domain = FloatRange(0.1, 0.7, step=0.1)
    assert domain.find(0.1 + 0.2) == 0.3
    assert domain.find(0.35) is None
    for none in (10**400, -(10**400), math.inf, math.nan):
        assert domain.find(none) is None


def test_a_choice_has_no_order():
    assert Choice((64, 16, 32)) == Choice((16, 32, 64))


def test_true_is_not_one_and_one_is_one_point_zero():
    assert not Choice((1, 2)).contains(True)
    assert not Choice((True, False)).contains(1)
    assert Choice((1, 2)).contains(1.0)
    assert not IntRange(0, 3).contains(True)
    assert not FloatRange(0.0, 1.0).contains(True)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Choice(()), "empty"),
        (lambda: Choice((1, 1.0)), "1 twice"),
        (lambda: Choice((1, True)), "mixes kinds"),
        (lambda: Choice((1, "a")), "mixes kinds"),
        (lambda: IntRange(3, 2), "low 3 is above high 2; write [2, 3]"),
        (lambda: IntRange(1, 8, step=0), "step is 0; it must be above 0"),
        (lambda: IntRange(1, 8, step=-1), "step is -1"),
        (lambda: IntRange(1, 8, step=2), "the nearest are 7 and 9"),
        (lambda: IntRange(0, 8, log=True), "log needs low above 0, and low is 0"),
        (lambda: IntRange(1, 10**9), "more than 10,000 values"),
        (lambda: FloatRange(0.0, 1.0, log=True), "log needs low above 0"),
        (lambda: FloatRange(-1.0, 1.0, log=True), "log needs low above 0"),
        (lambda: FloatRange(0.0, math.nan), "finite"),
        (lambda: FloatRange(0.0, math.inf), "finite"),
        (lambda: FloatRange(0.0, 1.0, step=math.nan), "finite"),
        (lambda: FloatRange(0.0, 1.0, step=0.3), "the nearest are 0.9 and 1.2"),
        (lambda: FloatRange(0.0, 1.0, step=1e-300), "more than 10,000 values"),
    ],
)
def test_a_domain_is_valid_from_birth(make, expected):
    with pytest.raises(SpaceError) as error:
        make()
    assert expected in str(error.value)


@given(seed=st.integers(0, 2**32), n=st.integers(1, 10**40))
def test_below_is_below_however_large(seed, n):
    assert 0 <= below(random.Random(seed), n) < n


@given(
    low=st.integers(1, 50), count=st.integers(1, 20), step=st.integers(1, 9), probe=st.integers()
)
def test_a_range_finds_exactly_its_values(low, count, step, probe):
    domain = IntRange(low, low + (count - 1) * step, step)
    assert domain.count == count
    assert domain.contains(probe) == (probe in domain.values)
