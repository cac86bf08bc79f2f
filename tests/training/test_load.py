"""``nas.load`` of a damaged file, or of a stranger: one line, no code run, no memory taken."""

import copy
import os
import pickle
import resource
import zipfile

import pytest
import torch

import nas
from nas.architecture import Architecture, Stage, Stem
from nas.errors import CheckpointError
from nas.training.classifier import Classifier
from nas.training.export import load

ARCHITECTURE = Architecture(Stem(8), (Stage("bottleneck", 2, 16, 2, 2, 0.5),))


@pytest.fixture(scope="module")
def content():
    classifier = Classifier(ARCHITECTURE, ("a", "b", "c"), (1, 28, 28), (0.2860,), (0.3530,))
    return {
        "architecture": ARCHITECTURE.to_dict(),
        "classes": ["a", "b", "c"],
        "state": dict(classifier.network.state_dict()),
    }


def test_a_good_file_is_loaded(content, tmp_path):
    torch.save(content, tmp_path / "a.pt")
    loaded = nas.load(tmp_path / "a.pt")
    assert loaded.classes == ("a", "b", "c") and not loaded.training
    state = loaded.network.state_dict()
    assert all(torch.equal(state[name], value) for name, value in content["state"].items())


def test_a_file_of_an_earlier_nas_is_of_fashion_mnist(content, tmp_path):
    torch.save(content, tmp_path / "a.pt")
    loaded = nas.load(tmp_path / "a.pt")
    assert (loaded.input_shape, loaded.mean, loaded.std) == ((1, 28, 28), (0.2860,), (0.3530,))
    images = torch.randint(256, (4, 1, 28, 28), dtype=torch.uint8)
    with torch.no_grad():
        expected = loaded.network((images.float() - 255 * 0.2860) / (255 * 0.3530))
        assert torch.equal(loaded(images), expected)


