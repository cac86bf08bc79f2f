"""Every mistake that a space file can have is one line: the file, the key, what is accepted."""

import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from nas.errors import ConfigError, SpaceError
from nas.space import TRAINING_KEYS, SearchSpace, amount, available, json_schema
from nas.space.file.fields import STAGE_KEYS
from nas.space.file.finding import find_file
from nas.space.file.schema import StagePart
from nas.training.config import TrainingConfig

HEAD = "name: x\nstem: {width: 16}\n"
WHOLE = HEAD + "stages: [{block: basic, depth: {int: [1, 3]}, width: 16}]\n"
MISTAKES = yaml.safe_load((Path(__file__).parent / "mistakes.yaml").read_text())


def content(mistake):
    """The file that an entry of mistakes.yaml stands for."""
    if "stage" in mistake:
        return HEAD + f"stages: [{{block: bottleneck, depth: 2, {mistake['stage']}}}]\n"
    return mistake["file"] if "file" in mistake else WHOLE + mistake["add"]


@pytest.fixture
def refused(tmp_path):
    """The message for a file with this content, without the folder in it."""

    def load(text):
        path = tmp_path / "space.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(SpaceError) as error:
            SearchSpace.load(path)
        message = str(error.value)
        assert len(message.splitlines()) == 1
        assert len(message) < 400 + len(str(path))
        assert message.startswith(str(path))
        return message.replace(f"{tmp_path}{os.sep}", "")

    return load


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_with_its_place_and_what_is_accepted(refused, mistake):
    assert mistake["says"] in refused(content(mistake))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"name: \xff\xfe", "space.yaml is not UTF-8 text (byte 6)"),
        (b"name: \x00", "space.yaml: not YAML: unacceptable character #x0000"),
        ("#" * 1_000_001, "space.yaml is larger than 1,000,000 bytes"),
        (WHOLE + "tie: " + "[" * 5000, "line 4, column 25: nested more than 20 deep"),
        (WHOLE + "classes: " + "9" * 5000, '9… is not a valid int'),
        (WHOLE + "classes: " + "9" * 500, '9… is not a whole number'),
        (WHOLE + f"tie: [{'depth, ' * 500}]", "tie: depth occurs twice"),
        (WHOLE + f"classes: [{'10, ' * 500}]", "… is not a whole number"),
        (HEAD + f"stages: [{'{}, ' * 65}]", "stages: the list is longer than 64"),
    ],
    ids=["not UTF-8", "NUL", "huge", "deep", "long int", "int", "ties", "list", "stages"],
)  # fmt: skip
def test_a_file_of_any_size_and_depth_is_refused_in_one_line(refused, text, expected):
    assert expected in refused(text)


@pytest.mark.parametrize("stage", ["width: 8", "width: 8, bottleneck: 0.5, residual: off"])
def test_the_files_that_the_mistakes_are_made_in_have_none(stage):
    for text in (WHOLE, content({"stage": stage})):
        assert SearchSpace.from_dict(yaml.safe_load(text)).size() >= 1


# --- names and paths ---


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnxt", r"^no space is named 'resnxt'; did you mean resnext\? accepted: .*resnet"),
        ("", "is a folder"),
        ("\0", "no space is named"),
        ("resnext.yml", r"^resnext.yml does not exist; did you mean resnext\?"),
        ("nowhere/resnext.yaml", "^nowhere/resnext.yaml does not exist; accepted: .*resnext"),
        (os.devnull, "is not a file"),
    ],
)
def test_a_space_that_is_not_there_is_refused_with_the_nearest(
    tmp_path, monkeypatch, name, expected
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpaceError, match=expected):
        SearchSpace.load(name)


