"""`photochrom data`: prepare and look at training data."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..data.skips import Skips

app = typer.Typer()

_Data = Annotated[
    str,
    typer.Argument(help="Folder of photographs, .tar shards, Parquet, a pattern, a URL, or a Hugging Face data set."),
]
_Limit = Annotated[int | None, typer.Option(min=1, help="Use a random sample of this many. [default: all]")]
_Jobs = Annotated[int | None, typer.Option(min=1, help="Processes. [default: one per core]")]
_Plot = Annotated[Path | None, typer.Option(metavar="FILE.png", help="Also plot it, as PNG (needs photochrom[eval]).")]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]


@app.command()
def pack(
    data: Annotated[
        str, typer.Argument(metavar="FOLDER", help="Photographs, in a tree of folders (or any other data).")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder SHARDS to create or continue.")],
    size: Annotated[int, typer.Option(help="Short side in pixels; smaller photographs are not enlarged.")] = 256,
    format: Annotated[str, typer.Option(metavar="webp|jpeg", help="How photographs are encoded.")] = "webp",
    quality: Annotated[int, typer.Option(metavar="1..100", help="Of the encoding.")] = 90,
    per_shard: Annotated[int, typer.Option(min=1, help="Photographs per shard.")] = 5000,
    jobs: _Jobs = None,
) -> None:
    """Make WebDataset .tar shards of photographs: small, quick to read, checksummed.

    Run it again after a stop to continue; complete shards are kept. Corrupt, tiny and grey photographs are left out
    and named in SHARDS/skipped.jsonl.
    """
    from ..data.pack import Encoding, PackSettings, skipped_of
    from ..data.pack import pack as make_shards
    from ..data.sources import find_photos

    logging.getLogger("pyvips").setLevel(logging.ERROR)  # libvips logs a line for every damaged row of pixels
    settings = PackSettings(Encoding(size, format, quality), per_shard=per_shard)
    count = total = 0
    for shard in make_shards(find_photos(data), output, settings, _processes(jobs)):
        kept = ", complete already" if shard.kept else ""
        left_out = f", {shard.skipped} left out" if shard.skipped else ""
        _say(f"{output / shard.name}: {shard.photographs} photographs, {shard.size / 1e6:.1f} MB{left_out}{kept}")
        count, total = count + shard.photographs, total + shard.size
    _say_skipped(skipped_of(output))
    _say(f"{output}: {count} photographs, {total / 1e6:.1f} MB")


@app.command()
def encode(
    data: _Data,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.npy", help="The file to write.")],
    size: Annotated[int, typer.Option(min=32, help="Side of a crop in pixels, a multiple of 32.")] = 192,
    least_area: Annotated[float, typer.Option(min=0.01, max=1.0, help="Least share that a crop covers.")] = 0.5,
    gamma: Annotated[float, typer.Option(min=0.0, help="L to the power of up to exp(+-gamma).")] = 0.15,
    sharpness: Annotated[float, typer.Option(min=0.0, help="Strength of random sharpening and blur.")] = 0.0,
    noise: Annotated[float, typer.Option(min=0.0, help="Largest standard deviation of noise, in L.")] = 0.0,
    aged: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of crops made into old prints.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Another seed gives other crops and augmentations.")] = 0,
    jobs: _Jobs = None,
    overwrite: _Overwrite = False,
) -> None:
    """Precompute features of lite's ImageNet encoder, to train its decoder several times as fast (data.encoded)."""
    from ..atomic_file import refuse_existing
    from ..data.sources import find_photos
    from ..errors import SettingError
    from ..training.encoding import View
    from ..training.encoding import encode as write
    from ..training.recipe import Data

    if size % 32:
        raise SettingError(f"--size is {size}; expected a multiple of 32")
    if output.suffix != ".npy":
        raise SettingError(f"-o is {output}; expected a name that ends in .npy")
    for file in (output, output.with_suffix(".npz")):
        refuse_existing(file, overwrite)
    entries = find_photos(data)
    shown = Data(size=size, least_area=least_area, gamma=gamma, sharpness=sharpness, noise=noise, aged=aged)
    view = View(shown, seed)
    with _progress(len(entries)) as advance:
        written = write(entries, output, view, _processes(jobs), advance, overwrite)
    _say_skipped(written.skipped)
    _say(f"{output}: {written.photographs} photographs, {output.stat().st_size / 1e6:.0f} MB")


