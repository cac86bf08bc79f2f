"""What single keys of a file may hold: each kind, its domains, its bounds, and what editors get."""

import pytest
from pydantic import BaseModel, ValidationError

from nas.architecture import LARGEST
from nas.errors import SpaceError
from nas.space import Choice, FloatRange, IntRange, amount
from nas.space.domains import MAX_VALUES
from nas.space.file import fields as field_types
from nas.space.file.knobs import FLAG, KERNEL, MULTIPLIER, SIZE, hyper_parameter, unbounded
from nas.space.messages import MAX_BYTES, MAX_NESTING, explain, one_line, read_yaml, shown


def refused(call, *arguments):
    with pytest.raises(SpaceError) as error:
        call(*arguments)
    return str(error.value)


# --- kinds ---


def test_what_a_key_may_hold_is_read_as_it_is_meant():
    assert SIZE.read(64) == SIZE.read(64.0) == 64
    assert type(SIZE.read(64.0)) is int
    assert SIZE.read({"choice": [8, 16.0]}) == Choice((8, 16))
    assert SIZE.read({"int": [8, 16]}) == IntRange(8, 16)
    assert SIZE.read({"int": [8, 16], "step": 4, "log": True}) == IntRange(8, 16, 4, True)
    assert SIZE.read({"int": [8, 16], "step": 4.0}) == IntRange(8, 16, 4)
    assert MULTIPLIER.read(1) == 1.0 and type(MULTIPLIER.read(1)) is float
    assert MULTIPLIER.read({"float": [0.5, 1], "step": 0.25}) == FloatRange(0.5, 1.0, 0.25)
    assert MULTIPLIER.read({"float": [0.5, 1], "step": 0.25, "log": True}).log is True
    assert FLAG.read(True) is True
    assert FLAG.read({"choice": [True, False]}) == Choice((True, False))
    assert hyper_parameter("peak_lr").read({"float": [0.1, 0.5]}) == FloatRange(0.1, 0.5)
    assert hyper_parameter("batch_size").read({"int": [32, 64]}) == IntRange(32, 64)


@pytest.mark.parametrize(
    ("kind", "raw", "message"),
    [
        (SIZE, 0,
         "0 is not a whole number from 1 to 1,000,000, nor {choice: […]} or {int: [low, "
         "high]}"),
        (SIZE, True, "true is not a whole number from 1"),
        (SIZE, LARGEST + 1, "1000001 is not a whole number from 1 to 1,000,000"),
        (SIZE, 8.5, "8.5 is not a whole number"),
        (SIZE, {}, "{} is no domain; accepted: choice, int"),
        (SIZE, {"choise": [1]},
         '{"choise": [1]} is no domain; did you mean choice? accepted: choice, int'),
        (SIZE, {"float": [1, 2]}, '{"float": [1, 2]} is no domain; '),
        (SIZE, {"choice": [1], "int": [1, 2]},
         "choice and int cannot go together; accepted: one of them"),
        (SIZE, {"choice": [1], "step": 1}, 'unknown key "step"; accepted: choice'),
        (SIZE, {"int": [1, 2], "stp": 1},
         'unknown key "stp"; did you mean step? accepted: int, step, log'),
        (SIZE, {"choice": 5}, "choice: 5 is not a list of values"),
        (SIZE, {"choice": [0]}, "0 is not a whole number from 1 to 1,000,000"),
        (SIZE, {"int": 5}, "int: 5 is not [low, high]"),
        (SIZE, {"int": [5]}, "int: [5] is not [low, high]"),
        (SIZE, {"int": [1, 2, 3]}, "int: [1, 2, 3] is not [low, high]"),
        (SIZE, {"int": [0, 5]}, "0 is not a whole number from 1 to 1,000,000"),
        (SIZE, {"int": [1, 5], "log": 1}, "log: 1 is not true or false"),
        (SIZE, {"int": [1, 5], "step": 1.5}, "step: 1.5 is not a whole number above 0"),
        (SIZE, {"int": [1, 5], "step": None}, "step: null is not a whole number above 0"),
        (MULTIPLIER, 0, "0 is not a number above 0, nor {choice: […]} or {float: [low, high]}"),
        (MULTIPLIER, {"float": [1, 2], "step": "x"}, 'step: "x" is not a number above 0'),
        (MULTIPLIER, {"float": [1, 2]},
         '{"float": [1, 2]} has no step; give one, such as step: 0.25, or a choice'),
        (MULTIPLIER, LARGEST + 1.0, "1000001.0 is not a number above 0"),
        (KERNEL, 4, "4 is not 3 or 7, nor {choice: […]}"),
        (KERNEL, {"int": [3, 5]}, '{"int": [3, 5]} is no domain; '),
        (FLAG, 1, "1 is not true or false, nor {choice: […]}"),
        (hyper_parameter("peak_lr"), 0.1, "0.1 is not {choice: […]} or {float: [low, high]}"),
        (hyper_parameter("nesterov"), True, "true is not {choice: […]}"),
    ],
)  # fmt: skip
def test_what_a_key_may_not_hold_is_said_with_what_it_may(kind, raw, message):
    assert refused(kind.read, raw).startswith(message)


