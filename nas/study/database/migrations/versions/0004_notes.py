"""What people say of a study and of its trials."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """One more table; the others stay as they are."""
    op.create_table(
        "nas_notes",
        sa.Column("study_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("trial", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("changed", sa.DateTime, nullable=False),
    )
