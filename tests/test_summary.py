import pandas
import pytest
import torch
from hypothesis import given, settings
from strategies import tasks

import nas
from nas.errors import ArchitectureError


def test_d2ls_resnet18_has_the_shapes_of_the_book():
    rows = list(nas.summary(nas.preset("d2l_resnet18"), (1, 96, 96)))
    assert [row.part for row in rows] == [
        "stem", "stages.0", "stages.1", "stages.2", "stages.3", "head",
    ]  # fmt: skip
    assert [row.output_shape for row in rows] == [
        (64, 24, 24), (64, 24, 24), (128, 12, 12), (256, 6, 6), (512, 3, 3), (10,),
    ]  # fmt: skip


def test_a_summary_prints_as_an_aligned_table():
    lines = str(nas.summary(nas.preset("d2l_resnet18"), (1, 96, 96))).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert " ".join(lines[0].split()) == "part layers output shape params MACs activations"
    for line, shape in zip(
        lines[1:],
        ["(64,24,24)", "(64,24,24)", "(128,12,12)", "(256,6,6)", "(512,3,3)", "(10)", ""],
        strict=True,
    ):
        assert line[lines[0].index("output") :].startswith(f"{shape} ")
    assert lines[-1].split() == ["total", "11,178,378", "319,113,738", "493,066"]


@settings(deadline=None, max_examples=100)
@given(tasks())
def test_its_shapes_are_those_of_the_built_network_and_its_total_is_the_cost(task):
    architecture, input_shape, classes = task
    rows = nas.summary(architecture, input_shape, classes)
    assert rows.total == nas.cost(architecture, input_shape, classes)
    assert len(rows) == len(str(rows).splitlines()) - 2
    network = nas.build(architecture, input_shape[0], classes).eval()
    with torch.no_grad():
        output = torch.zeros(1, *input_shape)
        for row, part in zip(rows, [network.stem, *network.stages, network.head], strict=True):
            output = part(output)
            assert output.shape == (1, *row.output_shape)
            assert row.params == sum(parameter.numel() for parameter in part.parameters())


def test_a_summary_is_a_frame_of_its_rows():
    frame = pandas.DataFrame(nas.summary(nas.preset("resnet20")))
    assert list(frame) == ["part", "layers", "output_shape", "params", "macs", "activations"]
    assert frame.params.sum() == nas.cost(nas.preset("resnet20")).params


def test_an_image_too_small_is_refused():
    with pytest.raises(ArchitectureError, match="below 1 pixel"):
        nas.summary(nas.preset("resnet18"), (1, 8, 8))
