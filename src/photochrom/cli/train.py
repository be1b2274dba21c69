"""photochrom train"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name (lite, full) or a TOML file.")],
    data: Annotated[Path, typer.Option(help="Folder of photographs, or of WebDataset .tar shards.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe's value: optimizer.lr=1e-3.")
    ] = None,
    run: Annotated[Path | None, typer.Option("-o", "--run", help="Folder of the run. [default: runs/RECIPE]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run, exactly where it was.")] = False,
) -> None:
    """Train a network on your own photographs."""
    from ..training.recipe import load_recipe
    from ..training.run import train as run_training

    resolved = load_recipe(recipe, settings)
    raise typer.Exit(run_training(resolved, data, run or Path("runs") / Path(recipe).stem, resume))
