"""A design space: which settings there are, what network each stands for, and fair draws of them.

A setting gives a value to every searched parameter, under the paths of the space file:
``stem.width``, ``stages.0.depth``, ``bottleneck`` (tied: one for all stages),
``training.peak_lr``.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture, Stem
from nas.cost import Cost, cost
from nas.errors import InfeasibleError, SpaceError, choose
from nas.nested.elements import Mode
from nas.quantity import plain, whole
from nas.space.body import Body, StagesBody, body_of
from nas.space.domains import Domain, Knob, Setting, Value, options
from nas.space.draw.feasible import FeasibleDraws
from nas.space.file.canonical import canonical, to_dict
from nas.space.file.finding import find_file
from nas.space.file.fixing import fixed
from nas.space.file.schema import Document, read_document
from nas.space.limits import Band, Limits, Rule, tightened
from nas.space.messages import read_yaml, shown
from nas.space.nesting import Nesting, nesting_of
from nas.space.stages import StageSequences

if TYPE_CHECKING:  # with NumPy, which only narrow limits need
    from nas.space.draw.cost_graph import CostGraph


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """A set of architectures, and of hyper-parameters to train them with.

    Made by ``load`` or ``from_dict``. Two spaces are equal if their canonical forms are. For
    ``rule`` see ``refusing``.
    """

    document: Document
    rule: Rule | None = None

    @classmethod
    def load(cls, name_or_path: str | Path) -> SearchSpace:
        """A bundled space by its name, or the space in a YAML file.

        Raises:
            SpaceError: there is none, it has a mistake, or no setting keeps its rules.
        """
        path = find_file(name_or_path)
        return cls.from_dict(read_yaml(path), source=str(path))

    @classmethod
    def from_dict(
        cls, description: object, source: str = "space", *, stored: bool = False
    ) -> SearchSpace:
        """The inverse of ``to_dict``; takes what a space file holds. ``source`` begins errors.

        With ``stored``, it is that of a study, which can be read whatever the bounds of
        hyper-parameters were when it was made: trials that have others by now cannot be begun.
        """
        try:
            space = cls(canonical(read_document(description, stored=stored)))
            space._body.check_not_empty()
        except SpaceError as error:
            raise SpaceError(f"{source}: {error}") from None
        return space

    def to_dict(self) -> dict[str, Any]:
        """The canonical form in plain JSON types: every stage complete, 60M as 60000000."""
        return to_dict(self.document)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON without name, description and parent, 64 hex digits.

        It identifies what is searched: a space that is renamed is the same space.
        """
        content = self.to_dict()
        for key in ("name", "description", "parent"):
            content.pop(key, None)
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.hash)

    @property
    def name(self) -> str:
        """Of the space, for people."""
        return self.document.name

    @property
    def description(self) -> str:
        """What the space is about; may be empty."""
        return self.document.description

    @property
    def parent(self) -> Mapping[str, str] | None:
        """Name, hash and evidence of the space that this one was narrowed from, if any."""
        return None if self.document.parent is None else self.document.parent.given()

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the images that the limits are meant for."""
        return self.document.input_shape

    @property
    def num_classes(self) -> int:
        """Outputs of the networks that the limits are meant for."""
        return self.document.classes

    @property
    def says_images(self) -> tuple[bool, bool]:
        """Whether it says its input shape and its number of classes, rather than leaves them to
        the data set."""
        said = self.document.model_fields_set
        return "input_shape" in said, "classes" in said

    def for_images(
        self, input_shape: tuple[int, int, int], num_classes: int, of: str
    ) -> SearchSpace:
        """The space for the images of a data set called ``of``: what it leaves out is theirs.

        Raises:
            SpaceError: it says another input shape or number of classes.
        """
        update: dict[str, Any] = {"input_shape": input_shape, "classes": num_classes}
        for said, (key, value) in zip(self.says_images, update.items(), strict=True):
            own = getattr(self.document, key)
            if said and own != value:
                raise SpaceError(
                    f"{self.name} says {key}: {shown(plain(own))}, but {of} has "
                    f"{shown(plain(value))}; accepted: that, or a space file without {key}"
                )
        if (self.input_shape, self.num_classes) == (input_shape, num_classes):
            return self
        return SearchSpace(self.document.model_copy(update=update), self.rule)

    @cached_property
    def parameters(self) -> Mapping[str, Domain]:
        """What is searched: the stem's, the tied ones, each stage's, the training's."""
        found = {f"stem.{key}": knob for key, knob in self._stem.items()}
        found |= self._body.knobs
        found |= {f"training.{key}": knob for key, knob in self._training.items()}
        return {path: knob for path, knob in found.items() if isinstance(knob, Domain)}

    def architecture(self, setting: Mapping[str, Value]) -> Architecture:
        """The network of a setting, whose training parameters may be left out.

        Raises:
            InfeasibleError: it breaks an order, a divisibility or a limit; the message has which.
            SpaceError: a parameter is unknown, missing or out of its domain.
        """
        architecture = self._build(self._checked(setting, training=False))
        for violation in self._limits.violations(architecture):
            raise InfeasibleError(violation.message)
        return architecture

    def training(self, setting: Mapping[str, Value]) -> dict[str, Value]:
        """The setting's hyper-parameters of the training, by their own names.

        Raises:
            SpaceError: a parameter is unknown, missing or out of its domain.
        """
        checked = self._checked(setting, training=True)
        return {key: checked[f"training.{key}"] for key in self._training}

    def training_extremes(self) -> Iterator[dict[str, Value]]:
        """Every combination of the lowest and the highest values of what is searched of the
        training, by their own names; one that is empty where nothing is."""
        return self.document.training.extremes()

    def cost(self, architecture: Architecture) -> Cost:
        """What the network costs on the images and classes that the space is for."""
        return cost(architecture, self.input_shape, self.num_classes)

    def sample(self, seed: int) -> Architecture:
        """The network of one random setting: the same on every machine.

        Raises:
            SpaceError: the limits leave next to nothing; the message has which and how far off.
        """
        number = whole(seed)
        if number is None or number < 0:  # random.Random would take -1 for 1
            raise SpaceError(f"seed is {shown(plain(seed))}; accepted: a whole number of 0 or more")
        return self.architecture(self.sample_setting(random.Random(number)))

    def sample_setting(self, rng: random.Random) -> Setting:
        """A random setting that keeps every rule of the space.

        All settings are equally likely, but for parameters with ``log``, whose value v has a
        weight of 1/v. Ties, orders and divisibility hold by construction; networks outside the
        limits are drawn again, or not at all (``sampler``). Different settings may stand for the
        same network.

        Raises:
            SpaceError: the limits leave nothing, or thousands of draws were all outside of them;
                the message has which and how far off.
        """
        try:
            drawn = self._feasible.draw(rng)
        except SpaceError as error:
            raise SpaceError(f"{self.name}: {error}") from None
        for key, domain in self._training.items():
            drawn[f"training.{key}"] = domain.sample(rng)
        return {path: drawn[path] for path in self.parameters}

    def complete(self, given: Mapping[str, Value], rng: random.Random) -> Setting:
        """A random setting with the values that are ``given``: the space's own draw, given them.

        >>> space = SearchSpace.load("resnext")
        >>> found = space.complete({"stages.0.depth": 2}, random.Random(0))
        >>> found["stages.0.depth"], found.keys() == space.parameters.keys()
        (2, True)

        Raises:
            SpaceError: a parameter is unknown or out of its domain, or no setting has these values;
                the message has which.
        """
        whole = {path: self._value(path, value) for path, value in given.items()}
        if whole.keys() == self.parameters.keys():
            self.architecture(whole)
            return {path: whole[path] for path in self.parameters}
        part = SearchSpace(fixed(self.document, whole), self.rule)
        try:
            part._body.check_not_empty()
            return part.sample_setting(rng)
        except SpaceError as error:
            raise SpaceError(f"no setting was found that has {shown(whole)}: {error}") from None

    @property
    def sampler(self) -> str:
        """How settings inside the limits are drawn: ``rejection``, or ``exact`` where those
        limits are so narrow that rejection is slow. The distribution is the same."""
        return self._feasible.method

    def share(self) -> tuple[float, str]:
        """How much of the space, by the weight of its draws, is inside the limits; and how that
        was found."""
        return self._feasible.share()

    def size(self) -> int:
        """How many settings of the architecture there are, exactly.

        Ties, orders and divisibility count; limits and the training's parameters do not.
        """
        return prod(len(options(knob)) for knob in self._stem.values()) * self._body.count()

    def distinct_settings(self, most: int) -> Iterator[Setting] | None:
        """One setting of every different network and, if hyper-parameters are searched, of every
        way to train it, in an order that is always the same.

        None where that takes a look at more than ``most`` settings: the limits cut what ``size``
        counts, and several settings may stand for one network.
        """
        ways = [domain.values for domain in self._training.values()]
        if self.size() > most or None in ways:
            return None
        known = [values for values in ways if values is not None]
        return self._distinct(known) if self.size() * prod(map(len, known)) <= most else None

    def _distinct(self, ways: Sequence[Sequence[Value]]) -> Iterator[Setting]:
        seen = set()
        stems = product(*(options(knob) for knob in self._stem.values()))
        for stem, body in product(stems, self._body.settings()):
            whole = body | {f"stem.{k}": v for k, v in zip(self._stem, stem, strict=True)}
            try:
                architecture = self._build(whole)
            except InfeasibleError:
                continue
            if architecture.key in seen or any(self._limits.violations(architecture)):
                continue
            seen.add(architecture.key)
            for way in product(*ways):
                whole |= {f"training.{k}": v for k, v in zip(self._training, way, strict=True)}
                yield {path: whole[path] for path in self.parameters}

    def is_nested(self, mode: Mode = "train") -> Nesting:
        """Which knobs order the space: a step of such a one leads to a network that contains the
        one before (``nas.contains``), so that it can be no worse but for its training.

        Each knob is moved by one step in random networks of the space, the same ones each time.
        True if every step of every knob leads to a network that contains the other one.

        >>> nesting = SearchSpace.load("resnet_vs_plain").is_nested()
        >>> bool(nesting), nesting.knobs["stages.1.width"].always, nesting.knobs["residual"].never
        (False, True, True)
        """
        paths = [path for path in self.parameters if not path.startswith("training.")]
        domains = {path: self.parameters[path] for path in paths}
        return nesting_of(domains, self.sample_setting, self._inside, mode)

    def contains(self, architecture: Architecture) -> bool:
        """Whether some setting inside the limits gives this network (one with the same key)."""
        return self.find(architecture) is not None

    def find(self, architecture: Architecture) -> Setting | None:
        """A setting, without training parameters, that gives this network; None if none does."""
        try:
            return self.locate(architecture)
        except SpaceError:
            return None

    def locate(self, architecture: Architecture) -> Setting:
        """A setting, without training parameters, that gives this network.

        Raises:
            InfeasibleError: it is outside the limits; the message has which.
            SpaceError: no setting gives it; the message has the first part that differs.
        """
        matched = self._body.match(architecture)
        if matched is None:
            raise SpaceError(f"no setting of {self.name} has its stages")
        found = matched | {f"stem.{key}": getattr(architecture.stem, key) for key in self._stem}
        setting = {
            path: found[path] for path in self.parameters if not path.startswith("training.")
        }
        nearest = self.architecture(setting)
        if nearest.key != architecture.key:
            parts = [(f"stem.{one.name}", one.name, "stem") for one in fields(nearest.stem)]
            parts += [(flag, flag, "") for flag in self._flags]
            for what, name, holder in parts:
                theirs, ours = (
                    getattr(getattr(one, holder) if holder else one, name)
                    for one in (architecture, nearest)
                )
                if theirs != ours:
                    raise SpaceError(f"its {what} is {shown(theirs)}, not {shown(ours)}")
            raise SpaceError(f"no setting of {self.name} gives it")
        return setting

    def with_limits(self, limits: Mapping[str, Band]) -> SearchSpace:
        """The part of the space within these bands, beside its own limits.

        ``limits`` has (least, most) for any of depth, params, macs and activations, either of
        them a number, an amount such as ``"4M"``, or None for no bound.

        Raises:
            SpaceError: a band is no band, or no number is in it and in the space's own limits.
        """
        narrowed = tightened(self.document.limits, limits)
        return SearchSpace(self.document.model_copy(update={"limits": narrowed}), self.rule)

    def refusing(self, rule: Rule) -> SearchSpace:
        """The part of the space in which ``rule`` finds nothing wrong with a network.

        It holds for draws and settings as limits do, but is no part of what the space is: its
        file, its hash and what it equals.

        >>> from nas.space.limits import Violation
        >>> deep = Violation("depth", "depth is 9 at most but this network has more")
        >>> space = SearchSpace.load("resnext").refusing(lambda a: deep if a.depth > 9 else None)
        >>> space.sample(0).depth <= 9
        True
        """
        return SearchSpace(self.document, rule)

    @cached_property
    def _body(self) -> Body:
        return body_of(self.document)

    @cached_property
    def _stem(self) -> Mapping[str, Knob]:
        return self.document.stem.given()

    @cached_property
    def _training(self) -> Mapping[str, Domain]:
        return self.document.training.given()

    @cached_property
    def _limits(self) -> Limits:
        bounds = self.document.limits.given()
        return Limits(bounds, self.input_shape, self.num_classes, self.rule)

    @cached_property
    def _flags(self) -> dict[str, bool]:
        """What holds for all stages of a network."""
        document = self.document
        return {
            "conv_bias": document.conv_bias,
            "shortcut_norm": document.shortcut_norm,
            "preactivation": document.preactivation,
        }

    @cached_property
    def _feasible(self) -> FeasibleDraws:
        body = self._body
        return FeasibleDraws(
            self._limits,
            body.length,
            self._draw,
            lambda setting: self._limits.violations(self._build(setting)),
            partial(self._cost_graph, body.sequences) if isinstance(body, StagesBody) else None,
        )

    def _cost_graph(self, sequences: StageSequences, measure: str) -> CostGraph:
        from nas.space.draw.cost_graph import CostGraph

        return CostGraph(self._stem, sequences, measure, self._limits, self._flags)

    def _draw(self, rng: random.Random) -> Setting:
        """A setting of the architecture, with the fixed values, by construction feasible."""
        drawn = {}
        for key, knob in self._stem.items():
            drawn[f"stem.{key}"] = knob.sample(rng) if isinstance(knob, Domain) else knob
        return drawn | self._body.draw(rng)

    def _checked(self, setting: Mapping[str, Value], training: bool) -> Setting:
        """The setting in the domains' own values (1.0 where 1 was given), for one of its uses."""
        checked = {}
        for path in setting:
            self._domain(path)
        for path, domain in self.parameters.items():
            if path.startswith("training.") != training:
                continue
            if path not in setting:
                raise SpaceError(f"{path} is missing from the setting; accepted: {domain}")
            checked[path] = self._value(path, setting[path])
        return checked

    def _domain(self, path: str) -> Domain:
        if path not in self.parameters:
            raise SpaceError(f"unknown parameter {shown(path)}; {choose(path, self.parameters)}")
        return self.parameters[path]

    def _value(self, path: str, value: object) -> Value:
        """What a domain has for a value."""
        domain = self._domain(path)
        found = domain.find(value)
        if found is None:
            raise SpaceError(f"{path} is {shown(plain(value))}; accepted: {domain}")
        return found

    def _inside(self, setting: Mapping[str, Value]) -> Architecture | None:
        """The network of a setting, if the space has it."""
        try:
            return self.architecture(setting)
        except InfeasibleError:
            return None

    def _build(self, setting: Mapping[str, Value]) -> Architecture:
        """The network of a setting, whatever the limits."""
        stem: dict[str, Any] = {k: setting.get(f"stem.{k}", v) for k, v in self._stem.items()}
        return Architecture(Stem(**stem), self._body.build(setting), **self._flags)
