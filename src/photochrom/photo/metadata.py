"""What a photograph's file says about it besides its pixels: carried to the output, with photochrom's mark added.

The mark: XMP Iptc4xmpExt:DigitalSourceType = compositeWithTrainedAlgorithmicMedia (IPTC's term for a photograph that
a trained model added to), and Software with photochrom's version, the model and the temperature.
"""

from __future__ import annotations

import os
import sys
import threading
import xml.etree.ElementTree as ET
import xml.parsers.expat as expat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyvips

from ..errors import PhotoError
from .exif import completed_exif, exif_header, read_exif, tiff_iptc
from .photoshop_resources import iptc_in, with_head
from .png_chunks import TEXTS, Chunk, kept_chunks, keyword_of, rewrite, xmp_chunk
from .reading import XMP, Photo, open_photo, xmp_of
from .resolution import exif_without_resolution, states_resolution
from .srgb import PROFILE, srgb_profile
from .tiff.file import SOFTWARE, Directory

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"

IPTC = "iptc-data"
_MAX_RESOLUTION = 1e6  # pixels a millimetre: libvips sets no more, and a damaged TIFF may state it
_CARRIED = ("exif-data", "resolution-unit", "delay", "loop", "background")

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_TAG = f"{{{_EXTENSION}}}DigitalSourceType"
_NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": _RDF,
    "Iptc4xmpExt": _EXTENSION,
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
}
# What describes the old pixels: their size, turn and colours.
_TIFF_XMP, _EXIF_XMP, _PHOTOSHOP_XMP = (f"{{{_NAMESPACES[p]}}}" for p in ("tiff", "exif", "photoshop"))
_OF_OLD_PIXELS = frozenset(
    [_TIFF_XMP + name for name in (
        "Orientation", "ImageWidth", "ImageLength", "SamplesPerPixel", "BitsPerSample", "PhotometricInterpretation",
        "Compression", "PlanarConfiguration", "PrimaryChromaticities", "WhitePoint", "TransferFunction",
    )]
    + [_EXIF_XMP + name for name in ("PixelXDimension", "PixelYDimension", "ColorSpace", "Gamma")]
    + [_PHOTOSHOP_XMP + name for name in ("ICCProfile", "ColorMode")]
    + ["{http://ns.adobe.com/xap/1.0/}Thumbnails"]
)  # fmt: skip
_NAMESPACES_OF_OLD_PIXELS = (
    "{http://ns.google.com/photos/1.0/camera/}M",  # MotionPhoto..., MicroVideo...
    "{http://ns.google.com/photos/1.0/container/}",
    "{http://ns.adobe.com/hdr-gain-map/1.0/}",
)
_EXIF_OF_OLD_PIXELS = frozenset(
    {"ColorSpace", "Gamma", "PrimaryChromaticities", "WhitePoint", "TransferFunction", "InteroperabilityIndex",
     "PixelXDimension", "PixelYDimension"}
)  # fmt: skip
_prefixes = threading.Lock()  # ElementTree keeps them for the whole process
_MAX_PREFIXES = 200  # of one packet
_PADDING = b"\0 \t\r\n"
_MAX_DEPTH = 100  # of XMP elements; real packets need about ten
_JPEG_XMP_BYTES = 65_502  # what one JPEG segment holds of a packet

_HEAD = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL = b'\n<?xpacket end="w"?>'


@dataclass(frozen=True)
class Mark:
    """What made the colours: goes into the output's Software entry."""

    version: str
    model: str
    temperature: float

    @property
    def software(self) -> str:
        # No parentheses: libvips takes " (" for the end of an EXIF string.
        text = f"photochrom {self.version}, model {self.model}, temperature {self.temperature:g}"
        return text.encode("ascii", "replace").decode("ascii")  # EXIF and TIFF hold ASCII


def _register_namespaces(own: dict[str, str]) -> None:
    """own: prefix -> address, as the packet at hand declares them; its prefixes then stay what they were."""
    for prefix, uri in (_NAMESPACES | own).items():
        with suppress(ValueError):  # ns0, ns1, ...: ElementTree's own
            ET.register_namespace(prefix, uri)


def _declared_prefixes(xmp: bytes) -> dict[str, str]:
    """The namespace prefixes of a packet that parses."""
    found: dict[str, str] = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        for key, uri in attributes.items():
            prefix = key.removeprefix("xmlns:")
            if prefix != key and uri not in _NAMESPACES.values() and prefix not in _NAMESPACES:
                found.setdefault(prefix, uri)

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.Parse(xmp.strip(_PADDING), True)
    return dict(list(found.items())[:_MAX_PREFIXES])


