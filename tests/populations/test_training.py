"""Random populations as searches."""

import pytest

from nas.errors import ConfigError
from nas.populations.comparing import sides_of
from nas.populations.training import population


def test_a_population_is_a_random_search_trained_in_full():
    one = population("resnext", 40, {"epochs": 2, "band": "macs=4000k:8M", "seed": 3})
    assert one.search_options == {
        "epochs": 2,
        "band": "macs=4000k:8M",
        "seed": 3,
        "sampler": "random",
        "scheduler": "none",
        "space": "resnext",
        "study": "resnext-macs-4M-8M-2ep-seed3",
        "trials": 40,
        "time_budget": None,
        "stream": one.space.hash[:16],
    }


def test_with_a_flip_a_model_is_a_pair():
    one = population("resnet_vs_plain", 40, {"flip": "residual"})
    assert one.search_options["trials"] == 80
    assert one.study == "resnet_vs_plain-flip-residual"


@pytest.mark.parametrize("option", [{"sampler": "tpe"}, {"scheduler": "asha"}])
def test_a_population_is_neither_guided_nor_stopped(option):
    with pytest.raises(ConfigError, match="but a population has"):
        population("resnext", 40, option)


@pytest.mark.parametrize(
    ("dataset", "study"),
    [
        ("fashion_mnist", "resnext-2ep"),
        ("digits", "resnext-digits-2ep"),
        ("folder:/data/birds", "resnext-birds-2ep"),
        ("npz:/data/arrays.npz", "resnext-arrays-2ep"),
    ],
)
def test_a_population_of_another_data_set_is_named_after_it(dataset, study):
    one = population("resnext", 40, {"epochs": 2, "dataset": dataset})
    assert (one.study, one.search_options["dataset"]) == (study, dataset)


def test_spaces_that_leave_their_images_to_the_data_set_compare():
    sides = sides_of({"spaces": ["resnext", "resnext_a"], "dataset": "cifar10"})
    assert [one.space.says_images for one in sides] == [(False, False), (True, True)]
    with pytest.raises(ConfigError, match="for images of different shapes"):
        sides_of({"spaces": ["resnext_a", "anynetx_a"], "dataset": "cifar10"})
    with pytest.raises(ConfigError, match="for images of different shapes"):
        sides_of({"spaces": ["resnext", "resnext_a"], "objective": "synthetic"})