def test_of_a_choice_one_too_many_is_looked_at():
    with pytest.raises(SpaceError, match="more than 10,000 values"):
        SIZE.read({"choice": [*range(1, MAX_VALUES + 2), "no size"]})
    assert SIZE.read({"choice": range(1, MAX_VALUES + 1)}).count == MAX_VALUES


@pytest.mark.parametrize("kind", [SIZE, MULTIPLIER])
def test_the_largest_is_accepted(kind):
    assert kind.value(LARGEST) == LARGEST == 1_000_000
    assert SIZE.value(1) == 1


def test_bounds_of_hyper_parameters_are_said_in_the_order_of_an_interval():
    assert hyper_parameter("batch_size").noun == "a whole number of 4 or more and 65,536 at most"
    assert hyper_parameter("label_smoothing").noun == "a number of 0 or more and below 1"
    assert hyper_parameter("peak_lr").noun.startswith("a number above 0 and ")
    kind = unbounded(hyper_parameter("label_smoothing"))
    assert kind.accepts(1) and kind.accepts(0) and kind.accepts(LARGEST)
    assert not kind.accepts(-0.1) and not kind.accepts(LARGEST + 1) and not kind.accepts(True)
    kind = unbounded(hyper_parameter("batch_size"))
    assert kind.accepts(1) and not kind.accepts(1.5)


def test_editors_are_told_each_form_and_its_extras():
    one = {"type": "integer", "minimum": 1, "maximum": LARGEST}
    choice = {
        "type": "object",
        "properties": {"choice": {"type": "array", "items": one, "minItems": 1}},
        "required": ["choice"],
        "additionalProperties": False,
    }
    numbers = {"type": "array", "items": one, "minItems": 2, "maxItems": 2}
    step = {"type": "integer", "exclusiveMinimum": 0}
    ranged = {
        "type": "object",
        "properties": {"int": numbers, "step": step, "log": {"type": "boolean"}},
        "required": ["int"],
        "additionalProperties": False,
    }
    assert SIZE.json_schema == {"anyOf": [one, choice, ranged]}
    fixed, _, ranged = MULTIPLIER.json_schema["anyOf"]
    assert fixed == {"type": "number", "exclusiveMinimum": 0, "maximum": LARGEST}
    assert ranged["properties"]["step"] == {"type": "number", "exclusiveMinimum": 0}
    assert KERNEL.json_schema["anyOf"][0] == {"enum": [3, 7]}
    assert [form.get("type") for form in FLAG.json_schema["anyOf"]] == ["boolean", "object"]
    (only,) = hyper_parameter("nesterov").json_schema["anyOf"]
    assert only["required"] == ["choice"]
    assert hyper_parameter("batch_size").schema == {
        "type": "integer", "minimum": 4, "maximum": 65536
    }  # fmt: skip


# --- other fields ---


class Keys(BaseModel):
    block: field_types.Block = None
    direction: field_types.Direction = None
    adjust: field_types.Adjustment = None
    name: field_types.Name = "x"
    digest: field_types.Digest = "0" * 64
    text: field_types.Text = ""
    shape: field_types.Shape = (1, 28, 28)
    strides: field_types.Strides = (1, 2)
    tied: field_types.Tied = ()
    size: field_types.FixedSize = 1
    flag: field_types.FixedFlag = True
    amount: field_types.Amount = None