def test_a_path_names_the_nearest_of_its_folder(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(WHOLE)
    with pytest.raises(SpaceError, match=rf"did you mean {re.escape(str(mine))}\?"):
        SearchSpace.load(tmp_path / "mime.yaml")
    with pytest.raises(SpaceError, match=rf"is a folder, not a file; .*{re.escape(str(mine))}"):
        SearchSpace.load(tmp_path)


def test_a_path_may_be_text_or_a_path_with_or_without_a_suffix(tmp_path, monkeypatch):
    (tmp_path / "mine").write_text(WHOLE)
    monkeypatch.chdir(tmp_path)
    names = ("mine", "./mine", Path("mine"), tmp_path / "mine")
    assert len({SearchSpace.load(name) for name in names}) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    (tmp_path / "mine.yaml").write_text(WHOLE)
    (tmp_path / "mine.yaml").chmod(0)
    with pytest.raises(SpaceError, match="cannot be read: Permission denied"):
        SearchSpace.load(tmp_path / "mine.yaml")


def test_windows_line_ends_and_a_byte_order_mark_are_no_mistake(tmp_path):
    (tmp_path / "space.yaml").write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    assert SearchSpace.load(tmp_path / "space.yaml").name == "x"


def test_an_exponent_without_a_dot_is_a_number(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(
        WHOLE + "limits: {macs: {max: 1e7}}\ntraining: {peak_lr: {float: [1e-3, 1e-1]}}"
    )
    assert SearchSpace.load(path).to_dict()["limits"] == {"macs": {"max": 10_000_000}}
    assert SearchSpace.load(path).parameters["training.peak_lr"].low == 0.001


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (7, 7),
        ("60M", 60 * 10**6),
        ("1.5M", 1_500_000),
        ("400k", 400_000),
        ("4G", 4 * 10**9),
        (1e6, 10**6),
        ("20e6", 20 * 10**6),
        ("2.0e7", 20 * 10**6),
        ("1_000", 1000),
        ("500K", 500_000),
        (np.int64(5), 5),
        (np.float32(5), 5),
    ],
)
def test_an_amount_has_a_suffix_or_none(raw, expected):
    assert (amount(raw), type(amount(raw))) == (expected, int)


def test_a_description_in_python_may_have_numpys_numbers_ranges_and_tuples():
    plain = {
        "name": "x",
        "stem": {"width": 16},
        "stages": [
            {"block": "bottleneck", "depth": {"int": [1, 3]}, "width": {"choice": [8, 16, 24, 32]},
             "bottleneck": {"choice": [0.5, 1]}, "residual": True},
        ],
        "limits": {"macs": {"max": 10**7}},
    }  # fmt: skip
    numpys = {
        "name": "x",
        "stem": {"width": 16.0},
        "stages": (
            {"block": "bottleneck", "depth": {"int": np.array([1, 3])}, "residual": np.True_,
             "width": {"choice": range(8, 33, 8)}, "bottleneck": {"choice": (np.float32(0.5), 1)}},
        ),
        "limits": {"macs": {"max": np.int64(10**7)}},
    }  # fmt: skip
    space, same = SearchSpace.from_dict(plain), SearchSpace.from_dict(numpys)
    assert json.dumps(space.to_dict()) == json.dumps(same.to_dict())
    assert space.sample(np.int64(3)) == space.sample(3.0) == space.sample(3)
    setting = space.sample_setting(random.Random(0))
    assert space.architecture(
        {path: np.float64(value) for path, value in setting.items()}
    ) == space.architecture(setting)


@pytest.mark.parametrize("seed", [True, np.True_, -1, 2.5, "3", None])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(SpaceError, match=r"seed is .*; accepted: a whole number of 0 or more"):
        SearchSpace.load("resnext").sample(seed)


def test_a_range_that_is_too_long_is_refused_at_once():
    raw = yaml.safe_load(WHOLE)
    raw["stages"][0]["width"] = {"choice": range(1, 900_000)}
    with pytest.raises(SpaceError, match="more than 10,000 values"):
        SearchSpace.from_dict(raw)


def test_what_a_file_counts_in_sixties_is_no_number(tmp_path):
    (tmp_path / "space.yaml").write_text(WHOLE + "limits: {macs: {max: 1:30}}\n")
    with pytest.raises(SpaceError, match=r'limits\.macs\.max: "1:30" is not a count'):
        SearchSpace.load(tmp_path / "space.yaml")


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "M",
        "60m",
        "6 0M",
        "1e3k",
        "0.0001k",
        "-1",
        "1__000",
        "1e400",
        1e30,
        "٣M",
        None,
        False,
        [],
        "9" * 99,
    ],
)
def test_what_is_no_amount_is_refused(raw):
    with pytest.raises(SpaceError, match="is not a count; accepted"):
        amount(raw)


# --- the spaces that come with the package ---


@pytest.mark.parametrize("name", available())
def test_a_bundled_space_is_sound(name):
    space = SearchSpace.load(name)
    assert space.name == name
    assert space.description
    assert space.size() >= 1
    again = SearchSpace.from_dict(json.loads(json.dumps(space.to_dict())))
    assert again == space
    assert again.hash == space.hash
    drawn = [space.sample(seed) for seed in range(50)]
    assert len({one.key for one in drawn}) >= min(26, space.size())
    assert all(space.contains(one) for one in drawn)
    assert [again.sample(seed) for seed in range(50)] == drawn


