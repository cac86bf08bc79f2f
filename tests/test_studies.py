"""Every published recipe can be run, and so can the notebook."""

import runpy
from pathlib import Path

import pytest
from study_factory import write_study

from nas.populations.comparing import OPTIONS, options_of, sides_of
from nas.search.machine import Machine
from nas.search.resolving import read_config_file, resolve
from nas.search.sampling import Sampler
from nas.space import SearchSpace
from nas.study.check import violations
from nas.study.reader import open_study

STUDIES = Path(__file__).parent.parent / "studies"
RECIPES = sorted(STUDIES.glob("*.yaml"))
READ = {path: read_config_file(path, options_of, also=OPTIONS) for path in RECIPES}
SEARCHES = [path for path in RECIPES if "spaces" not in READ[path]]
COMPARISONS = [path for path in RECIPES if "spaces" in READ[path]]
POPULATIONS = [one for path in COMPARISONS for one in sides_of(READ[path])]
MACHINE = Machine(cpus=2, gpus=0)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_has_a_write_up(recipe):
    assert recipe.name in (STUDIES / "README.md").read_text()


@pytest.mark.parametrize("recipe", SEARCHES, ids=lambda path: path.stem)
def test_a_recipe_is_a_valid_search(recipe):
    config = resolve(READ[recipe], None, MACHINE)
    assert config.within(SearchSpace.load(config.space)).size() > 1


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda one: one.study)
def test_a_published_population_is_what_its_recipe_draws(population):
    file = STUDIES / f"{population.study}.sqlite"
    assert file.stat().st_size < 5_000_000
    study = open_study(f"sqlite:///{file}", population.study)
    assert violations(study) == []
    trials = study.frame()
    assert (trials["state"] == "COMPLETE").all()
    config = resolve({**population.search_options, "storage": study.url}, None, MACHINE)
    assert len(trials) == config.trials
    space = config.within(population.space)
    assert space.hash == study.record.space_hash
    sampler = Sampler(space, config.sampler, config.seed, stream=config.stream, flip=config.flip)
    for number in trials["number"]:
        assert study.setting(number) == sampler.propose(number, []).setting


def test_the_numbers_of_nested_or_not_are_those_of_its_table(tmp_path):
    script = runpy.run_path(str(STUDIES / "nested_or_not" / "figure.py"))
    trials = script["trained"]()
    assert len(trials) == 8 * 5
    text = (STUDIES / "README.md").read_text()
    for row in script["steps"](trials).to_dict("records"):
        row["family"] = row["family"].partition(":")[0]
        assert f"| {' | '.join(row.values())} |" in text
    script["draw"](trials, tmp_path / "losses.svg")
    assert (tmp_path / "losses.svg").stat().st_size > 10_000


def run_notebook(monkeypatch, storage, study):
    monkeypatch.setenv("NAS_STORAGE", storage)
    monkeypatch.setenv("NAS_STUDY", study)
    return runpy.run_path(str(STUDIES / "notebook.py"))


def test_the_notebook_reads_a_study_in_ten_cells(tmp_path, monkeypatch, capsys):
    assert (STUDIES / "notebook.py").read_text().count("# %% ") - 1 == 10  # the first one is text
    url = f"sqlite:///{tmp_path}/nas.db"
    write_study(url, "of mine", trials=120, epochs=4)
    found = run_notebook(monkeypatch, url, "of mine")
    assert len(found["trials"]) == 120
    assert found["winner"] == found["front"]["number"].iloc[-1]
    assert set(found["found"]["knob"]) == set(found["knobs"])
    said = capsys.readouterr().out
    assert "costly is better than cheap" in said  # the synthetic objective rewards MACs
    retrain = f"nas retrain 'of mine' --trial {found['winner']} --output winner.pt --storage {url}"
    assert retrain in said
    assert "array(" not in said


@pytest.mark.parametrize(
    "trials", [0, 1, 4, pytest.param(10_000, marks=pytest.mark.slow)], ids="{:,} trials".format
)
def test_the_notebook_runs_to_its_end_on_a_study_of_any_size(trials, tmp_path, monkeypatch, capsys):
    url = f"sqlite:///{tmp_path}/nas.db"
    write_study(url, "mine", trials=trials, epochs=3)
    found = run_notebook(monkeypatch, url, "mine")
    assert len(found["trials"]) == trials
    refused = "Importance is not known" in capsys.readouterr().out
    assert refused == (trials < 30)


def test_the_notebook_reads_pairs_of_a_flip(monkeypatch, capsys):
    (population,) = (one for one in POPULATIONS if one.options.get("flip"))
    storage = f"sqlite:///{STUDIES / population.study}.sqlite"
    assert len(run_notebook(monkeypatch, storage, population.study)["front"])
    assert "cheap" in capsys.readouterr().out
