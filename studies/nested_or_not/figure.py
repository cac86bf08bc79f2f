"""Losses and accuracies of both families by depth: the figure and the tables of the write-up.

python studies/nested_or_not/figure.py
"""

from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from scipy import stats

import nas

HERE = Path(__file__).parent
FAMILIES = {True: "residual: nested", False: "plain: not nested"}
SEEN = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
}


def trained() -> pd.DataFrame:
    """The last epoch of each training, with its depth, its family and its seed."""
    storage = f"sqlite:///{HERE.parent / 'nested_or_not.sqlite'}"
    found = []
    for name in nas.studies(storage)["study"]:
        study = nas.open_study(storage, name)
        last = study.epochs().sort_values("epoch").groupby("number").last()
        knobs = study.frame().set_index("number")[["depth", "residual"]]
        found.append(last.join(knobs).assign(seed=study.record.config["seed"]))
    trials = pd.concat(found, ignore_index=True)
    trials["blocks"] = 2 * trials["depth"].astype(int)  # two stages of one depth
    trials["family"] = trials["residual"].astype(bool).map(FAMILIES)
    return trials


def steps(trials: pd.DataFrame) -> pd.DataFrame:
    """What twice the blocks change, by seed: means with intervals of 95 % (Student's t)."""
    rows = []
    for family, own in trials.groupby("family", sort=False):
        depths = sorted(own["blocks"].unique())
        for small, large in pairwise(depths):
            row = {"family": family, "blocks": f"{small} to {large}"}
            for column, words in SEEN.items():
                by_seed = own.pivot_table(index="seed", columns="blocks", values=column)
                gains = by_seed[large] - by_seed[small]
                half = stats.t.ppf(0.975, len(gains) - 1) * gains.sem()
                scale, digits = (100, 2) if column == "val_accuracy" else (1, 3)  # in points
                row[words] = f"{scale * gains.mean():+.{digits}f} ± {scale * half:.{digits}f}"
            rows.append(row)
    return pd.DataFrame(rows)


def draw(trials: pd.DataFrame, file: Path) -> None:
    """Means with intervals of 95 % over the seeds."""
    sns.set_theme(style="whitegrid", context="paper", palette="colorblind")
    figure, axes = plt.subplots(1, len(SEEN), figsize=(3.4 * len(SEEN), 3.0))
    for axis, (column, words) in zip(axes, SEEN.items(), strict=True):
        legend = "auto" if axis is axes[0] else False
        sns.lineplot(
            trials,
            x="blocks",
            y=column,
            hue="family",
            style="family",
            markers=True,
            errorbar=("ci", 95),
            seed=0,
            ax=axis,
            legend=legend,
        )
        axis.set(xscale="log", xlabel="blocks", ylabel=words)
        axis.set_xticks(sorted(trials["blocks"].unique()), sorted(trials["blocks"].unique()))
        axis.minorticks_off()
    axes[0].legend(title=None)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Write the figure, print the tables."""
    trials = trained()
    means = trials.groupby(["family", "blocks"], sort=True)[list(SEEN)].mean()
    print(means.rename(columns=SEEN).round(4).to_string(), "\n")
    print(steps(trials).to_string(index=False))
    draw(trials, HERE / "losses.svg")


if __name__ == "__main__":
    main()
