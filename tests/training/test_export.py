"""What is shipped computes what was trained."""

import pytest
import torch

from nas.architecture import Architecture, Stage, Stem
from nas.errors import CheckpointError
from nas.training import Training, TrainingConfig
from nas.training.export import export, load

TINY = Architecture(Stem(8), (Stage("bottleneck", 1, 16, stride=2, groups=2),))


def test_a_loaded_network_is_the_trained_one(tmp_path, train_data):
    config = TrainingConfig(epochs=1, train_images=1000, precision="float32", channels_last="off")
    training = Training(TINY, config, train_data, "cpu")
    result = training.epoch()
    export(training, tmp_path / "net.pt")
    classifier = load(tmp_path / "net.pt")
    images, labels = training.data.validation_images, training.data.validation_labels
    with torch.inference_mode():
        right = (classifier(images).argmax(1) == labels).sum().item()
    assert right / len(labels) == pytest.approx(result.val_accuracy, abs=2e-4)
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
