"""TIFFs page by page: what each page says about its samples is what is read, and what it carries is kept with it."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import skimage.color
import tifffile
from numpy.typing import NDArray

from photochrom.colorizer import Colorizer
from photochrom.errors import TooLargeError, UnreadablePhotoError
from photochrom.photo.reading import open_photo


def tiff(*pages: dict[str, Any], **options: Any) -> bytes:
    """A TIFF written by tifffile, each page from the arguments of its `write`."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, **options) as writer:
        for page in pages:
            writer.write(**{"metadata": None} | page)
    return file.getvalue()


def flat(*values: int, dtype: type = np.uint8) -> NDArray:
    return np.tile(np.array(values, dtype), (16, 24, 1))


def grey(height: int = 24, width: int = 32, dtype: type = np.uint8, seed: int = 0) -> NDArray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width)).astype(dtype)


def page_of(samples: NDArray, photometric: str = "minisblack", **more: Any) -> dict[str, Any]:
    return {"data": samples, "photometric": photometric, **more}


def pages_of(data: bytes) -> list[tifffile.TiffPage]:
    return list(tifffile.TiffFile(io.BytesIO(data)).pages)  # type: ignore[arg-type]


def opened(photometric: str, extras: list[str], samples: NDArray, **more: Any) -> tuple[NDArray, list[str]]:
    photo = open_photo(tiff(page_of(samples, photometric, extrasamples=extras, planarconfig="contig", **more)))
    assert photo.pages[0].has_alpha == (photo.array().shape[2] in (2, 4))
    return photo.array()[0, 0], photo.notes


@pytest.mark.parametrize(("dtype", "unit"), [(np.uint8, 1), (np.uint16, 257)])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_alpha_is_what_extrasamples_says_and_nothing_else(dtype: type, unit: int, byteorder: str) -> None:
    def read(photometric: str, extras: list[str], *values: int) -> tuple[list[int], int]:
        found, notes = opened(photometric, extras, flat(*(v * unit for v in values), dtype=dtype))
        return [round(int(v) / unit) for v in found], len(notes)

    assert read("rgb", ["unassalpha"], 10, 20, 30, 100) == ([10, 20, 30, 100], 0)
    assert read("rgb", ["unspecified"], 10, 20, 30, 100) == ([10, 20, 30], 1)
    assert read("rgb", ["unspecified", "unassalpha"], 10, 20, 30, 77, 100) == ([10, 20, 30, 100], 1)
    assert read("minisblack", ["unassalpha"], 10, 100) == ([10, 100], 0)
    assert read("minisblack", ["unspecified"], 10, 100) == ([10], 1)
    premultiplied, _ = read("rgb", ["assocalpha"], 10, 20, 30, 100)
    assert np.abs(np.array(premultiplied) - [25.5, 51, 76.5, 100]).max() <= 1
    inks, _ = read("separated", [], 10, 20, 30, 40)
    assert read("separated", ["unassalpha"], 10, 20, 30, 40, 100) == ([*inks, 100], 0)
    assert read("separated", ["unspecified"], 10, 20, 30, 40, 100) == (inks, 1)


def test_an_infrared_channel_that_is_not_declared_is_no_alpha() -> None:
    data = bytearray(tiff(page_of(flat(10, 20, 30, 100), "rgb", extrasamples=["unspecified"])))
    at = data.index(struct.pack("<HHL", 338, 3, 1))
    data[at : at + 2] = struct.pack("<H", 65000)  # a tag that nobody knows
    assert open_photo(bytes(data)).array().shape == (16, 24, 3)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.uint8, 1), (np.uint16, 40)])
