"""Random populations as searches."""

import pytest

from nas.errors import ConfigError
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
