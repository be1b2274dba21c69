"""`photochrom data`: prepare and look at training data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

_Data = Annotated[Path, typer.Argument(help="Folder of photographs, or of WebDataset .tar shards.")]
_Limit = Annotated[int | None, typer.Option(min=1, help="Look at so many, drawn at random. [default: all]")]


@app.command()
def prior(
    data: _Data,
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write, PRIOR.npz.")],
    limit: _Limit = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Measure how often each of the 313 colours occurs."""
    from ..atomic_file import part_file
    from ..training.data import find_photos, fingerprint
    from ..training.prior import measure_prior, save_prior

    entries = find_photos(data)
    with part_file(output, overwrite) as part:
        count = min(len(entries), limit or len(entries))
        save_prior(part, measure_prior(entries, limit), count, fingerprint(entries))
    typer.echo(f"{output}: prior of {count} photographs", err=True)


@app.command()
def stats(
    data: _Data,
    limit: _Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Count, measure and check the photographs of a training set."""
    from ..ab_bins import CENTRES
    from ..training.data import find_photos
    from ..training.stats import measure

    found = measure(find_photos(data), limit)
    read = found.sampled - len(found.unreadable)
    for message in found.unreadable:
        typer.echo(f"left out: {message}", err=True)
    if as_json:
        fields = {**vars(found), "prior": [round(float(p), 8) for p in found.prior]}
        typer.echo(json.dumps(fields))
        return
    commonest = ", ".join(
        f"({CENTRES[i][0]}, {CENTRES[i][1]}) {100 * found.prior[i]:.1f}%" for i in found.prior.argsort()[::-1][:5]
    )
    typer.echo(
        f"photographs     {found.photographs}\n"
        f"looked at       {found.sampled}, unreadable {len(found.unreadable)}\n"
        f"short side      {found.short_side[0]}..{found.short_side[2]} px, median {found.short_side[1]}\n"
        f"long side       {found.long_side[0]}..{found.long_side[2]} px, median {found.long_side[1]}\n"
        f"near grey       {found.near_grey} ({100 * found.near_grey / read:.1f}%), left out of training\n"
        f"mean chroma     {found.chroma:.1f} ab units\n"
        f"colours in use  {int((found.prior > 0).sum())} of {len(found.prior)} bins\n"
        f"commonest (a,b) {commonest}"
    )