@pytest.mark.parametrize("name", available())
def test_a_bundled_space_fits_the_schema(name):
    text = (Path(__file__).parents[2] / "search_spaces" / f"{name}.yaml").read_text()
    jsonschema.validate(yaml.safe_load(text), json_schema())
    jsonschema.validate(SearchSpace.load(name).to_dict(), json_schema())


def test_an_installed_package_has_its_spaces_inside(tmp_path):
    root = Path(__file__).parents[2]
    shutil.copytree(root / "nas", tmp_path / "nas")
    program = "import nas; from nas.space import available; print(nas.__file__, *available())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.stdout.split() == [str(tmp_path / "nas" / "__init__.py"), *available()], done.stderr


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("anynetx_a", (16 * 128 * 3 * 6) ** 4),  # 1.8e18
        ("anynetx_b", 3 * (16 * 128 * 6) ** 4),  # 6.8e16
        ("anynetx_c", 3 * 6 * (16 * 128) ** 4),  # 3.2e14
        ("anynetx_d", 3 * 6 * math.comb(131, 4) * 16**4),  # 1.3e13 in print, 1.38e13
        ("anynetx_e", 3 * 6 * math.comb(131, 4) * math.comb(19, 4)),  # 8.17e11
        ("resnext_a", 11_390_625),
        ("resnext_b", 52_734_375),
    ],
)
def test_a_space_of_the_literature_has_its_published_size(name, published):
    assert SearchSpace.load(name).size() == published


@pytest.mark.parametrize("name", [name for name in available() if name.endswith("_28")])
def test_the_small_forms_are_for_28_pixels_and_keep_the_rules(name):
    small, large = SearchSpace.load(name), SearchSpace.load(name.removesuffix("_28"))
    assert small.input_shape == (1, 28, 28)
    rules = ("tie", "order", "adjust")
    assert [small.to_dict().get(rule) for rule in rules] == [
        large.to_dict().get(rule) for rule in rules
    ]
    assert small.size() < large.size()
    band = small.with_limits({"macs": ("4M", "8M")})
    for architecture in map(band.sample, range(20)):
        assert architecture.resolutions((1, 28, 28))[-1][0] >= 3


def test_residual_and_plain_twins_differ_in_nothing_else():
    space = SearchSpace.load("resnet_vs_plain")
    rng = random.Random(0)
    depths = set()
    for _ in range(100):
        setting = space.sample_setting(rng)
        twin = space.architecture(setting | {"residual": not setting["residual"]})
        one = space.architecture(setting)
        assert [replace(stage, residual=True) for stage in twin.stages] == [
            replace(stage, residual=True) for stage in one.stages
        ]
        depths.add(one.depth)
    assert min(depths) < 8
    assert max(depths) > 18


def test_there_are_bundled_spaces():
    assert {"resnext", "resnet", "residual_or_plain"} <= set(available())


def test_a_bundled_space_gives_the_same_networks_on_every_machine():
    space = SearchSpace.load("residual_or_plain")
    assert [space.sample(seed).key[:16] for seed in (0, 1)] == [
        "7cb0b2f86dc81155",
        "e8928106af4c6ad3",
    ]


# --- the schema ---


