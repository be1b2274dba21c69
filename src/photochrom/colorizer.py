"""Colorizer: photograph in, coloured photograph out. One ONNX Runtime session, full-resolution merge.

>>> colorizer = load("lite")
>>> colorizer.colorize_file(Path("grandmother.jpg"), Path("grandmother.color.jpg"))
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from .contrast import levels_of
from .errors import ModelError, SettingError
from .forks import check_process
from .merge import AbMap, PageMerger, Samples, lightness_of, stretched
from .models import WEIGHTS, ModelInfo, open_session
from .options import (
    Decode,
    checked_count,
    checked_quality,
    checked_saturation,
)
from .photo.formats import output_format
from .photo.inputs import array_content, as_source, checked_array
from .photo.metadata import Mark
from .photo.outputs import as_target, check_own_output, write_to
from .photo.reading import MAX_PIXELS, Photo, open_photo, resampled_lightness
from .photo.remarks import remarks
from .photo.writing import Settings, encode_photo, notes, write_photo
from .plain_areas import restrained, without_paper
from .predictor import Predictor
from .version import __version__

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Photograph = Any
"""A str or PathLike (a file's path), bytes-like (a file's content), binary file object, Pillow image or sRGB array."""
Target = str | os.PathLike[str] | IO[bytes]
MAX_ASPECT = 4  # the network's long side in native sizes, so that a panorama stays bounded
QUALITY = 92


@dataclass(frozen=True)
class Report:
    """What became of a photograph. width, height: of the first page in pixels; format: of the output; seconds: in all;
    notes: what reading guessed and what the output could not keep (16 bits in a JPEG, say), for a person to read."""

    width: int
    height: int
    pages: int
    format: str
    model: str
    seconds: float
    notes: tuple[str, ...] = ()


def load(model: str | Path = "lite", *, threads: int | None = None, max_pixels: int = MAX_PIXELS) -> Colorizer:
    """A Colorizer for a bundled model's name or an ONNX file, on `threads` cores (None: all that there are).

    max_pixels: a larger photograph is refused. Raises ModelError, SettingError.
    """
    if threads is not None:
        checked_count("threads", threads)
    checked_count("max_pixels", max_pixels)
    session, info = open_session(model, threads)
    return Colorizer(session, info, max_pixels, threads)


def _reopened(model: str, threads: int | None, max_pixels: int, sha256: str) -> Colorizer:
    """A pickled Colorizer again. Raises ModelError where the model's file is gone or another."""
    colorizer = load(model, threads=threads, max_pixels=max_pixels)
    if colorizer.info.sha256 != sha256:
        raise ModelError(
            f"{colorizer.info.path}: has changed since the Colorizer was pickled; expected the same file; load it again"
        )
    return colorizer


@lru_cache(maxsize=1)
def _default() -> Colorizer:
    return load()


def colorize(
    photo: Photograph,
    *,
    temperature: float | None = None,
    decode: Decode = "annealed-mean",
    saturation: float = 1.0,
    levels: bool = False,
) -> Samples:
    """Colorizer.colorize with the bundled model, which is loaded once."""
    return _default().colorize(photo, temperature=temperature, decode=decode, saturation=saturation, levels=levels)


