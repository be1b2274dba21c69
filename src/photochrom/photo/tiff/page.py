"""What a TIFF's page says about its samples, and whether it can be read at all, before a decoder sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import UnreadablePhotoError
from .file import Directory

PHOTOMETRIC = 262
WHITE_IS_ZERO, PALETTE, MASK, CMYK, CIELAB, ICCLAB = 0, 3, 4, 5, 8, 9
_COLOURS = {WHITE_IS_ZERO: 1, 1: 1, 2: 3, PALETTE: 1, MASK: 1, CMYK: 4, 6: 3, CIELAB: 3, ICCLAB: 3}
_ASSOCIATED, _UNASSOCIATED = 1, 2  # ExtraSamples: alpha that the colours are multiplied by, or not

# Compression -> decoded bytes at most for each stored one: what a file that claims more is not backed by. Deflate's and
# PackBits' are the formats' own limits; an LZW code of 12 bits stands for 3,800 bytes at most, on average for half.
_RATIOS = {1: 1, 5: 1400, 7: 1000, 8: 1100, 32946: 1100, 32773: 64, 50001: 20_000}
_BILEVEL = (2, 3, 4, 32771)  # fax: a blank row takes one bit
_OTHERS = (32766, 32809)  # NeXT, ThunderScan
_UNREADABLE = {
    6: "old-style JPEG", 9: "JBIG", 10: "JBIG", 32908: "PixarFilm", 32909: "PixarLog", 33003: "JPEG 2000",
    33004: "JPEG 2000", 33005: "JPEG 2000", 34661: "JBIG", 34676: "SGILog", 34677: "SGILog 24", 34712: "JPEG 2000",
    34887: "LERC", 34892: "lossy JPEG of a DNG", 34925: "LZMA", 34926: "ZSTD", 34927: "WebP", 50000: "ZSTD",
    50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_STRIP_BYTES = 50_000_000  # what libvips decodes at once unless it is told to trust the file


@dataclass(frozen=True, slots=True)
class TiffPage:
    """A page as its tags describe it: samples per pixel, bits of each, and which of them are colours and alpha.

    backed: whether the file's stored bytes can hold the strips or tiles that are claimed; block: bytes of the largest.
    """

    width: int
    height: int
    bits: tuple[int, ...]
    sample_format: int
    compression: int
    photometric: int
    samples: int
    extras: tuple[int, ...]
    is_reduced: bool
    is_mask: bool
    backed: bool
    block: int

    @classmethod
    def of(cls, directory: Directory, order: str, length: int) -> TiffPage:
        """length: of the file in bytes."""

        def number(tag: int, default: int = 0) -> int:
            return directory.number(tag, order, default)

        photometric, samples = number(PHOTOMETRIC, -1), number(277, 1)
        width, height, compression = number(256), number(257), number(259, 1)
        bits = directory.numbers(258, order) or (1,)
        colours = _COLOURS.get(photometric, samples)
        extras = directory.numbers(338, order)[: max(0, samples - colours)]
        extras += (0,) * min(samples - colours - len(extras), 65_535)  # not stated: unspecified
        kind, old_kind = number(254), number(255)
        tiled = 322 in directory.entries
        columns, rows = (number(322), number(323)) if tiled else (width, min(number(278, height) or height, height))
        planes = 1 if number(284, 1) == 2 else samples
        block = rows * -(-columns * planes * bits[0] // 8)
        offsets = directory.numbers(324 if tiled else 273, order)
        stored = directory.numbers(325 if tiled else 279, order)
        largest = max((min(n, length - at) for at, n in zip(offsets, stored, strict=False) if at < length), default=0)
        ratio = _RATIOS.get(compression)
        backed = ratio is None or (bool(offsets) and block <= largest * ratio + 4096)
        return cls(
            width, height, bits, number(339, 1), compression, photometric, samples, extras,
            bool(kind & 1) or old_kind == 2, bool(kind & 4) or photometric == MASK, backed, block,
        )  # fmt: skip

    @property
    def colours(self) -> int:
        """How many of the samples are colours: they come first."""
        return self.samples - len(self.extras)

    @property
    def alpha(self) -> int | None:
        """Which sample is the alpha, or None."""
        found = (i for i, extra in enumerate(self.extras, self.colours) if extra in (_ASSOCIATED, _UNASSOCIATED))
        return next(found, None)

    @property
    def is_lab(self) -> bool:
        return self.photometric in (CIELAB, ICCLAB)

    @property
    def dropped(self) -> int:
        """How many samples are neither colour nor alpha."""
        return len(self.extras) - (self.alpha is not None)

    def refuse_unreadable(self, name: object) -> None:
        """Raise UnreadablePhotoError, naming the way out, for what is whole but cannot be decoded here."""
        if self.compression not in (*_RATIOS, *_BILEVEL, *_OTHERS):
            kind = _UNREADABLE.get(self.compression, f"method {self.compression}")
            raise UnreadablePhotoError(
                name,
                f"compressed with {kind}, which photochrom cannot read",
                "expected LZW, deflate, PackBits, JPEG, WebP or no compression; "
                "save it with LZW, for example: tiffcp -c lzw a.tif b.tif",
            )
        if self.is_lab and self.samples < 3:
            found = f"damaged or cut short (Lab of {self.samples} samples a pixel)"
            raise UnreadablePhotoError(name, found, "expected a whole photograph")
        if len(set(self.bits)) > 1:
            kinds = ", ".join(map(str, self.bits[:8]))
            raise UnreadablePhotoError(name, f"samples of different depths ({kinds} bits)", _SAVE_AS)
        depth = self.bits[0]
        numbers = {2: "signed whole numbers", 3: "floating point"}.get(self.sample_format)
        floating_colours = self.photometric == 2 and self.sample_format == 3 and depth == 32
        if numbers is not None and not floating_colours and not self.is_lab:
            raise UnreadablePhotoError(name, f"samples of {depth} bits, {numbers}", _SAVE_AS)
        if depth not in (8, 16) and not floating_colours and not (depth in (1, 2, 4) and self.samples == 1):
            raise UnreadablePhotoError(name, f"samples of {depth} bits", _SAVE_AS)
        if self.photometric in (32844, 32845):
            raise UnreadablePhotoError(name, "LogL or LogLuv samples", _SAVE_AS)
        if self.block > _STRIP_BYTES and not self.backed:
            raise UnreadablePhotoError(
                name,
                f"damaged or cut short (a strip of {self.block} bytes is claimed, the file holds too little for it)",
                "expected a whole photograph",
            )


_SAVE_AS = "expected 8 or 16 bits, unsigned; save it as a TIFF of 16 bits a channel"


def photographs(name: object, pages: Sequence[TiffPage]) -> list[int]:
    """The numbers of the pages to colour: not masks, and not reduced copies unless there is nothing else.

    Raises UnreadablePhotoError if all are masks.
    """
    whole = [number for number, page in enumerate(pages) if not page.is_mask]
    if pages and not whole:
        raise UnreadablePhotoError(name, "a TIFF of masks only", "expected a photograph")
    return [number for number in whole if not pages[number].is_reduced] or whole[:1]
