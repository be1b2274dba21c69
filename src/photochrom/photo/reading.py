"""Reading photographs with libvips: any supported format as upright sRGB samples, strip by strip, in bounded memory.

What cannot be streamed, libvips holds in memory or, above 100 MB, in a temporary file: 90- and 180-degree EXIF
orientations, interlaced PNG. Decoders that need the whole photograph themselves: progressive JPEG, WebP, AVIF, HEIC.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from ..errors import MissingPhotoError, TooLargeError, UnreadablePhotoError
from ..forks import before_libvips
from ..merge import Samples, lightness_of
from . import beside, jpeg_checks, png_checks
from .decoders.choice import decoder, header_of, image_of
from .decoders.decoded import Decoder
from .exif import read_tiff
from .formats import FORMATS, HEAD_BYTES, sniffed
from .png_chunks import Chunk, read_chunks, xmp_in
from .read_errors import Reading
from .srgb import to_srgb
from .tiff.camera_raw import refuse_raw
from .tiff.file import Directory
from .tiff.page import CIELAB, TiffPage, photographs
from .tiff.samples import RawLabSource, photographic

MAX_PIXELS = 500_000_000  # of one page; above it a file is refused as a likely decompression bomb
XMP = "xmp-data"  # libvips' name of the field
NETWORK_KERNEL = "linear"  # makes the network's input small as training made its crops; Lanczos' is sharper, and duller

# Operations are not used twice here, and a cached one would keep its file open and miss that the file has changed.
pyvips.cache_set_max(0)


@dataclass(frozen=True, slots=True)
class Page:
    """A TIFF's page or an animation's frame, as its header describes it. It holds no image: a file may have thousands.

    height, width: upright (orientation applied), in pixels; bits: 8 or 16 per sample; has_alpha; streams: whether it
    is turned upright with its rows in order; number: its place in the file, where masks and reduced copies count too.
    """

    height: int
    width: int
    bits: int
    has_alpha: bool
    streams: bool
    number: int = 0

    @classmethod
    def of(cls, header: pyvips.Image, number: int = 0, tiff: TiffPage | None = None) -> Page:
        orientation = _orientation(header)
        sides = (header.width, header.height) if 5 <= orientation <= 8 else (header.height, header.width)
        has_alpha = header.hasalpha() if tiff is None else tiff.alpha is not None
        return cls(*sides, 8 if header.format == "uchar" else 16, has_alpha, orientation in (1, 2), number)


def open_photo(source: Path | bytes, *, name: object = None, max_pixels: int = MAX_PIXELS) -> Photo:
    """Open a photograph by its header. source: a path, or a file's content; name: what to call it in errors.

    Raises MissingPhotoError, UnreadablePhotoError (also for a folder) or TooLargeError. Pixels are not read yet: damage
    in them raises UnreadablePhotoError later. Raises ForkedProcessError (see forks), as do all that read pixels.
    """
    if isinstance(source, bytes):
        name = "-" if name is None else name
        head = source[:HEAD_BYTES]
    else:
        name = source if name is None else name
        head = _read_head(source, name)
    return Photo(source, name, sniffed(name, head), max_pixels)


def _read_head(path: Path, name: object) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise MissingPhotoError(name, "there is no such file", "expected a photograph") from error
    except IsADirectoryError as error:
        raise UnreadablePhotoError(name, "is a folder", "expected a photograph, or -r for a folder") from error
    except OSError as error:
        raise UnreadablePhotoError(name, f"could not be read ({error.strerror})", "expected a photograph") from error


class Photo:
    """An opened photograph. Sizes are upright (EXIF orientation applied), in pixels.

    name: for messages; format: "jpg", "png", ...; pages: TIFF pages or animation frames; width, height: of the first;
    header: the first as libvips loads it; notes: what reading it left out or had to guess, for a person to read
    (whoever reads adds to it); passed_on: the numbers of a TIFF's masks and reduced copies, which are not coloured.
    Raises as open_photo.
    """

    def __init__(self, source: Path | bytes, name: object, format: str, max_pixels: int) -> None:
        self.source, self.name, self.format = source, name, format
        self._loader = FORMATS[format].loader
        self._paged = FORMATS[format].has_pages or FORMATS[format].animates
        self.notes: list[str] = []
        self._lacks_end = self._damage_noted = False
        self._decoder = self._opened_decoder(max_pixels)
        self._facts = self._tiff_facts(max_pixels)
        numbers = photographs(name, self._facts)
        self.passed_on = [number for number in range(len(self._facts)) if number not in set(numbers)]
        with self.reading():
            if self._decoder is not None:
                header = header_of(self._decoder)
            else:
                header = self._load_number(numbers[0] if numbers else 0)
            self.header = header
            if numbers:
                self.is_animation = False
                self.pages = [Page.of(header, numbers[0], self._facts[numbers[0]])]
                self.pages += [Page.of(self._load_number(k), k, self._facts[k]) for k in numbers[1:]]
            else:
                count = header.get_n_pages() if self._paged else 1
                self.is_animation = count > 1 and FORMATS[format].animates
                self.pages = [Page.of(header)] * (count if self.is_animation else 1)
            for page in self.pages:
                self._check_size(page.width, page.height, max_pixels)
            known = header.get_typeof("jpeg-chroma-subsample")
            self.subsampling = str(header.get("jpeg-chroma-subsample")) if known else ""
            self.xmp = xmp_in(self.png_chunks) or xmp_of(header)
        self.height, self.width = self.pages[0].height, self.pages[0].width
        self._gamma = png_checks.colours(self.source, self.notes) if format == "png" else None
        self.notes += beside.left_out(self.source, format)
        if format == "jpg":
            self._lacks_end = jpeg_checks.lacks_only_its_end(self.source, self.load)
            if self._lacks_end:
                self.notes.append("its end marker is missing; nothing of the picture is")

    def _check_size(self, width: int, height: int, max_pixels: int) -> None:
        if width * height > max_pixels:
            expected = f"expected at most {max_pixels} pixels; raise --max-pixels if you trust the file"
            raise TooLargeError(self.name, f"{width} x {height} pixels", expected)

    def _opened_decoder(self, max_pixels: int) -> Decoder | None:
        """The decoder of a format that libvips does not read, its size checked."""
        if FORMATS[self.format].loader:
            return None
        with self.reading():
            found = decoder(self.format, self.source)
        self._check_size(found.width, found.height, max_pixels)
        self.notes += found.notes
        return found

    def _tiff_facts(self, max_pixels: int) -> list[TiffPage]:
        """What a TIFF's pages say of themselves; refused is what cannot be read, and noted what is left out."""
        directories, order = self._tiff
        refuse_raw(self.name, directories, order)
        facts = [TiffPage.of(directory, order, self.tiff_length) for directory in directories]
        for number in photographs(self.name, facts):
            self._check_size(facts[number].width, facts[number].height, max_pixels)
            facts[number].refuse_unreadable(self.name)
            if dropped := facts[number].dropped:
                self.notes.append(
                    f"page {number + 1}: {dropped} extra channel(s) that are no transparency were left out"
                )
            if lost := sorted(set(directories[number].lost)):
                tags = ", ".join(map(str, lost))
                self.notes.append(f"page {number + 1}: damaged tags were left out ({tags})")
        return facts

    @cached_property
    def _tiff(self) -> tuple[list[Directory], str]:
        return read_tiff(self.source) if self.format == "tiff" else ([], "<")

    @cached_property
    def png_chunks(self) -> list[Chunk]:
        """A PNG's texts, time and resolution; empty for other formats."""
        if self.format != "png":
            return []
        with io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb") as file:
            return read_chunks(file)

    @cached_property
    def tiff_length(self) -> int:
        """The file's size in bytes."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    @property
    def tiff_directories(self) -> list[Directory]:
        """A TIFF's directories as they stand in the file, masks and reduced copies among them."""
        return self._tiff[0]

    @property
    def tiff_pages(self) -> list[Directory]:
        """The directories of the TIFF pages that are coloured; empty for other formats and damaged ones."""
        return [self._tiff[0][page.number] for page in self.pages] if self._tiff[0] else []

    @property
    def tiff_order(self) -> str:
        """The byte order of the directories' values: "<" or ">"."""
        return self._tiff[1]

    def reading(self) -> Reading:
        """A context in which libvips' errors become UnreadablePhotoError."""
        return Reading(self.name)

    def load(self, page: int = 0, *, n: int = 1, sequential: bool = True, **options: Any) -> pyvips.Image:
        """`n` pages (-1: all) as libvips loads them: not upright, in their own colours; options go to the loader."""
        return self._load_number(self.pages[page].number or page, n, sequential, **options)

    def _load_number(self, number: int, n: int = 1, sequential: bool = True, **options: Any) -> pyvips.Image:
        if self._decoder is not None:
            return image_of(self._decoder)
        if self._paged:
            options |= {"page": number, "n": n}
        before_libvips()
        source = self._libvips_source()
        options.setdefault("fail_on", "error")
        if self._facts:
            fact = self._facts[number]
            options["unlimited"] = fact.backed
            if fact.photometric == CIELAB:
                source = RawLabSource(self.source, self._tiff[0][number], self._tiff[1]).source()
        access = "sequential" if sequential else "random"
        image = pyvips.Operation.call(self._loader, source, access=access, **options)
        image._references.append(source)  # whose callbacks must live for as long as any image made from it
        return image

    def _libvips_source(self) -> pyvips.Source:
        if self._lacks_end:
            content = self.source if isinstance(self.source, bytes) else self.source.read_bytes()
            return pyvips.Source.new_from_memory(content + jpeg_checks.END)
        if isinstance(self.source, bytes):
            return pyvips.Source.new_from_memory(self.source)
        return pyvips.Source.new_from_file(os.fsencode(self.source))  # a name need not be UTF-8

    def _upright_srgb(self, image: pyvips.Image, page: int) -> pyvips.Image:
        if self._facts:
            image = photographic(image, self._facts[self.pages[page].number])
        return to_srgb(image if self._gamma is None else self._gamma.applied(image), self.name)

    def page_header(self, page: int) -> pyvips.Image:
        """A TIFF's page as libvips loads it: its own resolution and XMP; of other formats, the only header there is."""
        if page == 0 or not self._facts:
            return self.header
        with self.reading():
            return self.load(page)

    def pixels(self, page: int = 0, *, all_frames: bool = False) -> pyvips.Image:
        """One page as upright sRGB, 8 or 16 bits, bands 1 to 4 (grey or RGB, with or without alpha), read once from
        top to bottom; or all frames of an animation, one beneath the other."""
        image = self.load(page, n=-1 if all_frames else 1, sequential=self.pages[page].streams)
        return self._upright_srgb(image, page)

    def array(self, page: int = 0) -> Samples:
        """A page's samples, upright sRGB uint8/uint16 [height, width, 1 to 4], all in memory."""
        with self.reading():
            image = self.pixels(page)
            data: Samples = image.numpy().reshape(image.height, image.width, image.bands)
        return data

    def lightness(self, page: int, height: int, width: int) -> NDArray[np.float32]:
        """CIE L 0..100 of a page, float32 [height, width], resampled to exactly that size in sRGB."""
        return lightness_of(self.thumbnail(page, height, width))

    def thumbnail(self, page: int, height: int, width: int) -> Samples:
        """A page's sRGB samples without alpha, uint8/uint16 [height, width, 1 or 3], resampled to exactly that size."""
        with self.reading():
            try:
                return self._shrunk(page, height, width, "warning" if self.format == "jpg" else "error")
            except pyvips.Error:
                if self.format != "jpg":
                    raise
                samples = self._shrunk(page, height, width, "error")
            if not self._damage_noted:
                self._damage_noted = True
                self.notes.append(jpeg_checks.damage(self.load))
            return samples

    def _shrunk(self, page: int, height: int, width: int, fail_on: str) -> Samples:
        return _resampled(self._upright_srgb(self._load_shrunk(page, height, width, fail_on), page), height, width)

    def _load_shrunk(self, page: int, height: int, width: int, fail_on: str) -> pyvips.Image:
        """A page at least as large as asked (before it is turned upright), shrunk by its decoder where that can."""
        described = self.pages[page]
        spare = min(described.height / height, described.width / width)
        options: dict[str, Any] = {"fail_on": fail_on}
        if self.format == "jpg":
            options["shrink"] = next(factor for factor in (8, 4, 2, 1) if factor <= max(spare, 1))
        elif self.format == "webp" and spare > 1:
            options["scale"] = 1 / spare
        return self.load(page, sequential=described.streams, **options)


def xmp_of(header: pyvips.Image) -> bytes | None:
    """The XMP packet in a header, or None."""
    return bytes(header.get(XMP)) if header.get_typeof(XMP) else None


def resampled_lightness(pixels: Samples, height: int, width: int) -> NDArray[np.float32]:
    """CIE L 0..100 float32 [height, width] of sRGB samples uint8/uint16 [H, W, 1 to 4] (alpha ignored)."""
    before_libvips()
    rows, columns, bands = pixels.shape
    kind = "uchar" if pixels.dtype == np.uint8 else "ushort"
    data = np.ascontiguousarray(pixels)
    image = pyvips.Image.new_from_memory(data, columns, rows, bands, kind)
    return lightness_of(_resampled(image, height, width))


def _resampled(image: pyvips.Image, height: int, width: int) -> Samples:
    if image.bands in (2, 4):
        image = image[0] if image.bands == 2 else image[:3]
    image = image.resize(width / image.width, vscale=height / image.height, kernel=NETWORK_KERNEL)
    samples: Samples = image.numpy().reshape(height, width, image.bands)
    return samples


def _orientation(image: pyvips.Image) -> int:
    return int(image.get("orientation")) if image.get_typeof("orientation") else 1
