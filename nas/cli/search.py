"""``nas search``: options in, exit code out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli.session import search
from nas.data.registry import DATASETS, DEFAULT
from nas.metrics import MINIMIZED
from nas.samplers import NAMES
from nas.search.resolving import read_config_file
from nas.study.storage_url import has_password

WHAT, HOW, WHERE = "What", "How", "Where"  # panels of the help

# Options that nas compare has, too
Band = Annotated[
    str | None,
    typer.Option(
        help="Only networks within these costs, as in macs=4M:8M or macs=4M:8M,params=:500k.",
        rich_help_panel=WHAT,
    ),
]
DatasetName = Annotated[
    str | None,
    typer.Option(
        help="What to train on: "
        + ", ".join(f"{name}:PATH" if row.has_path else name for name, row in DATASETS.items())
        + f". See docs/data.md. (default: {DEFAULT})",
        rich_help_panel=WHAT,
    ),
]
Resize = Annotated[
    bool | None,
    typer.Option(
        "--resize",
        help="Resize its images to the input_shape of the space; a folder's always are.",
        rich_help_panel=WHAT,
    ),
]
TrainImages = Annotated[
    str | None,
    typer.Option(
        metavar="INTEGER",
        help="Training images that are used; none for all. (default: without a GPU 20,000 at most)",
        rich_help_panel=WHAT,
    ),
]
EpochImages = Annotated[
    str | None,
    typer.Option(
        metavar="INTEGER",
        help="Training images after which an epoch ends, so that trials can be stopped before they "
        "have seen all. (default: all that are used)",
        rich_help_panel=WHAT,
    ),
]
Objective = Annotated[
    str | None,
    typer.Option(
        help="fashion_mnist; synthetic: a function of the architecture that needs no training, for "
        "trying a cluster or a sampler; or a training of your own, as package.module:function. "
        "(default: fashion_mnist)",
        rich_help_panel=WHAT,
    ),
]
Seed = Annotated[
    str | None,
    typer.Option(
        metavar="INTEGER",
        help="Of the proposals, the split, the weights. (default: 0)",
        rich_help_panel=HOW,
    ),
]


def _time_budget(default: str) -> Any:
    return typer.Option(
        help=f"Stop after this long, such as 10m or 1h30m; none for no limit. (default: {default})",
        rich_help_panel=HOW,
    )


TimeBudget = Annotated[str | None, _time_budget("none")]
StorageUrl = Annotated[
    str | None,
    typer.Option(
        help="Study database: sqlite:///file.db or postgresql+psycopg://user:password@host/db; "
        "NAS_STORAGE says the same without showing a password. (default: sqlite:///nas.db)",
        rich_help_panel=WHERE,
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        help="Folder with the data set. (default: NAS_DATA, else found or downloaded)",
        rich_help_panel=WHERE,
    ),
]
Runs = Annotated[
    str | None,
    typer.Option(
        help="Folder for checkpoints and logs; on a cluster, one that all nodes share, or "
        "s3://bucket/path. (default: nas-runs)",
        rich_help_panel=WHERE,
    ),
]
Concurrency = Annotated[
    str | None,
    typer.Option(
        metavar="INTEGER", help="Trials at a time. (default: what fits)", rich_help_panel=WHERE
    ),
]

Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Ray cluster to run on, as ray start prints it; auto: the one of this machine; local: "
        "none. See docs/cluster.md. (default: RAY_ADDRESS, else local)",
        rich_help_panel=WHERE,
    ),
]
Insecure = Annotated[
    bool | None,
    typer.Option(
        "--insecure",
        help="Also join a cluster on other machines that asks nobody for a token.",
        rich_help_panel=WHERE,
    ),
]


def search_command(
    context: typer.Context,
    space: Annotated[
        str | None,
        typer.Option(
            help="A bundled design space (see nas spaces) or a YAML file. (default: resnext)",
            rich_help_panel=WHAT,
        ),
    ] = None,
    max_params: Annotated[
        str | None,
        typer.Option(help="No network with more parameters, as in 500k.", rich_help_panel=WHAT),
    ] = None,
    max_macs: Annotated[
        str | None,
        typer.Option(
            help="No network with more multiply-accumulates per image, as in 20M.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    band: Band = None,
    max_latency: Annotated[
        str | None,
        typer.Option(
            help="Train no network whose forward pass takes longer, as in 2ms: measured by each "
            "trial's worker on its device, in one thread.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    latency_batch: Annotated[
        str | None,
        typer.Option(
            metavar="INTEGER",
            help="Images of that forward pass, such as 1 or 256. (default: 1)",
            rich_help_panel=WHAT,
        ),
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(
            help="Train no network whose training step takes more memory, as in 64MB: measured, "
            "too.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    dataset: DatasetName = None,
    resize: Resize = None,
    train_images: TrainImages = None,
    epoch_images: EpochImages = None,
    objective: Objective = None,
    minimize: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COST",
            help=f"Search the front of accuracy and this cost: {', '.join(MINIMIZED)}. May be "
            "given twice.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    trials: Annotated[
        str | None,
        typer.Option(
            metavar="INTEGER",
            help="Trials of the whole study, those of earlier runs included; or +50: so many more "
            "than it was asked for, for its running drivers, too. (default: by the machine)",
            rich_help_panel=HOW,
        ),
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(
            metavar="INTEGER",
            help="Epochs of a trial that is not stopped early. (default: 4, with a GPU 8)",
            rich_help_panel=HOW,
        ),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            help=", ".join(NAMES) + ", or a sampler of Optuna's or your own as "
            "package.module:name, such as optuna.samplers:CmaEsSampler. (default: model; with "
            "--inherit, growing)",
            rich_help_panel=HOW,
        ),
    ] = None,
    start_from: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT",
            help="Try this first: a published network such as resnet20, the key of a network in "
            "the database, or STUDY#12, a trial; or STUDY: takes over its results where they are "
            "comparable, else tries its best 5 networks. May be repeated.",
            rich_help_panel=HOW,
        ),
    ] = None,
    flip: Annotated[
        str | None,
        typer.Option(
            help="Train pairs that differ in this knob alone, such as residual; with random.",
            rich_help_panel=HOW,
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="asha, hyperband, pasha and curves stop poor trials early (docs/stopping.md); "
            "none trains all in full. (default: asha; none with --inherit)",
            rich_help_panel=HOW,
        ),
    ] = None,
    inherit: Annotated[
        bool | None,
        typer.Option(
            "--inherit",
            help="Begin each trial with the weights of the best network that its own contains, and "
            "train it for fewer epochs; the best are then trained from scratch (docs/nested.md).",
            rich_help_panel=HOW,
        ),
    ] = None,
    inherit_epochs: Annotated[
        str | None,
        typer.Option(
            metavar="INTEGER",
            help="Epochs of a trial that inherits. (default: half of --epochs)",
            rich_help_panel=HOW,
        ),
    ] = None,
    grace: Annotated[
        str | None,
        typer.Option(
            metavar="INTEGER",
            help="Epochs before a trial can be stopped early. (default: a third of --epochs, "
            "rounded up)",
            rich_help_panel=HOW,
        ),
    ] = None,
    reduction: Annotated[
        str | None,
        typer.Option(
            metavar="INTEGER",
            help="One in this many trials goes on at each rung. (default: 3)",
            rich_help_panel=HOW,
        ),
    ] = None,
    time_budget: Annotated[
        str | None, _time_budget("7m without a GPU where --trials is not given, else none")
    ] = None,
    seed: Seed = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of options; flags go before it. Its training: mapping sets "
            "hyper-parameters.",
            rich_help_panel=HOW,
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            help="Name of the study; one that exists is carried on. (default: the space's name)",
            rich_help_panel=WHERE,
        ),
    ] = None,
    storage: StorageUrl = None,
    runs: Runs = None,
    data: Data = None,
    address: Address = None,
    insecure: Insecure = None,
    device: Annotated[
        str | None,
        typer.Option(help="auto, cpu, cuda or mps. (default: auto)", rich_help_panel=WHERE),
    ] = None,
    concurrency: Concurrency = None,
    cpus_per_trial: Annotated[
        str | None, typer.Option(metavar="FLOAT", help="(default: 1)", rich_help_panel=WHERE)
    ] = None,
    gpus_per_trial: Annotated[
        str | None,
        typer.Option(
            metavar="FLOAT",
            help="May be a fraction, such as 0.25; auto: by the memory that each network needs. "
            "(default: 0.25 with a GPU)",
            rich_help_panel=WHERE,
        ),
    ] = None,
    max_failures: Annotated[
        str | None,
        typer.Option(
            metavar="INTEGER",
            help="How often a trial whose process died is tried again. (default: 2)",
            rich_help_panel=WHERE,
        ),
    ] = None,
    max_consecutive_failures: Annotated[
        str | None,
        typer.Option(
            metavar="INTEGER",
            help="Stop the search when so many trials in a row failed. (default: 10)",
            rich_help_panel=WHERE,
        ),
    ] = None,
    trial_timeout: Annotated[
        str | None,
        typer.Option(
            help="End an attempt that trains no epoch so long; none for never. (default: 30m)",
            rich_help_panel=WHERE,
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="INTEGER",
            help="Of the trials trained in full, the best so many leave their last checkpoint in "
            "--runs; no other that ended does. (default: 0; 50 with --inherit)",
            rich_help_panel=WHERE,
        ),
    ] = None,
    log_to: Annotated[
        str | None,
        typer.Option(
            help="tensorboard, or tensorboard:FOLDER, writes learning curves for it as well, by "
            "default below --runs. (default: none)",
            rich_help_panel=WHERE,
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but the result.", rich_help_panel=WHERE)
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            help="Print all that is asked, reported and decided, as search.log has it.",
            rich_help_panel=WHERE,
        ),
    ] = False,
) -> None:
    """Search a design space for its best network; the same command again carries on.

    Samples architectures with Optuna, trains them on a data set with Ray Tune (on a cluster with
    --address), stops the poor ones early and writes every result into the study database. Ctrl-C
    ends it in order.
    """
    flags = {
        name: value
        for name, value in context.params.items()
        if value not in (None, [], ()) and name not in ("config", "quiet", "verbose")
    }
    file = read_config_file(config) if config else {}
    shown = storage is not None and has_password(storage)
    search({**file, **flags}, quiet=quiet, verbose=verbose, password_shown=shown)
