"""Samplers for Optuna's studies, ours and Optuna's own, by name.

    study = optuna.create_study(sampler=nas.samplers.make("model", seed=0))

``model``, ``evolution``, ``local``, ``largest`` and ``growing`` are ours: each ranks candidates
that are possible and new (``nas/samplers/candidates.py``). In a plain study these are made of
Optuna's distributions.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nas.errors import ConfigError, choose

if TYPE_CHECKING:  # the names alone need no Optuna
    from optuna.samplers import BaseSampler

    from nas.samplers.candidates import Candidates

STARTUP = 8  # random trials before a sampler of Optuna's has something to go by
PARENTS = 50  # best results with whose weights a trial may begin, in a search that inherits

OWN: Mapping[str, str] = MappingProxyType(
    {
        "model": "nas.samplers.model:ModelSampler",
        "evolution": "nas.samplers.evolution:EvolutionSampler",
        "local": "nas.samplers.local:LocalSampler",
        "largest": "nas.samplers.largest:LargestSampler",
        "growing": "nas.samplers.growing:GrowingSampler",
    }
)
# Of Optuna's, the class and what it is made with beside the seed
OPTUNAS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "tpe": ("TPESampler", {"multivariate": True, "n_startup_trials": STARTUP}),
        "nsga2": ("NSGAIISampler", {"population_size": STARTUP}),
        "nsga3": ("NSGAIIISampler", {"population_size": STARTUP}),
        "gp": ("GPSampler", {"n_startup_trials": STARTUP}),
        "qmc": ("QMCSampler", {"scramble": True}),
        "random": ("RandomSampler", {}),
    }
)
NAMES = (*OWN, *OPTUNAS)


def make(name: str, seed: int = 0, candidates: Candidates | None = None) -> BaseSampler:
    """The sampler called ``name``, one of ``NAMES``, for one study.

    Ours propose the same for the same seed, number of the trial and results so far. ``candidates``
    are those of a design space; Optuna's samplers take none.

    Raises:
        ConfigError: there is no such sampler.

    Example:
        >>> import optuna
        >>> study = optuna.create_study(sampler=make("evolution", seed=1))
    """
    if name in OWN:
        module, _, class_name = OWN[name].partition(":")
        own: BaseSampler = getattr(import_module(module), class_name)(seed, candidates)
        return own
    if name not in OPTUNAS:
        raise ConfigError(f"sampler is {name!r}; {choose(name, NAMES)}")
    import optuna

    class_name, options = OPTUNAS[name]
    with warnings.catch_warnings():  # most of Optuna's call themselves experimental
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        theirs: BaseSampler = getattr(optuna.samplers, class_name)(seed=seed, **options)
    return theirs