def marked_xmp(xmp: bytes | None) -> bytes:
    """An XMP packet with the mark, and everything that `xmp` held; a malformed packet is replaced, not repaired."""
    root = _parsed(xmp)
    own = _declared_prefixes(xmp) if xmp and root is not None else {}
    rdf = None if root is None else _rdf(root)
    if root is None or rdf is None:
        root = ET.Element("{adobe:ns:meta/}xmpmeta")
        rdf = ET.SubElement(root, f"{{{_RDF}}}RDF")
    for description in rdf.findall(f"{{{_RDF}}}Description"):
        for name in [name for name in description.attrib if _is_outdated(name)]:
            del description.attrib[name]
        for old in [old for old in description if _is_outdated(old.tag)]:
            description.remove(old)
    mark = ET.SubElement(rdf, f"{{{_RDF}}}Description", {f"{{{_RDF}}}about": _about(rdf)})
    ET.SubElement(mark, _TAG).text = SOURCE_TYPE
    with _prefixes:
        _register_namespaces(own)
        return _HEAD + ET.tostring(root, encoding="utf-8") + _TAIL


def _is_outdated(name: str) -> bool:
    return name == _TAG or name in _OF_OLD_PIXELS or name.startswith(_NAMESPACES_OF_OLD_PIXELS)


def output_xmp(photo: Photo, format: str) -> bytes:
    """The photograph's XMP packet with the mark, for a file of `format`."""
    return marked_xmp(photo.xmp if xmp_loss(photo, format) is None else None)


def complete_png(photo: Photo, source: Path, target: Path) -> None:
    """Copy a PNG that libvips has written, with XMP, texts and time, and no resolution that was never stated.

    Raises OSError.
    """
    stated = states_resolution(photo)
    directory, order = exif_of(photo)

    def change(chunk: Chunk) -> Chunk | None:
        kind, data = chunk
        if kind == b"pHYs" and not stated:
            return next((own for own in photo.png_chunks if own[0] == kind), None)
        if kind == b"eXIf":
            data = completed_exif(data, directory, order)
            return kind, data if stated else exif_without_resolution(data)
        return chunk

    added = [xmp_chunk(output_xmp(photo, "png")), *kept_chunks(photo.png_chunks)]
    rewrite(source, target, change, added)


def exif_of(photo: Photo, page: int = 0) -> tuple[Directory | None, str]:
    """A page's EXIF, or a TIFF page's tags, and its byte order; None if there is none."""
    if photo.tiff_pages:
        return photo.tiff_pages[page], photo.tiff_order
    if photo.header.get_typeof("exif-data"):
        return read_exif(bytes(photo.header.get("exif-data")))
    return None, photo.tiff_order


def text_loss(photo: Photo, format: str) -> str | None:
    """Which of a PNG's texts a file of `format` will not hold, for a person to read."""
    kept = [] if format == "png" else kept_chunks(photo.png_chunks)
    names = dict.fromkeys(keyword_of(data).decode("latin-1") for kind, data in kept if kind in TEXTS)
    return f"{format} holds no PNG texts: left out were {', '.join(names)}" if names else None


def xmp_loss(photo: Photo, format: str) -> str | None:
    """What of the photograph's XMP a file of `format` will not hold, for a person to read."""
    if not photo.xmp or not photo.xmp.strip(_PADDING):
        return None
    if _parsed(photo.xmp) is None:
        return "its XMP metadata are damaged: they were left out"
    if format == "jpg" and len(marked_xmp(photo.xmp)) > _JPEG_XMP_BYTES:
        return "its XMP metadata are larger than a JPEG segment holds: they were left out"
    return None


def _about(rdf: ET.Element) -> str:
    """All descriptions of a packet must be about the same thing."""
    for description in rdf.findall(f"{{{_RDF}}}Description"):
        return description.get(f"{{{_RDF}}}about", "")
    return ""


def _rdf(root: ET.Element) -> ET.Element | None:
    return root if root.tag == f"{{{_RDF}}}RDF" else root.find(f"{{{_RDF}}}RDF")


def _parsed(xmp: bytes | None) -> ET.Element | None:
    """The packet's root, or None if there is none, or it is malformed or declares entities (which could explode)."""
    if not xmp:
        return None
    xmp = xmp.strip(_PADDING)
    try:
        _check_nesting(xmp)
        return ET.fromstring(xmp)
    except (
        ET.ParseError,
        expat.ExpatError,
        LookupError,
        ValueError,
    ):  # the latter two: an encoding that Python does not know
        return None


def _check_nesting(xmp: bytes) -> None:
    """Raises ValueError for elements nested too deeply to be written again, and for a document type."""
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deeply")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: object) -> None:
        raise ValueError("declares a document type")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = doctype
    parser.Parse(xmp, True)


def has_mark(xmp: bytes | None) -> bool:
    """Whether an XMP packet says that a trained model added to the photograph."""
    root = _parsed(xmp)
    rdf = None if root is None else _rdf(root)
    if rdf is None:
        return False
    return any(
        description.get(_TAG) == SOURCE_TYPE or any(e.text == SOURCE_TYPE for e in description.findall(_TAG))
        for description in rdf.findall(f"{{{_RDF}}}Description")
    )


