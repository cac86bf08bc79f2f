"""What is shipped computes what was trained."""

import pytest
import torch
from trainings import QUICK

from nas.architecture import Architecture, Stage, Stem
from nas.data.fashion_mnist import CLASSES
from nas.errors import CheckpointError
from nas.training.export import add_origin, export, load

TINY = Architecture(Stem(8), (Stage("bottleneck", 1, 16, stride=2, groups=2),))


def test_a_loaded_network_is_the_trained_one(tmp_path, train):
    training = train(QUICK.replace(epochs=1), TINY)
    result = training.epoch()
    export(training, tmp_path / "net.pt")
    classifier = load(tmp_path / "net.pt")
    images, labels = training.data.validation_images, training.data.validation_labels
    with torch.inference_mode():
        right = (classifier(images).argmax(1) == labels).sum().item()
    assert right / len(labels) == pytest.approx(result.val_accuracy, abs=4e-3)  # one image
    assert classifier.architecture == TINY
    assert len(classifier.classes) == 10
    assert classifier.classes[0] == "T-shirt/top"


def test_a_file_of_another_kind_is_refused(tmp_path):
    torch.save({"epoch": 1}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="is no exported network"):
        load(tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(tmp_path / "text.pt")


def test_an_exported_network_is_whole_on_its_own(tmp_path, train):
    training = train(QUICK.replace(train_images=50), TINY)
    training.epoch()
    export(training, str(tmp_path / "net.pt"))
    content = torch.load(tmp_path / "net.pt", weights_only=True)
    assert list(content) == ["origin", "architecture", "classes", "images", "state"]
    assert content["architecture"] == TINY.to_dict()
    assert content["classes"] == list(CLASSES)
    for name, value in training.model.state_dict().items():  # of the mean, not of the learner
        assert torch.equal(content["state"][name], value), name
    classifier = load(str(tmp_path / "net.pt"))
    assert not any(module.training for module in classifier.modules())
    assert classifier.classes == CLASSES
    images = training.data.validation_images[:8]
    expected = training.model.eval()((images.float() / 255 - 0.2860) / 0.3530)
    torch.testing.assert_close(classifier(images), expected, rtol=1e-4, atol=1e-4)


def test_what_it_predicts_is_the_name_of_its_largest_logit_with_probabilities(tmp_path, train):
    training = train(QUICK.replace(epochs=1), TINY)
    training.epoch()
    export(training, tmp_path / "net.pt", {"study": "s", "val_accuracy": 0.5})
    classifier = load(tmp_path / "net.pt")
    images = training.data.validation_images[:60]  # (60, 1, 28, 28) uint8
    with torch.inference_mode():
        logits = classifier(images)
    names, probabilities = classifier.predict(images / 255)  # as ToTensor makes them
    assert names == [CLASSES[label] for label in logits.argmax(1)]
    torch.testing.assert_close(torch.tensor(probabilities), logits.softmax(1))
    assert classifier.origin["study"] == "s"
    assert set(classifier.origin["versions"]) == {"nas", "torch", "python"}
    # one image beside others is what it is alone, also of a network that is being trained
    alone = classifier.train().predict(images[3])
    assert (alone.names, classifier.training) == ([names[3]], True)
    torch.testing.assert_close(alone.probabilities[0], probabilities[3])
    for dtype in (torch.float64, torch.bfloat16):  # as its users may make it
        again = classifier.to(dtype).predict(images).probabilities
        torch.testing.assert_close(again, probabilities, rtol=0, atol=0.02)


def test_what_is_added_to_its_origin_leaves_its_network_as_it_is(tmp_path, train):
    path = tmp_path / "net.pt"
    training = train(QUICK, TINY)
    export(training, path, {"study": "s"})
    before = load(path)
    add_origin(path, {"test_accuracy": 0.25})
    after = load(path)
    assert after.origin == {**before.origin, "test_accuracy": 0.25}
    ours, theirs = after.state_dict(), before.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
