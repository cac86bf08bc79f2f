"""Alembic's entry point: our migrations, on the connection that the caller opened."""

from alembic import context

from nas.study.tables import metadata

VERSION_TABLE = "nas_version"  # Optuna keeps its own in alembic_version

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
