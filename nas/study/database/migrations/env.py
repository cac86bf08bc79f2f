"""Alembic's entry point: our migrations, on the connection that the caller opened."""

from importlib.metadata import version
from typing import Any

from alembic import context
from sqlalchemy import insert

from nas.study.database.tables import metadata, releases

VERSION_TABLE = "nas_version"  # Optuna keeps its own in alembic_version


def record_release(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
    """Note which nas brought the revision, in the transaction that brings it."""
    ctx.connection.execute(
        insert(releases).values(revision=step.up_revision_id, nas=version("nas"))
    )


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    on_version_apply=record_release,
)
with context.begin_transaction():
    context.run_migrations()