class Code:
    """What pickle would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


FIRST = "stem.conv.weight"
WIDE = {"width": 1_000_000}
IMAGES = {"input_shape": [1, 28, 28], "mean": [0.5], "std": [0.5]}
CHANGES = {
    "images": [
        (None, "its images have other parts"),
        ({}, "its images have other parts"),
        ({**IMAGES, "input_shape": [1, 28]}, "no input_shape of three whole numbers"),
        ({**IMAGES, "input_shape": [1, 28, 10**9]}, "no input_shape of three whole numbers"),
        ({**IMAGES, "input_shape": [1, 28, True]}, "no input_shape of three whole numbers"),
        ({**IMAGES, "input_shape": [3, 28, 28]}, "no mean and std of each channel"),
        ({**IMAGES, "mean": ["0"]}, "no mean and std of each channel"),
        ({**IMAGES, "std": [float("nan")]}, "no mean and std of each channel"),
        ({**IMAGES, "std": [0.0]}, "a deviation of 0 or less"),
        (
            {"input_shape": [3, 28, 28], "mean": [0.5] * 3, "std": [0.5] * 3},
            "weights, its architecture",
        ),
    ],
    "classes": [
        (None, "not a list of names"),
        ([1, 2, 3], "not a list of names"),
        ("abc", "not a list of names"),
        ([], "num_classes is 0"),
        (["a", "b"], "weights, its architecture"),
        (["x"] * 100_000, "weights, its architecture"),
    ],
    "architecture": [
        (None, "architecture is None"),
        ({}, "architecture: stem is missing"),
        ({"stem": WIDE, "stages": [{"block": "basic", "depth": 1_000_000, **WIDE}]}, "weights"),
        ({"stem": {"width": 8}, "stages": [{"block": "basic", "depth": 10**6, "width": 8}]}, "its"),
        ({"stem": {"width": 10**30}, "stages": []}, "accepted: 1 to"),
        ({"stem": nested(150), "stages": []}, "stem is"),
        ({"stem": {"width": 8, "kernel": "\x1b[2J"}, "stages": [{}]}, "kernel is"),
        (torch.zeros(3), "not a mapping"),
    ],
    "state": [
        (None, "not a mapping of names to tensors"),
        ({}, "it has 0 weights"),
        ({FIRST: 1.0}, "not a mapping of names to tensors"),
        ({1: torch.zeros(1)}, "not a mapping of names to tensors"),
        ({FIRST: torch.zeros(1).expand(10**6, 10**6)}, "larger than the file"),
        ({f"a{k}": torch.zeros(1) for k in range(2)}, "it has 2 weights"),
        ({FIRST: torch.zeros(3, device="meta")}, "not a mapping of names to tensors"),
        ({FIRST: torch.eye(3).to_sparse()}, "not a mapping of names to tensors"),
        ({FIRST: torch.zeros(3, dtype=torch.complex64)}, "not a mapping of names to tensors"),
    ],
}


def refused(path):
    with pytest.raises(CheckpointError) as error:
        load(path)
    message = str(error.value)
    assert message.isprintable() and len(message) < 500
    return message


@pytest.mark.filterwarnings("ignore:Validating sparse")
@pytest.mark.parametrize(
    ("part", "value", "said"),
    [(part, *case) for part, cases in CHANGES.items() for case in cases],
    ids=lambda value: value if isinstance(value, str) and value.isprintable() else "",
)
def test_a_part_that_is_none_is_refused_before_memory_is_taken(
    part, value, said, content, tmp_path
):
    torch.save({**content, part: value}, tmp_path / "a.pt")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert said in refused(tmp_path / "a.pt")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # kilobytes
    assert grown < 200_000


def test_weights_of_another_network_are_refused(content, tmp_path):
    renamed = {("x" if name == FIRST else name): v for name, v in content["state"].items()}
    shaped = copy.copy(content["state"])
    shaped[FIRST] = shaped[FIRST].reshape(-1)
    for state, said in ((renamed, "Missing key"), (shaped, "size mismatch for stem.conv.weight")):
        torch.save({**content, "state": state}, tmp_path / "a.pt")
        assert said in refused(tmp_path / "a.pt")


def test_other_files_are_refused(content, tmp_path):
    good, other = tmp_path / "good.pt", tmp_path / "other.pt"
    torch.save(content, good)
    for bytes_ in (b"", b"dear diary", good.read_bytes()[:1000], good.read_bytes()[:-100]):
        other.write_bytes(bytes_)
        assert "cannot be read as a checkpoint" in refused(other)
    for value in ([1], torch.zeros(3), {"state": {}}, 3, "text"):
        torch.save(value, other)
        assert "other parts than" in refused(other)
    assert "cannot be read as a checkpoint" in refused(tmp_path)
    assert refused(tmp_path / "missing.pt").endswith("missing.pt: there is no such file")


@pytest.mark.filterwarnings("ignore:Detected pickle")
def test_code_is_not_run(content, tmp_path):
    made = tmp_path / "made"
    torch.save({**content, "classes": Code(str(made))}, tmp_path / "a.pt")
    assert refused(tmp_path / "a.pt").endswith("more than plain types and tensors)")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Code(str(made))))
    refused(tmp_path / "b.pt")
    assert not made.exists()


def test_a_packed_file_is_refused_unpacked_it_could_be_any_size(content, tmp_path):
    torch.save({**content, "state": {"a": torch.zeros(10**6)}}, tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as plain,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for part in plain.infolist():
            packed.writestr(part.filename, plain.read(part))
    assert "it is compressed" in refused(tmp_path / "b.pt")


@pytest.mark.parametrize("origin", [None, 3, "x", [1], {}])
def test_a_file_that_says_nothing_of_its_origin_is_loaded(origin, content, tmp_path):
    torch.save({**content, "origin": origin}, tmp_path / "a.pt")
    assert nas.load(tmp_path / "a.pt").origin == {}


def test_what_is_no_text_or_number_in_an_origin_is_left_out(content, tmp_path):
    kept = {"study": "s\x1b[2J", "training": {"epochs": 2}, "seeds": {"test": [0.5]}, "none": None}
    odd = {5: 1, "tensor": torch.zeros(3), "deep": nested(150), "list": [torch.zeros(1)]}
    torch.save({**content, "origin": {**kept, **odd}}, tmp_path / "a.pt")
    assert nas.load(tmp_path / "a.pt").origin == kept
