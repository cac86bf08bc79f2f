"""Metrics of any objective, and what a study is judged by."""

import sqlalchemy as sa
from alembic import op

from nas.study.database.tables import trials_view

revision = "0003"
down_revision = "0002"

OPTIONAL = ("train_loss", "val_loss", "val_accuracy", "learning_rate", "images_per_second")


def upgrade() -> None:
    """One column more for studies and epochs each; of an epoch, its seconds alone must be there."""
    connection = op.get_bind()
    # SQLite makes the table anew, which no view may refer to meanwhile
    connection.exec_driver_sql("DROP VIEW IF EXISTS nas_trials")
    op.add_column("nas_studies", sa.Column("objective", sa.Text))
    with op.batch_alter_table("nas_epochs") as epochs:
        for name in OPTIONAL:
            epochs.alter_column(name, existing_type=sa.Float(53), nullable=True)
        epochs.add_column(sa.Column("metrics", sa.Text))
    # driver SQL: ->> and ' would be taken for bind parameters otherwise
    connection.exec_driver_sql(trials_view(connection.dialect.name))