class Colorizer(Predictor):
    """Colours photographs with one model. Thread-safe: threads share its session. Made by `load`.

    It can be pickled, and so handed to processes that are spawned: there it opens its model's file anew, which must be
    the same (else ModelError). In a process forked after it was loaded, it raises ForkedProcessError.

    info: what the model says about itself.
    """

    def __init__(
        self, session: InferenceSession, info: ModelInfo, max_pixels: int = MAX_PIXELS, threads: int | None = None
    ) -> None:
        super().__init__(session, info, threads)
        self._max_pixels = max_pixels

    def __reduce__(self) -> tuple[object, ...]:
        # A bundled model goes by its name: on another machine the package may lie elsewhere.
        model = self._file.stem if self._file.parent == WEIGHTS.absolute() else str(self._file)
        return _reopened, (model, self._threads, self._max_pixels, self.info.sha256)

    def colorize(
        self,
        photo: Photograph,
        *,
        temperature: float | None = None,
        decode: Decode = "annealed-mean",
        saturation: float = 1.0,
        levels: bool = False,
    ) -> Samples:
        """A coloured copy, [H, W, 3] or with alpha [H, W, 4], of the input's own depth.

        photo: a file's path, content or binary file object (its first page), a Pillow image, or an sRGB array
        uint8/uint16 [H, W], [H, W, 1], [H, W, 3] or, with alpha, [H, W, 2 or 4]. Of a colour photograph the lightness
        is used. levels: as in colorize_file. Raises PhotoError, SettingError, ForkedProcessError.
        """
        check_process(self._process)
        self._check(temperature, decode, saturation)
        if not _is_array(photo):
            source, name = as_source(photo)
            opened = open_photo(source, name=name, max_pixels=self._max_pixels)
            colours = self._colours(opened, 0, temperature, decode, levels)
            pixels = opened.array()
        else:
            pixels = checked_array(photo)
            lightness = resampled_lightness(pixels, *self.network_size(*pixels.shape[:2]))
            colours = self.ab_map(lightness, temperature, decode, levels)
        height, width = pixels.shape[:2]
        merger = PageMerger(colours, height, width, 8 * pixels.dtype.itemsize, saturation)
        return merger.merge(0, pixels)

    @overload
    def colorize_file(
        self, source: Photograph, target: None = None, *, name: str | None = None, temperature: float | None = None,
        decode: Decode = "annealed-mean", saturation: float = 1.0, levels: bool = False,
        format: str = "same", quality: int = QUALITY,
        overwrite: bool = False, keep_times: bool = False,
    ) -> bytes: ...  # fmt: skip

    @overload
    def colorize_file(
        self, source: Photograph, target: Target, *, name: str | None = None, temperature: float | None = None,
        decode: Decode = "annealed-mean", saturation: float = 1.0, levels: bool = False,
        format: str = "same", quality: int = QUALITY,
        overwrite: bool = False, in_place: bool = False, keep_times: bool = False,
    ) -> Report: ...  # fmt: skip

    @overload
    def colorize_file(
        self, source: Photograph, target: Target | None = None, *, name: str | None = None,
        temperature: float | None = None,
        decode: Decode = "annealed-mean", saturation: float = 1.0, levels: bool = False,
        format: str = "same", quality: int = QUALITY,
        overwrite: bool = False, in_place: bool = False, keep_times: bool = False,
    ) -> Report | bytes: ...  # fmt: skip

    def colorize_file(
        self,
        source: Photograph,
        target: Target | None = None,
        *,
        name: str | None = None,
        temperature: float | None = None,
        decode: Decode = "annealed-mean",
        saturation: float = 1.0,
        levels: bool = False,
        format: str = "same",
        quality: int = QUALITY,
        overwrite: bool = False,
        in_place: bool = False,
        keep_times: bool = False,
    ) -> Report | bytes:
        """Colour every page of a photograph file, keeping its depth, metadata, alpha and resolution, in bounded memory.

        source: a path, a file's content, a binary file object, a Pillow image or an sRGB array; target: a path, written
        whole or not at all, a binary file object, or None to get the content back; name: what to call the source in
        errors; saturation: 0 (grey) to 10, scales the colours; levels: stretch the lightness of a faded or dark
        photograph to the full range (without it, lightness stays as it is); format: "same" or "jpg", "png", "tiff",
        "webp", "gif", "avif"; quality: 1..100, of lossy formats. An existing target is refused unless `overwrite`, and
        the source itself also then: `in_place` (target None or the source) replaces it, in its own format. keep_times:
        the target gets the source's time of change. The target is no more readable than the source, and than a file
        that it replaces. Raises SettingError, MissingPhotoError, UnreadablePhotoError, TooLargeError, OutputError.
        """
        started = time.perf_counter()
        check_process(self._process)
        self._check(temperature, decode, saturation)
        checked_quality(quality)
        if not isinstance(format, str):
            raise SettingError(f"format is {format!r}; expected a name such as 'png'")
        content, name = (array_content(source), name or "array") if _is_array(source) else as_source(source, name)
        goal, stream = as_target(target)
        if in_place and goal is None and stream is None and isinstance(content, Path):
            goal = content
        goal = check_own_output(content, goal, in_place=in_place)
        photo = open_photo(content, name=name, max_pixels=self._max_pixels)
        if in_place and output_format(format, photo.format, goal) != photo.format:
            raise SettingError(f"{name}: in place a photograph keeps its format, {photo.format}; give another target")
        mark = Mark(__version__, self.info.name, self._temperature(temperature, decode))
        settings = Settings(output_format(format, photo.format, goal), quality, saturation, mark, levels)

        def colours(page: int) -> AbMap:
            return self._colours(photo, page, temperature, decode, levels)

        if goal is None and stream is None:
            return encode_photo(photo, colours, settings)
        if stream is not None:
            write_to(stream, encode_photo(photo, colours, settings), goal)
        elif goal is not None:
            write_photo(photo, colours, goal, settings, overwrite=overwrite or in_place, keep_times=keep_times)
        return Report(
            width=photo.width,
            height=photo.height,
            pages=len(photo.pages),
            format=settings.format,
            model=self.info.name,
            seconds=time.perf_counter() - started,
            notes=(*photo.notes, *notes(photo, settings.format)),
        )

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the lightness that the network sees for a photograph of this size, in pixels.

        The aspect ratio is kept, the short side is the model's native size, and the long one at most MAX_ASPECT times
        that; no side is below 1.
        """
        native = self.info.native_size
        scale = min(native / min(height, width), MAX_ASPECT * native / max(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _colours(
        self, photo: Photo, page: int, temperature: float | None, decode: Decode, levels: bool = False
    ) -> AbMap:
        height, width = self.network_size(photo.pages[page].height, photo.pages[page].width)
        small = photo.thumbnail(page, height, width)
        if page == 0:
            photo.notes.extend(remarks(small))
        return self.ab_map(lightness_of(small), temperature, decode, levels)

    def ab_map(
        self,
        lightness: NDArray[np.float32],
        temperature: float | None = None,
        decode: Decode = "annealed-mean",
        levels: bool = False,
    ) -> AbMap:
        """Colour for a page, from its lightness at the network's size (network_size), as colorize merges it: what
        predict_ab gives, less in plain areas and in photographs with little contrast (see plain_areas).

        lightness: float [H, W], CIE L 0..100. levels: stretch the lightness too. Raises SettingError.
        """
        limits = levels_of(without_paper(lightness)) if levels else None
        if limits is not None:
            lightness = stretched(lightness, limits).astype(np.float32)
        height, width = lightness.shape
        stride = self.info.stride
        colours = AbMap(self.predict_ab(lightness, temperature, decode), (height / stride, width / stride))
        return replace(restrained(colours, lightness), levels=limits)

    def _check(self, temperature: float | None, decode: Decode, saturation: float) -> None:
        self._temperature(temperature, decode)
        checked_saturation(saturation)


def _is_array(photo: object) -> bool:
    return hasattr(photo, "dtype") and not hasattr(photo, "read")
