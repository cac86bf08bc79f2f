import math
import random
from collections import Counter
from itertools import pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st

from nas.space.counting import DIRECTIONS, Chain, Option, Relations

KEYS = ("a", "b", "c")


@st.composite
def chains(draw):
    """Layers of options with values of 0 to 3, ties and orders over some keys."""
    rules = [draw(st.sampled_from(["free", "tied", *DIRECTIONS])) for _ in KEYS]
    layers = []
    for _ in range(draw(st.integers(1, 4))):
        keys = [key for key in KEYS if draw(st.booleans())]
        rows = st.tuples(*(st.integers(0, 3) for _ in keys))
        layers.append(
            [
                Option(dict(zip(keys, row, strict=True)), draw(st.integers(1, 3)))
                for row in draw(st.lists(rows, min_size=1, max_size=8, unique=True))
            ]
        )
    tied = tuple(key for key, rule in zip(KEYS, rules, strict=True) if rule == "tied")
    order = {key: rule for key, rule in zip(KEYS, rules, strict=True) if rule in DIRECTIONS}
    return layers, tied, order


def keeps(sequence, tied, order):
    """The rules in other words than the chain's: every key's values, in a row."""
    for key in KEYS:
        values = [option.values[key] for option in sequence if key in option.values]
        if key in tied and len(set(values)) > 1:
            return False
        if order.get(key) == "nondecreasing" and values != sorted(values):
            return False
        if order.get(key) == "nonincreasing" and values != sorted(values, reverse=True):
            return False
    return True


@settings(max_examples=300, deadline=None)
@given(chains())
def test_the_count_is_that_of_an_enumeration(chain):
    layers, tied, order = chain
    sequences = [s for s in product(*layers) if keeps(s, tied, order)]
    weight = sum(math.prod(option.weight for option in sequence) for sequence in sequences)
    assert Chain(layers, Relations(tied, order)).total() == weight


@settings(max_examples=100, deadline=None)
@given(chains(), st.integers(0, 99))
def test_a_draw_keeps_the_rules(chain, seed):
    layers, tied, order = chain
    found = Chain(layers, Relations(tied, order))
    if not found.total():
        return
    rng = random.Random(seed)
    for _ in range(5):
        drawn = [Option(values) for values in found.draw(rng)]
        assert keeps(drawn, tied, order)
        for layer, one in zip(layers, drawn, strict=True):
            assert one.values in [option.values for option in layer]


def test_draws_are_as_frequent_as_their_weights():
    layers = [[Option({"a": i, "b": j}, 1 + i) for i in range(3) for j in range(2)]] * 3
    relations = Relations(("b",), {"a": "nondecreasing"})
    chain, rng, draws = Chain(layers, relations), random.Random(0), 40_000
    drawn = Counter(
        tuple(tuple(values.values()) for values in chain.draw(rng)) for _ in range(draws)
    )
    sequences = [s for s in product(*layers) if keeps(s, ("b",), {"a": "nondecreasing"})]
    assert len(drawn) == len(sequences)
    for sequence in sequences:
        weight = math.prod(option.weight for option in sequence)
        expected = draws * weight / chain.total()
        count = drawn[tuple(tuple(option.values.values()) for option in sequence)]
        assert abs(count - expected) < 5 * math.sqrt(expected)


def test_a_count_beyond_floating_point_is_exact():
    layers = [[Option({"a": i}) for i in range(1000)]] * 40
    free = Chain(layers, Relations((), {}))
    rising = Chain(layers, Relations((), {"a": "nondecreasing"}))
    assert free.total() == 1000**40
    assert rising.total() == math.comb(1039, 40)
    drawn = [values["a"] for values in rising.draw(random.Random(0))]
    assert all(value <= following for value, following in pairwise(drawn))
