"""Whatever space loads, each of its settings builds, costs and trains."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.blocks import BLOCKS
from nas.cost import cost
from nas.data import LabelledImages
from nas.errors import SpaceError
from nas.space import TRAINING_KEYS, SearchSpace
from nas.training import Training, TrainingConfig

IMAGES = 90
SIZES = st.integers(1, 8)


@pytest.fixture(scope="module")
def few_images(train_data):
    images = LabelledImages(train_data.train.images[:IMAGES], train_data.train.labels[:IMAGES])
    return replace(train_data, train=images, validation_fraction=1 / 3)


def knob(values, form=None):
    """A fixed value or a domain of a space file."""
    several = st.lists(values, min_size=1, max_size=3, unique=True)
    domains = several.map(lambda chosen: {"choice": chosen})
    if form:
        ends = st.tuples(values, values).map(lambda pair: {form: sorted(pair)})
        domains |= ends
    return domains


FRACTIONS = st.sampled_from([0, 0.0, 0.1, 0.5, 0.9, 0.999, 1, 1.0])
RATES = st.sampled_from([0, 1e-6, 0.1, 1, 100, 101])
COUNTS = st.sampled_from([0, 1, 2, 3, 4, 5, 64, 65, 65536, 65537])
HYPER_PARAMETERS = {
    "peak_lr": knob(RATES, "float"),
    "weight_decay": knob(FRACTIONS, "float"),
    "label_smoothing": knob(FRACTIONS, "float"),
    "momentum": knob(FRACTIONS, "float"),
    "nesterov": knob(st.booleans()),
    "batch_size": knob(COUNTS, "int"),
    "crop_padding": knob(COUNTS, "int"),
    "erasing": knob(FRACTIONS, "float"),
}

STAGE = st.fixed_dictionaries(
    {"width": SIZES | knob(SIZES, "int"), "depth": knob(st.integers(1, 2), "int")},
    optional={
        "block": st.sampled_from([*BLOCKS]),
        "stride": st.sampled_from([1, 2, 3, 28]) | knob(st.integers(1, 3)),
        "groups": knob(st.integers(1, 4)),
        "group_width": knob(st.integers(1, 4)),
        "bottleneck": knob(st.sampled_from([0.25, 0.5, 1, 2])),
        "residual": st.booleans() | knob(st.booleans()),
    },
)
SPACES = st.fixed_dictionaries(
    {
        "name": st.just("any"),
        "stem": st.fixed_dictionaries(
            {"width": knob(SIZES)},
            optional={
                "kernel": knob(st.sampled_from([3, 7])),
                "stride": st.sampled_from([1, 2, 3, 28]),
                "pool": knob(st.booleans()),
            },
        ),
        "each_stage": st.fixed_dictionaries({"block": st.sampled_from([*BLOCKS])}),
        "stages": st.lists(STAGE, min_size=1, max_size=3),
        "training": st.fixed_dictionaries({}, optional=HYPER_PARAMETERS),
    },
    optional={
        "adjust": st.just("pycls"),
        "conv_bias": st.booleans(),
        "shortcut_norm": st.booleans(),
        "preactivation": st.booleans(),
        "order": st.just({"width": "nondecreasing"}),
    },
)


def test_every_hyper_parameter_of_a_space_is_tried():
    assert set(HYPER_PARAMETERS) == set(TRAINING_KEYS)


@settings(max_examples=100)
@given(document=SPACES, seed=st.integers(0, 2**31))
def test_every_setting_of_a_space_that_loads_builds_costs_and_trains(few_images, document, seed):
    try:
        space = SearchSpace.from_dict(document)
        setting = space.sample_setting(random.Random(seed))
    except SpaceError:  # also where all strides together leave no pixel of the image
        return
    architecture = space.architecture(setting)
    hyper_parameters = [space.training(setting), *list(space.training_extremes())[:: 2**3]]
    assert cost(architecture, space.input_shape, space.num_classes).params > 0
    for searched in hyper_parameters:
        config = TrainingConfig(
            **searched, epochs=1, precision="float32", channels_last="off", averaging=0.0
        )
        training = Training(architecture, config, few_images, "cpu")
        training._train(1, training.settle())
        assert training.model(training._normalised(training.data.train_images[:2])).shape == (
            2,
            space.num_classes,
        )
