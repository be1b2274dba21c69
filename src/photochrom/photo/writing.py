"""Writing a coloured photograph: strips decoded, merged and encoded side by side, in bounded memory."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Full, Queue
from typing import Any

import pyvips

from ..atomic_file import output_error, part_file, scratch_file
from ..errors import OutputError, PhotochromError
from ..merge import AbMap, PageMerger, Samples
from . import halved
from .exif import complete_tiff
from .formats import FORMATS, Format
from .gif_xmp import add_gif_xmp
from .jpeg_segments import add_extension
from .metadata import Mark, exif_of, extended_xmp, iptc_of, marked_xmp, with_metadata, xmp_loss
from .png_metadata import complete_png, text_loss
from .reading import Photo
from .remarks import Shades
from .resolution import erase_resolution, erase_tiff_resolution, states_resolution
from .strip_source import StripSource
from .strips import strip_rows, strips_of
from .tiff.file import COMPRESSION, TiffError, join_pages
from .tiff.pass_on import pass_on, passed_on_note
from .webp_kind import is_lossless

Colours = Callable[[int], AbMap]
"""A page's number to its colours."""

_AHEAD = 4  # strips decoded before the encoder asks for them
_MERGING_THREADS = 2  # more would wait for the interpreter's lock, between numpy's steps
_CLASSIC_TIFF_BYTES = 3_500_000_000  # of samples; classic TIFF ends at 4 GB


@dataclass(frozen=True)
class Settings:
    """How to write. format: a writable format's name; quality 1..100 for the lossy ones; saturation scales ab;
    levels: the lightness changes too, by what the colours' maps say."""

    format: str
    quality: int
    saturation: float
    mark: Mark
    levels: bool = False


def write_photo(
    photo: Photo,
    colours: Colours,
    target: Path,
    settings: Settings,
    *,
    overwrite: bool = False,
    keep_times: bool = False,
) -> None:
    """Write the coloured photograph to `target`, whole or not at all, no more readable than the photograph and what it
    replaces; keep_times: with the photograph's time of change. Raises UnreadablePhotoError, OutputError."""
    source = None if isinstance(photo.source, bytes) else photo.source.stat()
    like = [] if source is None else [source]
    if overwrite and target.is_file():
        like.append(target.stat())
    with part_file(target, overwrite, like) as part:
        _write(photo, colours, part, target, settings)
        if keep_times and source is not None:
            os.utime(part, ns=(source.st_atime_ns, source.st_mtime_ns))


def encode_photo(photo: Photo, colours: Colours, settings: Settings) -> bytes:
    """The coloured photograph as a file's content. Raises UnreadablePhotoError, OutputError."""
    with tempfile.TemporaryDirectory(prefix="photochrom-") as folder:
        part = Path(folder, "photo")
        _write(photo, colours, part, photo.name, settings)
        return part.read_bytes()


def check_sizes(photo: Photo, format: str) -> None:
    """OutputError if a page of the photograph has more pixels a side than the format holds."""
    form = FORMATS[format]
    for page in photo.pages if form.has_pages or _animates(photo, form) else photo.pages[:1]:
        _check_size(page.width, page.height, form, photo)


def notes(photo: Photo, format: str) -> tuple[str, ...]:
    """What a photograph loses by being written in this format, for a person to read."""
    form = FORMATS[format]
    lost = []
    written = photo.pages if form.has_pages or _animates(photo, form) else photo.pages[:1]
    if any(page.bits > form.max_bits for page in written):
        lost.append(f"{format} holds {form.max_bits} bits a sample: {max(p.bits for p in written)} were reduced")
    if any(page.has_alpha for page in written) and not form.has_alpha:
        lost.append(f"{format} holds no transparency: it was laid on white")
    if len(written) < len(photo.pages):
        lost.append(f"{format} holds one page: {len(photo.pages) - 1} more were left out")
    if photo.passed_on:
        lost.append(passed_on_note(photo, form.has_pages))
    lost.extend(loss for loss in (xmp_loss(photo), text_loss(photo, format)) if loss is not None)
    return tuple(lost)


def _animates(photo: Photo, form: Format) -> bool:
    """Whether all frames go into one file at once."""
    return photo.is_animation and form.animates


