"""A setting of which some values are given: the rest is the space's own draw."""

import random
from collections import Counter

import pytest

from nas.errors import SpaceError
from nas.space import SearchSpace
from nas.space.file.fixing import fixed


@pytest.mark.parametrize("name", ["resnext", "regnetx_28"])
def test_a_completed_setting_has_the_given_values_and_keeps_the_rules(name):
    space = SearchSpace.load(name)
    setting = space.sample_setting(random.Random(1))
    for known in (0, 1, len(setting) // 2, len(setting)):
        given = dict(list(setting.items())[:known])
        found = space.complete(given, random.Random(2))
        assert found.items() >= given.items()
        assert space.architecture(found).key
    assert found == setting


def test_completed_settings_have_the_weights_of_the_draws():
    space = SearchSpace.from_dict(
        {
            "name": "small",
            "stem": {"width": {"int": [8, 32], "step": 8, "log": True}},
            "each_stage": {"block": "basic", "depth": {"choice": [1, 2]}},
            "stages": [{"width": {"choice": [8, 16, 32]}}, {"width": {"choice": [8, 16, 32]}}],
            "tie": ["depth"],
            "order": {"width": "nondecreasing"},
        }
    )
    rng = random.Random(0)
    given = {"stages.1.width": 16, "depth": 2}
    weights = {8: 1.0, 16: 1 / 2, 24: 1 / 3, 32: 1 / 4}
    counts = Counter()
    part = SearchSpace(fixed(space.document, given))
    for _ in range(400):
        drawn = part.sample_setting(rng)
        assert drawn.items() >= given.items()
        counts[drawn["stem.width"], drawn["stages.0.width"]] += 1
    assert {width for _, width in counts} == {8, 16}
    for (stem, _), count in counts.items():
        assert abs(count / 400 - weights[stem] / sum(weights.values()) / 2) < 0.08


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stages.9.depth": 1}, 'unknown parameter "stages.9.depth"'),
        ({"stages.0.depth": 99}, "stages.0.depth is 99; accepted: "),
        ({"stages.0.width": 32, "stages.1.width": 16}, "no setting was found that has .*order"),
    ],
)
def test_what_no_setting_has_cannot_be_completed(given, message):
    with pytest.raises(SpaceError, match=message) as error:
        SearchSpace.load("resnext").complete(given, random.Random(0))
    assert "\n" not in str(error.value)
