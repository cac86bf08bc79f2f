"""``nas.plots``: the figures of ``nas.analysis.plots`` by the name that a notebook imports."""

from nas.analysis.plots import *  # noqa: F403 - the list of figures stands there
from nas.analysis.plots import __all__ as __all__
