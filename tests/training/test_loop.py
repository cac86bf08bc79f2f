"""What a step, an epoch and a validation compute, against implementations of their own."""

import hashlib
import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from trainings import QUICK, TINY, numbers, run

import nas
from nas.architecture import Architecture, Stage, Stem
from nas.data import Dataset, LabelledImages
from nas.errors import CheckpointError, ConfigError, NasError, TrialFailedError
from nas.network import build
from nas.training import Training, TrainingConfig, fit, loop
from nas.training.augment import augment
from nas.training.export import export

RESNEXT = Architecture(
    Stem(16),
    (
        Stage("bottleneck", 2, 16, groups=2),
        Stage("bottleneck", 2, 32, stride=2, groups=4),
        Stage("bottleneck", 2, 64, stride=2, groups=8),
    ),
)
SMALL = Architecture(
    Stem(8, stride=2),
    (
        Stage("bottleneck", 1, 16, stride=2, groups=2),
        Stage("bottleneck", 1, 32, stride=2, groups=2),
    ),
)


def seed_of(seed, purpose):
    """The first 32 bits of a SHA-256, so that equal configs are equal on every machine."""
    return int(hashlib.sha256(f"{seed} {purpose}".encode()).hexdigest()[:8], 16)


def one_cycle(step, steps, config):
    position = step / (steps - 1)
    if position < config.warmup:
        first = config.initial_lr_fraction
        return config.peak_lr * (first + (1 - first) * position / config.warmup)
    fallen = (position - config.warmup) / (1 - config.warmup)
    last = config.final_lr_fraction
    return config.peak_lr * (last + (1 - last) * (1 + math.cos(math.pi * fallen)) / 2)


def trained_by_hand(config, images, labels, epochs):
    """Losses of epochs, last weights and their running mean; by Tensor arithmetic alone."""
    torch.manual_seed(seed_of(config.seed, "weights"))
    network = build(TINY).train()
    weights = dict(network.named_parameters())
    speeds = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    means, losses, step = {}, [], 0
    batches = math.ceil(len(labels) / config.batch_size)
    for epoch in range(1, epochs + 1):
        generator = torch.Generator().manual_seed(seed_of(config.seed, f"epoch {epoch}"))
        order = torch.randperm(len(labels), generator=generator)
        total = 0.0
        for batch in np.array_split(order.numpy(), batches):
            pixels = augment(images[batch], config, generator).double()
            logits = network(((pixels / 255 - 0.2860) / 0.3530).float())
            smooth = torch.full_like(logits, config.label_smoothing / 10)
            smooth[range(len(batch)), labels[batch]] += 1 - config.label_smoothing
            loss = -(smooth * torch.log_softmax(logits, 1)).sum(1).mean()
            gradients = torch.autograd.grad(loss, list(weights.values()))
            rate = one_cycle(step, batches * config.epochs, config)
            with torch.no_grad():
                for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
                    if name.endswith("weight") and "norm" not in name:
                        gradient = gradient + config.weight_decay * weight
                    speeds[name] = config.momentum * speeds[name] + gradient
                    ahead = gradient + config.momentum * speeds[name]
                    weight -= rate * (ahead if config.nesterov else speeds[name])
                step += 1
                share = max(1 - config.averaging, 1 / step)
                for name, value in network.state_dict().items():
                    if value.is_floating_point():
                        mean = means.get(name, torch.zeros_like(value))
                        means[name] = (1 - share) * mean + share * value
            total += loss.item() * len(batch)
        losses.append(total / len(labels))
    return losses, network.state_dict(), means


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"seed": 3, "nesterov": False, "momentum": 0.5, "label_smoothing": 0.3, "flip": False},
        {
            "weight_decay": 0.5,
            "averaging": 0.6,
            "crop_padding": 2,
            "erasing": 0.5,
            "batch_size": 30,
        },
        {"label_smoothing": 0.0, "averaging": 0.0, "warmup": 0.5, "final_lr_fraction": 0.2},
    ],
)
def test_two_epochs_are_those_of_plain_tensor_arithmetic(train, changes):
    # 130 images: batches of unequal size; at a low rate rounding grows little
    config = QUICK.replace(**{"train_images": 130, "peak_lr": 0.05, "flip": True, **changes})
    training = train(config)
    results = [training.epoch(), training.epoch()]
    data = training.data
    losses, weights, means = trained_by_hand(config, data.train_images, data.train_labels, 2)
    assert [result.train_loss for result in results] == pytest.approx(losses, rel=2e-4)
    for name, value in training.learner.state_dict().items():
        torch.testing.assert_close(value, weights[name], rtol=0, atol=3e-3, msg=name)
    for name, mean in means.items():
        value = training.model.state_dict()[name]
        torch.testing.assert_close(value, mean, rtol=0, atol=3e-3, msg=name)