def is_marked(path: Path) -> bool:
    """Whether photochrom made this file, by its metadata alone: the source type (which other tools write as well) and
    Software, or a GIF's whole packet. False for what is no photo."""
    try:
        photo = open_photo(path, max_pixels=sys.maxsize)  # its pixels are not read
        if photo.format == "gif":
            return _gif_xmp(path) == marked_xmp(None)
        return has_mark(photo.xmp) and _software(photo).startswith("photochrom ")
    except (PhotoError, OSError):
        return False


def _software(photo: Photo) -> str:
    if photo.tiff_pages:
        _, _, value = photo.tiff_pages[0].entries.get(SOFTWARE, (0, 0, b""))
        return value.decode("ascii", "replace")
    name = "exif-ifd0-Software"
    return str(photo.header.get(name)) if photo.header.get_typeof(name) else ""


def with_metadata(image: pyvips.Image, photo: Photo, mark: Mark, format: str, page: int = 0) -> pyvips.Image:
    """`image` with what this page of `photo` carries (EXIF, XMP, IPTC, resolution, timing), the mark and an sRGB tag,
    for a file of `format`.

    The orientation is reset: the pixels are upright already.
    """
    header = photo.page_header(page)
    image = image.copy(xres=min(header.xres, _MAX_RESOLUTION), yres=min(header.yres, _MAX_RESOLUTION))
    _copy_fields(header, image)
    directory: Directory | None = None
    order = "<"
    if photo.tiff_pages:
        directory, order = photo.tiff_pages[page], photo.tiff_order
    elif header.get_typeof("exif-data"):
        directory, order = read_exif(bytes(header.get("exif-data")))
    if directory is not None and (exif := exif_header(directory, order)) is not None:
        for name in [name for name in image.get_fields() if name.startswith("exif-")]:
            image.remove(name)  # as the file has it: with its thumbnail, and what was true of the old pixels
        _copy_fields(exif, image)
    if image.get_typeof("exif-ifd0-Orientation"):
        image.remove("exif-ifd0-Orientation")
    image.set_type(pyvips.GValue.gint_type, "orientation", 1)
    image.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Software", mark.software)
    if format == "jpg" and (iptc := iptc_of(photo, page)) is not None:
        image.set_type(pyvips.GValue.blob_type, IPTC, with_head(iptc))
    if format != "png":  # there, libvips garbles what is not ASCII: complete_png
        xmp = marked_xmp(xmp_of(header)) if page else output_xmp(photo, format)
        image.set_type(pyvips.GValue.blob_type, XMP, xmp)
    image.set_type(pyvips.GValue.blob_type, PROFILE, srgb_profile())
    return image


def iptc_of(photo: Photo, page: int = 0) -> bytes | None:
    """A page's IPTC block, bare, or None."""
    if photo.tiff_pages:
        return tiff_iptc(photo.tiff_pages[page])
    return iptc_in(bytes(photo.header.get(IPTC))) if photo.header.get_typeof(IPTC) else None


def _copy_fields(header: pyvips.Image, image: pyvips.Image) -> None:
    try:
        names = header.get_fields()
    except UnicodeDecodeError:  # a PNG's text keyword that is not UTF-8 hides the others' names from pyvips
        names = [name for name in _CARRIED if header.get_typeof(name)]
    for name in names:
        if name.startswith("exif-ifd1-") or name.rpartition("-")[2] in _EXIF_OF_OLD_PIXELS:
            continue  # the thumbnail's, which is grey; what the old pixels were
        if name in _CARRIED or name.startswith("exif-ifd"):
            image.set_type(header.get_typeof(name), name, header.get(name))


# A GIF has no place for XMP that libvips writes. Adobe's: an application extension that holds the packet as it is and
# ends in 258 bytes, so that a reader who takes it for sub-blocks comes out at its end wherever in it he is.
_GIF_XMP = b"\x21\xff\x0bXMP DataXMP"
_GIF_XMP_END = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"
_GIF_TRAILER = b"\x3b"
_GIF_TAIL = 1 << 20  # bytes; how far from a GIF's end its packet is looked for


def mark_gif(path: Path) -> None:
    """Put an XMP packet with the mark at the end of a GIF file."""
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != _GIF_TRAILER:
            raise ValueError(f"{path}: does not end as a GIF")
        file.seek(-1, os.SEEK_END)
        file.write(_GIF_XMP + marked_xmp(None) + _GIF_XMP_END + _GIF_TRAILER)


def _gif_xmp(path: Path) -> bytes | None:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _GIF_TAIL))
        tail = file.read()
    start, end = tail.rfind(_GIF_XMP), tail.rfind(_GIF_XMP_END)
    return tail[start + len(_GIF_XMP) : end] if 0 <= start < end else None
