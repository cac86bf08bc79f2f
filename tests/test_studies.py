"""Every published recipe can be run."""

from pathlib import Path

import pytest

from nas.search.config import read_config_file, resolve
from nas.search.machine import Machine
from nas.space import SearchSpace

RECIPES = sorted((Path(__file__).parent.parent / "studies").glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_a_valid_search_with_a_write_up(recipe):
    config = resolve(read_config_file(recipe), None, Machine(cpus=2, gpus=0))
    assert config.within(SearchSpace.load(config.space)).size() > 1
    assert recipe.name in (recipe.parent / "README.md").read_text()
