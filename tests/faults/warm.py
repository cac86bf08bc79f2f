"""Imported by the server that drivers are forked from: a study of one trial, thrown away.

What a first study pays for once (SQLAlchemy's mappers, Alembic's scripts) every fork has then.
"""

import tempfile

from faults.driving import drive

with tempfile.TemporaryDirectory() as folder:
    drive(f"sqlite:///{folder}/nas.db", folder, "warm", trials=1)