def numbered(training):
    """The training's images, each of which now says its number: 256 a + b."""
    images = training.data.train_images
    numbers = torch.arange(len(images))
    images[:, 0, 0, 0] = (numbers // 256).to(torch.uint8)
    images[:, 0, 0, 1] = (numbers % 256).to(torch.uint8)


def orders_of(training, epochs):
    """The numbers of the images that the learner sees, by epoch."""
    seen = []

    def look(_, inputs):
        pixels = (inputs[0][:, 0, 0, :2] * (255 * 0.3530) + 255 * 0.2860).round().long()
        seen.extend((256 * pixels[:, 0] + pixels[:, 1]).tolist())

    handle = training.learner.register_forward_pre_hook(look)
    numbered(training)
    for _ in range(epochs):
        training.epoch()
    handle.remove()
    count = training.config.epoch_images or len(training.data.train_labels)
    return [seen[start : start + count] for start in range(0, len(seen), count)]


def test_each_epoch_has_an_order_of_its_own_which_seed_and_epoch_decide(train, tmp_path):
    config = QUICK.replace(train_images=300, flip=False)
    training = train(config)
    first = orders_of(training, 1)
    training.save(tmp_path / "checkpoint.pt")
    orders = first + orders_of(training, 2)
    for order in orders:
        assert sorted(order) == list(range(300))
        assert abs(np.corrcoef(order, range(300))[0, 1]) < 0.25  # 4 deviations of a random order
    assert orders[0] != orders[1] != orders[2] != orders[0]
    resumed = train(config)
    resumed.load(tmp_path / "checkpoint.pt")
    assert orders_of(resumed, 2) == orders[1:]
    assert orders_of(train(config.replace(seed=1)), 1) != orders[:1]


def test_epochs_of_fewer_images_are_parts_of_passes_over_all(train, tmp_path):
    """300 images in epochs of 120: the second pass begins within the third epoch."""
    config = QUICK.replace(train_images=300, epoch_images=120, epochs=5, flip=False)
    training = train(config)
    parts = orders_of(training, 2)
    training.save(tmp_path / "checkpoint.pt")
    parts += orders_of(training, 3)
    assert [len(part) for part in parts] == [120] * 5
    seen = [number for part in parts for number in part]
    whole = orders_of(train(QUICK.replace(train_images=300, flip=False)), 2)
    assert [seen[:300], seen[300:]] == whole
    resumed = train(config)
    resumed.load(tmp_path / "checkpoint.pt")
    assert orders_of(resumed, 3) == parts[2:]


def test_an_epoch_of_all_images_is_an_epoch_without_a_number_of_them(train):
    options = {"train_images": 200, "flip": True, "crop_padding": 2}
    one, other = train(QUICK.replace(**options)), train(QUICK.replace(**options, epoch_images=200))
    for _ in range(2):
        assert one.epoch().train_loss == other.epoch().train_loss


def inputs_of(network, images):
    """Where the images that ``network`` sees from now on are gathered, as pixels."""
    network.register_forward_pre_hook(
        lambda _, inputs: images.append((inputs[0] * (255 * 0.3530) + 255 * 0.2860).round())
    )


def test_training_images_are_augmented_anew_each_epoch_and_validation_images_never(train):
    training = train(QUICK.replace(train_images=256, crop_padding=1, erasing=0.5))
    trained, validated = [], []
    inputs_of(training.learner, trained)
    inputs_of(training.model, validated)
    training.epoch()
    training.epoch()
    data = training.data
    assert torch.equal(torch.cat(validated), data.validation_images.float().repeat(2, 1, 1, 1))
    for epoch in torch.cat(trained).split(256):
        as_they_are = {image.numpy().tobytes() for image in data.train_images.float()}
        # no shift 1/9, no flip 1/2, not erased 1/2: one in 36
        assert sum(image.numpy().tobytes() in as_they_are for image in epoch) < 40


def test_flips_alone_mirror_half_of_the_training_images(train):
    training = train(QUICK.replace(train_images=256))
    trained = []
    inputs_of(training.learner, trained)
    training.epoch()
    training.epoch()
    kept = {image.numpy().tobytes() for image in training.data.train_images.float()}
    mirrored = {image.flip(-1).numpy().tobytes() for image in training.data.train_images.float()}
    flips = []
    for epoch in torch.cat(trained).split(256):
        assert all(image.numpy().tobytes() in kept | mirrored for image in epoch)
        flips.append({image.numpy().tobytes() for image in epoch} - kept)
    assert all(96 <= len(flipped) <= 160 for flipped in flips)  # 4 deviations of 256 tosses
    assert flips[0] != flips[1]


def test_the_learner_trains_and_the_model_is_validated_as_it_will_be_used(train, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    training = train(QUICK)
    modes = []
    for name in ("learner", "model"):
        getattr(training, name).register_forward_pre_hook(
            lambda network, _, name=name: modes.append(
                (
                    name,
                    network.training,
                    torch.is_grad_enabled(),
                    torch.is_inference_mode_enabled(),
                    torch.backends.cudnn.benchmark,
                )
            )
        )
    training.epoch()
    training.epoch()
    assert set(modes) == {("learner", True, True, False, True), ("model", False, False, True, True)}
    assert not torch.backends.cudnn.benchmark


def test_validation_is_the_mean_over_all_images_without_label_smoothing(train, monkeypatch):
    monkeypatch.setattr(loop, "EVALUATION_BATCH", 128)  # 300 are two and a rest
    training = train(QUICK.replace(label_smoothing=0.5))
    result = training.epoch()
    data = training.data
    with torch.no_grad():
        logits = training.model.eval()(training._normalised(data.validation_images))
    right = sum(int(logits[n].argmax()) == int(data.validation_labels[n]) for n in range(300))
    losses = -torch.log_softmax(logits, 1)[range(300), data.validation_labels]
    assert result.val_accuracy == right / 300
    assert result.val_loss == pytest.approx(losses.mean().item(), rel=1e-5)


def test_seconds_are_of_training_and_validation_and_speed_of_training_alone(train, monkeypatch):
    moments = iter([10.0, 14.0, 15.0])
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=moments.__next__))
    result = train(QUICK).epoch()
    assert (result.seconds, result.images_per_second) == (5.0, 50.0)


