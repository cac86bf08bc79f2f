# %% [markdown]
# # A study in ten cells
# Open this file as a notebook in VS Code or PyCharm, or in JupyterLab with jupytext; or run it with
# `python studies/notebook.py`. It reads only, also while the search runs. `docs/frames.md` has
# the columns, with their units.

# %% 1: which study: one that `nas search` has made, in the database that it wrote into
import os
import shlex

import nas
from nas.analysis import compare, importance

storage = os.environ.get("NAS_STORAGE", "sqlite:///nas.db")
name = os.environ.get("NAS_STUDY", "resnext")
nas.studies(storage)

# %% 2: load: one row per trial, a column for each knob
study = nas.open_study(storage, name)
trials = study.frame()
trials.dtypes

# %% 3: filter: accuracies are comparable among trials that were trained equally long
full = trials[(trials["state"] == "COMPLETE") & (trials["policy"] != "reused")]
cheap = full[full["macs"] < full["macs"].median()]
cheap.nlargest(5, "val_accuracy")[["number", "val_accuracy", "epochs", "params", "macs"]]

# %% 4: plain pandas answers most questions: where did the time go, how early were trials stopped?
spent = trials.groupby("state")[["seconds", "epochs"]].agg(["count", "median", "sum"])
spent

# %% 5: the front: the most accurate network for each cost
front = study.front("macs")
front[["number", "val_accuracy", "macs", "params"]]

# %% 6: the same as a figure
nas.plots.front(trials)

# %% 7: the distribution of the error. Strictly, it wants random trials that all ran to the end; the
# options say what to do with others, and the figure says that it was done
nas.plots.edf(trials, policy="any", stopped="bound")

# %% 8: importance: which knob explains most of the variation (30 networks or more)
knobs = importance(trials, policy="any", stopped="drop")
knobs.head()

# %% 9: compare: is one kind of network better? Here cheap against costly; so do two studies
costly = full[full["macs"] >= full["macs"].median()]
comparison = compare(
    costly.assign(study="costly"), cheap.assign(study="cheap"), policy="any", draws=500
)
print(comparison)

# %% 10: the command that trains the winner for longer, and writes a file that nas.load reads
winner = int(study.best(1)["number"].iloc[0])
retrain = ["nas", "retrain", name, "--storage", storage, "--trial", str(winner)]
print(study.architecture(winner))
print(shlex.join([*retrain, "--output", "winner.pt"]))
