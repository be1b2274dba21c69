"""Colorizer: photograph in, coloured photograph out. One ONNX Runtime session, full-resolution merge.

>>> colorizer = load("lite")
>>> colorizer.colorize_file(Path("grandmother.jpg"), Path("grandmother.color.jpg"))
"""

from __future__ import annotations

import math
import os
import threading
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
from numpy.typing import NDArray

from .ab_bins import CENTRES, Q
from .contrast import levels_of, widened
from .errors import ModelError, OutputError, SettingError, UnreadablePhotoError
from .forks import check_process
from .merge import AbMap, PageMerger, Samples, lightness_of, stretched
from .models import SIDE_MULTIPLE, WEIGHTS, ModelInfo, open_session
from .photo.formats import output_format
from .photo.metadata import Mark
from .photo.reading import MAX_PIXELS, Photo, open_photo, resampled_lightness
from .photo.remarks import remarks
from .photo.writing import Settings, encode_photo, notes, write_photo
from .plain_areas import restrained, without_paper
from .version import __version__

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Decode = Literal["annealed-mean", "mean", "mode"]
DECODES = ("annealed-mean", "mean", "mode")
MAX_ASPECT = 4  # the network's long side in native sizes, so that a panorama stays bounded
MODE_TEMPERATURE = 1e-3  # for models without probabilities: so cold that the annealed mean is the mode
QUALITY = 92
MAX_SATURATION = 10.0  # every colour is at the edge of sRGB long before


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
    if threads is not None and threads < 1:
        raise SettingError(f"threads is {threads}; expected at least 1")
    if max_pixels < 1:
        raise SettingError(f"max_pixels is {max_pixels}; expected at least 1")
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
    photo: str | Path | Samples,
    *,
    temperature: float | None = None,
    decode: Decode = "annealed-mean",
    saturation: float = 1.0,
    levels: bool = False,
) -> Samples:
    """Colorizer.colorize with the bundled model, which is loaded once."""
    return _default().colorize(photo, temperature=temperature, decode=decode, saturation=saturation, levels=levels)


