"""Studies, architectures, attempts, epochs. The view of trials is made by 0003, anew."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _id(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


def upgrade() -> None:
    """From a database that holds Optuna's tables alone, or nothing of ours."""
    op.create_table(
        "nas_releases",
        sa.Column("revision", sa.String(32), primary_key=True),
        sa.Column("nas", sa.String(32), nullable=False),
    )
    op.create_table(
        "nas_studies",
        _id("study_id"),
        sa.Column("space", sa.Text, nullable=False),
        sa.Column("space_hash", sa.String(64), nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("dataset", sa.String(64), nullable=False),
        sa.Column("provenance", sa.Text, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
    )
    op.create_table(
        "nas_architectures",
        _id("study_id"),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("params", sa.BigInteger, nullable=False),
        sa.Column("macs", sa.BigInteger, nullable=False),
        sa.Column("activations", sa.BigInteger, nullable=False),
        sa.Column("depth", sa.Integer, nullable=False),
    )
    op.create_table(
        "nas_attempts",
        _id("study_id"),
        _id("trial"),
        _id("attempt"),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("lease", sa.DateTime, nullable=False),
        sa.Column("host", sa.String(255)),
        sa.Column("device", sa.String(255)),
        sa.Column("numerics", sa.String(64)),
        sa.Column("checkpoint", sa.Text),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("started", sa.DateTime, nullable=False),
        sa.Column("ended", sa.DateTime),
    )
    op.create_table(
        "nas_epochs",
        _id("study_id"),
        _id("trial"),
        _id("attempt"),
        _id("epoch"),
        sa.Column("train_loss", sa.Float(53), nullable=False),
        sa.Column("val_loss", sa.Float(53), nullable=False),
        sa.Column("val_accuracy", sa.Float(53), nullable=False),
        sa.Column("learning_rate", sa.Float(53), nullable=False),
        sa.Column("seconds", sa.Float(53), nullable=False),
        sa.Column("images_per_second", sa.Float(53), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id", "trial", "attempt"],
            ["nas_attempts.study_id", "nas_attempts.trial", "nas_attempts.attempt"],
        ),
    )
    op.create_table(
        "nas_evaluations",
        _id("study_id"),
        _id("trial"),
        sa.Column("training", sa.Text, nullable=False),
        sa.Column("val_accuracy", sa.Float(53), nullable=False),
        sa.Column("test_loss", sa.Float(53), nullable=False),
        sa.Column("test_accuracy", sa.Float(53), nullable=False),
        sa.Column("evaluated", sa.DateTime, nullable=False),
    )
