"""An exported study without what is nobody else's business: names of hosts, paths, tracebacks."""

import json
import sqlite3
from pathlib import PurePath

FOLDERS = {"data": None, "runs": "nas-runs", "log_to": "none"}  # options that may name one
FIRST_LINE = "substr(reason, 1, instr(reason || char(10), char(10)) - 1)"


def anonymise(connection: sqlite3.Connection) -> None:
    """Take them out of the one study in the file; every result and every time stays.

    Hosts become host-1, host-2, …; checkpoints, which do not travel with the file, lose their path,
    and that of a data set all but its last part; of a failure's traceback the first line stays.
    Notes, which may say anything, stay behind.
    """
    parts = connection.execute("SELECT owner FROM nas_attempts UNION SELECT host FROM nas_attempts")
    hosts = sorted({part.partition("/")[0] for (part,) in parts if part})
    connection.execute("DELETE FROM nas_notes")
    connection.execute(f"UPDATE nas_attempts SET checkpoint = NULL, reason = {FIRST_LINE}")
    for number, host in enumerate(hosts, start=1):
        for column in ("owner", "host"):
            connection.execute(
                f"UPDATE nas_attempts SET {column} = ? || substr({column}, ?) "
                f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                (f"host-{number}", len(host) + 1, host, len(host) + 1, f"{host}/"),
            )
        for table, column in (
            ("nas_attempts", "reason"),
            ("trial_user_attributes", "value_json"),
        ):
            connection.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)",
                (f" on {host}/", f" on host-{number}/"),
            )
    for study, config in connection.execute("SELECT study_id, config FROM nas_studies").fetchall():
        known = json.loads(config)
        known |= {name: value for name, value in FOLDERS.items() if name in known}
        kind, _, path = str(known.get("dataset", "")).partition(":")
        if path:  # absolute
            known["dataset"] = f"{kind}:{PurePath(path).name}"
        connection.execute(
            "UPDATE nas_studies SET config = ? WHERE study_id = ?", (json.dumps(known), study)
        )
    connection.commit()
    connection.execute("VACUUM")  # what was taken out is in no free page either
