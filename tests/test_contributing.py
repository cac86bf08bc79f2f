"""The recipes in CONTRIBUTING.md, followed to the letter in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nas

TESTS = Path(__file__).parent
RECIPE = (TESTS.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
LISTING = re.compile(r"^`(nas/\S+\.py)`:.*?^```python\n(.*?)^```", re.M | re.S)
FILES = dict(LISTING.findall(RECIPE))
[ROW] = re.findall(r'^```python\n(    "\w+": Row\(.*\n)```', RECIPE, re.M)
[SPACE] = re.findall(r"^```yaml\n(.*?)^```", RECIPE, re.M | re.S)

PROGRAM = """
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch

import nas
from nas.architecture import Architecture
from nas.cost import cost_of_parts
from nas.report.drawing import draw
from observing import counted

assert Path(nas.__file__).is_relative_to(sys.argv[1]), nas.__file__
space = nas.SearchSpace.load(Path(sys.argv[1], "separable.yaml"))
networks = [space.sample(seed) for seed in range(10)]
assert len({network.key for network in networks}) == 10
for network in networks:
    assert space.contains(network)
    assert 400_000 <= nas.cost(network).macs <= 500_000
    assert Architecture.from_dict(network.to_dict()) == network
    assert draw(network).count("#029e73") == sum(min(s.depth, 8) for s in network.stages[::2])
    assert " × separable " in str(nas.summary(network))
    for bias, norm, before in product([False, True], repeat=3):
        other = replace(network, conv_bias=bias, shortcut_norm=norm, preactivation=before)
        assert cost_of_parts(other) == counted(nas.build(other), (1, 28, 28))

for before in (False, True):
    torch.manual_seed(0)
    model = nas.build(replace(networks[0], preactivation=before))
    images, labels = torch.randn(32, 1, 28, 28), torch.arange(32) % 10
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]
print("followed")
"""

DATASET = """
import nas
from nas.data import open_dataset

stripes = open_dataset("stripes")
assert stripes.input_shape == (1, 8, 8) and len(stripes.classes) == 2
network = nas.Architecture.from_dict(
    {"stem": {"width": 8}, "stages": [{"block": "basic", "depth": 1, "width": 8, "stride": 2}]}
)
*_, last = nas.fit(network, "stripes", nas.TrainingConfig(epochs=4), device="cpu")
assert last.val_accuracy > 0.9, last
print("trained")
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder with a copy of nas, the recipe's files in it, and its space file beside it."""
    folder = tmp_path_factory.mktemp("contributor")
    package = Path(nas.__file__).parent
    shutil.copytree(package, folder / "nas", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        assert not (folder / name).exists(), f"{name} is there already"
        (folder / name).write_text(text, encoding="utf-8")
    registry = folder / "nas" / "data" / "registry.py"
    head, found, tail = registry.read_text(encoding="utf-8").partition("DATASETS = {\n")
    registry.write_text(head + found + ROW + tail, encoding="utf-8")
    (folder / "separable.yaml").write_text(SPACE, encoding="utf-8")
    return folder


def python(package, *arguments):
    """A fresh Python that imports the copy; its output, once it has ended well."""
    environment = os.environ | {"PYTHONPATH": f"{package}{os.pathsep}{TESTS}"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=package, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_block_is_two_files_and_a_data_set_one():
    block = ["nas/blocks/separable.py", "nas/network/separable.py"]
    assert sorted(FILES) == [*block[:1], "nas/data/stripes.py", *block[1:]]


def test_the_recipes_data_set_is_opened_and_learnt(package, monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    assert python(package, "-c", DATASET) == "trained\n"


def test_the_recipes_block_is_sampled_costed_built_trained_and_drawn(package):
    assert python(package, "-c", PROGRAM, str(package)) == "followed\n"


def test_the_recipes_block_passes_the_tests_of_all_blocks(package):
    tests = [f"{TESTS}/test_block_specs.py", f"{TESTS}/report/test_drawing.py"]
    told = python(package, "-m", "pytest", "-v", "-p", "no:cacheprovider", *tests)
    assert "test_editors_of_space_files_are_told_of_every_block[separable] PASSED" in told


def test_the_recipes_listings_are_in_the_style_of_the_project(package):
    configuration = f"--config={TESTS.parent / 'pyproject.toml'}"
    files = [str(package / name) for name in FILES]
    python(package, "-m", "ruff", "check", "--no-cache", configuration, *files)
    python(package, "-m", "ruff", "format", "--no-cache", "--check", configuration, *files)