@pytest.mark.parametrize(
    ("key", "raw", "message"),
    [
        ("block", {"choice": ["basic"]},
         '{"choice": ["basic"]} is a domain, but the block of a stage is fixed; accepted: '
         'basic, bottleneck (write one space for each)'),
        ("block", "basik", '"basik" is unknown; did you mean basic? accepted: basic, bottleneck'),
        ("block", 5, "5 is unknown; accepted: basic, bottleneck"),
        ("direction", "increasing",
         '"increasing" is unknown; accepted: nondecreasing, nonincreasing'),
        ("adjust", "pycl", '"pycl" is unknown; did you mean pycls? accepted: pycls'),
        ("name", " ", '" " is empty; a space has a name'),
        ("name", 5, "5 is not text; put it in quotes"),
        ("digest", "A" * 64,
         f'"{"A" * 58}… is no hash of a space; accepted: 64 digits of 0-9 and a-f'),
        ("digest", "0" * 63, f'"{"0" * 58}… is no hash of a space'),
        ("text", None, "null is not text; put it in quotes"),
        ("shape", [1, 28], "[1, 28] is not [channels, height, width]"),
        ("shape", "abc", '"abc" is not [channels, height, width]'),
        ("shape", [1, 0, 28], "0 is not a whole number from 1"),
        ("strides", [1], "[1] is not a list of strides, for two stages or more"),
        ("strides", 5, "5 is not a list of strides, for two stages or more"),
        ("strides", [2, 2, 1], "[2, 2, 1]: a stage after the first has a stride of 2 or more"),
        ("tied", "depth",
         '"depth" is not a list of keys; accepted: depth, width, stride, groups, '
         'group_width, bottleneck, residual'),
        ("tied", ["depth", "width", "depth"], "depth occurs twice"),
        ("tied", ["deph"], '"deph" is unknown; did you mean depth? accepted: depth, width, stride'),
        ("size", 0, "0 is not a whole number from 1"),
        ("flag", 1, "1 is not true or false"),
        ("amount", -1,
         "-1 is not a count; accepted: a whole number such as 60000000, 400k, 1.5M, 4G"),
    ],
)  # fmt: skip
def test_a_field_says_what_it_was_given_and_what_it_accepts(key, raw, message):
    with pytest.raises(ValidationError) as error:
        Keys(**{key: raw})
    assert explain(error.value).startswith(f"{key}: {message}")


def test_a_field_takes_what_is_meant():
    keys = Keys(
        block="basic", direction="nonincreasing", adjust="pycls", name=" a \n b ",
        shape=(3, 32.0, 16), strides=[1, 2, 2.0],
        tied=("depth", "width"), size=8.0, amount="1.5M", digest="a" * 64,
    )  # fmt: skip
    assert keys.model_dump() == {
        "block": "basic", "direction": "nonincreasing", "adjust": "pycls", "name": "a b",
        "digest": "a" * 64, "text": "", "shape": (3, 32, 16), "strides": (1, 2, 2),
        "tied": ("depth", "width"), "size": 8, "flag": True, "amount": 1_500_000,
    }  # fmt: skip
    assert Keys(strides=[2, 2]).strides == (2, 2)


def test_editors_are_told_what_a_field_takes():
    keys = ["depth", "width", "stride", "groups", "group_width", "bottleneck", "residual"]
    size = {"type": "integer", "minimum": 1, "maximum": LARGEST}
    properties = Keys.model_json_schema()["properties"]
    told = {
        "block": {"enum": ["basic", "bottleneck"]},
        "direction": {"enum": ["nondecreasing", "nonincreasing"]},
        "adjust": {"enum": ["pycls"]},
        "name": {"type": "string", "minLength": 1},
        "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "text": {"type": "string"},
        "shape": {"type": "array", "items": size, "minItems": 3, "maxItems": 3},
        "strides": {"type": "array", "items": size, "minItems": 2},
        "tied": {"type": "array", "items": {"enum": keys}, "uniqueItems": True},
        "size": size,
        "flag": {"type": "boolean"},
    }
    for name, schema in told.items():
        found = properties[name]
        assert {key: found.get(key) for key in schema} == schema, name
    whole, text = properties["amount"]["anyOf"]
    assert whole == {"type": "integer", "minimum": 0}
    assert text["type"] == "string"
    assert text["pattern"].startswith("^[0-9]") and text["pattern"].endswith("$")


