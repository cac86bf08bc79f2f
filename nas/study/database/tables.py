"""Our tables, beside Optuna's in the same database, and the view that joins both.

``trial`` is Optuna's trial number, ``study_id`` Optuna's. Times are UTC. No foreign key points at
Optuna's tables: those stay exactly Optuna's, and may be deleted by its tools.
"""

from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
)
from sqlalchemy.dialects import postgresql, sqlite

from nas.metrics import METRICS

REVISION = "0004"  # of the last migration: what this version of nas writes
READABLE = "0003"  # the oldest one that is read as it is: what came later are tables of their own

metadata = MetaData()

releases = Table(
    "nas_releases",
    metadata,
    # which nas brought a revision: an older one names it when it cannot read the database
    Column("revision", String(32), primary_key=True),
    Column("nas", String(32), nullable=False),  # its version
)

studies = Table(
    "nas_studies",
    metadata,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("space", Text, nullable=False),  # the whole space, JSON
    Column("space_hash", String(64), nullable=False),
    Column("config", Text, nullable=False),  # the resolved SearchConfig, JSON
    Column("dataset", String(64), nullable=False),  # fingerprint of its arrays
    Column("provenance", Text, nullable=False),  # code, libraries, hardware, JSON
    Column("created", DateTime, nullable=False),
    # what is judged, in which direction, and by which code, JSON; none: validation accuracy
    Column("objective", Text),
)

architectures = Table(
    "nas_architectures",
    metadata,
    # per study: the costs depend on the study's image size and number of classes
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("key", String(64), primary_key=True),
    Column("description", Text, nullable=False),  # Architecture.to_dict(), JSON
    Column("params", BigInteger, nullable=False),
    Column("macs", BigInteger, nullable=False),
    Column("activations", BigInteger, nullable=False),
    Column("depth", Integer, nullable=False),
)

attempts = Table(
    "nas_attempts",
    metadata,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(128), nullable=False),  # the driver that runs it
    Column("lease", DateTime, nullable=False),  # the owner is taken for dead after this
    Column("host", String(255)),  # of the worker
    Column("device", String(255)),
    Column("numerics", String(64)),  # precision and memory layout
    Column("checkpoint", Text),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("started", DateTime, nullable=False),
    Column("ended", DateTime),
)

epochs = Table(
    "nas_epochs",
    metadata,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    # an objective reports which of them it has; how long an epoch took is always known
    *(Column(name, Float(53), nullable=name != "seconds") for name in METRICS),
    Column("metrics", Text),  # all others by name, JSON
    ForeignKeyConstraint(
        ["study_id", "trial", "attempt"],
        ["nas_attempts.study_id", "nas_attempts.trial", "nas_attempts.attempt"],
    ),
)

evaluations = Table(
    "nas_evaluations",
    metadata,
    # one reading of the test images per trial, and the database says when
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("training", Text, nullable=False),  # of the final training, JSON
    Column("val_accuracy", Float(53), nullable=False),
    Column("test_loss", Float(53), nullable=False),
    Column("test_accuracy", Float(53), nullable=False),
    Column("evaluated", DateTime, nullable=False),
)

latencies = Table(
    "nas_latencies",
    metadata,
    # a number without the machine and the way it was measured on says nothing
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("key", String(64), primary_key=True),
    Column("device", String(255), primary_key=True),
    Column("batch", Integer, primary_key=True, autoincrement=False),  # images at a time
    Column("threads", Integer, primary_key=True, autoincrement=False),
    Column("milliseconds", Float(53), nullable=False),  # median forward pass of a batch
    Column("measured", DateTime, nullable=False),
)


notes = Table(
    "nas_notes",
    metadata,
    # what people say of a study and of its trials; a database of revision 0003 has no such table
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("trial", Integer, primary_key=True, autoincrement=False),  # -1: of the study itself
    Column("note", Text, nullable=False),
    Column("tags", Text, nullable=False),  # a list of words, JSON
    Column("changed", DateTime, nullable=False),
)


def ours(connection: Connection) -> list[Table]:
    """Our tables that the database has, in an order in which each can be filled."""
    known = metadata.sorted_tables
    return [t for t in known if t is not notes or inspect(connection).has_table(t.name)]


@cache
def insert_new(table: Table, dialect: str) -> Any:
    """An insert that does nothing where the primary key is there already."""
    insert: Any = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return insert(table).on_conflict_do_nothing()


# What of a trial stands in Optuna's user attributes, so that Optuna's tools show it too.
# ``source`` is the number of the trial whose result a reused one was told.
TRIAL_ATTRIBUTES = ("key", "policy", "reason", "source")

_ATTRIBUTE = """(
    SELECT {text} FROM trial_user_attributes AS a
    WHERE a.trial_id = t.trial_id AND a.key = '{name}')"""

_TEXT = {"sqlite": "json_extract(a.value_json, '$')", "postgresql": "a.value_json::jsonb #>> '{}'"}

_TRIALS = """
WITH named AS (
    SELECT s.study_name AS study, t.study_id, t.number, CAST(t.state AS VARCHAR(16)) AS state,
           {policy} AS policy, {key} AS key, {reason} AS reason,
           CAST({source} AS INTEGER) AS source
    FROM trials AS t
    JOIN studies AS s ON s.study_id = t.study_id
    JOIN nas_studies AS n ON n.study_id = t.study_id {where}
), spent AS (
    SELECT study_id, trial, COUNT(*) AS attempts, MAX(attempt) AS attempt
    FROM nas_attempts GROUP BY study_id, trial
), trained AS (
    SELECT e.study_id, e.trial, e.attempt, MAX(e.epoch) AS epochs, SUM(e.seconds) AS seconds
    FROM nas_epochs AS e
    JOIN spent AS p
      ON p.study_id = e.study_id AND p.trial = e.trial AND p.attempt = e.attempt
    GROUP BY e.study_id, e.trial, e.attempt
)
SELECT named.study, named.number, named.state, named.policy,
       trained.epochs, last.val_accuracy, last.val_loss,
       arch.params, arch.macs, arch.activations,
       CASE WHEN named.source IS NULL THEN COALESCE(trained.seconds, 0.0) ELSE 0.0 END AS seconds,
       COALESCE(spent.attempts, 0) AS attempts, named.reason, named.key, last.metrics
FROM named
LEFT JOIN nas_architectures AS arch
  ON arch.study_id = named.study_id AND arch.key = named.key
LEFT JOIN spent ON spent.study_id = named.study_id AND spent.trial = named.number
LEFT JOIN trained
  ON trained.study_id = named.study_id AND trained.trial = COALESCE(named.source, named.number)
LEFT JOIN nas_epochs AS last
  ON last.study_id = trained.study_id AND last.trial = trained.trial
 AND last.attempt = trained.attempt AND last.epoch = trained.epochs
"""


def trials_view(dialect: str) -> str:
    """The statement that creates ``nas_trials``, one readable row per trial."""
    return f"CREATE VIEW nas_trials AS {trials_query(dialect)}"


def trials_query(dialect: str, where: str = "") -> str:
    """What the view shows, without it: a database that is read may have another one."""
    text = _TEXT[dialect]
    columns = {name: _ATTRIBUTE.format(text=text, name=name) for name in TRIAL_ATTRIBUTES}
    return _TRIALS.format(**columns, where=where)
