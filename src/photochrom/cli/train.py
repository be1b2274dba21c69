"""photochrom train"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="lite, full, class, l2, l2-ft, larsson, dahl, alexnet; or small/ and one of these; or a TOML file."
        ),
    ],
    data: Annotated[
        str,
        typer.Option(help="Photographs: a folder, .tar shards, Parquet, a hub's data set id, or a URL of these."),
    ],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe's value: optimizer.lr=1e-3.")
    ] = None,
    run: Annotated[Path | None, typer.Option("-o", "--run", help="Folder of the run. [default: runs/RECIPE]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run exactly where it stopped.")] = False,
) -> None:
    """Train a network on your own photographs.

    Ctrl-C and SIGTERM save and exit with 130 and 143; --resume goes on exactly there. On several GPUs or machines
    start it with torchrun or srun.
    """
    from ..training.recipe import load_recipe
    from ..training.run import train as run_training

    resolved = load_recipe(recipe, settings)
    raise typer.Exit(run_training(resolved, data, run or Path("runs") / Path(recipe).stem, resume))
