# %% [markdown]
# # A study in ten cells
# Open this file as a notebook in VS Code or PyCharm, or in JupyterLab with jupytext; or run it with
# `python studies/notebook.py`. It reads only, also while the search runs, and any study: what its
# data do not allow is said in the place of the result. `docs/frames.md` has the columns, with their
# units.

# %% 1: which study: one that `nas search` has made, in the database that it wrote into
import os

import pandas as pd

import nas
from nas.analysis import compare, importance
from nas.quantity import count, plural
from nas.study.shell import nas_command

storage = os.environ.get("NAS_STORAGE", "sqlite:///nas.db")
known = nas.studies(storage)
name = os.environ.get("NAS_STUDY") or known["study"].iloc[-1]
print(f"{len(known)} of them are there; this one is read:")
study = nas.open_study(storage, name)
print(study)

# %% 2: load: one row per trial, a column for each knob; what networks are judged by
trials = study.frame()
measure, accuracy = study.record.measure, study.record.accuracy
knobs = list(study.space.parameters)
print(f"{plural(len(trials), 'trial')} of {plural(len(knobs), 'knob')}, judged by {accuracy}:")
print(", ".join(knobs))
trials.head()

# %% 3: filter: results are comparable among trials that were trained equally long
full = study.in_full()
print(f"{plural(len(full), 'network')} trained in full", end="")
if len(full):
    print(f": the median {accuracy} is {measure.shown(full[measure.metric].median()).strip()}")
study.best(5)[["number", measure.metric, "epochs", "params", "macs"]]

# %% 4: plain pandas answers most questions: where did the time go, how early were trials stopped?
for state, some in trials.groupby("state"):
    spent, epochs = some["seconds"].sum(), some["epochs"].median()
    trained = "not trained" if pd.isna(epochs) else f"{epochs:g} epochs each"
    print(f"{state}: {plural(len(some), 'trial')}, {spent / 60:,.1f} minutes, {trained}")

# %% 5: the front: the best network for each cost
front = study.front("macs")
for row in front.to_dict("records"):
    value = measure.shown(row[measure.metric]).strip()
    print(f"trial {row['number']}: {value} with {count(row['macs'])} multiply-accumulates")


# %% 6: the same as a figure
def drawn(figure, *of, **options):
    """The figure, which a notebook shows; or why the data do not allow it."""
    try:
        return figure(*of, **options)
    except nas.NasError as error:
        print(f"Not drawn: {error}.")
        return None


drawn(nas.plots.front, study)

# %% 7: the distribution of the error. Strictly, it wants random trials that all ran to the end; the
# options say what to do with others, and the figure says that it was done
drawn(nas.plots.edf, study, policy="any", stopped="bound")

# %% 8: importance: which knob explains most of the variation (30 networks or more)
try:
    found = importance(trials, policy="any", stopped="drop")
    for row in found.head().itertuples():
        interval = f" [{row.low:.2f}, {row.high:.2f}]"
        print(f"{row.knob}: {row.importance:.2f}{interval} of 1, place {row.place}")
except nas.NasError as error:
    print(f"Importance is not known: {error}.")

# %% 9: compare: is one kind of network better? Here cheap against costly; so do two studies
halves = full["macs"] < full["macs"].median()
cheap, costly = full[halves].assign(study="cheap"), full[~halves].assign(study="costly")
try:
    print(compare(costly, cheap, policy="any", draws=500).verdict)
except nas.NasError as error:
    print(f"Cheap and costly networks cannot be compared: {error}.")

# %% 10: the command that trains the winner for longer, and writes a file that nas.load reads
best = study.best(1)
if len(best):
    winner = int(best["number"].iloc[0])
    print(f"The best is trial {winner}:\n{study.architecture(winner)}")
    command = nas_command(
        "retrain", name, trial=winner, output="winner.pt", storage=storage, here=False
    )
    print(command)
else:
    print("No trial was trained in full yet.")
