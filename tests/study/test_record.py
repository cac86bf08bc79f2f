"""What makes a study another one: each part of its record that results depend on."""

from dataclasses import replace

import pytest

from nas.errors import StorageError
from nas.search.config import Scope, options
from nas.study.record import StudyRecord

OURS = StudyRecord(
    space={"name": "s", "stages": [{"depth": 1}, {"depth": 2}]},
    space_hash="0" * 64,
    config={
        "objective": "synthetic",
        "epochs": 3,
        "train_images": 1000,
        "training": {"peak_lr": 0.1},
        "scheduler": "asha",
        "grace": 1,
        "reduction": 3,
        "seed": 0,
        "stream": "a",
        "flip": None,
        "trials": 9,
        "sampler": "tpe",
        "runs": "here",
    },
    dataset="d" * 64,
    provenance={"python": "3.11"},
    fixed=options(Scope.FIXED),
)
OTHER = {
    "objective": "fashion_mnist",
    "epochs": 4,
    "train_images": None,
    "training": {"peak_lr": 0.1, "momentum": 0.5},
    "scheduler": "none",
    "grace": 2,
    "reduction": 4,
    "seed": 1,
    "stream": "b",
    "flip": "residual",
}
SAID = {
    "objective": 'objective is "synthetic", not "fashion_mnist"',
    "epochs": "epochs is 3, not 4",
    "train_images": "train_images is 1000, not null",
    "training": "training.momentum is null, not 0.5",
    "scheduler": 'scheduler is "asha", not "none"',
    "grace": "grace is 1, not 2",
    "reduction": "reduction is 3, not 4",
    "seed": "seed is 0, not 1",
    "stream": 'stream is "a", not "b"',
    "flip": 'flip is null, not "residual"',
}


def with_config(**changed):
    return replace(OURS, config={**OURS.config, **changed})


def test_each_fixed_option_is_tried_here():
    assert set(OTHER) == set(SAID) == set(options(Scope.FIXED))


@pytest.mark.parametrize("part", OTHER)
def test_each_part_that_results_depend_on_makes_another_study(part):
    assert OURS.differences(with_config(**{part: OTHER[part]})) == [SAID[part]]


def test_the_budget_the_sampler_and_the_machine_make_no_other_study():
    same = with_config(trials=99, sampler="random", runs="there")
    assert OURS.differences(replace(same, provenance={"python": "3.12"})) == []
    OURS.refuse_another(same, "s")


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"name": "t", "stages": [{"depth": 1}, {"depth": 2}]}, ['space.name is "s", not "t"']),
        (
            {"name": "s", "stages": [{"depth": 1}, {"depth": 3}]},
            ["space.stages.1.depth is 2, not 3"],
        ),
        (
            {"name": "s", "stages": [{"depth": 1}]},
            ['space.stages is [{"depth": 1}, {"depth": 2}], not [{"depth": 1}]'],
        ),
        (
            {"stages": [{"depth": 1}, {"depth": 2, "width": 8}]},
            ['space.name is "s", not null', "space.stages.1.width is null, not 8"],
        ),
    ],
)
def test_a_space_differs_where_its_values_do(space, said):
    assert OURS.differences(replace(OURS, space=space, space_hash="1" * 64)) == said
    assert OURS.differences(replace(OURS, space=space)) == []  # as the hash says: written otherwise


def test_a_data_set_differs_by_the_first_12_of_its_digits():
    said = ["dataset is dddddddddddd, not eeeeeeeeeeee"]
    assert OURS.differences(replace(OURS, dataset="e" * 64)) == said


def test_the_refusal_names_three_differences_and_what_to_do():
    with pytest.raises(StorageError) as refused:
        OURS.refuse_another(with_config(epochs=4, grace=2, reduction=4, seed=1), "mine")
    assert str(refused.value) == (
        "study 'mine' exists and is another one: epochs is 3, not 4; grace is 1, not 2; reduction "
        "is 3, not 4; choose another --study, or leave these options out"
    )
