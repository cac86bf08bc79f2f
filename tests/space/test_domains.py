import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import SpaceError
from nas.space import Choice, FloatRange, IntRange
from nas.space.domains import below
from nas.space.file.knobs import FLAG, MULTIPLIER, SIZE, hyper_parameter

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


@pytest.mark.parametrize(
    ("domain", "text", "written"),
    [
        (Choice((64, 16)), "16, 64", {"choice": [16, 64]}),
        (Choice((True, False)), "false, true", {"choice": [False, True]}),
        (
            Choice(tuple(range(13))),
            "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …",
            {"choice": list(range(13))},
        ),
        (Choice(tuple(range(12))), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11", None),
        (IntRange(1, 4), "whole numbers from 1 to 4", {"int": [1, 4]}),
        (
            IntRange(8, 24, step=8, log=True),
            "whole numbers from 8 to 24 in steps of 8",
            {"int": [8, 24], "step": 8, "log": True},
        ),
        (FloatRange(0, 1), "numbers from 0.0 to 1.0", {"float": [0.0, 1.0]}),
        (
            FloatRange(0.5, 1, step=0.25),
            "numbers from 0.5 to 1.0 in steps of 0.25",
            {"float": [0.5, 1.0], "step": 0.25},
        ),
    ],
)
def test_a_domain_is_printed_and_written_with_what_differs_from_its_defaults(domain, text, written):
    assert str(domain) == text
    if written is not None:
        assert domain.to_dict() == written


@pytest.mark.parametrize(
    ("domain", "share", "value"),
    [
        (Choice((16, 32, 64)), 0.0, 16),
        (Choice((16, 32, 64)), 0.34, 32),
        (Choice((16, 32, 64)), 1 - 2**-53, 64),
        (IntRange(1, 4), 0.25, 2),  # a share that ends a value belongs to the next
        (IntRange(1, 4), 0.2499, 1),
        (IntRange(1, 2, log=True), 0.66, 1),  # weights of 2 and 1
        (IntRange(1, 2, log=True), 0.67, 2),
        (FloatRange(0.5, 1, step=0.5, log=True), 0.66, 0.5),
        (FloatRange(0.5, 1, step=0.5, log=True), 0.67, 1.0),
        (FloatRange(-1, 3), 0.25, 0.0),
        (FloatRange(1, 100, log=True), 0.5, 10.0),
    ],
)
def test_a_share_of_all_draws_ends_at_the_value_worked_out_by_hand(domain, share, value):
    assert domain.at(share) == value


@pytest.mark.parametrize(
    ("domain", "given", "own"),
    [
        (IntRange(8, 24, step=8), 16.0, 16),
        (IntRange(8, 24, step=8), 17, None),
        (IntRange(8, 24, step=8), 24, 24),
        (IntRange(8, 24, step=8), 32, None),
        (FloatRange(-1, 1, step=0.5), -0.5, -0.5),
        (FloatRange(-1, 1, step=0.5), 1.5, None),
        (FloatRange(0, 1), 1, 1.0),
        (FloatRange(0, 1), 1.0000001, None),
        (FloatRange(0, 1), "1", None),
        (Choice(("basic", "bottleneck")), "basic", "basic"),
        (Choice((16, 32)), 17, None),
    ],
)
def test_a_value_is_found_where_it_is_one_of_the_domain(domain, given, own):
    assert domain.find(given) == own
    assert domain.contains(given) is (own is not None)


# --- what the key of a space file accepts ---


def test_the_schema_of_a_key_lists_each_form_with_its_bounds():
    one = {"type": "integer", "minimum": 1, "maximum": 1_000_000}
    assert SIZE.json_schema == {
        "anyOf": [
            one,
            {
                "type": "object",
                "properties": {"choice": {"type": "array", "items": one, "minItems": 1}},
                "required": ["choice"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {
                    "int": {"type": "array", "items": one, "minItems": 2, "maxItems": 2},
                    "step": {"type": "integer", "exclusiveMinimum": 0},
                    "log": {"type": "boolean"},
                },
                "required": ["int"],
                "additionalProperties": False,
            },
        ]
    }
    number = MULTIPLIER.json_schema["anyOf"]
    assert number[0] == {"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000}
    assert number[2]["properties"]["step"] == {"type": "number", "exclusiveMinimum": 0}
    assert [form["required"] for form in FLAG.json_schema["anyOf"][1:]] == [["choice"]]


@pytest.mark.parametrize(
    ("kind", "raw", "message"),
    [
        (SIZE, {"chioce": [1]}, "did you mean choice?"),
        (SIZE, {}, "is no domain; accepted: choice, int"),
        (SIZE, {"choice": [1], "int": [1, 2]}, "choice and int cannot go together"),
        (SIZE, {"int": [1, 2], "stpe": 1}, "did you mean step?"),
        (SIZE, {"choice": [1], "log": True}, 'unknown key "log"; accepted: choice'),
        (SIZE, {"int": [1, 2, 3]}, "int: [1, 2, 3] is not [low, high]"),
        (SIZE, {"int": [1, 2], "log": 1}, "log: 1 is not true or false"),
        (SIZE, {"int": [1, 3], "step": 0.5}, "step: 0.5 is not a whole number above 0"),
        (MULTIPLIER, {"float": [1, 3], "step": "1"}, 'step: "1" is not a number above 0'),
        (MULTIPLIER, {"float": [1, 3]}, "has no step; give one"),
        (SIZE, 0, "0 is not a whole number from 1 to 1,000,000, nor {choice: […]} or {int: ["),
        (SIZE, 1_000_001, "is not a whole number from 1 to 1,000,000"),
        (hyper_parameter("batch_size"), {"choice": [64.5]}, "64.5 is not a whole number of"),
        (hyper_parameter("momentum"), 0.9, "0.9 is not {choice: […]} or {float: [low, high]}"),
        (hyper_parameter("momentum"), {"choice": ["a"]}, '"a" is not a number of 0 or more and'),
    ],
)
def test_what_a_key_does_not_take_is_refused_in_its_own_words(kind, raw, message):
    with pytest.raises(SpaceError) as refusal:
        kind.read(raw)
    assert message in str(refusal.value)


def test_what_a_key_takes_is_read_as_its_kind():
    assert SIZE.read(64.0) == 64 and type(SIZE.read(64.0)) is int
    assert MULTIPLIER.read(2) == 2.0 and type(MULTIPLIER.read(2)) is float
    assert SIZE.read({"int": [8, 24], "step": 8.0, "log": True}) == IntRange(8, 24, 8, log=True)
    assert SIZE.read({"int": [1, 4]}) == IntRange(1, 4)
    assert SIZE.read({"choice": range(8, 33, 8)}) == Choice((8, 16, 24, 32))
    assert hyper_parameter("momentum").read({"float": [0, 0.5]}) == FloatRange(0.0, 0.5)
