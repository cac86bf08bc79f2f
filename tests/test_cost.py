import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given, settings
from observing import counted
from strategies import tasks

import nas
from nas.architecture import Architecture, Stage, Stem
from nas.cost import Cost, cost, cost_of_parts
from nas.errors import ArchitectureError


@settings(deadline=None, max_examples=200)
@given(tasks())
def test_each_part_costs_what_is_counted_on_the_built_network(task):
    architecture, input_shape, classes = task
    network = nas.build(architecture, input_shape[0], classes)
    parts = counted(network, input_shape)
    assert cost_of_parts(architecture, input_shape, classes) == parts
    assert cost(architecture, input_shape, classes) == Cost(
        sum(p.numel() for p in network.parameters()),
        sum(part.macs for part in parts),
        sum(part.activations for part in parts),
    )


@given(tasks())
def test_a_deeper_stage_costs_the_same_again_for_each_block(task):
    architecture, input_shape, _ = task
    depths = [cost(deepened(architecture, by), input_shape) for by in (0, 1, 2)]
    for field in ("params", "macs", "activations"):
        first, second, third = (getattr(depth, field) for depth in depths)
        assert 0 < second - first == third - second


def deepened(architecture, by):
    *stages, last = architecture.stages
    return replace(architecture, stages=(*stages, replace(last, depth=last.depth + by)))


def test_the_default_image_is_fashion_mnists():
    architecture = Architecture(Stem(16), (Stage("basic", 1, 16),))
    assert cost(architecture) == cost(architecture, (1, 28, 28), 10)


def test_a_cost_is_frozen_and_adds_up():
    total = Cost(1, 2, 3) + Cost(10, 20, 30)
    assert total == Cost(params=11, macs=22, activations=33)
    with pytest.raises(FrozenInstanceError):
        total.params = 0


@pytest.mark.parametrize("classes", [0, -1, True, 2.5])
def test_a_number_of_classes_that_is_none_is_refused(classes):
    architecture = Architecture(Stem(16), (Stage("basic", 1, 16),))
    with pytest.raises(ArchitectureError, match="head: num_classes is"):
        cost(architecture, num_classes=classes)


def test_an_image_too_small_is_refused_with_the_stage_that_ends_it():
    architecture = Architecture(Stem(16), tuple(Stage("basic", 1, 16, 2) for _ in range(3)))
    assert cost(architecture, (1, 8, 8)).params > 0
    with pytest.raises(ArchitectureError, match=r"stages\.2 "):
        cost(architecture, (1, 4, 4))


@pytest.mark.parametrize(
    "statement",
    [
        "import nas",
        "import nas, nas.cost",
        "import nas.cost",
        "from nas.cost import Cost; import nas",
    ],
)
def test_nas_cost_is_the_function_whatever_was_imported(statement):
    program = (
        f"{statement}; from nas.presets import preset; print(nas.cost(preset('resnet20')).params)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("272186\n", "")
