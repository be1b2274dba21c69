"""Camera RAW, told by its content: most of these files are TIFFs whose readable page is only a small preview."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import UnreadablePhotoError
from .file import Directory

_DNG_VERSION, _MAKE, _COMPRESSION, _PHOTOMETRIC, _NEW_SUBFILE_TYPE = 50706, 271, 259, 262, 254
_SENSOR = (32803, 34892)  # PhotometricInterpretation: CFA (the mosaic), LinearRaw
# Nikon, Sony, Samsung, Kodak and Pentax store the sensor's samples under numbers of their own.
_RAW_COMPRESSIONS = (262, 32767, 32769, 32770, 32772, 32867, 34713, 65000, 65535)
_MAGICS = (
    (b"IIRO", "Olympus ORF"), (b"IIRS", "Olympus ORF"), (b"MMOR", "Olympus ORF"), (b"IIU\0", "Panasonic RW2"),
    (b"FUJIFILMCCD-RAW", "Fujifilm RAF"), (b"FOVb", "Sigma X3F"), (b"\0MRM", "Minolta MRW"),
)  # fmt: skip
_EXPECTED = "expected a photograph; develop it in a raw converter and export a TIFF or JPEG"


def refuse_raw_head(name: object, head: bytes) -> None:
    """Raise UnreadablePhotoError if a file's first bytes are those of a camera RAW."""
    kind = next((kind for magic, kind in _MAGICS if head.startswith(magic)), None)
    if head[:4] in (b"II*\0", b"MM\0*") and head[8:11] == b"CR\2":
        kind = "Canon CR2"
    elif head[8:12] in (b"IIII", b"MMMM") and head[:4] in (b"II*\0", b"MM\0*"):
        kind = "Phase One IIQ"
    if kind is not None:
        raise UnreadablePhotoError(name, f"a camera RAW file ({kind})", _EXPECTED)


def refuse_raw(name: object, pages: Sequence[Directory], order: str) -> None:
    """Raise UnreadablePhotoError if a TIFF's directories (in byte order "<" or ">") are those of a camera RAW."""
    if pages and _is_raw(pages, order):
        kind = "DNG" if _DNG_VERSION in pages[0].entries else pages[0].text(_MAKE) or "from a camera"
        raise UnreadablePhotoError(name, f"a camera RAW file ({kind.strip()})", _EXPECTED)


def _is_raw(pages: Sequence[Directory], order: str) -> bool:
    if _DNG_VERSION in pages[0].entries:
        return True
    for directory in [image for page in pages for image in (page, *page.images)]:
        if directory.number(_PHOTOMETRIC, order) in _SENSOR:
            return True
        if directory.number(_COMPRESSION, order) in _RAW_COMPRESSIONS:
            return True
    # A preview in front, the sensor's samples in a directory whose kind is not known here.
    reduced = all(page.number(_NEW_SUBFILE_TYPE, order) & 1 for page in pages)
    return reduced and _MAKE in pages[0].entries and any(page.images for page in pages)
