"""Design spaces: sets of architectures as data, with exact counts and fair samples."""

from nas.space.bands import Bands
from nas.space.domains import Choice, Domain, FloatRange, IntRange, Setting, Value
from nas.space.file.fields import amount
from nas.space.file.finding import available
from nas.space.file.schema import TRAINING_KEYS, json_schema
from nas.space.limits import Band
from nas.space.space import SearchSpace

__all__ = [
    "TRAINING_KEYS",
    "Band",
    "Bands",
    "Choice",
    "Domain",
    "FloatRange",
    "IntRange",
    "SearchSpace",
    "Setting",
    "Value",
    "amount",
    "available",
    "json_schema",
]