@app.command()
def prior(
    data: _Data,
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write, PRIOR.npz.")],
    limit: _Limit = None,
    plot: _Plot = None,
    jobs: _Jobs = None,
    overwrite: _Overwrite = False,
) -> None:
    """Measure how often each of the 313 colours occurs."""
    from ..atomic_file import part_file, refuse_existing
    from ..data.photo_list import fingerprint
    from ..data.plots import prior_figure, require_matplotlib, save
    from ..data.prior import save_prior, survey_prior
    from ..data.sources import find_photos

    for file in (output, plot):
        if file is not None:
            refuse_existing(file, overwrite)  # now, and not after an hour
    if plot is not None:
        require_matplotlib()
    entries = find_photos(data)
    with _progress(min(len(entries), limit or len(entries))) as advance:
        measured = survey_prior(entries, limit, jobs=_processes(jobs), progress=advance)
    with part_file(output, overwrite) as part:
        save_prior(part, measured.prior, measured.photographs, fingerprint(entries))
    _say_skipped(measured.skipped)
    _say(f"{output}: prior of {measured.photographs} photographs")
    if plot is not None:
        with part_file(plot, overwrite) as part:
            save(prior_figure(measured.prior, f"prior of {measured.photographs:,} photographs"), part)
        _say(f"{plot}: drawn")


@app.command()
def stats(
    data: _Data,
    limit: _Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
    plot: _Plot = None,
    jobs: _Jobs = None,
    overwrite: _Overwrite = False,
) -> None:
    """Count, measure and check the photographs of a training set."""
    from ..ab_bins import CENTRES
    from ..atomic_file import part_file, refuse_existing
    from ..data.plots import require_matplotlib, save, stats_figure
    from ..data.sources import find_photos
    from ..data.stats import measure, spread

    if plot is not None:
        refuse_existing(plot, overwrite)
        require_matplotlib()
    entries = find_photos(data)
    with _progress(min(len(entries), limit or len(entries))) as advance:
        found = measure(entries, limit, jobs=_processes(jobs), progress=advance)
    if plot is not None:
        with part_file(plot, overwrite) as part:
            save(stats_figure(found, f"{found.read:,} photographs"), part)
        _say(f"{plot}: drawn")
    _say_skipped(found.skipped)
    if as_json:
        typer.echo(json.dumps(found.summary()))
        return
    short, long = spread(found.short_sides), spread(found.long_sides)
    counts = found.skipped.counts
    formats = ", ".join(f"{name} {number}" for name, number in found.formats.most_common())
    commonest = ", ".join(
        f"({CENTRES[i][0]}, {CENTRES[i][1]}) {100 * found.prior[i]:.1f}%" for i in found.prior.argsort()[::-1][:5]
    )
    typer.echo(
        f"photographs     {found.photographs}\n"
        f"looked at       {found.sampled}, unreadable {found.sampled - found.read}\n"
        f"formats         {formats}\n"
        f"short side      {short[0]}..{short[2]} px, median {short[1]}\n"
        f"long side       {long[0]}..{long[2]} px, median {long[1]}\n"
        f"tiny            {counts['tiny']} ({100 * counts['tiny'] / found.read:.1f}%), left out of training\n"
        f"near grey       {counts['grey']} ({100 * found.grey_share:.1f}%), left out of training\n"
        f"mean chroma     {found.chromas.mean():.1f} ab units\n"
        f"colours in use  {int((found.prior > 0).sum())} of {len(found.prior)} bins\n"
        f"commonest (a,b) {commonest}"
    )


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _say_skipped(skipped: Skips) -> None:
    if skipped.total:
        _say(f"left out: {skipped}")


def _processes(jobs: int | None) -> int:
    from ..models import usable_cores

    return jobs or usable_cores()


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, else nothing: a function to call with the number of photographs done since the last call."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("photographs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as bar:
        task = bar.add_task("", total=total)
        yield lambda count: bar.advance(task, count)
