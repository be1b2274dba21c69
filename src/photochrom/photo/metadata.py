"""What a photograph's file says about it besides its pixels: carried to the output, with photochrom's mark added.

The mark: XMP Iptc4xmpExt:DigitalSourceType = compositeWithTrainedAlgorithmicMedia (IPTC's term for a photograph that
a trained model added to), and Software with photochrom's version, the model and the temperature.
"""

from __future__ import annotations

import sys
import threading
import xml.etree.ElementTree as ET
import xml.parsers.expat as expat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyvips

from ..errors import PhotoError
from .exif import descriptive, exif_header, read_exif, tiff_iptc
from .gif_xmp import gif_xmp
from .jpeg_segments import guid_of, read_extension
from .photoshop_resources import iptc_in, with_head
from .reading import XMP, Photo, open_photo, xmp_of
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
    "xmpNote": "http://ns.adobe.com/xmp/note/",
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
_EXTENSION_NOTE = "{http://ns.adobe.com/xmp/note/}HasExtendedXMP"
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


def marked_xmp(xmp: bytes | None, extension: bytes | None = None, about: str = "") -> bytes:
    """An XMP packet with the mark, and everything that `xmp` held; a malformed packet is replaced, not repaired.

    extension: what of it stands elsewhere in a JPEG; about: what that is about.
    """
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
    mark = ET.SubElement(rdf, f"{{{_RDF}}}Description", {f"{{{_RDF}}}about": about or _about(rdf)})
    if extension is not None:
        mark.set(_EXTENSION_NOTE, guid_of(extension))
    ET.SubElement(mark, _TAG).text = SOURCE_TYPE
    with _prefixes:
        _register_namespaces(own)
        return _HEAD + ET.tostring(root, encoding="utf-8") + _TAIL


def _is_outdated(name: str) -> bool:
    return name in (_TAG, _EXTENSION_NOTE) or name in _OF_OLD_PIXELS or name.startswith(_NAMESPACES_OF_OLD_PIXELS)


def output_xmp(photo: Photo, format: str) -> bytes:
    """The photograph's XMP packet with the mark, for a file of `format`; of a JPEG, what its segment can hold."""
    extension = extended_xmp(photo) if format == "jpg" else None
    whole, _ = _whole_xmp(photo)
    if extension is None:
        return marked_xmp(whole)
    root = _parsed(whole)
    rdf = None if root is None else _rdf(root)
    return marked_xmp(None, extension, "" if rdf is None else _about(rdf))


def extended_xmp(photo: Photo) -> bytes | None:
    """The photograph's XMP as a JPEG's extension, where its packet is larger than a segment; or None."""
    packet = marked_xmp(_whole_xmp(photo)[0])
    return packet.removeprefix(_HEAD).removesuffix(_TAIL) if len(packet) > _JPEG_XMP_BYTES else None


def _whole_xmp(photo: Photo) -> tuple[bytes | None, bool]:
    """The photograph's XMP, a JPEG's extension among it, and whether that was whole."""
    root = _parsed(photo.xmp) if photo.format == "jpg" else None
    rdf = None if root is None else _rdf(root)
    if photo.xmp is None or root is None or rdf is None:
        return photo.xmp, True
    of_main = rdf.findall(f"{{{_RDF}}}Description")
    named = [guid for d in of_main if (guid := d.get(_EXTENSION_NOTE) or d.findtext(_EXTENSION_NOTE))]
    if not named:
        return photo.xmp, True
    extension = read_extension(photo.source, named[0].encode())
    extended = _parsed(extension)
    more = None if extended is None else _rdf(extended)
    if extension is None or more is None:
        return photo.xmp, False
    rdf.extend(more)
    with _prefixes:
        _register_namespaces(_declared_prefixes(photo.xmp) | _declared_prefixes(extension))
        return ET.tostring(root, encoding="utf-8"), True


def exif_of(photo: Photo, page: int = 0) -> tuple[Directory | None, str]:
    """A page's EXIF, or a TIFF page's tags, and its byte order; None if there is none."""
    if photo.tiff_pages:
        return photo.tiff_pages[page], photo.tiff_order
    if photo.header.get_typeof("exif-data"):
        return read_exif(bytes(photo.header.get("exif-data")))
    return None, photo.tiff_order


def xmp_loss(photo: Photo) -> str | None:
    """What of the photograph's XMP the output will not hold, for a person to read."""
    if not photo.xmp or not photo.xmp.strip(_PADDING):
        return None
    if _parsed(photo.xmp) is None:
        return "its XMP metadata are damaged: they were left out"
    if not _whole_xmp(photo)[1]:
        return "its extended XMP metadata are damaged or missing: they were left out"
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
            return gif_xmp(path) == marked_xmp(None)
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
    elif directory is not None and not descriptive(directory).entries and not descriptive(directory).children:
        for name in [name for name in image.get_fields() if name.startswith("exif-")]:
            image.remove(name)  # nothing but a thumbnail and what the old pixels were
    if image.get_typeof("jpeg-thumbnail-data"):  # grey: libvips would write it again
        image.remove("jpeg-thumbnail-data")
    if image.get_typeof("exif-ifd0-Orientation"):
        image.remove("exif-ifd0-Orientation")
    image.set_type(pyvips.GValue.gint_type, "orientation", 1)
    image.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Software", mark.software)
    image.set_type(pyvips.GValue.gstr_type, "exif-ifd2-ColorSpace", "1")  # sRGB; libvips would say uncalibrated
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
