"""Which smaller spaces a random population speaks for, on populations whose truth is known."""

import random

import numpy as np
import pandas as pd
import pytest

from nas.analysis.narrowing import proposals
from nas.space import SearchSpace

SPACE = SearchSpace.from_dict(
    {
        "name": "free",
        "stem": {"width": 8},
        "each_stage": {
            "block": "bottleneck",
            "depth": {"int": [1, 8]},
            "width": {"int": [8, 64], "step": 8},
            "bottleneck": {"choice": [0.5, 1.0, 2.0]},
            "group_width": 4,
            "stride": 2,
        },
        "stages": [{}, {}, {}],
    }
)


def frame(accuracy, n=80, space=SPACE, noise=0.002):
    """A random population whose accuracy is a function of the setting, and some noise."""
    rng, numbers = random.Random(0), np.random.default_rng(0)
    settings = [space.sample_setting(rng) for _ in range(n)]
    return pd.DataFrame(
        [
            {
                "study": "free",
                "number": k,
                "state": "COMPLETE",
                "policy": "random",
                "epochs": 2,
                "val_accuracy": accuracy(setting) + noise * numbers.standard_normal(),
                **setting,
            }
            for k, setting in enumerate(settings)
        ]
    )


def values(setting, key):
    return [setting[f"stages.{stage}.{key}"] for stage in range(3)]


def changes(accuracy, **options):
    return [one.change for one in proposals(SPACE, frame(accuracy, **options))]


def test_a_spread_that_costs_accuracy_makes_a_tie():
    found = changes(lambda s: 0.9 - 0.03 * np.std(np.log2(values(s, "bottleneck"))))
    assert found[0] == "tie: bottleneck"


def test_a_spread_that_makes_networks_better_makes_none():
    found = changes(lambda s: 0.8 + 0.03 * np.std(np.log2(values(s, "bottleneck"))))
    assert "tie: bottleneck" not in found


def test_networks_that_widen_being_better_makes_an_order():
    found = changes(lambda s: 0.9 - 0.05 * (np.diff(values(s, "width")) < 0).sum())
    assert found[0] == "order: width nondecreasing"
    assert "order: width nonincreasing" not in found


def test_the_best_values_of_a_knob_make_a_range():
    (best, *_) = proposals(SPACE, frame(lambda s: 0.9 - 0.01 * abs(s["stages.1.depth"] - 6)))
    assert (best.kind, best.knob) == ("range", "stages.1.depth")
    kept = best.child.parameters["stages.1.depth"].values
    assert 6 in kept and 1 not in kept


def test_noise_supports_no_order_strongly():
    found = proposals(SPACE, frame(lambda s: 0.9))
    assert all(one.p > 0.001 for one in found)


def test_a_child_is_a_smaller_space_that_knows_its_parent():
    trials = frame(lambda s: 0.9 - 0.05 * (np.diff(values(s, "width")) < 0).sum())
    for one in proposals(SPACE, trials):
        assert one.child.size() < SPACE.size()
        lineage = one.child.to_dict()["parent"]
        assert (lineage["name"], lineage["hash"]) == ("free", SPACE.hash)
        assert one.change in lineage["evidence"]
        for seed in range(5):  # whatever the child draws, the parent has
            assert SPACE.contains(one.child.sample(seed))


@pytest.mark.parametrize("key", ["depth", "width", "bottleneck"])
def test_a_tied_knob_is_tied_no_second_time(key):
    tied = SearchSpace.from_dict({**SPACE.to_dict(), "tie": [key]})
    found = proposals(tied, frame(lambda s: 0.9, space=tied))
    assert f"tie: {key}" not in [one.change for one in found]


def test_a_smaller_range_of_a_tied_knob_holds_in_every_stage():
    tied = SearchSpace.from_dict({**SPACE.to_dict(), "tie": ["depth"]})
    found = proposals(tied, frame(lambda s: 0.9 - 0.01 * abs(s["depth"] - 2), space=tied))
    (one,) = [one for one in found if one.knob == "depth"]
    assert max(one.child.parameters["depth"].values) < 8
    assert one.child.size() < tied.size()