def test_an_epoch_reports_the_learning_rate_of_its_last_step(train):
    config = QUICK.replace(batch_size=50)  # 3 epochs of 4 steps
    training = train(config)
    rates = [training.epoch().learning_rate for _ in range(3)]
    assert rates == pytest.approx([one_cycle(step, 12, config) for step in (3, 7, 11)])
    assert [group["lr"] for group in training.optimizer.param_groups] == [rates[2]] * 2


def test_a_validation_loss_that_is_no_number_fails_the_trial(train):
    training = train(QUICK)
    training.data.validation_labels[0] = 3
    with torch.no_grad():
        training.model.head.linear.bias[0] = float("inf")
        training.config = training.config.replace(averaging=0.999)
    training.epochs_done = 1  # past the steps that are averaged plainly
    with pytest.raises(TrialFailedError, match=r"loss is not finite \((inf|nan)\) in epoch 2"):
        training.epoch()
    assert training.epochs_done == 1


def test_a_training_that_is_over_does_not_go_on(train):
    training = train(QUICK.replace(epochs=1, train_images=10))
    training.epoch()
    with pytest.raises(AssertionError, match="the training is over"):
        training.epoch()


def test_an_epoch_reports_what_it_led_to(train):
    training = train()
    first, second, third = training.epoch(), training.epoch(), training.epoch()
    assert (first.epoch, second.epoch, third.epoch) == (1, 2, 3)
    assert third.learning_rate == 0  # the cycle is over
    assert 0 < third.val_accuracy < 1
    assert (first.precision, first.channels_last) == ("float32", "off")
    assert first.images_per_second > 200 / first.seconds  # validation takes time too
    assert json.loads(json.dumps(first.to_dict())) == first.to_dict()