def test_a_count_fits_into_64_bits():
    assert amount(10**18) == amount("1000000000G") == 10**18
    assert amount(0) == 0
    for raw in (10**18 + 1, -1):
        assert refused(amount, raw).startswith(f"{raw} is not a count; ")


# --- words ---


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), ("é", '"é"'), ([1, True], "[1, true]"), ({1, }, '"{1}"'),
        ("x" * 58, '"' + "x" * 58 + '"'), ("x" * 59, '"' + "x" * 58 + "…"),
    ],
)  # fmt: skip
def test_a_value_is_shown_as_a_file_spells_it_in_sixty_characters(value, text):
    assert shown(value) == text
    assert len(shown(value)) <= 60


def test_a_line_has_no_breaks():
    assert one_line(" a\n\tb  c ") == "a b c"


class Lists(BaseModel):
    one: tuple[int, ...] = ()
    inner: dict[str, list[int]] = {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"one": 5}, "one: 5 is not a list"),
        ({"inner": {"a": 5}}, "inner.a: 5 is not a list"),
        ({"inner": {"a": ["x"]}}, "inner.a.0: Input should be a valid integer"),
    ],
)
def test_a_mistake_is_said_at_its_place(content, message):
    with pytest.raises(ValidationError) as error:
        Lists(**content)
    assert explain(error.value).startswith(message)


def test_a_document_that_is_none_has_no_place():
    with pytest.raises(ValidationError) as error:
        Lists.model_validate(5)
    assert not explain(error.value).startswith(":")


# --- YAML ---


@pytest.fixture
def yaml(tmp_path):
    def read(text):
        path = tmp_path / "a.yaml"
        path.write_text(text)
        return read_yaml(path)

    read.path = tmp_path / "a.yaml"
    return read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10.0), ("1_000", 1000), ("0x1F", 31), ("+5", 5), ("-5", -5), ("0", 0),
        ("1e-3", 0.001), ("1.", 1.0), (".5", 0.5), ("1E3", 1000.0), ("1_0.5", 10.5),
        ("-.inf", float("-inf")), (".INF", float("inf")), ("+1.5e+2", 150.0), ("1:30", "1:30"),
        ("1__0", "1__0"), ("0o7", "0o7"),
        ("on", True), ("null", None), ("12e03", 12000.0), ("a1", "a1"), ("'5'", "5"),
    ],
)  # fmt: skip
def test_numbers_are_what_people_mean(yaml, text, value):
    found = yaml(f"a: {text}\n")["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: &x 2\nc: *x\n",
         "line 3, column 4: an alias (*); write it out, or put it in each_stage"),
        ("a: 1\na: 2\n", 'line 2, column 1: the key "a" occurs twice'),
        ("a: 2020-99-01\n", 'line 1, column 4: "2020-99-01" is not a valid timestamp'),
        ("a: [\n", "line 2, column 1: while parsing a flow node, expected the node content, but"),
        ("a: !!python/object:x {}\n",
         "line 1, column 4: could not determine a constructor for the"),
    ],
)  # fmt: skip
def test_what_is_no_plain_yaml_is_said_with_its_place(yaml, text, message):
    assert refused(yaml, text).startswith(f"{yaml.path}: {message}")


def test_equal_words_of_unequal_kinds_are_two_keys(yaml):
    assert yaml("1: a\n'1': b\n") == {1: "a", "1": "b"}


def test_twenty_levels_are_accepted_and_a_file_of_a_million_bytes(yaml):
    assert (MAX_NESTING, MAX_BYTES) == (20, 1_000_000)
    assert yaml("[" * 20 + "]" * 20) is not None
    assert refused(yaml, "[" * 21 + "]" * 21).endswith("nested more than 20 deep")
    assert yaml("[" + "[[]], " * 30 + "]") is not None  # thirty side by side are not deep
    assert yaml("a: 1\n" + "#" * (MAX_BYTES - 5)) == {"a": 1}
    assert refused(yaml, "a: 1\n" + "#" * (MAX_BYTES - 4)) == (
        f"{yaml.path} is larger than 1,000,000 bytes; no space file is"
    )


def test_what_is_no_file_is_refused(tmp_path):
    assert refused(read_yaml, tmp_path) == f"{tmp_path} is not a file"
