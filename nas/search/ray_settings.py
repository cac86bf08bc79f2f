"""What Ray is told by its environment; it reads some of that when it is imported, after this."""

import os

SETTINGS = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths stay what the user meant
    "RAY_DEDUP_LOGS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # results are judged by the searcher
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the study database has every number
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # signals are ours
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # no snapshots: the database is the truth
    "TUNE_WARN_THRESHOLD_S": "10",
}
for _name, _value in SETTINGS.items():
    os.environ.setdefault(_name, _value)