@pytest.mark.parametrize("photometric", ["cielab", "icclab"])
@pytest.mark.parametrize("alpha", [None, 0, 255])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_lab_is_read_right(
    dtype: type, tolerance: int, photometric: str, alpha: int | None, byteorder: str, tmp_path: Path
) -> None:
    wide = np.dtype(dtype).itemsize == 2
    for lab in ((50.0, 20.0, -30.0), (80.0, -25.0, 40.0), (0.0, 0.0, 0.0), (100.0, 0.0, 0.0)):
        top = (65280 if photometric == "icclab" else 65535) if wide else 255
        offset = 128 if photometric == "icclab" else 0
        ab = [round((v + offset) * (256 if wide else 1)) % (65536 if wide else 256) for v in lab[1:]]
        values = [round(lab[0] / 100 * top), *ab] + ([] if alpha is None else [alpha * (257 if wide else 1)])
        extras = [] if alpha is None else ["unassalpha"]
        path = tmp_path / "lab.tif"
        samples = page_of(flat(*values, dtype=dtype), photometric, extrasamples=extras)
        path.write_bytes(tiff(samples, byteorder=byteorder))
        expected = skimage.color.lab2rgb(np.array(lab).reshape(1, 1, 3)) * (65535 if wide else 255)
        for source in (path, path.read_bytes()):
            found = open_photo(source).array()
            assert found.dtype == dtype and found.shape[2] == 3 + len(extras)
            # One step of 8-bit Lab is more than a code.
            assert np.abs(found[0, 0, :3] - expected.reshape(3)).max() <= tolerance * (2 if not wide else 4)
            if alpha is not None:
                assert (found[..., 3] == values[3]).all()


def test_each_page_keeps_its_depth_resolution_alpha_and_captions(tmp_path: Path, colorizer: Colorizer) -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="%s"/></rdf:RDF>'
        b"</x:xmpmeta>"
    )
    iptc = b"\x1c\x02\x78\x00\x05%s"
    front = page_of(grey(dtype=np.uint16), description="front", resolution=(600, 600), resolutionunit=2)
    back = page_of(flat(90, 200), extrasamples=["unassalpha"], planarconfig="contig", description="back")
    back |= {"resolution": (96, 96), "resolutionunit": 3}
    for page, word in ((front, b"front"), (back, b"back!")):
        page["extratags"] = [(700, 7, len(xmp % word), xmp % word, True), (33723, 7, 10, iptc % word, True)]
    (tmp_path / "in.tif").write_bytes(tiff(front, back, front))
    report = colorizer.colorize_file(tmp_path / "in.tif", tmp_path / "out.tif")
    pages = pages_of((tmp_path / "out.tif").read_bytes())
    assert report.pages == 3 and [p.dtype for p in pages] == [np.uint16, np.uint8, np.uint16]
    assert [p.samplesperpixel for p in pages] == [3, 4, 3]
    assert [p.description for p in pages] == ["front", "back", "front"]
    assert [round(p.get_resolution(2)[0]) for p in pages] == [600, 244, 600]
    for written, word in zip(pages, (b"front", b"back!", b"front"), strict=True):
        assert word in written.tags[700].value and word in bytes(written.tags[33723].value)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_masks_and_reduced_copies_keep_their_places_and_samples(
    order: str, big: bool, compression: str | None, tmp_path: Path, colorizer: Colorizer
) -> None:
    small = page_of(grey(6, 8, np.uint16), subfiletype=1, compression=compression, predictor=compression is not None)
    mask = page_of(grey(24, 32) > 128)
    data = bytearray(tiff(small, page_of(grey()), mask, page_of(grey(40, 20)), small, byteorder=order, bigtiff=big))
    at = pages_of(bytes(data))[2].tags[262].valueoffset
    data[at : at + 2] = struct.pack(order + "H", 4)
    (tmp_path / "in.tif").write_bytes(data)
    report = colorizer.colorize_file(tmp_path / "in.tif", tmp_path / "out.tif")
    assert report.pages == 2 and any("passed on uncoloured (page 1, 3, 5)" in note for note in report.notes)
    pages = pages_of((tmp_path / "out.tif").read_bytes())
    assert [p.shape for p in pages] == [(6, 8), (24, 32, 3), (24, 32), (40, 20, 3), (6, 8)]
    assert [int(p.subfiletype) & 1 for p in pages] == [1, 0, 0, 0, 1]
    assert pages[2].photometric == 4
    for k, samples in ((0, small["data"]), (2, mask["data"]), (4, small["data"])):
        assert np.array_equal(pages[k].asarray(), samples)
    report = colorizer.colorize_file(bytes(data), tmp_path / "out.jpg")
    assert report.height == 24 and any("left out (page 1, 3, 5)" in note for note in report.notes)