@pytest.mark.parametrize(
    "name",
    [
        "unknown key",
        "unknown stage key",
        "no name",
        "no stages",
        "unknown block",
        "bool for a number",
        "empty choice",
        "two domains",
        "unknown order",
        "tie twice",
        "unknown suffix",
        "fixed hyper-parameter",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(name):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(content(MISTAKES[name])), json_schema())


def test_the_schema_is_one_and_says_nothing_of_null():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert '"null"' not in json.dumps(json_schema())
    assert "null" not in json.dumps(json_schema())


def test_editors_are_told_what_each_key_is_unless_its_name_says_it():
    schema = json_schema()
    parts = {"file": schema, **schema["$defs"]}
    silent = {
        name: [key for key, field in part["properties"].items() if "description" not in field]
        for name, part in parts.items()
    }
    assert {name: keys for name, keys in silent.items() if keys} == {
        "file": ["name", "description", "stem", "stages", "order", "limits", "training"],
        "Bounds": ["min", "max"],
        "OrderPart": [key for key in STAGE_KEYS if key not in ("stride", "residual")],
        "TrainingPart": list(TRAINING_KEYS),
    }


def test_what_was_read_and_checked_does_not_change():
    stage = StagePart(width=8)
    with pytest.raises(ValidationError, match="frozen"):
        stage.width = 0


def test_all_stage_keys_are_known_to_ties_and_settings():
    assert set(StagePart.model_fields) == {"block", *STAGE_KEYS}
    assert set(TRAINING_KEYS) <= set(json_schema()["$defs"]["TrainingPart"]["properties"])


BOUNDED = {
    key: field
    for key, field in TrainingConfig.model_json_schema()["properties"].items()
    if key in TRAINING_KEYS and field["type"] != "boolean"
}


def around_its_bounds(field):
    step = 1 if field["type"] == "integer" else 1e-3
    bounds = [bound for name, bound in field.items() if name.lower().endswith("imum")]
    assert len(bounds) == 2
    return [bound + shift for bound in bounds for shift in (-step, 0, step)]


@pytest.mark.parametrize("key", BOUNDED)
def test_a_searched_hyper_parameter_has_the_bounds_of_the_training_config(key):
    for value in around_its_bounds(BOUNDED[key]):
        training = {key: {"choice": [value]}, "nesterov": {"choice": [False]}}
        document = yaml.safe_load(WHOLE) | {"training": training}
        valid = jsonschema.Draft202012Validator(json_schema()).is_valid(document)
        try:
            TrainingConfig(**{key: value, "nesterov": False})
        except ConfigError:
            assert not valid
            with pytest.raises(SpaceError, match=rf"training.{key}: {value:g}(\.0)? is not a "):
                SearchSpace.from_dict(document)
        else:
            assert valid
            SearchSpace.from_dict(document)


def test_a_stored_space_is_read_whatever_bounds_it_was_written_under():
    document = yaml.safe_load(WHOLE) | {"training": {"momentum": {"choice": [0.5, 2]}}}
    with pytest.raises(SpaceError, match=r"training\.momentum: 2 is not a number"):
        SearchSpace.from_dict(document)
    stored = SearchSpace.from_dict(document, stored=True)
    assert stored.parameters["training.momentum"].values == (0.5, 2.0)


def test_spaces_are_read_without_torch_ray_or_optuna():
    program = (
        "import sys; from nas.space import SearchSpace; SearchSpace.load('resnext').sample(0); "
        "print({'torch', 'ray', 'optuna', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


# --- where a file is looked for ---


def sought(name):
    with pytest.raises(SpaceError) as refused:
        find_file(name)
    return str(refused.value)


def test_a_name_is_a_bundled_space_before_a_file_of_that_name(tmp_path, monkeypatch):
    bundled = Path(__file__).parents[2] / "search_spaces"
    assert available() == tuple(sorted(path.stem for path in bundled.glob("*.yaml")))
    monkeypatch.chdir(tmp_path)
    Path("resnext").write_text(WHOLE)
    assert find_file("resnext").samefile(bundled / "resnext.yaml")
    assert find_file(Path("resnext")) == Path("resnext")  # a path is never a name
    assert find_file("./resnext") == Path("resnext")
    Path("mine").write_text(WHOLE)
    assert find_file("mine") == Path("mine")
    Path("a.yaml").write_text(WHOLE)
    assert find_file("a.yaml") == Path("a.yaml")


def test_what_is_not_there_is_said_with_what_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ", ".join(available())
    assert sought("mine") == f"no space is named 'mine'; accepted: {names}, or the path of a file"
    assert sought("mine.yaml") == f"mine.yaml does not exist; accepted: {names}"
    Path("folder").mkdir()
    assert sought("folder") == "folder is a folder, not a file; no space file is in it"
    for name in ("that_other_space.yml", "a_space_of_mine.yaml", "notes.txt"):
        (Path("folder") / name).write_text(WHOLE)
    there = "accepted: folder/a_space_of_mine.yaml, folder/that_other_space.yml"
    assert sought("folder") == f"folder is a folder, not a file; {there}"
    assert sought("folder/zzzzzzzzz.yaml") == f"folder/zzzzzzzzz.yaml does not exist; {there}"
    assert sought(Path("folder/zzzzzzzzz")) == f"folder/zzzzzzzzz does not exist; {there}"
