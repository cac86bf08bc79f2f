"""The memory of a training step: what is counted where nothing counts it."""

import torch

from nas.architecture import Architecture, Stage, Stem
from nas.network import build
from nas.training import TrainingConfig
from nas.training import memory as measuring
from nas.training.memory import training_memory

NET = Architecture(Stem(4), (Stage("basic", 1, 4),))
CPU = torch.device("cpu")


def memory(batch, network=NET, **options):
    return training_memory(network, TrainingConfig(batch_size=batch, **options), CPU, (1, 8, 8), 10)


def test_weights_count_four_times_and_the_rest_grows_with_the_batch():
    per_image = memory(17) - memory(16)
    assert memory(32) == memory(16) + 16 * per_image
    network = build(NET, 1, 10)
    weights = sum(p.numel() for p in network.parameters()) * 4
    buffers = sum(b.nbytes for b in network.buffers())
    fixed = memory(16) - 16 * per_image
    # of the three norms the mean and the deviation of 4 channels; and one of the loss
    assert fixed - (4 * weights + 2 * buffers) == (3 * 2 * 4 + 1) * 4
    # the image, six maps of 4 channels, what is pooled of the last, the logits, the label
    assert per_image == 4 * (8 * 8 + 6 * 4 * 8 * 8 + 4 + 10) + 8


def test_a_batch_has_no_more_images_than_there_are():
    assert memory(512, train_images=16) == memory(16)


def test_random_numbers_go_on_undisturbed():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    memory(4)
    assert torch.equal(torch.rand(3), expected)


def test_a_gpu_is_asked_for_the_peak_of_steps_in_the_numerics_that_it_trains_in(monkeypatch):
    gpu, config, asked = torch.device("cuda:1"), TrainingConfig(batch_size=4), []
    settled = config.replace(precision="bfloat16")

    def settle(*about):
        asked.append(about)
        return settled

    def allocated(network, images, labels, *rest):
        asked.append((tuple(images.shape), tuple(labels.shape), *rest))
        return 7

    monkeypatch.setattr(measuring, "resolve_numerics", settle)
    monkeypatch.setattr(measuring, "_allocated", allocated)
    assert training_memory(NET, config, gpu, (1, 8, 6), 3) == 7
    assert asked == [(NET, config, gpu, (1, 8, 6), 3), ((4, 1, 8, 6), (4,), settled, gpu)]
