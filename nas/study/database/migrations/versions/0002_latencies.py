"""Measured latencies of a study's networks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """One more table; the others stay as they are."""
    op.create_table(
        "nas_latencies",
        sa.Column("study_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("device", sa.String(255), primary_key=True),
        sa.Column("batch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("threads", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("milliseconds", sa.Float(53), nullable=False),
        sa.Column("measured", sa.DateTime, nullable=False),
    )
