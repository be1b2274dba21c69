"""`photochrom export`: from a training run to a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="RUN|CHECKPOINT", help="A run's folder, or a .ckpt file.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write: MODEL.onnx; or .safetensors, the weights alone.")
    ],
    name: Annotated[str | None, typer.Option(help="The model's name. [default: the file's]")] = None,
    version: Annotated[str, typer.Option(help="The model's version.")] = "1",
    native_size: Annotated[int, typer.Option(min=32, help="Short side of the lightness it is given, pixels.")] = 192,
    temperature: Annotated[float, typer.Option(help="Default temperature of the annealed mean.")] = 0.38,
    least_range: Annotated[
        float,
        typer.Option(min=0, max=100, help="Range of L that faded photographs are stretched to; 0: never."),
    ] = 0.0,
    soften: Annotated[int, typer.Option(help="Show the network every n-th pixel, enlarged: 1, 2 or 4.")] = 1,
    rebalance: Annotated[float, typer.Option(help="Strength of the class rebalancing: 1 as trained, 0 undone.")] = 1.0,
    training_data: Annotated[str, typer.Option(help="Its training data, for the card.")] = "not stated",
    licence: Annotated[str, typer.Option(help="Its licence, for the card.")] = "not stated",
    scores: Annotated[Path | None, typer.Option(help="A report.json of `photochrom evaluate`, for the card.")] = None,
    float32: Annotated[bool, typer.Option("--float32", help="Keep weights in float32 instead of float16.")] = False,
    absorb: Annotated[
        bool, typer.Option("--absorb", help=".safetensors: make batch norm part of the layers before it.")
    ] = False,
    rescale: Annotated[
        str | None,
        typer.Option(metavar="DATA", help=".safetensors: scale layers to unit variance on these photographs."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Make the ONNX model of a training run."""
    from ..errors import SettingError
    from ..training.export import Card, export_weights, scores_of
    from ..training.export import export as export_model

    features = absorb or rescale is not None
    if features and output.suffix != ".safetensors":
        raise SettingError(f"{output}: --absorb and --rescale make weights to fine-tune; expected -o FILE.safetensors")
    if output.suffix == ".safetensors":
        if features:
            from ..features.export_features import export_features

            export_features(
                checkpoint, output, absorb=absorb, photographs=rescale, half=not float32, overwrite=overwrite
            )
        else:
            export_weights(checkpoint, output, overwrite, half=not float32)
        return typer.echo(f"{output}: {output.stat().st_size / 1e6:.1f} MB", err=True)
    if not 0 < temperature < float("inf"):
        raise SettingError(f"--temperature is {temperature}; expected a finite number above 0")
    card = Card(
        name=name or output.stem,
        version=version,
        native_size=native_size,
        temperature=temperature,
        training_data=training_data,
        licence=licence,
        least_range=least_range,
        scores=scores_of(scores, name or output.stem) if scores else "{}",
    )
    export_model(checkpoint, output, card, rebalance, half=not float32, overwrite=overwrite, soften=soften)
    typer.echo(f"{output}: {output.stat().st_size / 1e6:.1f} MB", err=True)
