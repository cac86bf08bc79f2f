"""Bounds of depth and cost: what is outside, and why nothing was found inside."""

import pytest

from nas.architecture import Architecture, Stage, Stem
from nas.cost import cost
from nas.space.limits import Bounds, Limits, Violation, explain_emptiness

NET = Architecture(Stem(8), (Stage("basic", 3, 8),))
COST = cost(NET, (1, 28, 28), 10)


def violations(shape=(1, 28, 28), classes=10, **bounds):
    limits = Limits({name: Bounds(**each) for name, each in bounds.items()}, shape, classes)
    return list(limits.violations(NET))


@pytest.mark.parametrize(
    ("measure", "value"),
    [("depth", 3), ("params", COST.params), ("macs", COST.macs), ("activations", COST.activations)],
)
def test_a_network_on_a_bound_is_inside_and_one_beyond_it_is_not(measure, value):
    assert violations(**{measure: {"min": value, "max": value}}) == []
    above, below = {"min": value + 1}, {"max": value - 1}
    assert violations(**{measure: above}) == [
        Violation(
            f"limits.{measure}.min",
            f"limits.{measure}.min is {value + 1:,} but this network has {value:,}",
            value,
        )
    ]
    assert violations(**{measure: below}) == [
        Violation(
            f"limits.{measure}.max",
            f"limits.{measure}.max is {value - 1:,} but this network has {value:,}",
            value,
        )
    ]


def test_costs_are_those_of_the_spaces_images_and_classes():
    assert violations((3, 28, 28), 10, params={"max": COST.params})
    assert violations((1, 28, 28), 11, params={"max": COST.params})
    assert violations((1, 14, 28), 10, params={"max": COST.params}) == []
    assert violations((1, 29, 28), 10, macs={"max": COST.macs})


def broken(rule, value=0, message=None):
    return Violation(rule, message or f"{rule} is 5 but this network has {value:,}", value)


@pytest.mark.parametrize(
    ("rejected", "reason"),
    [
        (
            [[broken("limits.depth.max", value)] for value in (9, 7, 8)],
            "limits.depth.max is 5 but the smallest of 3 sampled networks has 7",
        ),
        (
            [[broken("limits.macs.min", value)] for value in (1, 4000, 2)],
            "limits.macs.min is 5 but the largest of 3 sampled networks has 4,000",
        ),
        (
            [[broken("a.max", 7)], [broken("b.min", 3)], [broken("b.min", 2)]],
            "none of 3 sampled networks keeps all limits: b.min rejects 2, a.max rejects 1",
        ),
        (
            [[broken("a.max", 7), broken("b.min", 2)], [broken("a.max", 6)]],
            "a.max is 5 but the smallest of 2 sampled networks has 6",
        ),
        (
            [[broken("input_shape", message="stem (stride 9) …")]] * 1200,
            "input_shape: all of 1,200 sampled networks are too deep for the image, as in: "
            "stem (stride 9) …",
        ),
    ],
)
def test_why_nothing_is_inside_names_the_rule_and_how_near_it_was(rejected, reason):
    assert explain_emptiness(rejected) == reason
