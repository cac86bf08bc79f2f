"""What a shipped network is, does and does not, as plain data and as Markdown for people.

Names of classes, studies and files are others' text: it is escaped, so that none of it is markup.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from nas.data.dataset import spelled
from nas.quantity import count, percent, plural
from nas.text import visible

WIDEST = 20  # classes whose confusion is shown as a table; of more, the most frequent ones
CONFUSED = 10  # of those
_WITHOUT = {"validation": "as the data set has it", "train_images": "all", "epoch_images": "all"}
_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|~])")


def escaped(text: object) -> str:
    r"""Text of others as Markdown that shows it, in one line.

    >>> escaped("<b>|*")
    '\\<b\\>\\|\\*'
    """
    return _MARKS.sub(r"\\\1", visible(text))


def limits(card: Mapping[str, Any]) -> list[str]:
    """What a user should not expect of the network, a sentence each."""
    shape, data = card["input_shape"], card["data"]
    kind = {1: "grey", 3: "colour"}.get(shape[0], f"{shape[0]}-channel")
    found = [
        f"It takes every image for one of its {len(card['classes'])} classes, whatever is on it.",
        f"It was trained on {kind} images of {data['title']} of {spelled(shape[1:])} pixels: of "
        "another size they must be resized, and of another kind (another background, another "
        "crop) the accuracies above say nothing.",
    ]
    if card["training"].get("label_smoothing"):
        found.append(
            "It was trained with label smoothing: its probabilities rank its answers, and are "
            "lower than the shares of right ones."
        )
    if card["accuracy"]["test"] is None:
        found.append(
            "Its test images were not read. The validation accuracy is of images by which it may "
            "have been chosen among others, and so may be too high."
        )
    return found


def markdown(card: Mapping[str, Any], drawing: str) -> str:
    """The card of ``ship`` for people; ``drawing`` is the name of its picture beside it."""
    data, parity, latency = card["data"], card["parity"], card["latency"]
    where = _origin(card["origin"])
    home = f" ([its own page]({data['home']}))" if data["home"] else ""
    recipe = card["origin"].get("recipe")
    sections = {
        "": [
            f"{escaped(card['title'])}: tells {len(card['classes'])} classes of images "
            f"apart. {count(card['params'])} parameters, {count(card['macs'])} "
            f"multiply-accumulates an image.",
            f"![The network]({drawing})",
            f"`{visible('; '.join(card['network'].splitlines()))}`",
        ],
        "Use": [
            f"`{_name(card['file'])}` ({card['bytes']:,} bytes, SHA-256 `{card['sha256']}`) takes "
            f"{card['takes']}.",
            f"```python\n{card['example']}\n```",
            f"Classes, in the order of the outputs: "
            f"{', '.join(escaped(name) for name in card['classes'])}. Mean and deviation of the "
            f"channels, pixels scaled to 0 … 1: {_numbers(card['mean'])} and "
            f"{_numbers(card['std'])}.",
        ],
        "Accuracy": [
            _table(("measured on", "accuracy", "from"), _accuracies(card)),
            *_confusion(card),
        ],
        "Data": [
            f"{escaped(data['title'])}: {plural(data['training'], 'image')} to train, "
            f"{plural(data['validation'], 'image')} to validate, fingerprint "
            f"`{data['fingerprint'][:16]}`. Licence: {escaped(data['licence'])}{home}.",
        ],
        "Training": [
            f"Recipe {escaped(recipe)}." if recipe else "",
            _table(
                ("option", "value"),
                [(escaped(k), escaped(_in_words(k, v))) for k, v in card["training"].items()],
            ),
        ],
        "Speed and sameness": [
            f"{latency['milliseconds']:.2f} ms an image (median of one at a time, one thread, "
            f"{escaped(latency['runtime'])}, {escaped(latency['machine'])}).",
            f"On {plural(parity['images'], 'image')} of the validation the logits differ from "
            f"PyTorch's by {parity['largest_difference']:.1e} at most, and all answers are the "
            "same.",
            *_quantized(card.get("int8")),
        ],
        "Limits": ["\n".join(f"- {escaped(one)}" for one in card["limits"])],
        "Where it comes from": [
            f"{escaped(where)}." if where else "",
            f"Provenance `{escaped(card['origin'].get('provenance', 'not known'))}`; "
            + ", ".join(f"{escaped(k)} {escaped(v)}" for k, v in card["versions"].items())
            + f". Written {card['made']}.",
        ],
    }
    text = [f"# {escaped(_name(card['file']))}"]
    for title, parts in sections.items():
        text += [f"## {title}"] if title else []
        text += [part for part in parts if part]
    return "\n\n".join(text) + "\n"


def _origin(origin: Mapping[str, Any]) -> str:
    study, trial = origin.get("study"), origin.get("trial")
    return f"Trial {trial} of the study {study}" if study is not None else ""


def _accuracies(card: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What was measured of it, each with what it was measured on."""
    accuracy, validation = card["accuracy"], card["data"]["validation"]
    rows = []
    if accuracy["test"] is not None:
        n = card["data"]["test"]
        rows.append(("test images, read once", _within(accuracy["test"], n), plural(n, "image")))
    rows.append(
        (
            "validation images",
            _within(accuracy["validation"], validation),
            plural(validation, "image"),
        )
    )
    for name, values in accuracy["seeds"].items():
        mean = sum(values) / len(values)
        spread = max(abs(one - mean) for one in values)
        rows.append(
            (
                f"{escaped(name)}, mean over seeds",
                f"{percent(mean).strip()} ± {100 * spread:.2f}",
                plural(len(values), "training"),
            )
        )
    searched = accuracy["searched"]
    if searched:
        rows.append(
            (
                "validation images, in the search",
                percent(searched["val_accuracy"]).strip(),
                plural(searched["epochs"], "epoch"),
            )
        )
    return rows


