"""What is exported is what was trained, in programs that know nothing of nas."""

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nas
from nas.cli.app import main
from nas.data import open_dataset
from nas.errors import CheckpointError, ConfigError, DataError, ExportError, NasError
from nas.shipping import ship
from nas.shipping.card import escaped, markdown
from nas.shipping.formats import FORMATS
from nas.shipping.ship import _compare, _logits
from nas.training import Training, TrainingConfig
from nas.training.export import export

NETWORK = nas.Architecture.from_dict(
    {
        "stem": {"width": 8},
        "stages": [
            {"block": "basic", "depth": 1, "width": 8, "residual": False},
            {"block": "bottleneck", "depth": 1, "width": 16, "stride": 2, "groups": 2},
        ],
    }
)
CONFIG = TrainingConfig(epochs=3, batch_size=32, precision="float32", channels_last="off")
HOSTILE = '<img src=x onerror=alert(1)>|`]("\x1b[2J'


@pytest.fixture(scope="module")
def digits():
    return open_dataset("digits")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits):
    """With winner.pt, a network of digits, and image.png, a 3."""
    folder = tmp_path_factory.mktemp("shipping")
    training = Training(NETWORK, CONFIG, digits, "cpu")
    results = [training.epoch() for _ in range(CONFIG.epochs)]
    assert results[-1].val_accuracy > 0.8
    origin = {
        "study": HOSTILE, "trial": 3, "dataset": digits.fingerprint, "recipe": "study",
        "training": training.config.to_dict(), "data": {"name": "digits", "title": "Digits"},
        "val_accuracy": results[-1].val_accuracy, "provenance": "ab" * 32,
        "searched": {"epochs": 1, "val_accuracy": 0.5},
        "seeds": {"validation": [0.5, 0.7]},
    }  # fmt: skip
    export(training, folder / "winner.pt", origin)
    three = int((digits.test.labels == 3).argmax())
    Image.fromarray(digits.test.images[three, 0]).save(folder / "image.png")
    return folder


@pytest.fixture(scope="module")
def onnx(folder):
    """What ``ship`` made of it: with 8 bits."""
    return ship(nas.load(folder / "winner.pt"), folder / "o" / "it's.onnx", int8=True)


