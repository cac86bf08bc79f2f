"""Every published recipe can be run, and so can the notebook."""

import runpy
from pathlib import Path

import pytest
from populous import write_study

from nas.search.config import read_config_file, resolve
from nas.search.machine import Machine
from nas.space import SearchSpace

STUDIES = Path(__file__).parent.parent / "studies"
RECIPES = sorted(STUDIES.glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_a_valid_search_with_a_write_up(recipe):
    config = resolve(read_config_file(recipe), None, Machine(cpus=2, gpus=0))
    assert config.within(SearchSpace.load(config.space)).size() > 1
    assert recipe.name in (recipe.parent / "README.md").read_text()


def test_the_notebook_reads_a_study_in_ten_cells(tmp_path, monkeypatch, capsys):
    notebook = STUDIES / "notebook.py"
    assert notebook.read_text().count("# %% ") - 1 == 10  # the first one is text
    url = f"sqlite:///{tmp_path}/nas.db"
    write_study(url, "of mine", trials=120, epochs=4)
    monkeypatch.setenv("NAS_STORAGE", url)
    monkeypatch.setenv("NAS_STUDY", "of mine")
    found = runpy.run_path(str(notebook))
    assert len(found["trials"]) == 120
    assert found["winner"] == found["front"]["number"].iloc[-1]
    assert set(found["knobs"]["knob"]) == set(found["study"].space.parameters)
    assert found["comparison"].a_better.value > 0.5  # the synthetic objective rewards MACs
    command = f"nas retrain 'of mine' --storage {url} --trial {found['winner']} --output winner.pt"
    assert command in capsys.readouterr().out
