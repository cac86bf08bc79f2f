"""The web page over a study database: read only, frames of ``nas.study`` and ``nas.analysis``."""
