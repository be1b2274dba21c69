"""The formats of photographs: how their files start, who reads them, who writes them.

Only what is on this list ever reaches libvips, and only the loader named here: SVG, PDF and everything else that
libvips could open is refused by its first bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import SettingError, UnreadablePhotoError
from .other_formats import refusal
from .tiff.camera_raw import refuse_raw_head

HEAD_BYTES = 64  # enough of a file to tell its format


@dataclass(frozen=True)
class Format:
    """name: as in `--format` and reports; suffix: of new files; loader, saver: libvips operations (loader empty:
    `decoded` reads it; saver None: libvips has no encoder, `written_as` takes its place); max_bits: per sample;
    max_side: pixels; has_alpha; has_pages: of any size each; animates: frames of one size.
    """

    name: str
    suffix: str
    loader: str
    saver: str | None
    max_bits: int
    max_side: int
    has_alpha: bool
    has_pages: bool = False
    animates: bool = False
    written_as: str = ""


FORMATS = {
    f.name: f
    for f in (
        Format("jpg", ".jpg", "jpegload_source", "jpegsave", 8, 65_535, False),
        Format("png", ".png", "pngload_source", "pngsave", 16, 2**31 - 1, True),
        Format("tiff", ".tif", "tiffload_source", "tiffsave", 16, 2**31 - 1, True, has_pages=True),
        Format("webp", ".webp", "webpload_source", "webpsave", 8, 16_383, True, animates=True),
        Format("gif", ".gif", "gifload_source", "gifsave", 8, 65_535, True, animates=True),
        Format("avif", ".avif", "heifload_source", "heifsave", 8, 16_384, True),
        Format("heic", ".jpg", "", None, 8, 65_535, False, written_as="jpg"),
        Format("bmp", ".png", "", None, 8, 2**31 - 1, True, written_as="png"),
        Format("pnm", ".png", "", None, 16, 2**31 - 1, True, written_as="png"),
    )
}
WRITABLE = tuple(f.name for f in FORMATS.values() if f.saver)

ALIASES = {"jpeg": "jpg", "tif": "tiff"}

_SUFFIXES = {
    ".jpg": "jpg", ".jpeg": "jpg", ".jpe": "jpg", ".jfif": "jpg", ".png": "png", ".tif": "tiff", ".tiff": "tiff",
    ".webp": "webp", ".gif": "gif", ".avif": "avif", ".heic": "heic", ".heif": "heic",
    ".heics": "heic", ".hif": "heic", ".bmp": "bmp", ".dib": "bmp", ".pbm": "pnm", ".pgm": "pnm", ".ppm": "pnm",
    ".pnm": "pnm", ".pam": "pnm",
}  # fmt: skip
SUFFIXES = frozenset(_SUFFIXES)
"""The suffixes of photographs, lower case: what a folder is searched for."""


def format_of_suffix(path: Path) -> str | None:
    """The format's name by a file's suffix ("x.JPEG" is jpg), or None if it is not on the list."""
    return _SUFFIXES.get(path.suffix.lower())


def sniff(head: bytes) -> str | None:
    """The format's name by a file's first HEAD_BYTES, or None if it is not on the list."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if head[4:8] == b"ftyp":
        brands = {head[8:12], *(head[i : i + 4] for i in range(16, min(len(head), int.from_bytes(head[:4])), 4))}
        if brands & {b"avif", b"avis"}:
            return "avif"
        if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"}:
            return "heic"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in (12, 16, 40, 52, 56, 64, 108, 124):
        return "bmp"
    if head[:1] == b"P" and head[1:2] in b"1234567" and head[2:3] in (b" ", b"\t", b"\n", b"\r", b"#"):
        return "pnm"
    return None


def sniffed(name: object, head: bytes) -> str:
    """The format's name by a file's first bytes; UnreadablePhotoError saying what was found if it is not supported."""
    refuse_raw_head(name, head)
    found = sniff(head)
    if found is not None:
        return found
    raise UnreadablePhotoError(name, *refusal(head, "JPEG, PNG, TIFF, WebP, GIF, AVIF, HEIC, BMP or Netpbm"))


def canonical(format: str) -> str:
    """A format as people name it ("jpeg", "TIF") under the name used here; an unknown one as it is."""
    return ALIASES.get(format.lower(), format.lower())


def output_format(requested: str, source: str, target: Path | None = None) -> str:
    """The format to write: `requested`, or for "same" that of the target's suffix, or else that of the source.

    A format without an encoder (HEIC) is written as another (JPEG). Raises SettingError for an unknown name, or when
    the target's suffix asks for what cannot be written.
    """
    requested = canonical(requested)
    if requested != "same":
        if requested not in WRITABLE:
            raise SettingError(f"format is {requested!r}; expected same, {', '.join(WRITABLE)}")
        return requested
    by_suffix = _SUFFIXES.get(target.suffix.lower()) if target else None
    chosen = FORMATS[by_suffix or source]
    if chosen.saver:
        return chosen.name
    if by_suffix == chosen.name:
        raise SettingError(f"{target}: {chosen.name} cannot be written here; name it {chosen.suffix} instead")
    return chosen.written_as
