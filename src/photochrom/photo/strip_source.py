"""Feeding libvips strips of pixels that are computed while its encoder asks for them.

libvips takes pixels from a whole array, or from a loader that reads a source. So the strips are presented as an
uncompressed BigTIFF that exists only as it is read: a header made here, then the samples, each read once, in order.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator

import pyvips
from numpy.typing import NDArray

_SHORT, _LONG8 = 3, 16  # TIFF's types
_LETTER = {_SHORT: "H", _LONG8: "Q"}
_STRIP_OFFSETS = 273
_INLINE = 8  # bytes; longer values of a BigTIFF tag lie outside its entry
_ORDER = "<" if sys.byteorder == "little" else ">"


def _header(height: int, width: int, bands: int, bits: int, strip_rows: int) -> bytes:
    """A BigTIFF file up to its first sample, in this machine's byte order."""
    strips = -(-height // strip_rows)
    row_bytes = width * bits // 8  # of one plane
    counts = [min(strip_rows, height - k * strip_rows) * row_bytes for k in range(strips)]
    tags = [
        (256, _LONG8, [width]),
        (257, _LONG8, [height]),
        (258, _SHORT, [bits] * bands),
        (259, _SHORT, [1]),  # no compression
        (262, _SHORT, [2]),  # RGB
        (_STRIP_OFFSETS, _LONG8, [0] * (strips * bands)),  # filled in below
        (277, _SHORT, [bands]),
        (278, _LONG8, [strip_rows]),
        (279, _LONG8, counts * bands),
        (284, _SHORT, [2]),  # a plane for each band
    ]
    if bands == 4:
        tags.append((338, _SHORT, [2]))  # the fourth is alpha, not premultiplied
    sizes = [struct.calcsize(f"{_ORDER}{len(values)}{_LETTER[kind]}") for _, kind, values in tags]
    outside = 16 + 8 + 20 * len(tags) + 8
    samples = outside + sum(size for size in sizes if size > _INLINE)
    entries, values_outside = b"", b""
    for (tag, kind, values), size in zip(tags, sizes, strict=True):
        if tag == _STRIP_OFFSETS:
            # A strip of every plane, then the next: in the order in which libvips reads them.
            values = [
                samples + k * strip_rows * row_bytes * bands + plane * counts[k]
                for plane in range(bands)
                for k in range(strips)
            ]
        data = struct.pack(f"{_ORDER}{len(values)}{_LETTER[kind]}", *values)
        if size > _INLINE:
            position = outside + len(values_outside)
            values_outside += data
            data = struct.pack(_ORDER + "Q", position)
        entries += struct.pack(_ORDER + "HHQ", tag, kind, len(values)) + data.ljust(_INLINE, b"\0")
    mark = b"II" if _ORDER == "<" else b"MM"
    head = mark + struct.pack(_ORDER + "HHHQQ", 43, 8, 0, 16, len(tags))
    return head + entries + struct.pack(_ORDER + "Q", 0) + values_outside


class StripSource:
    """A libvips source that draws on an iterator of strips.

    strips: [bands, rows, width] uint8/uint16, C-contiguous, `strip_rows` rows each but for the last. An exception that
    the iterator raises ends the stream early, so that the encoder fails, and is kept in `error` for who waits for it.
    """

    def __init__(
        self, strips: Iterator[NDArray], height: int, width: int, bands: int, bits: int, strip_rows: int
    ) -> None:
        self._strips = strips
        header = _header(height, width, bands, bits, strip_rows)
        self._length = len(header) + height * width * bands * bits // 8
        self._header = header
        self._current = memoryview(b"")  # the strip being read
        self._current_at = len(header)  # its place in the file
        self._position = 0
        self.error: BaseException | None = None
        self._source = pyvips.SourceCustom()
        self._source.on_read(self._read)
        self._source.on_seek(self._seek)

    def image(self) -> pyvips.Image:
        """The strips as one image, to be read once, from top to bottom."""
        return pyvips.Image.tiffload_source(self._source, access="sequential", fail_on="truncated")

    def close(self) -> None:
        """Let go of the strips and of libvips: the callbacks tie a knot that would hold both until a collection."""
        self._strips = iter(())
        self._current = memoryview(b"")
        del self._source

    def _seek(self, offset: int, whence: int) -> int:
        base = {0: 0, 1: self._position, 2: self._length}[whence]
        self._position = base + offset
        return self._position

    def _read(self, size: int) -> bytes:
        if self._position < len(self._header):
            data = self._header[self._position : self._position + size]
        else:
            data = self._read_samples(size)
        self._position += len(data)
        return data

    def _read_samples(self, size: int) -> bytes:
        # An exception may not leave a callback from C: it ends the stream here and is raised by who started it.
        try:
            while self._position >= self._current_at + len(self._current) and self._position < self._length:
                self._current_at += len(self._current)
                self._current = next(self._strips).data.cast("B")
        except BaseException as error:
            self.error = self.error or error
            return b""
        start = self._position - self._current_at
        if start < 0:
            self.error = self.error or RuntimeError("the strips were read twice")
            return b""
        return bytes(self._current[start : start + size])
