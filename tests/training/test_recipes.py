import pytest

from nas.errors import ConfigError
from nas.training import TrainingConfig
from nas.training.recipes import DEFAULT_RECIPE, RECIPES, recipe


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_sets_what_it_names_and_leaves_the_rest_as_it_was(name):
    base = TrainingConfig(seed=7, split_seed=3, momentum=0.8, train_images=20_000, epochs=2)
    made = recipe(name, base).to_dict()
    expected = {**base.to_dict(), **RECIPES[name], "train_images": None}
    assert made == expected
    assert recipe(name, base, epochs=5).to_dict() == {**expected, "epochs": 5}


def test_the_default_recipe_trains_as_the_search_did_for_longer():
    assert recipe(DEFAULT_RECIPE).to_dict() == TrainingConfig(epochs=20).to_dict()


def test_a_change_goes_before_the_recipe_and_is_checked():
    assert recipe("long", erasing=0.25).erasing == 0.25
    with pytest.raises(ConfigError, match="erasing is 2"):
        recipe("long", erasing=2)


def test_an_unknown_recipe_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"^recipe is 'lang'; did you mean long\?"):
        recipe("lang")
