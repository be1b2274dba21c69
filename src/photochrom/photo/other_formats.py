"""Names for files that are not read, by how they start, and what to do with them."""

from __future__ import annotations

_TO_TIFF = "convert it to TIFF or PNG first, e.g. with ImageMagick: magick FILE photo.png"
_RENDER = "save the photograph in it as PNG or TIFF first, e.g. with pdfimages -png (PDF) or a viewer"
_DEVELOP = "develop it in a raw converter and colour the TIFF or JPEG"
_FILM = "for a film there is `photochrom video`"

_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 file", _TO_TIFF),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 codestream", _TO_TIFF),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL file", "convert it to PNG first, e.g. with djxl FILE photo.png"),
    (b"\xff\x0a", "a JPEG XL codestream", "convert it to PNG first, e.g. with djxl FILE photo.png"),
    (b"II\xbc", "a JPEG XR (HD Photo) file", _TO_TIFF),
    (b"8BPS\0\x01", "a Photoshop file (PSD)", "save it as TIFF or PNG in Photoshop, GIMP or Krita"),
    (b"8BPS\0\x02", "a large Photoshop file (PSB)", "save it as TIFF or PNG in Photoshop"),
    (b"gimp xcf", "a GIMP file (XCF)", "export it as TIFF or PNG from GIMP"),
    (b"v/1\x01", "an OpenEXR file", _TO_TIFF),
    (b"#?RADIANCE", "a Radiance HDR file", _TO_TIFF),
    (b"#?RGBE", "a Radiance HDR file", _TO_TIFF),
    (b"PF\n", "a floating-point Netpbm file (PFM)", _TO_TIFF),
    (b"Pf\n", "a floating-point Netpbm file (PFM)", _TO_TIFF),
    (b"SIMPLE  =", "a FITS file", _TO_TIFF),
    (b"AT&TFORM", "a DjVu document", _RENDER),
    (b"%PDF", "a PDF document", _RENDER),
    (b"%!PS", "a PostScript document", _RENDER),
    (b"\0\0\1\0", "an icon (ICO)", _TO_TIFF),
    (b"\x0a\x05\x01", "a PCX file", _TO_TIFF),
    (b"\x0a\x03\x01", "a PCX file", _TO_TIFF),
    (b"BPG\xfb", "a BPG file", _TO_TIFF),
    (b"qoif", "a QOI file", _TO_TIFF),
    (b"FLIF", "a FLIF file", _TO_TIFF),
    (b"\x8aMNG", "an MNG animation", _TO_TIFF),
    (b"\x97JB2", "a JBIG2 file", _TO_TIFF),
    (b"PK\x03\x04", "a ZIP archive (or a document that is one)", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it first"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM film", _FILM),
)
_BRANDS = {b"crx ": ("a Canon raw file (CR3)", _DEVELOP), b"qt  ": ("a QuickTime film (MOV)", _FILM),
           b"jxl ": ("a JPEG XL file", _TO_TIFF)}  # fmt: skip


def refusal(head: bytes, readable: str) -> tuple[str, str]:
    """(what was found, what was expected and what to do) for a file that starts with `head`; readable: formats."""
    expected = f"expected a {readable} photograph"
    if not head:
        return "the file is empty (0 bytes)", expected
    if not head.strip(b"\0"):
        return "the file holds only zeros (a failed copy or download?)", f"{expected}; copy it again"
    for start, kind, way in _STARTS:
        if head.startswith(start):
            return kind, f"{expected}; {way}"
    if head[4:8] == b"ftyp":
        kind, way = _BRANDS.get(head[8:12], ("an MP4 or other ISO media file", _FILM))
        return kind, f"{expected}; {way}"
    if head[:4] == b"RIFF":
        return ("an AVI film", f"{expected}; {_FILM}") if head[8:12] == b"AVI " else ("a RIFF file", expected)
    return _text(head, expected) or (f"an unknown format (it starts with {head[:8].hex(' ')})", expected)


def _text(head: bytes, expected: str) -> tuple[str, str] | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "an HTML page, not a photograph (a failed download?)", f"{expected}; download it again"
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")):
        return "an SVG or XML document", f"{expected}; {_TO_TIFF}"
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head):
        return f"a text file ({head[:24].decode('ascii')!r}...)", expected
    return None