def _within(accuracy: float, images: int) -> str:
    """With the half of a 95 % interval that so many images leave, by the normal approximation."""
    half = 1.96 * sqrt(accuracy * (1 - accuracy) / images)
    return f"{percent(accuracy).strip()} ± {100 * half:.2f}"


def _confusion(card: Mapping[str, Any]) -> list[str]:
    """Rows are what an image is, columns what it is taken for."""
    names, matrix = [escaped(name) for name in card["classes"]], card["confusion"]
    if len(names) <= WIDEST:
        rows = [(name, *map(str, row)) for name, row in zip(names, matrix, strict=True)]
        return [
            "What validation images are (rows) and are taken for (columns):",
            _table(("", *names), rows),
        ]
    pairs = sorted(
        (
            (matrix[i][j], names[i], names[j])
            for i in range(len(names))
            for j in range(len(names))
            if i != j
        ),
        reverse=True,
    )
    rows = [(one, other, str(n)) for n, one, other in pairs[:CONFUSED] if n]
    return [
        "What is most often taken for something else:",
        _table(("class", "taken for", "images"), rows),
    ]


def _quantized(int8: Mapping[str, Any] | None) -> list[str]:
    if not int8:
        return []
    return [
        f"In 8 bits `{_name(int8['file'])}` has {int8['bytes']:,} bytes, takes "
        f"{int8['milliseconds']:.2f} ms an image and recognises "
        f"{percent(int8['accuracy']).strip()} of the validation images, where this one recognises "
        f"{percent(int8['accuracy_before']).strip()}.",
    ]


def _in_words(option: str, value: object) -> object:
    """A value of ``TrainingConfig`` as people say it."""
    if value is None:
        return _WITHOUT.get(option, "none")
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{one:g}" for one in values)


def _name(file: str) -> str:
    """Of a file between backticks, which it then has none of."""
    return visible(file).replace("`", "'")
