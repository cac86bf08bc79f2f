import json
from dataclasses import replace
from pathlib import Path

import pytest

import nas
from nas.errors import ArchitectureError
from nas.presets import PRESETS, SMALL_IMAGE_STEM

REFERENCE = json.loads((Path(__file__).parent / "reference_networks.json").read_text())

# what the rows of the reference are called here, where it is not their first word
NAMES = {
    "preact_resnet50 (timm resnetv2_50)": "preact_resnet50",
    "resnet18 (3x3 stem, stride 1, no pool)": "cifar_resnet18",
    "resnet20 (16/32/64, basic, projection shortcuts)": "resnet20",
    "resnet56 (same)": "resnet56",
    "preact_resnet18 (3x3 stem)": "cifar_preact_resnet18",
}
TASKS = {
    "imagenet_3ch_1000classes_224": ((3, 224, 224), 1000),
    "fashion_mnist_1ch_10classes": ((1, 28, 28), 10),
    "cifar_3ch_10classes_32": ((3, 32, 32), 10),
}
ROWS = [(task, row) for task in TASKS for row in REFERENCE[task]]


@pytest.mark.parametrize(("task", "row"), ROWS)
def test_published_networks_cost_what_is_published_to_the_unit(task, row):
    architecture = nas.preset(NAMES.get(row, row.split(" ")[0]))
    cost = nas.cost(architecture, *TASKS[task])
    published = {key: value for key, value in REFERENCE[task][row].items() if key != "note"}
    assert {key: getattr(cost, key) for key in published} == published


def test_every_task_of_the_reference_is_compared():
    assert REFERENCE.keys() - {"convention"} == TASKS.keys()


def test_torchvisions_regnet_differs_by_the_rounding_of_one_width():
    # torchvision rounds 24.5 groups up, so its last stage is 400 wide
    *stages, last = nas.preset("regnetx_400mf").stages
    wider = replace(last, width=400, groups=25)
    theirs = replace(nas.preset("regnetx_400mf"), stages=(*stages, wider))
    assert nas.cost(theirs, (3, 224, 224), 1000).params == 5_495_976


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_a_dict_and_is_a_network_of_its_own(name):
    architecture = nas.preset(name)
    assert nas.Architecture.from_dict(architecture.to_dict()) == architecture
    others = [nas.preset(other).key for other in PRESETS if other != name]
    assert architecture.key not in others


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("cifar_")])
def test_the_small_image_form_differs_by_its_stem_alone(name):
    large = nas.preset(name.removeprefix("cifar_"))
    assert nas.preset(name) == replace(large, stem=SMALL_IMAGE_STEM)


def test_an_unknown_name_is_refused_with_the_nearest_and_all_there_are():
    with pytest.raises(ArchitectureError) as refusal:
        nas.preset("resnext5O_32x4")
    message = str(refusal.value)
    assert message.startswith("unknown preset 'resnext5O_32x4'; did you mean resnext50_32x4d?")
    assert all(name in message for name in PRESETS)
    assert "\n" not in message