def test_a_file_of_reduced_copies_only_has_its_first_coloured() -> None:
    photo = open_photo(tiff(page_of(grey(), subfiletype=1), page_of(grey(9, 9), subfiletype=1)))
    assert (photo.height, len(photo.pages), photo.passed_on) == (24, 1, [1])


def test_a_mask_that_is_cut_short_costs_only_itself(colorizer: Colorizer) -> None:
    data = bytearray(tiff(page_of(grey()), page_of(grey(6, 8), subfiletype=1)))
    at = pages_of(bytes(data))[1].tags[273].valueoffset
    data[at : at + 4] = struct.pack("<L", len(data) - 10)
    written = colorizer.colorize_file(bytes(data), None)
    assert [page.shape for page in pages_of(written)] == [(24, 32, 3)]


def test_a_damaged_tag_costs_only_itself(tmp_path: Path, colorizer: Colorizer) -> None:
    for tag in (34665, 34853, 33432):
        pointer = (65001, 16, 1, 2**64 - 1, True)
        data = tiff(page_of(grey(), description="harvest", extratags=[pointer]), bigtiff=True)
        entry, kind = struct.pack("<HH", 65001, 16), struct.pack("<HH", tag, 16)
        changed = bytearray(data.replace(entry, kind))
        if tag == 33432:
            at = changed.index(kind)
            changed[at + 4 : at + 12] = b"\xff" * 8  # the count
        report = colorizer.colorize_file(bytes(changed), tmp_path / f"{tag}.tif")
        assert pages_of((tmp_path / f"{tag}.tif").read_bytes())[0].description == "harvest"
        assert any(f"damaged tags were left out ({tag})" in note for note in report.notes)


