"""The candidates of a design space keep all its rules, and know what is free to know."""

import math
import random

import pytest

from nas.search.candidates import SpaceCandidates
from nas.search.sampling import Sampler
from nas.space import SearchSpace

# knobs that are tied, ordered and divisible, under limits that most mutations break
RULES = {
    "name": "rules",
    "stem": {"width": 8},
    "each_stage": {
        "block": "bottleneck",
        "bottleneck": {"choice": [0.5, 1.0]},
        "group_width": {"choice": [4, 8]},
        "residual": {"choice": [True, False]},
    },
    "stages": [
        {"depth": {"int": [1, 4]}, "width": {"int": [16, 64], "step": 8, "log": True}, "stride": 2},
        {"depth": {"int": [1, 4]}, "width": {"int": [16, 96], "step": 8, "log": True}, "stride": 2},
    ],
    "tie": ["bottleneck", "residual"],
    "order": {"width": "nondecreasing"},
    "training": {"peak_lr": {"float": [0.05, 0.5], "log": True}},
}
NARROW = {**RULES, "limits": {"macs": {"min": 900_000, "max": 1_000_000}}}


@pytest.mark.parametrize("described", [RULES, NARROW], ids=["rules", "narrow"])
def test_mutations_are_feasible_and_change_one_knob_or_two(described):
    space = SearchSpace.from_dict(described)
    candidates, rng = SpaceCandidates(space), random.Random(0)
    here, changed, none = candidates.draw(rng), [], 0
    for _ in range(60):
        there = candidates.mutate(here, rng)
        if there is None:
            none += 1
            here = candidates.draw(rng)
            continue
        architecture = space.architecture(there.params)  # keeps every rule
        assert there.key[0] == architecture.key
        assert there.key != here.key
        changed.append(sum(there.params[path] != here.params[path] for path in here.params))
        here = there
    assert set(changed) <= {1, 2}
    assert changed.count(1) > len(changed) / 2
    assert none < 10


def test_features_are_positions_and_the_logarithms_of_costs():
    space = SearchSpace.from_dict(RULES)
    candidates = SpaceCandidates(space)
    setting = dict(candidates.draw(random.Random(0)).params)
    low = setting | {
        "stages.0.width": 16, "stages.1.width": 16, "stages.0.depth": 1, "residual": False,
        "training.peak_lr": 0.05,
    }  # fmt: skip
    found = candidates.read(low)
    seen = dict(zip(space.parameters, found.features, strict=False))
    assert {seen[path] for path in ("stages.0.width", "stages.1.width", "stages.0.depth")} == {0.0}
    costs = space.cost(space.architecture(low))
    logarithms = tuple(math.log(n) for n in (costs.params, costs.macs, costs.activations))
    assert found.features[-3:] == logarithms
    assert found.size == logarithms[1]
    assert candidates.read({**low, "stages.0.width": 64}) is None  # breaks the order
    assert candidates.read({**low, "more": 1}) is None


def test_what_cannot_be_tried_becomes_what_is_like_it_and_can():
    space = SearchSpace.from_dict(NARROW)
    known = set()
    candidates = SpaceCandidates(space, lambda one: one.key not in known)
    rng = random.Random(1)
    drawn = candidates.draw(rng)
    assert candidates.nearest(dict(drawn.params), rng) == drawn.params
    known.add(drawn.key)
    like = candidates.nearest(dict(drawn.params), rng)
    assert 1 <= sum(like[path] != drawn.params[path] for path in like) <= 3
    wide = {**drawn.params, "stages.0.width": 64, "stages.1.width": 96, "stages.1.depth": 4}
    assert candidates.read(wide) is None
    found = candidates.nearest(wide, rng)
    assert candidates.read(found) is not None
    assert sum(found[path] == wide[path] for path in found) >= 3
    nothing = SpaceCandidates(space, lambda one: False)
    assert nothing.nearest(wide, rng) is None


def test_the_largest_within_the_limits_is_proposed_first():
    space = SearchSpace.from_dict({**RULES, "limits": {"macs": {"max": 600_000}}})
    sampler = Sampler(space, "largest", 0)
    rng = random.Random(2)
    draws = [space.architecture(space.sample_setting(rng)) for _ in range(200)]
    found = sampler.propose(0, [])
    assert found.policy == "largest"
    largest = max(space.cost(one).macs for one in draws)
    assert 0.99 * largest <= found.cost.macs <= 600_000