def _write(photo: Photo, colours: Colours, part: Path, target: object, settings: Settings) -> None:
    _write_page(photo, 0, colours, part, target, settings)
    try:
        if settings.format == "gif":
            add_gif_xmp(part, marked_xmp(None))
        elif settings.format == "png":
            with scratch_file(part) as bare:
                part.replace(bare)
                part.touch(0o600)
                shutil.copymode(bare, part)
                complete_png(photo, bare, part)
        elif settings.format != "tiff":
            if not states_resolution(photo):
                erase_resolution(part, settings.format)
            if settings.format == "jpg" and (extension := extended_xmp(photo)) is not None:
                with scratch_file(part) as bare:
                    part.replace(bare)
                    part.touch(0o600)
                    shutil.copymode(bare, part)
                    add_extension(bare, part, extension)
        else:
            _complete_page(photo, 0, part, settings)
            for page in range(1, len(photo.pages)):
                with scratch_file(part) as further:
                    _write_page(photo, page, colours, further, target, settings)
                    _complete_page(photo, page, further, settings)
                    pass_on(photo, photo.pages[page - 1].number, photo.pages[page].number, part)
                    join_pages(part, [further])
            pass_on(photo, photo.pages[-1].number, None, part)
            pass_on(photo, None, photo.pages[0].number, part)
    except TiffError as error:
        raise OutputError(target, f"could not be written ({error})", "choose another --format") from error
    except OSError as error:
        if isinstance(error, PhotochromError):
            raise
        raise output_error(Path(str(target)), error) from error


def _complete_page(photo: Photo, page: int, path: Path, settings: Settings) -> None:
    """Add to a page written by libvips what it leaves out."""
    source, order = exif_of(photo, page)
    complete_tiff(path, source, order, settings.mark.software, iptc_of(photo, page))
    if not states_resolution(photo, page):
        erase_tiff_resolution(path, source, order)


def _write_page(photo: Photo, page: int, colours: Colours, part: Path, target: object, settings: Settings) -> None:
    """One page, or all frames of an animation, as a file of its own."""
    form = FORMATS[settings.format]
    if form.name == "jpg" and halved.fits(photo) and not settings.levels:
        image = halved.coloured_image(photo, colours, settings.saturation)
        image = with_metadata(image, photo, settings.mark, form.name)
        if (failure := _save(image, form, part, _save_options(photo, 0, image, settings))) is not None:
            raise _encoder_error(failure, target)
        return
    animates = _animates(photo, form)
    with photo.reading():
        image = photo.pixels(page, all_frames=animates)
    frame_height = photo.pages[page].height if animates else image.height
    _check_size(image.width, frame_height, form, photo)
    alpha = image.bands in (2, 4)
    bits = photo.pages[page].bits

    def merges(pool: ThreadPoolExecutor) -> Iterator[Future[Samples]]:
        merger = None
        shades = Shades()
        for top, pixels in strips_of(image, frame_height, photo.name):
            frame, row = divmod(top, frame_height)
            if row == 0 or merger is None:
                merger = PageMerger(colours(page + frame), frame_height, image.width, bits, settings.saturation)
            shades.see(pixels)
            yield pool.submit(merger.planes, row, pixels)
        photo.notes.extend(shades.remarks())

    rows = strip_rows(image.width, frame_height if animates else 0)
    pipeline = _Pipeline(merges, image.height, image.width, 4 if alpha else 3, bits, rows)
    coloured = with_metadata(pipeline.image, photo, settings.mark, form.name, page)
    if animates:
        coloured.set_type(pyvips.GValue.gint_type, "page-height", frame_height)
    if bits > form.max_bits:
        coloured = coloured.colourspace("srgb")
    if alpha and not form.has_alpha:
        coloured = coloured.flatten(background=255)
    options = _save_options(photo, page, coloured, settings)
    pipeline.run(lambda: _save(coloured, form, part, options), target)


def _save(image: pyvips.Image, form: Format, part: Path, options: dict[str, Any]) -> str | None:
    """Encode an image to `part`. Returns what failed, if anything.

    As text only: the exception's frames would keep libvips' file open, and its space on the disk taken.
    """
    try:
        pyvips.Operation.call(form.saver, image, os.fsencode(part), **options)
    except pyvips.Error as error:
        return "; ".join(dict.fromkeys(str(error.detail or error.message).split("\n"))).strip("; ")
    return None