def test_it_learns(train):
    # 0.64 to 0.69 by seed; chance is 0.1
    config = QUICK.replace(epochs=1, train_images=4000, peak_lr=0.3)
    assert train(config, SMALL).epoch().val_accuracy >= 0.5


@pytest.mark.slow
def test_the_defaults_reach_91_percent_in_4_epochs():
    *_, last = fit(RESNEXT)
    assert last.epoch == 4
    assert last.val_accuracy >= 0.91


def test_a_loss_that_is_no_number_fails_the_trial(train):
    training = train(QUICK)
    training.epoch()
    with torch.no_grad():
        training.learner.head.linear.weight[0, 0] = float("nan")
    with pytest.raises(TrialFailedError, match=r"loss is not finite \(nan\) in epoch 2"):
        training.epoch()


def test_a_training_that_diverges_fails_the_trial(train):
    with pytest.raises(TrialFailedError, match="loss is not finite"):
        run(train(QUICK.replace(peak_lr=100.0, weight_decay=1.0, batch_size=8)))


@pytest.mark.parametrize(("images", "batch_size"), [(200, 64), (13, 4), (100, 128), (129, 128)])
def test_an_epoch_takes_every_image_once_in_batches_of_nearly_one_size(train, images, batch_size):
    training = train(QUICK.replace(train_images=images, batch_size=batch_size))
    sizes = []
    training.learner.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    training.epoch()
    assert sum(sizes) == images
    assert len(sizes) == -(-images // batch_size)
    assert max(sizes) - min(sizes) <= 1


def test_weight_decay_leaves_norms_and_biases_alone(train):
    training = train(QUICK.replace(weight_decay=0.3))
    decay = {
        id(parameter): group["weight_decay"]
        for group in training.optimizer.param_groups
        for parameter in group["params"]
    }
    for name, parameter in training.learner.named_parameters():
        weight = name.endswith("weight") and "norm" not in name
        assert decay[id(parameter)] == (0.3 if weight else 0), name


def test_without_averaging_the_model_is_the_learner(train):
    training = train(QUICK.replace(averaging=0.0))
    training.epoch()
    for mean, weight in zip(
        training.model.parameters(), training.learner.parameters(), strict=True
    ):
        assert torch.equal(mean, weight)


def test_the_model_is_the_running_mean_of_the_learners_weights(train):
    training = train(QUICK.replace(averaging=0.75, batch_size=20))  # 10 steps
    seen = []
    training.optimizer.register_step_post_hook(
        lambda *_: seen.append(training.learner.head.linear.weight.detach().clone())
    )
    training.epoch()
    mean = torch.stack(seen[:4]).mean(0)  # 1/4 = 1 − 0.75
    for weight in seen[4:]:
        mean = 0.75 * mean + 0.25 * weight
    assert len(seen) == 10
    assert torch.allclose(training.model.head.linear.weight, mean, atol=1e-6)


def test_other_images_are_evaluated_without_being_trained_on(train, train_data):
    training = train(QUICK)
    training.epoch()
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    loss, accuracy = training.evaluate(train_data.test)
    assert training.evaluate(train_data.test) == (loss, accuracy)
    assert 0 < accuracy < 1 < loss
    for name, value in training.model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_numerics_are_settled_before_anything_is_evaluated(train, train_data):
    training = train(QUICK.replace(precision="auto", channels_last="auto"))
    training.evaluate(train_data.test)
    assert "auto" not in (training.config.precision, training.config.channels_last)


def test_validation_images_do_not_change_what_is_learnt(train_data, train):
    blank = train()
    blank.data.validation_images.zero_()
    seen = train()
    assert blank.epoch().train_loss == seen.epoch().train_loss
    for one, other in zip(blank.model.parameters(), seen.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_fit_yields_an_epoch_at_a_time(train_data):
    results = nas.fit(TINY, train_data, QUICK, "cpu")
    assert [result.epoch for result in results] == [1, 2, 3]


def test_fit_fetches_its_own_data(train, train_data):
    result = next(iter(fit(TINY, config=QUICK, device="cpu")))
    assert numbers(result) == numbers(train().epoch())


def test_what_cannot_be_trained_is_refused_before_the_first_epoch(train_data):
    with pytest.raises(ConfigError, match="device 'cdua' is not here"):
        Training(TINY, QUICK, train_data, "cdua")
    with pytest.raises(NasError, match="train_images is 50001; there are 50000"):
        Training(TINY, QUICK.replace(train_images=50_001, validation=None), train_data, "cpu")
    with pytest.raises(NasError, match="epoch_images is 201; there are 200"):
        Training(TINY, QUICK.replace(train_images=200, epoch_images=201), train_data, "cpu")


def test_balanced_accuracy_is_the_mean_over_the_classes_that_have_images(train):
    training = train()
    few = torch.cat([torch.arange(0, 40), torch.arange(60, 66)])  # uneven: 30 images a class
    labels = training.data.validation_labels[few] % 3
    images = training.data.validation_images[few]
    _, accuracy, balanced = training._evaluate(images, labels)
    with torch.no_grad():
        guesses = training.model.eval()(training._normalised(images)).argmax(1)
    right = (guesses == labels).double()
    assert accuracy == right.mean().item()
    recalls = [right[labels == label].mean().item() for label in labels.unique()]
    assert balanced == pytest.approx(sum(recalls) / len(recalls))


def test_images_are_mirrored_where_the_data_set_says_so_unless_the_config_does(train_data):
    for mirrored in (True, False):
        data = replace(train_data, mirrored=mirrored)
        assert Training(TINY, QUICK, data, "cpu").config.flip is mirrored
        for flip in (True, False):
            assert Training(TINY, QUICK.replace(flip=flip), data, "cpu").config.flip is flip


@pytest.fixture(scope="module")
def colours(train_data):
    """Two classes of images, of red and of green noise, 3×8×8."""
    labels = np.arange(200) % 2
    images = np.random.default_rng(0).integers(0, 60, (200, 3, 8, 8), dtype=np.uint8)
    images[np.arange(200), labels] += 120
    return Dataset(
        "colours", "Colours", (3, 8, 8), ("red", "green"), "c" * 64,
        (0.3, 0.3, 0.1), (0.2, 0.2, 0.1), LabelledImages(images, labels),
    )  # fmt: skip


@pytest.mark.parametrize("numerics", [("float32", "off"), ("bfloat16", "on"), ("auto", "auto")])
def test_colour_images_train_with_all_augmentation(colours, numerics, tmp_path):
    precision, layout = numerics
    config = TrainingConfig(
        epochs=2, batch_size=16, crop_padding=1, erasing=0.3, peak_lr=0.1, precision=precision,
        channels_last=layout,
    )  # fmt: skip
    training = Training(TINY, config, colours, "cpu")
    assert training.data.train_images.shape == (160, 3, 8, 8)
    result = run(training)[-1]
    assert result["val_accuracy"] == result["val_balanced_accuracy"] >= 0.9
    training.save(tmp_path / "checkpoint.pt")
    export(training, tmp_path / "net.pt")
    shipped = nas.load(tmp_path / "net.pt")
    assert (shipped.classes, shipped.input_shape) == (("red", "green"), (3, 8, 8))
    assert (shipped.mean, shipped.std) == (colours.mean, colours.std)
    with torch.no_grad():
        images = training.data.validation_images
        expected = training.model.eval()(training._normalised(images))
        torch.testing.assert_close(shipped(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("fingerprint", "d" * 64),
        ("input_shape", [3, 9, 8]),
        ("classes", ["red", "blue"]),
        ("mean", [0.5, 0.5, 0.25]),
        ("std", [0.5, 0.5, 0.25]),
    ],
)
def test_a_checkpoint_of_other_images_is_refused(colours, name, other):
    config = TrainingConfig(epochs=1, precision="float32", channels_last="off")
    training = Training(TINY, config, colours, "cpu")
    state = training.state_dict()
    state["dataset"] = {**state["dataset"], name: other}
    with pytest.raises(CheckpointError) as refused:
        training.load_state_dict(state)
    own = getattr(colours, name)
    assert str(refused.value) == (
        f"the checkpoint is of images with {name} {other}, "
        f"not {own if name == 'fingerprint' else list(own)}"
    )
