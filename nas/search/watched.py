"""A search that another process carries out, as far as its folder shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.search.config import SearchConfig
from nas.search.pace import Paces
from nas.search.plan import run_name
from nas.search.stores import local_folder

if TYPE_CHECKING:
    from nas.study.reader import Study


def stored_config(study: Study) -> SearchConfig:
    """As the study has it, unchecked: it was once."""
    given = {**study.record.config, "study": study.name, "storage": study.url}
    return SearchConfig.model_construct(**given)


def paces_of(study: Study, runs: str | None = None) -> Paces:
    """How far its epochs are, where the folder ``runs`` is seen from here; by default as the study
    has it."""
    config = stored_config(study)
    return Paces(local_folder(str(runs or config.runs)) / run_name(config))
