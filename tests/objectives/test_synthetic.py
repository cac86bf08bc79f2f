"""The synthetic objective is the function that its documentation states."""

import hashlib
import json

import pytest

from nas.architecture import Architecture, Stage, Stem
from nas.cost import cost
from nas.objectives.contract import TrialConfig
from nas.objectives.synthetic import Synthetic, accuracy
from nas.training.config import TrainingConfig

NET = Architecture(
    Stem(8),
    (
        Stage("bottleneck", 2, 32, stride=2, groups=4, residual=False),
        Stage("basic", 3, 32, stride=2),
        Stage("bottleneck", 1, 32, groups=32),
    ),
)


@pytest.mark.parametrize(("epoch", "epochs", "seed"), [(4, 4, 0), (1, 4, 0), (3, 4, 7), (1, 1, 1)])
def test_the_accuracy_by_hand(epoch, epochs, seed):
    m = cost(NET).macs / 10_000
    plain = 0.002 * 2  # the two blocks of the first stage
    grouped = 0.004 * ((2 / 8) + 0 + (5 / 8)) / 3
    digest = hashlib.sha256(f"{NET.key}/{seed}".encode()).hexdigest()
    noise = 0.01 * int(digest[:8], 16) / 2**32
    final = 1 - 0.6 * m**-0.12 - plain - grouped - noise
    expected = final * (1 - 0.3 * (1 - epoch / epochs) ** 2)
    assert accuracy(NET, epoch, epochs, seed) == pytest.approx(expected, rel=1e-12)
    assert 0.3 < expected < 0.9


def test_a_network_of_next_to_nothing_has_no_negative_accuracy():
    assert accuracy(Architecture(Stem(1, stride=28), (Stage("basic", 1, 1),)), 1, 1) == 0


def test_its_results_have_the_form_of_real_ones_and_it_goes_on_from_a_checkpoint(tmp_path):
    config = TrialConfig.of(TrainingConfig(epochs=3, peak_lr=0.2, seed=5).to_dict())
    one = Synthetic(NET, config)
    first = one.epoch()
    value = accuracy(NET, 1, 3, 5)
    assert first == {
        "epoch": 1,
        "train_loss": 1 - value,
        "val_loss": 1 - value,
        "val_accuracy": value,
        "learning_rate": 0.2,
        "seconds": 0.001,
        "images_per_second": 1e6,
    }
    one.save(tmp_path / "checkpoint")
    assert json.loads((tmp_path / "checkpoint").read_text()) == {"epoch": 1}
    other = Synthetic(NET, config)
    other.load(tmp_path / "checkpoint")
    assert other.epoch() == one.epoch()