class Colorizer:
    """Colours photographs with one model. Thread-safe: threads share its session. Made by `load`.

    It can be pickled, and so handed to processes that are spawned: there it opens its model's file anew, which must be
    the same (else ModelError). In a process forked after it was loaded, it raises ForkedProcessError.

    info: what the model says about itself.
    """

    def __init__(
        self, session: InferenceSession, info: ModelInfo, max_pixels: int = MAX_PIXELS, threads: int | None = None
    ) -> None:
        self.info = info
        self._session = session
        self._max_pixels = max_pixels
        self._threads = threads
        self._lock = threading.Lock()
        self._distribution: InferenceSession | None = None
        self._process = os.getpid()
        self._file = info.path.absolute()  # now: the working folder may change

    def __reduce__(self) -> tuple[object, ...]:
        # A bundled model goes by its name: on another machine the package may lie elsewhere.
        model = self._file.stem if self._file.parent == WEIGHTS.absolute() else str(self._file)
        return _reopened, (model, self._threads, self._max_pixels, self.info.sha256)

    def predict_ab(
        self, lightness: NDArray[np.float32], temperature: float | None = None, decode: Decode = "annealed-mean"
    ) -> NDArray[np.float32]:
        """Colour at the network's resolution, from lightness at the size given.

        lightness: float [H, W], CIE L 0..100. Returns float32 [2, ceil(H / stride), ceil(W / stride)], CIE a and b.
        temperature: of the annealed mean, above 0 (None: the model's own). Raises SettingError.
        """
        temperature = self._temperature(temperature, decode)
        if decode == "mode" and self.info.has_probabilities:
            most_probable = self.predict_probabilities(lightness).argmax(0)
            return np.ascontiguousarray(CENTRES.astype(np.float32)[most_probable].transpose(2, 0, 1))
        return self._run(self._session, "ab", lightness, temperature)

    def predict_probabilities(self, lightness: NDArray[np.float32]) -> NDArray[np.float32]:
        """The distribution over the 313 bins at temperature 1, at the network's resolution.

        lightness: as in predict_ab. Returns float32 [313, ceil(H / stride), ceil(W / stride)], the bins in the order of
        ab_bins.CENTRES. Raises SettingError, and ModelError for a model without one (see info.has_probabilities).
        """
        if not self.info.has_probabilities:
            raise ModelError(f"{self.info.path}: gives no distribution; expected a model with probabilities")
        return self._run(self._distribution_session(), "probabilities", lightness, temperature=1.0)

    def _run(
        self, session: InferenceSession, output: str, lightness: NDArray[np.float32], temperature: float
    ) -> NDArray[np.float32]:
        """One output [channels, h, w] of the graph, without what belongs to the padding."""
        check_process(self._process)
        values = np.asarray(lightness, dtype=np.float32)
        if values.ndim != 2 or values.size == 0:
            raise SettingError(f"lightness has shape {values.shape}; expected [H, W] of at least 1 x 1")
        if not (values.min() >= -0.5 and values.max() <= 100.5):  # NaN too
            found = f"{values.min():g}..{values.max():g}"
            raise SettingError(f"lightness has values {found}; expected CIE L, 0..100")
        values = widened(values, self.info.least_range)
        height, width = values.shape
        padding = [(0, -side % SIDE_MULTIPLE) for side in (height, width)]
        padded = np.pad(values, padding, mode="symmetric")[None, None]
        feeds = {"lightness": padded, "temperature": np.array([temperature], np.float32)}
        result: NDArray[np.float32] = session.run([output], feeds)[0][0]
        stride = self.info.stride
        expected = (2 if output == "ab" else Q, padded.shape[2] // stride, padded.shape[3] // stride)
        if result.shape != expected:
            raise ModelError(
                f"{self.info.path}: gives {output} of shape {result.shape}; expected {expected} by its stride"
            )
        return np.ascontiguousarray(result[:, : -(-height // stride), : -(-width // stride)])

    def _distribution_session(self) -> InferenceSession:
        """The model again, computing its probabilities: opened when first asked for, since few ask."""
        with self._lock:
            if self._distribution is None:
                session, info = open_session(self.info.path, self._threads, output="probabilities")
                if info.sha256 != self.info.sha256:
                    raise ModelError(f"{info.path}: has changed since it was loaded; expected the same file")
                self._distribution = session
            return self._distribution

    def colorize(
        self,
        photo: str | Path | Samples,
        *,
        temperature: float | None = None,
        decode: Decode = "annealed-mean",
        saturation: float = 1.0,
        levels: bool = False,
    ) -> Samples:
        """A coloured copy, [H, W, 3] or with alpha [H, W, 4], of the input's own depth.

        photo: a file's path (its first page), or an sRGB array uint8/uint16 [H, W], [H, W, 1], [H, W, 3] or, with
        alpha, [H, W, 2 or 4]. Of a colour photograph the lightness is used. levels: as in colorize_file. Raises
        PhotoError, SettingError.
        """
        self._check(temperature, decode, saturation)
        if isinstance(photo, str | Path):
            opened = open_photo(Path(photo), max_pixels=self._max_pixels)
            colours = self._colours(opened, 0, temperature, decode, levels)
            pixels = opened.array()
        else:
            pixels = _checked_array(photo)
            lightness = resampled_lightness(pixels, *self.network_size(*pixels.shape[:2]))
            colours = self.ab_map(lightness, temperature, decode, levels)
        height, width = pixels.shape[:2]
        merger = PageMerger(colours, height, width, 8 * pixels.dtype.itemsize, saturation)
        return merger.merge(0, pixels)

    @overload
    def colorize_file(
        self, source: str | Path | bytes, target: None, *, name: str | None = None, temperature: float | None = None,
        decode: Decode = "annealed-mean", saturation: float = 1.0, levels: bool = False, format: str = "same",
        quality: int = QUALITY, overwrite: bool = False, in_place: bool = False,
    ) -> bytes: ...  # fmt: skip

    @overload
    def colorize_file(
        self, source: str | Path | bytes, target: str | Path, *, name: str | None = None,
        temperature: float | None = None, decode: Decode = "annealed-mean", saturation: float = 1.0,
        levels: bool = False, format: str = "same", quality: int = QUALITY, overwrite: bool = False,
        in_place: bool = False,
    ) -> Report: ...  # fmt: skip

    def colorize_file(
        self,
        source: str | Path | bytes,
        target: str | Path | None,
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
    ) -> Report | bytes:
        """Colour every page of a photograph file, keeping its depth, metadata, alpha and resolution, in bounded memory.

        source: a path, or a file's content; target: a path, written whole or not at all, or None to get the content
        back; name: what to call the source in errors; saturation: 0 (grey) upwards, scales the colours; levels: stretch
        the lightness of a faded or dark photograph to the full range (without it, lightness stays as it is); format:
        "same" or "jpg", "png", "tiff", "webp", "gif", "avif"; quality: 1..100, of lossy formats. An existing target is
        refused unless `overwrite`, and the source itself as the target unless `in_place`. Raises SettingError,
        MissingPhotoError, UnreadablePhotoError, TooLargeError, OutputError.
        """
        started = time.perf_counter()
        self._check(temperature, decode, saturation)
        if not 1 <= quality <= 100:
            raise SettingError(f"quality is {quality}; expected 1..100")
        source = Path(source) if isinstance(source, str) else source
        target = Path(target) if isinstance(target, str) else target
        if not in_place and isinstance(source, Path) and target is not None and _same_file(source, target):
            raise OutputError(target, "is the photograph itself", "give another name, or --in-place to replace it")
        photo = open_photo(source, name=name, max_pixels=self._max_pixels)
        mark = Mark(__version__, self.info.name, self._temperature(temperature, decode))
        settings = Settings(output_format(format, photo.format, target), quality, saturation, mark, levels)

        def colours(page: int) -> AbMap:
            return self._colours(photo, page, temperature, decode, levels)

        if target is None:
            return encode_photo(photo, colours, settings)
        write_photo(photo, colours, target, settings, overwrite=overwrite or in_place)
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

    def _temperature(self, temperature: float | None, decode: Decode) -> float:
        """The temperature to run the graph at; SettingError for one that is not a finite number above 0."""
        if decode not in DECODES:
            raise SettingError(f"decode is {decode!r}; expected {', '.join(DECODES)}")
        if temperature is not None and not (math.isfinite(temperature) and temperature > 0):
            raise SettingError(f"temperature is {temperature}; expected a finite number above 0")
        if decode == "mean":
            return 1.0
        if decode == "mode":
            return MODE_TEMPERATURE
        return self.info.temperature if temperature is None else float(temperature)

    def _check(self, temperature: float | None, decode: Decode, saturation: float) -> None:
        check_process(self._process)
        self._temperature(temperature, decode)
        if not 0 <= saturation <= MAX_SATURATION:
            raise SettingError(f"saturation is {saturation}; expected a number, 0 to {MAX_SATURATION:g}")


def _same_file(source: Path, target: Path) -> bool:
    """Whether two names are one file, by links too."""
    try:
        return source.samefile(target)
    except (OSError, ValueError):  # one of them is missing, or no name at all
        return False


def _checked_array(photo: Samples) -> Samples:
    """An array photograph as [H, W, bands]; UnreadablePhotoError for another type or shape."""
    if not isinstance(photo, np.ndarray) or photo.dtype not in (np.uint8, np.uint16):
        kind = getattr(photo, "dtype", type(photo).__name__)
        raise UnreadablePhotoError("array", f"of type {kind}", "expected a numpy array of uint8 or uint16")
    pixels = photo[:, :, None] if photo.ndim == 2 else photo
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or pixels.size == 0:
        raise UnreadablePhotoError("array", f"of shape {photo.shape}", "expected [H, W] or [H, W, 1 to 4]")
    return pixels
