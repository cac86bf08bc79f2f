import json
import subprocess
import sys

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import nas.training
from nas.errors import ConfigError
from nas.training import TrainingConfig

SEARCHABLE = {
    "batch_size", "crop_padding", "erasing", "label_smoothing", "momentum", "peak_lr",
    "weight_decay",
}  # fmt: skip


def test_a_config_comes_back_from_its_json():
    config = TrainingConfig(peak_lr=0.37, epochs=7, channels_last="on", train_images=123)
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_every_searchable_name_is_a_field():
    assert set(TrainingConfig().to_dict()) >= SEARCHABLE


def test_every_field_is_documented():
    fields = TrainingConfig.model_fields.values()
    assert all(field.description for field in fields)


def test_a_config_cannot_be_changed_after_it_was_checked():
    with pytest.raises(Exception, match="frozen"):
        TrainingConfig().peak_lr = -1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"peak_lr": 0}, "peak_lr is 0; it must be greater than 0"),
        ({"peak_lr": float("nan")}, "peak_lr is nan"),
        ({"peak_lr": float("inf")}, "peak_lr is inf"),
        ({"peak_lr": "0.1"}, "peak_lr is '0.1'"),
        ({"peak_lr": True}, "peak_lr is True"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": True}, "epochs is True"),
        ({"epochs": 2.5}, "epochs is 2.5"),
        ({"batch_size": 1}, "batch_size is 1"),
        ({"momentum": 1.0}, "momentum is 1.0"),
        ({"momentum": 0.0}, "nesterov needs a momentum above 0"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
        ({"weight_decay": -1e-9}, "weight_decay is -1e-09"),
        ({"erasing": 1.1}, "erasing is 1.1"),
        ({"crop_padding": -1}, "crop_padding is -1"),
        ({"train_images": 9}, "train_images is 9"),
        ({"flip": 1}, "flip is 1"),
        ({"seed": -1}, "seed is -1"),
        ({"precision": "float16"}, "'auto', 'float32' or 'bfloat16'"),
        ({"channels_last": "maybe"}, "'auto', 'on' or 'off'"),
        ({"channels_last": 1}, "channels_last is 1"),
        ({"peek_lr": 0.1}, "unknown key 'peek_lr'; did you mean peak_lr?"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_in_one_line(values, message):
    with pytest.raises(ConfigError) as refusal:
        TrainingConfig(**values)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_copy_is_checked_as_the_first_was():
    assert TrainingConfig().replace(epochs=9).epochs == 9
    with pytest.raises(ConfigError, match="epochs is 0"):
        TrainingConfig().replace(epochs=0)


def test_a_list_is_no_mapping():
    with pytest.raises(ConfigError, match="not a mapping"):
        TrainingConfig.from_dict([1])


@pytest.mark.parametrize("word", ["on", "off", "auto"])
def test_yaml_may_say_on_and_off(word):
    config = TrainingConfig.from_dict(yaml.safe_load(f"channels_last: {word}"))
    assert config.channels_last == word


@given(st.integers(1, 10**6), st.floats(1e-9, 100), st.integers(0, 2**63 - 1))
def test_what_is_in_range_is_kept_exactly(epochs, peak_lr, seed):
    config = TrainingConfig(epochs=epochs, peak_lr=peak_lr, seed=seed)
    assert (config.epochs, config.peak_lr, config.seed) == (epochs, peak_lr, seed)
    assert hash(config) == hash(TrainingConfig.from_dict(config.to_dict()))


def test_every_public_name_is_what_it_says():
    assert dir(nas.training) == nas.training.__all__
    for name in nas.training.__all__:
        assert getattr(nas.training, name).__name__ == name
    with pytest.raises(AttributeError, match=r"module 'nas\.training' has no attribute 'fitt'"):
        nas.training.fitt  # noqa: B018


def test_configs_and_data_are_to_be_had_without_torch():
    program = (
        "import sys; from nas.data import open_dataset; "
        "from nas.training import TrainingConfig; TrainingConfig(); open_dataset('fashion_mnist'); "
        "sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_defaults_are_these():
    """Studies of before were trained with them; the slow test of the loop says what they reach."""
    assert TrainingConfig().to_dict() == {
        "epochs": 4,
        "batch_size": 64,
        "peak_lr": 0.3,
        "warmup": 0.25,
        "initial_lr_fraction": 0.1,
        "final_lr_fraction": 0.0,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 5e-4,
        "averaging": 0.95,
        "label_smoothing": 0.1,
        "flip": "auto",
        "crop_padding": 0,
        "erasing": 0.0,
        "validation": None,
        "train_images": None,
        "epoch_images": None,
        "precision": "auto",
        "channels_last": "auto",
        "seed": 0,
        "split_seed": 0,
        "growth": None,
    }


BELOW_1 = 1 - 2**-53
ABOVE = {0: 5e-324, 1: 1 + 2**-52, 100: 100 + 2**-46}


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("epochs", [1, 10**9], [0]),
        ("batch_size", [4, 65_536], [3, 65_537]),
        ("peak_lr", [5e-324, 100], [0, ABOVE[100]]),
        ("warmup", [0, 1], [-5e-324, ABOVE[1]]),
        ("initial_lr_fraction", [0, 1], [-5e-324, ABOVE[1]]),
        ("final_lr_fraction", [0, 1], [-5e-324, ABOVE[1]]),
        ("momentum", [5e-324, BELOW_1], [-5e-324, 1]),
        ("weight_decay", [0, 1], [-5e-324, ABOVE[1]]),
        ("averaging", [0, BELOW_1], [-5e-324, 1]),
        ("label_smoothing", [0, BELOW_1], [-5e-324, 1]),
        ("crop_padding", [0, 64], [-1, 65]),
        ("erasing", [0, 1], [-5e-324, ABOVE[1]]),
        ("train_images", [None, 10], [9]),
        ("epoch_images", [None, 10], [9]),
        ("seed", [0, 2**63 - 1], [-1, 2**63]),
        ("split_seed", [0, 2**63 - 1], [-1, 2**63]),
    ],
)
def test_a_bound_is_where_it_is_said_to_be(name, accepted, refused):
    for value in accepted:
        assert getattr(TrainingConfig(**{name: value}), name) == value
    for value in refused:
        with pytest.raises(ConfigError, match=f"^training: {name} is "):
            TrainingConfig(**{name: value})


def test_a_momentum_of_0_is_accepted_without_nesterov():
    assert TrainingConfig(momentum=0.0, nesterov=False).momentum == 0


def test_what_is_refused_is_named_with_what_is_accepted_in_one_form():
    for values, message in [
        ({"batch_size": 3}, "training: batch_size is 3; it must be greater than or equal to 4"),
        ({"nesterov": "yes"}, "training: nesterov is 'yes'; it must be a valid boolean"),
        ({"momentum": 0.0}, "training: nesterov needs a momentum above 0; set nesterov to false"),
    ]:
        with pytest.raises(ConfigError) as refusal:
            TrainingConfig(**values)
        assert str(refusal.value) == message


def test_numpys_numbers_and_whole_floats_are_what_they_mean():
    config = TrainingConfig(
        epochs=np.int64(3), batch_size=32.0, peak_lr=np.float32(0.5), nesterov=np.True_
    )
    same = TrainingConfig(epochs=3, batch_size=32, peak_lr=0.5, nesterov=True)
    assert json.dumps(config.to_dict()) == json.dumps(same.to_dict())