def _check_size(width: int, height: int, form: Format, photo: Photo) -> None:
    if max(width, height) > form.max_side:
        raise OutputError(
            photo.name,
            f"{width} x {height} pixels, more than {form.name} holds ({form.max_side} a side)",
            "choose another --format",
        )


def _save_options(photo: Photo, page: int, image: pyvips.Image, settings: Settings) -> dict[str, Any]:
    """Options of the libvips saver."""
    quality = settings.quality
    if settings.format == "jpg":
        # A grey photograph's colours are smooth: half the resolution holds them.
        halved = photo.subsampling == "4:2:0" or (photo.format == "jpg" and photo.header.bands == 1)
        return {"Q": quality, "subsample_mode": "on" if halved else "auto"}
    if settings.format == "webp":
        # Lossless stays lossless, whatever the quality: that is of the lossy kind.
        return {"lossless": True} if photo.format == "webp" and is_lossless(photo.source) else {"Q": quality}
    if settings.format == "avif":
        return {"Q": quality, "compression": "av1", "bitdepth": 8}
    if settings.format == "tiff":
        compression = _tiff_compression(photo, page)
        predictor = "horizontal" if compression in ("lzw", "deflate") else "none"
        # For all pages alike: they are joined in one file.
        raw = sum(p.width * p.height * (4 if p.has_alpha else 3) * p.bits // 8 for p in photo.pages)
        return {"compression": compression, "Q": quality, "predictor": predictor, "bigtiff": raw > _CLASSIC_TIFF_BYTES}
    return {}


_TIFF_COMPRESSIONS = {1: "none", 5: "lzw", 7: "jpeg", 8: "deflate", 32946: "deflate"}


def _tiff_compression(photo: Photo, page: int) -> str:
    """That of a TIFF's page where it fits colour, or else deflate."""
    entry = photo.tiff_pages[page].entries.get(COMPRESSION) if page < len(photo.tiff_pages) else None
    number = struct.unpack(photo.tiff_order + "H", entry[2])[0] if entry and len(entry[2]) == 2 else 0
    found = _TIFF_COMPRESSIONS.get(number, "deflate")
    return "deflate" if found == "jpeg" and photo.pages[page].bits > 8 else found


class _Pipeline:
    """Decoding in the calling thread, merging in a pool, encoding in a thread of its own.

    merges: given the pool, yields the strips being merged, in order; height, width, bands, bits: of the output;
    rows: of a strip.
    """

    def __init__(
        self,
        merges: Callable[[ThreadPoolExecutor], Iterator[Future[Samples]]],
        height: int,
        width: int,
        bands: int,
        bits: int,
        rows: int,
    ) -> None:
        self._merges = merges
        self._queue: Queue[Future[Samples] | None] = Queue(_AHEAD)
        self._source = StripSource(self._merged(), height, width, bands, bits, rows)
        self.image = self._source.image().copy(interpretation="srgb" if bits == 8 else "rgb16")
        self._encoded = threading.Event()
        self._failure: str | None = None
        self._error: BaseException | None = None

    def _merged(self) -> Iterator[Samples]:
        while (future := self._queue.get()) is not None:
            yield future.result()

    def run(self, save: Callable[[], str | None], target: object) -> None:
        """Call `save` while its pixels are made. Raises what decoding raised, or OutputError with what `save` says."""

        def encode() -> None:
            try:
                self._failure = save()
            except BaseException as error:  # a thread's own would be lost, and a cut-off file taken as whole
                self._error = error
            finally:
                self._encoded.set()

        encoder = threading.Thread(target=encode, name="photochrom-encoder")
        encoder.start()
        try:
            with ThreadPoolExecutor(_MERGING_THREADS, thread_name_prefix="photochrom-merge") as pool:
                for future in self._merges(pool):
                    self._put(future)
        finally:
            self._put(None)
            encoder.join()
            self._source.close()
            del self.image
        if self._source.error is not None:
            raise self._source.error
        if self._error is not None:
            raise self._error
        if self._failure is not None:
            raise _encoder_error(self._failure, target)

    def _put(self, future: Future[Samples] | None) -> None:
        while not self._encoded.is_set():
            try:
                return self._queue.put(future, timeout=0.05)
            except Full:
                continue


def _encoder_error(found: str, target: object) -> OutputError:
    if os.strerror(errno.ENOSPC) in found:
        return output_error(Path(str(target)), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    return OutputError(target, f"could not be written ({found})", "choose another place with -o")