def test_onnx_gives_the_same_answers_in_a_process_without_torch(folder, onnx, digits):
    images = digits.test.images[:40]
    np.save(folder / "images.npy", images)
    program = f"""
import json, sys, numpy, onnxruntime
session = onnxruntime.InferenceSession({str(onnx.files[0])!r})
images = numpy.load("images.npy")
found = [session.run(None, {{"images": part}}) for part in (images, images[:1], images[1:4])]
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
numpy.savez("found.npz", logits=found[0][0], probabilities=found[0][1], one=found[1][0],
            three=found[2][0])
assert "torch" not in sys.modules
axes = [value.shape[0] for value in (*session.get_inputs(), *session.get_outputs())]
assert axes == ["batch"] * 3, axes
try:
    session.run(None, {{"images": images / numpy.float32(255)}})  # as ToTensor has them
except Exception as error:
    print(json.dumps([classes, str(error)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    classes, error = json.loads(done.stdout)
    network, found = nas.load(folder / "winner.pt"), np.load(folder / "found.npz")
    expected = _logits(network, images)
    assert np.abs(found["logits"] - expected).max() <= 1e-4
    assert np.abs(found["one"] - expected[:1]).max() <= 1e-4
    assert np.abs(found["three"] - expected[1:4]).max() <= 1e-4
    assert np.allclose(found["probabilities"], network.predict(images).probabilities, atol=1e-5)
    assert classes == list(digits.classes)
    assert "tensor(uint8)" in error  # real numbers are refused, not misunderstood


@pytest.mark.parametrize("to", FORMATS)
def test_the_example_of_the_card_runs_as_it_stands(to, folder, onnx, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    if to == "onnx":
        monkeypatch.chdir(onnx.files[0].parent)
        (onnx.files[0].parent / "image.png").write_bytes((folder / "image.png").read_bytes())
        card = onnx.card
    else:
        assert main(["export", "winner.pt", "--to", to, "-o", f"{to}{FORMATS[to].ending}"]) == 0
        said = capsys.readouterr().out
        assert "on 256 images the same answers as PyTorch, logits within" in said
        card = json.loads((folder / f"{to}.json").read_text())
    assert card["example"] in Path(card["file"]).with_suffix(".md").read_text()
    named = {}
    exec(card["example"], named)  # what the page tells people to type
    if to == "onnx":
        names, _ = nas.load(folder / "winner.pt").predict(folder / "image.png")
        assert capsys.readouterr().out.split()[0] == names[0]
    else:
        black = _logits(nas.load("winner.pt"), np.zeros((1, 1, 8, 8), np.uint8))
        assert np.abs(named["logits"].detach().numpy() - black).max() <= 1e-4


def test_the_card_says_what_was_measured(onnx, folder, digits):
    card, network = onnx.card, nas.load(folder / "winner.pt")
    assert [path.name for path in onnx.files] == [
        "it's.onnx", "it's.md", "it's.json", "it's.svg", "it's.int8.onnx"
    ]  # fmt: skip
    assert json.loads(onnx.files[2].read_text()) == card
    assert card["params"] == nas.cost(NETWORK, (1, 8, 8), 10).params
    assert card["data"] == {
        "title": "Digits", "fingerprint": digits.fingerprint, "licence": "CC BY 4.0",
        "home": "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        "training": 1151, "validation": 287, "test": len(digits.test.labels),
    }  # fmt: skip
    confusion = np.array(card["confusion"])
    assert confusion.sum() == 287
    right = confusion.trace() / confusion.sum()
    assert card["accuracy"]["validation"] == pytest.approx(right)
    assert right == pytest.approx(network.origin["val_accuracy"])
    assert card["accuracy"]["test"] is None
    assert card["parity"]["largest_difference"] <= 1e-4
    assert card["int8"]["accuracy_before"] == card["accuracy"]["validation"]
    assert abs(card["int8"]["accuracy"] - card["int8"]["accuracy_before"]) < 0.05
    assert 0 < card["latency"]["milliseconds"] < 1000
    page = onnx.files[1].read_text()
    for said in (
        "CC BY 4.0", "50.00 % | 1 epoch", "60.00 % ± 10.00 | 2 trainings", "Its test images were",
        f"{card['int8']['bytes']:,} bytes", "![The network](it%27s.svg)",
        "| nesterov | yes |", "| flip | no |", "| train\\_images | all |",
    ):  # fmt: skip
        assert said in page, said
    assert f"CC BY 4.0 ([its own page]({card['data']['home']}))." in page
    assert onnx.files[3].read_text().startswith("<svg ")


def test_names_of_others_are_text_in_the_card(onnx):
    page = onnx.files[1].read_text()
    assert "\x1b" not in page
    assert escaped(HOSTILE) in page

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attributes):
            raise AssertionError(tag)

    Tags().feed(page.replace("\\<", "&lt;"))  # as Markdown reads it
    card = {**onnx.card, "classes": [HOSTILE] * 30, "confusion": np.eye(30, k=1).tolist()}
    for line in markdown(card, "x.svg").splitlines():
        assert HOSTILE not in line and line.isprintable()


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(folder, onnx, tmp_path, monkeypatch):
    network = nas.load(folder / "winner.pt")
    (tmp_path / "there.md").write_text("mine")
    before = sorted(tmp_path.iterdir())
    for options, error, said in (
        ({"to": "tflite"}, ConfigError, "to is 'tflite'; .*accepted: onnx, torch-export, state"),
        ({"output": "a.pt"}, ConfigError, "output is .*a.pt'; accepted ending: .onnx"),
        ({"output": "there.onnx"}, ConfigError, "there.md is there already; name another one"),
        ({"output": "a.pt", "to": "state-dict", "int8": True}, ConfigError, "int8 is given, but"),
    ):
        given = {"output": "a.onnx", **options}
        output = tmp_path / given.pop("output")
        with pytest.raises(error, match=said):
            ship(network, output, **given)
        assert sorted(tmp_path.iterdir()) == before
    network.origin["dataset"] = "0" * 64
    with pytest.raises(DataError, match=r"Digits has the fingerprint .* trained on '000000000000'"):
        ship(network, tmp_path / "a.onnx")
    network.origin["data"] = {"name": "folder", "title": "Birds"}
    with pytest.raises(ConfigError, match="was trained on a folder of images, whose place"):
        ship(network, tmp_path / "a.onnx")
    monkeypatch.chdir(tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_computes_something_else_is_refused(folder, digits):
    network, pixels = nas.load(folder / "winner.pt"), digits.train.images[:20]
    right = _logits(network, pixels)

    def shifted(images):
        return _logits(network, images) + 2e-4

    with pytest.raises(ExportError, match=r"logits differ by 2.0e-04, accepted: 1e-04; 0 of 20"):
        _compare(network, shifted, pixels, "onnx")
    with pytest.raises(ExportError):  # correct in a batch, not alone
        _compare(network, lambda x: right if len(x) == 20 else shifted(x), pixels, "onnx")
    with pytest.raises(ExportError, match="differ by nan"):
        _compare(network, lambda x: right[: len(x)] * np.nan, pixels, "onnx")


def test_images_are_named_on_the_terminal_and_as_json(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names, probabilities = nas.load("winner.pt").predict("image.png")
    assert main(["predict", "winner.pt", "image.png", "image.png", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["class"] for line in lines] == 2 * names
    assert lines[0]["probabilities"] == pytest.approx(
        dict(zip("0123456789", probabilities[0].tolist(), strict=True)), abs=1e-3
    )  # of a batch of two, in the precision that was timed to be the fastest
    assert main(["predict", "winner.pt", "image.png"]) == 0
    assert f"{100 * probabilities.max():.2f} %" in capsys.readouterr().out
    Image.new("L", (20, 20)).save(folder / "large\x1b[2J.png")
    assert main(["predict", "winner.pt", "image.png", "large\x1b[2J.png"]) == 2
    refused = capsys.readouterr()
    assert (refused.out, refused.err.count("\n")) == ("", 1)
    assert "large\\u001b[2J.png has 20×20 pixels, the network was trained on 8×8" in refused.err
    assert main(["predict", "winner.pt", "large\x1b[2J.png", "--resize"]) == 0
    assert "\x1b[2J" not in capsys.readouterr().out


def test_a_network_that_is_not_there_is_refused_in_one_line(folder, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NAS_STORAGE", f"sqlite:///{tmp_path}/nas.db")
    for name in ("nothing.pt", "nothing#3", "nothing", "image.png", "\x1b[2J.pt"):
        assert main(["export", name, "-o", str(tmp_path / "a.onnx")]) == 2
        refused = capsys.readouterr().err
        assert refused.count("\n") == 1 and "\x1b" not in refused
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_is_exported_with_what_it_says(folder, tmp_path):
    content = torch.load(folder / "winner.pt", weights_only=True)
    content["origin"] = {"data": {"name": "digits"}, "training": "?", "seeds": {"a": ["b"]}}
    torch.save(content, tmp_path / "old.pt")
    card = ship(nas.load(tmp_path / "old.pt"), tmp_path / "a.pt", to="state-dict").card
    assert card["accuracy"]["searched"] is None and card["accuracy"]["seeds"] == {}
    assert issubclass(CheckpointError, NasError)
