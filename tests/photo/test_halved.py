"""Colour at half resolution for large 4:2:0 JPEGs, against the exact merge of the same photographs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips
import skimage.color
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorizer import Colorizer
from photochrom.errors import UnreadablePhotoError
from photochrom.photo import halved
from photochrom.photo.reading import open_photo


def save(path: Path, pixels: NDArray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **({"quality": 95, "subsampling": "4:2:0"} | options))
    return path


def read(path: Path) -> NDArray:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch, colorizer: Colorizer, tmp_path: Path) -> Callable[..., tuple[NDArray, ...]]:
    """Colours a file by the halved way and by the exact one."""

    def colour(path: Path, **options: float) -> tuple[NDArray, ...]:
        results = []
        for least in (0, 10**9):
            monkeypatch.setattr(halved, "LEAST_PIXELS", least)
            assert halved.fits(open_photo(path)) == (least == 0)
            colorizer.colorize_file(path, tmp_path / "out.jpg", overwrite=True, **options)
            results.append(read(tmp_path / "out.jpg"))
        return tuple(results)

    return colour


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("name", ["cat", "astronaut", "coffee", "rocket"])
def test_the_same_as_the_exact_merge(name: str, grey: bool, both: Callable, tmp_path: Path) -> None:
    pixels = getattr(skimage.data, name)()
    if grey:
        pixels = np.rint(skimage.color.rgb2gray(pixels) * 255).astype(np.uint8)
    source = save(tmp_path / "in.jpg", pixels)
    before = skimage.color.rgb2lab(read(source))[..., 0]
    got, exact = (skimage.color.rgb2lab(out) for out in both(source))
    off, exact_off = (np.abs(lab[..., 0] - before) for lab in (got, exact))
    assert off.mean() < exact_off.mean() + 0.05
    assert (off <= 1).mean() > (exact_off <= 1).mean() - 0.02
    distance = np.linalg.norm(got[..., 1:] - exact[..., 1:], axis=-1)
    assert distance.mean() < 1.5
    assert np.abs((got - exact)[..., 1:].mean((0, 1))).max() < 0.3  # no cast


@pytest.mark.parametrize(("height", "width"), [(33, 47), (65, 97), (300, 451), (451, 300)])
def test_no_shift_at_any_size(height: int, width: int, both: Callable, tmp_path: Path) -> None:
    ramp = np.linspace(30, 220, height)[:, None] * 0.5 + np.linspace(30, 220, width)[None] * 0.5
    got, exact = both(save(tmp_path / "in.jpg", np.rint(ramp).astype(np.uint8)))
    assert got.shape == exact.shape == (height, width, 3)
    assert np.abs(got.astype(int) - exact).mean() < 1


def test_saturation_0_leaves_grey(both: Callable, cat: NDArray, tmp_path: Path) -> None:
    source = save(tmp_path / "in.jpg", np.rint(skimage.color.rgb2gray(cat) * 255).astype(np.uint8))
    for out in both(source, saturation=0):
        assert np.ptp(out, axis=-1).max() == 0


def test_a_large_photograph_goes_this_way_and_keeps_its_metadata(colorizer: Colorizer, tmp_path: Path) -> None:
    large = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((2000, 1501)))
    exif = Image.Exif()
    exif[0x010E] = "a description"
    exif[0x9C9B] = b"x\0"
    source = save(tmp_path / "in.jpg", large, exif=exif, dpi=(300, 300))
    photo = open_photo(source)
    assert halved.fits(photo)
    colorizer.colorize_file(source, tmp_path / "out.jpg")
    out = Image.open(tmp_path / "out.jpg")
    assert out.size == (2000, 1501) and round(out.info["dpi"][0]) == 300
    assert out.getexif()[0x010E] == "a description" and out.getexif()[0x0131].startswith("photochrom ")
    assert open_photo(tmp_path / "out.jpg").subsampling == "4:2:0"


def test_what_goes_the_exact_way(monkeypatch: pytest.MonkeyPatch, cat: NDArray, tmp_path: Path) -> None:
    monkeypatch.setattr(halved, "LEAST_PIXELS", 0)
    turned = Image.Exif()
    turned[0x0112] = 6
    assert halved.fits(open_photo(save(tmp_path / "plain.jpg", cat)))
    assert not halved.fits(open_photo(save(tmp_path / "whole.jpg", cat, subsampling="4:4:4")))
    assert not halved.fits(open_photo(save(tmp_path / "turned.jpg", cat, exif=turned)))
    wide = pyvips.Operation.call("profile_load", "p3")
    assert not halved.fits(open_photo(save(tmp_path / "wide.jpg", cat, icc_profile=bytes(wide))))
    Image.fromarray(cat).convert("CMYK").save(tmp_path / "cmyk.jpg", subsampling="4:2:0")
    assert not halved.fits(open_photo(tmp_path / "cmyk.jpg"))
    Image.fromarray(cat).save(tmp_path / "cat.png")
    assert not halved.fits(open_photo(tmp_path / "cat.png"))


@pytest.mark.parametrize("progressive", [True, False])
def test_a_file_cut_short(
    progressive: bool, monkeypatch: pytest.MonkeyPatch, cat: NDArray, colorizer: Colorizer, tmp_path: Path
) -> None:
    monkeypatch.setattr(halved, "LEAST_PIXELS", 0)
    whole = save(tmp_path / "whole.jpg", cat, progressive=progressive).read_bytes()
    short = tmp_path / "short.jpg"
    short.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(UnreadablePhotoError, match="damaged or cut short"):
        colorizer.colorize_file(short, tmp_path / "out.jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["short.jpg", "whole.jpg"]
