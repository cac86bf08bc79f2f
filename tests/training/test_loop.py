import json
import subprocess
import sys

import pytest
import torch

import nas
from nas.architecture import Architecture, Stage, Stem
from nas.errors import CheckpointError, ConfigError, NasError, TrialFailedError
from nas.training import LabelledImages, Training, TrainingConfig, fit, load_test

TINY = Architecture(Stem(8, stride=2), (Stage("bottleneck", 1, 8, stride=2, groups=2),))
OTHER = Architecture(Stem(8, stride=2), (Stage("basic", 2, 8, stride=2),))
RESNEXT = Architecture(
    Stem(16),
    (
        Stage("bottleneck", 2, 16, groups=2),
        Stage("bottleneck", 2, 32, stride=2, groups=4),
        Stage("bottleneck", 2, 64, stride=2, groups=8),
    ),
)
QUICK = TrainingConfig(
    epochs=3, train_images=200, batch_size=64, peak_lr=0.2, precision="float32", channels_last="off"
)
ALL = QUICK.replace(crop_padding=2, erasing=0.5, precision="bfloat16", channels_last="on")
TIMES = {"seconds", "images_per_second"}


def numbers(result):
    """What of a result is the same on every run."""
    return {name: value for name, value in result.to_dict().items() if name not in TIMES}


def run(training):
    return [numbers(training.epoch()) for _ in range(training.config.epochs - training.epochs_done)]


@pytest.fixture
def train(train_data):
    def begin(config=QUICK, architecture=TINY):
        return Training(architecture, config, train_data, "cpu")

    return begin


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
    config = TrainingConfig(epochs=1, train_images=10_000)
    assert train(config, RESNEXT).epoch().val_accuracy >= 0.80


@pytest.mark.slow
def test_the_defaults_reach_91_percent_in_4_epochs():
    *_, last = fit(RESNEXT)
    assert last.epoch == 4
    assert last.val_accuracy >= 0.91


@pytest.mark.parametrize("config", [QUICK, ALL])
def test_equal_configs_give_equal_numbers_whatever_the_process_did_before(train, config):
    first = run(train(config))
    torch.manual_seed(12345)
    run(train(config.replace(seed=1), OTHER))
    assert run(train(config)) == first


def test_another_seed_gives_other_numbers(train):
    assert run(train(QUICK.replace(seed=1))) != run(train(QUICK))


def test_the_callers_random_numbers_go_on_undisturbed(train):
    before = torch.get_rng_state()
    train(QUICK.replace(precision="auto", channels_last="auto")).epoch()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("config", [QUICK, ALL])
@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_a_resumed_training_gives_the_numbers_of_an_uninterrupted_one(
    train, config, epochs, tmp_path
):
    interrupted = train(config)
    begun = [numbers(interrupted.epoch()) for _ in range(epochs)]
    interrupted.save(tmp_path / "checkpoint.pt")
    resumed = train(config)
    resumed.load(tmp_path / "checkpoint.pt")
    assert begun + run(resumed) == run(train(config))


def test_a_training_resumed_in_another_process_gives_the_same_numbers(train, data_folder, tmp_path):
    training = train(ALL)
    begun = numbers(training.epoch())
    training.save(tmp_path / "checkpoint.pt")
    program = f"""
import json, torch
from pathlib import Path
from nas.architecture import Architecture
from nas.training import Training, TrainingConfig, load_train
torch.set_num_threads({torch.get_num_threads()})
training = Training(
    Architecture.from_dict({TINY.to_dict()}),
    TrainingConfig.from_dict({ALL.to_dict()}),
    load_train(Path({str(data_folder)!r})),
    "cpu",
)
training.load({str(tmp_path / "checkpoint.pt")!r})
print(json.dumps([training.epoch().to_dict() for _ in range(2)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    resumed = [
        {name: value for name, value in result.items() if name not in TIMES}
        for result in json.loads(done.stdout)
    ]
    assert [begun, *resumed] == run(train(ALL))


def test_numerics_are_settled_once_and_resumed_with_the_checkpoint(train, tmp_path):
    config = QUICK.replace(precision="auto", channels_last="auto")
    training = train(config)
    first = training.epoch()
    assert {first.precision, first.channels_last} & {"auto"} == set()
    assert training.config == config.replace(
        precision=first.precision, channels_last=first.channels_last
    )
    # a checkpoint's numerics hold even where timing might now choose others
    for precision in ("float32", "bfloat16"):
        explicit = train(config.replace(precision=precision, channels_last="on"))
        explicit.save(tmp_path / precision)
        resumed = train(config)
        resumed.load(tmp_path / precision)
        result = resumed.epoch()
        assert (result.precision, result.channels_last) == (precision, "on")


@pytest.mark.parametrize(
    ("config", "architecture", "message"),
    [
        (QUICK.replace(peak_lr=0.01), TINY, "peak_lr 0.2, not 0.01"),
        (QUICK.replace(precision="bfloat16"), TINY, "precision 'float32', not 'bfloat16'"),
        (QUICK, OTHER, "another architecture"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    train, config, architecture, message, tmp_path
):
    train(QUICK).save(tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match=message):
        train(config, architecture).load(tmp_path / "checkpoint.pt")


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


def test_other_images_are_evaluated_without_being_trained_on(train, data_folder):
    training = train(QUICK)
    training.epoch()
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    loss, accuracy = training.evaluate(load_test(data_folder))
    assert training.evaluate(load_test(data_folder)) == (loss, accuracy)
    assert 0 < accuracy < 1 < loss
    for name, value in training.model.state_dict().items():
        assert torch.equal(value, before[name]), name


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


def test_fit_goes_on_from_its_checkpoint(train, train_data, tmp_path):
    path = tmp_path / "run" / "checkpoint.pt"
    first = next(fit(TINY, train_data, QUICK, "cpu", path))
    rest = list(fit(TINY, train_data, QUICK, "cpu", path))
    assert [numbers(result) for result in [first, *rest]] == run(train())
    assert list(fit(TINY, train_data, QUICK, "cpu", path)) == []
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]


def test_what_cannot_be_trained_is_refused_before_the_first_epoch(train_data):
    few = LabelledImages(train_data.images, train_data.labels)
    with pytest.raises(ConfigError, match="device 'cdua' is not here"):
        Training(TINY, QUICK, few, "cdua")
    with pytest.raises(NasError, match="train_images is 50001"):
        Training(TINY, QUICK.replace(train_images=50_001), few, "cpu")