RAW = {
    "dng": [page_of(grey(), extratags=[(50706, 1, 4, (1, 4, 0, 0), True)])],
    "mosaic": [page_of(grey()), {"data": grey(dtype=np.uint16), "photometric": "cfa"}],
    "mosaic in a SubIFD": [
        page_of(grey(), subifds=1, subfiletype=1), {"data": grey(dtype=np.uint16), "photometric": "cfa"}
    ],
    "a preview and an unknown SubIFD": [
        page_of(grey(), subifds=1, subfiletype=1, extratags=[(271, 2, 0, "Maker", True)]), page_of(grey(9, 9)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(RAW))
def test_camera_raw_is_refused_by_its_content(kind: str) -> None:
    with pytest.raises(UnreadablePhotoError, match=r"camera RAW.*raw converter.*TIFF or JPEG"):
        open_photo(tiff(*RAW[kind]))


@pytest.mark.parametrize(
    "head",
    [b"IIRO\x08\0\0\0", b"MMOR\0\0\0\x08", b"IIU\0\x08\0\0\0", b"II*\0\x10\0\0\0CR\2\0", b"FUJIFILMCCD-RAW 0201"],
)
def test_camera_raw_is_refused_by_its_first_bytes(head: bytes) -> None:
    with pytest.raises(UnreadablePhotoError, match="camera RAW"):
        open_photo(head + bytes(100))


def test_a_pyramid_is_no_raw() -> None:
    pyramid = tiff(page_of(grey(64, 64), subifds=1, extratags=[(271, 2, 0, "Scanner", True)]), page_of(grey(32, 32)))
    assert len(open_photo(pyramid).pages) == 1


@pytest.mark.parametrize(
    ("tag", "value", "found"),
    [(259, 50000, "ZSTD"), (259, 34925, "LZMA"), (259, 34887, "LERC"), (259, 34712, "JPEG 2000"), (259, 6, "old-style"),
     (259, 50002, "JPEG XL"), (259, 32909, "PixarLog"), (259, 4711, "method 4711"), (258, 12, "12 bits"),
     (258, 10, "10 bits"), (258, 64, "64 bits")],
)  # fmt: skip
def test_what_cannot_be_decoded_is_named_with_the_way_out(tag: int, value: int, found: str) -> None:
    data = bytearray(tiff(page_of(grey(dtype=np.uint16))))
    at = pages_of(bytes(data))[0].tags[tag].valueoffset
    data[at : at + 2] = struct.pack("<H", value)
    with pytest.raises(UnreadablePhotoError, match=rf"{found}.*save it") as caught:
        open_photo(bytes(data))
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "found"),
    [(np.int8, "8 bits, signed"), (np.int16, "16 bits, signed"), (np.uint32, "32 bits"), (np.uint64, "64 bits"),
     (np.float16, "16 bits, floating"), (np.float32, "32 bits, floating"), (np.float64, "64 bits, floating")],
)  # fmt: skip
def test_samples_of_other_types_are_named(dtype: type, found: str) -> None:
    with pytest.raises(UnreadablePhotoError, match=rf"samples of {found}.*save it as a TIFF of 16 bits"):
        open_photo(tiff(page_of(grey().astype(dtype))))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_ordinary_layouts_are_read_as_they_are(dtype: type, byteorder: str) -> None:
    samples, top = grey(32, 48, dtype), np.iinfo(dtype).max
    colours = np.stack([samples, samples // 2, samples // 3], -1)

    def read(page: dict[str, Any]) -> NDArray:
        return open_photo(tiff(page, byteorder=byteorder)).array()

    assert np.array_equal(read(page_of(samples, "miniswhite"))[..., 0], top - samples)
    assert np.array_equal(read(page_of(colours, "rgb", tile=(16, 16), compression="zlib", predictor=True)), colours)
    planes = np.ascontiguousarray(colours.transpose(2, 0, 1))
    assert np.array_equal(read(page_of(planes, "rgb", planarconfig="separate", rowsperstrip=7)), colours)


@pytest.mark.parametrize("compression", ["lzw", "deflate", "packbits"])
def test_a_big_strip_is_read(compression: str, tmp_path: Path) -> None:
    path = str(tmp_path / "strip.tif")
    row = pyvips.Image.gaussnoise(8192, 64, mean=128, sigma=20).cast("uchar")
    row.replicate(1, 110).copy(interpretation="b-w").tiffsave(
        path, compression=compression, tile=False, tile_height=7040
    )
    photo = open_photo(Path(path))
    assert pages_of(Path(path).read_bytes())[0].rowsperstrip == 7040
    assert photo.array().shape == (7040, 8192, 1)


def test_photoshops_layers_do_not_stop_a_tiff() -> None:
    layers = bytes(60_000_000)
    photo = open_photo(tiff(page_of(grey(), extratags=[(37724, 7, len(layers), layers, True)])))
    assert np.array_equal(photo.array()[..., 0], grey())


def test_a_small_file_cannot_claim_a_big_strip() -> None:
    data = bytearray(tiff(page_of(grey(), compression="zlib")))
    page = pages_of(bytes(data))[0]
    for tag in (256, 257, 278):
        at = page.tags[tag].valueoffset
        size = 4 if page.tags[tag].dtype == 4 else 2
        data[at : at + size] = (20_000).to_bytes(size, "little")
    with pytest.raises(UnreadablePhotoError, match="too little for it"):
        open_photo(bytes(data))
    with pytest.raises(TooLargeError):
        open_photo(bytes(data), max_pixels=1000)
