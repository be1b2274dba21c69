"""Damaged files, thousands of them in one batch: each is coloured or refused in a line, and none costs another.

    python benchmarks/fuzz.py [--files 2000] [--seed 0] [--keep FOLDER] [--json docs/measured/fuzz.json]

Small photographs of every readable format, with metadata, are mutated: bytes flipped, runs of bytes overwritten or
removed, the end cut off, numbers that may be a tag or a length changed. One `photochrom colorize` gets them
all. Exit code 1 if a file has no line, is refused as unexpected (a defect of photochrom), or the process died.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import skimage.data
import tifffile
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:source>box 7</dc:source>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)
LENGTHS = (
    b"\0\0",
    b"\0\1",
    b"\xff\xff",
    b"\x7f\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff" * 8,
)


def seeds() -> dict[str, bytes]:
    """Whole files by name."""
    grey = Image.fromarray(skimage.data.camera()[::6, ::5])
    exif = Image.Exif()
    exif.update({271: "Camera", 274: 6, 315: "Studio Lind", 306: "1931:05:01 00:00:00"})
    texts = PngInfo()
    texts.add_text("Title", "harvest")
    texts.add_itxt("Description", "Größe 13 x 18")
    variants: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("grey.jpg", grey, {"exif": exif, "xmp": XMP, "dpi": (300, 300)}),
        ("colour.jpg", grey.convert("RGB"), {"exif": exif, "progressive": True}),
        ("cmyk.jpg", grey.convert("CMYK"), {}),
        ("grey.png", grey, {"exif": exif, "pnginfo": texts, "dpi": (300, 300)}),
        ("palette.png", grey.convert("P"), {"transparency": 3}),
        ("bits.png", grey.convert("1"), {}),
        ("photo.webp", grey.convert("RGB"), {"exif": exif, "xmp": XMP}),
        ("film.webp", grey, {"save_all": True, "append_images": [grey.rotate(90), grey.rotate(180)]}),
        ("film.gif", grey, {"save_all": True, "append_images": [grey.rotate(90)], "comment": b"box 7"}),
        ("photo.avif", grey.convert("RGB"), {}),
        ("photo.bmp", grey.convert("RGB"), {}),
        ("photo.pgm", grey, {}),
    ]
    found = {}
    for name, image, options in variants:
        buffer = io.BytesIO()
        image.save(buffer, {"jpg": "jpeg", "pgm": "ppm"}.get(name.split(".")[1], name.split(".")[1]), **options)
        found[name] = buffer.getvalue()
    buffer = io.BytesIO()
    pillow_heif.from_pillow(grey.convert("RGB")).save(buffer, exif=exif.tobytes())
    found["phone.heic"] = buffer.getvalue()
    pixels = np.asarray(grey)
    for name, data, settings in (
        ("grey.tif", pixels, {"rowsperstrip": 16, "resolution": (300, 300)}),
        ("deep.tif", pixels.astype(np.uint16) * 257, {"compression": "zlib", "tile": (32, 32)}),
        ("alpha.tif", np.dstack([pixels] * 4), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        ("big.tif", pixels, {"bigtiff": True, "byteorder": ">"}),
    ):
        found[name] = _tiff(data, **settings)
    return found


def _tiff(data: NDArray[Any], bigtiff: bool = False, byteorder: str = "<", **settings: Any) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=bigtiff, byteorder=byteorder) as tiff:  # type: ignore[arg-type]
        extra = [(315, 2, 0, "Studio Lind", True), (700, 1, len(XMP), XMP, True)]
        tiff.write(data, metadata=None, extratags=extra, description="harvest, 1931", **settings)
        tiff.write(data[::2, ::2], metadata=None, **{k: v for k, v in settings.items() if k != "tile"})
    return buffer.getvalue()


def mutated(whole: bytes, random: np.random.Generator) -> bytes:
    """The file with one to four kinds of damage; most strike its first quarter, where the structure is."""
    data = bytearray(whole)
    for _ in range(random.integers(1, 5)):
        reach = len(data) if random.random() < 0.3 else max(len(data) // 4, 64)
        place = int(random.integers(0, max(1, min(reach, len(data)))))
        kind = random.integers(0, 6)
        if kind == 0:
            data[place : place + 1] = bytes([data[place] ^ 1 << int(random.integers(0, 8))]) if data else b""
        elif kind == 1:
            data[place : place + 1] = bytes([int(random.choice(EXTREMES))])
        elif kind == 2:
            length = LENGTHS[int(random.integers(0, len(LENGTHS)))]
            data[place : place + len(length)] = length
        elif kind == 3:
            run = int(random.integers(1, 64))
            data[place : place + run] = random.bytes(run)
        elif kind == 4:
            del data[place : place + int(random.integers(1, 32))]
        else:
            del data[int(random.integers(len(data) // 8, len(data) + 1)) :]
        if len(data) < 2:
            break
    return bytes(data)


def write_files(folder: Path, number: int, seed: int) -> list[str]:
    wholes = seeds()
    random = np.random.default_rng(seed)
    names = []
    for index in range(number):
        name, whole = list(wholes.items())[index % len(wholes)]
        stem, suffix = name.split(".")
        names.append(f"{index:05}-{stem}.{suffix}")
        (folder / names[-1]).write_bytes(mutated(whole, random))
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="where to leave the files [default: nowhere]")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary, "files")
        folder.mkdir(parents=True, exist_ok=True)
        names = write_files(folder, options.files, options.seed)
        files = [str(folder / name) for name in names]
        command = [sys.executable, "-m", "photochrom", "colorize", *files, "-o", f"{temporary}/out/", "--json", "-q"]
        started = time.perf_counter()
        done = subprocess.run([*command, "--debug", "--overwrite"], capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    told = {Path(row["input"]).name for row in rows}
    defects = [row["error"] for row in rows if "unexpected:" in (row["error"] or "")]
    lost = sorted(set(names) - told)
    report = {
        "files": len(names),
        "seed": options.seed,
        "status": dict(Counter(row["status"] for row in rows)),
        "defects": len(defects),
        "without a line": len(lost),
        "exit code": done.returncode,
    }
    print(json.dumps(report, indent=1), f"\n{seconds:.0f} s")
    for line in [*defects[:20], *lost[:5]]:
        print(line)
    if "Traceback" in done.stderr:
        print(done.stderr[done.stderr.index("Traceback") :][:3000])
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    sys.exit(1 if defects or lost or done.returncode not in (0, 1) else 0)


if __name__ == "__main__":
    main()
