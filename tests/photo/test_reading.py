"""Photographs of every kind, written by Pillow, tifffile and libvips, read and coloured, and read again by others."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import pyvips
import skimage.color
import skimage.data
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, ImageSequence

from photochrom.colorizer import Colorizer
from photochrom.errors import SettingError
from photochrom.photo.formats import output_format
from photochrom.photo.reading import open_photo, resampled_lightness

Grey = NDArray[np.uint8]


def read(path: Path) -> NDArray:
    """Upright pixels, by Pillow, or tifffile for TIFF."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    with Image.open(path) as image:
        return np.asarray(image)


def lightness(rgb: NDArray) -> NDArray:
    return skimage.color.rgb2lab(rgb)[..., 0]


@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".jpg", {"quality": 95}), (".png", {}), (".tif", {"compression": "tiff_lzw"}), (".webp", {"lossless": True}),
     (".gif", {}), (".avif", {"quality": 95})],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_format_comes_back_in_colour_with_its_lightness(
    suffix: str, options: dict, mode: str, cat: Grey, tmp_path: Path, colorizer: Colorizer
) -> None:
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    Image.fromarray(cat).convert(mode).save(source, **options)
    report = colorizer.colorize_file(source, target, quality=98)
    with Image.open(source) as image:
        before = np.asarray(image.convert("RGB"))
    with Image.open(target) as image:
        assert image.format == Image.open(source).format
        after = np.asarray(image.convert("RGB"))
    assert (report.width, report.height, report.pages) == (451, 300, 1)
    assert after.shape == cat.shape
    assert np.abs(after.astype(int) - after.mean(-1, keepdims=True)).mean() > 3  # in colour
    tolerance = {".gif": 3, ".avif": 1.5, ".webp": 1.5, ".jpg": 1}.get(suffix, 0.5)
    assert np.abs(lightness(after) - lightness(before)).mean() < tolerance


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_stay_sixteen(
    suffix: str, channels: int, grey16: NDArray, tmp_path: Path, colorizer: Colorizer
) -> None:
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    pixels = grey16 if channels == 1 else np.stack([grey16 // 3, grey16 // 2, grey16], -1)
    pyvips.Image.new_from_array(pixels).copy(interpretation="grey16" if channels == 1 else "rgb16").write_to_file(
        str(source)
    )
    report = colorizer.colorize_file(source, target)
    after = pyvips.Image.new_from_file(str(target)).numpy()
    assert after.dtype == np.uint16 and after.shape == (*grey16.shape, 3) and report.notes == ()
    rgb = np.stack([pixels] * 3, -1) if channels == 1 else pixels
    assert np.abs(lightness(after) - lightness(rgb)).max() < 0.02


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_with_saturation_0_comes_back_code_for_code(
    suffix: str, bits: int, channels: int, tmp_path: Path, colorizer: Colorizer
) -> None:
    codes = np.arange(256, dtype=np.uint8) if bits == 8 else np.arange(65536, dtype=np.uint16)
    grey = codes.reshape(16, -1)
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    image = pyvips.Image.new_from_array(np.repeat(grey[:, :, None], channels, 2))
    space = {(8, 1): "b-w", (8, 3): "srgb", (16, 1): "grey16", (16, 3): "rgb16"}[bits, channels]
    image.copy(interpretation=space).write_to_file(str(source))
    colorizer.colorize_file(source, target, saturation=0)
    assert np.array_equal(pyvips.Image.new_from_file(str(target)).numpy(), np.stack([grey] * 3, -1))


def test_sixteen_bits_to_jpeg_says_what_is_lost(grey16: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    source = tmp_path / "scan.tif"
    tifffile.imwrite(source, grey16)
    report = colorizer.colorize_file(source, tmp_path / "out.jpg")
    assert report.format == "jpg" and "16 were reduced" in report.notes[0]
    before = lightness(np.stack([grey16] * 3, -1))
    assert np.abs(lightness(read(tmp_path / "out.jpg")) - before).mean() < 1


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_alpha_is_kept(mode: str, suffix: str, cat: Grey, tmp_path: Path, colorizer: Colorizer) -> None:
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    alpha = np.tile(np.linspace(0, 255, cat.shape[1]).astype(np.uint8), (cat.shape[0], 1))
    image = Image.fromarray(np.dstack([cat, alpha])).convert(mode)
    image.save(source, **({"lossless": True, "exact": True} if suffix == ".webp" else {}))
    colorizer.colorize_file(source, target)
    assert np.array_equal(read(target)[:, :, 3], alpha)


def test_transparency_is_laid_on_white_in_jpeg(cat: Grey, tmp_path: Path, colorizer: Colorizer) -> None:
    Image.fromarray(np.dstack([cat, np.zeros(cat.shape[:2], np.uint8)])).save(tmp_path / "in.png")
    report = colorizer.colorize_file(tmp_path / "in.png", tmp_path / "out.jpg")
    assert read(tmp_path / "out.jpg").min() > 250 and "white" in report.notes[0]


@pytest.mark.parametrize("kind", ["palette", "one-bit", "cmyk", "one-bit-tiff"])
def test_other_kinds_of_samples(kind: str, cat: Grey, tmp_path: Path, colorizer: Colorizer) -> None:
    image = Image.fromarray(cat)
    if kind == "palette":
        source, stored = tmp_path / "in.png", image.quantize(64)
    elif kind == "cmyk":
        source, stored = tmp_path / "in.jpg", image.convert("CMYK")
    else:
        source, stored = tmp_path / ("in.png" if kind == "one-bit" else "in.tif"), image.convert("1")
    stored.save(source)
    target = tmp_path / "out.png"
    colorizer.colorize_file(source, target)
    after = read(target)
    assert after.shape == cat.shape
    # A CMYK without a profile has no one true appearance: libvips' fallback profile and Pillow's formula differ.
    limit = 12 if kind == "cmyk" else 0.5
    assert np.abs(lightness(after) - lightness(np.asarray(stored.convert("RGB")))).mean() < limit


def test_icc_profile_is_honoured_and_the_output_tagged_srgb(cat: Grey, tmp_path: Path, colorizer: Colorizer) -> None:
    """A profile with the channels' curves at gamma 1.0 makes codes much lighter: Pillow agrees."""
    profile = linear_rgb_profile()
    Image.fromarray(cat).save(tmp_path / "in.png", icc_profile=profile)
    colorizer.colorize_file(tmp_path / "in.png", tmp_path / "out.png")
    with Image.open(tmp_path / "in.png") as image:
        seen = ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )  # fmt: skip
    expected = lightness(np.asarray(seen))
    assert np.abs(expected - lightness(cat)).mean() > 10
    with Image.open(tmp_path / "out.png") as image:
        assert np.abs(lightness(np.asarray(image)) - expected).mean() < 0.5
        tag = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(tag)


def linear_rgb_profile() -> bytes:
    """sRGB's primaries with linear curves, made of Pillow's sRGB profile by exchanging its curve tags."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(data[128:132])
    at = len(data)
    curve = b"curv" + bytes(8)  # no entries: the identity
    for k in range(count):
        entry = 132 + 12 * k
        if data[entry : entry + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            data[entry + 4 : entry + 12] = at.to_bytes(4) + len(curve).to_bytes(4)
    data += curve
    data[0:4] = len(data).to_bytes(4)
    return bytes(data)


def test_an_srgb_profile_changes_no_code(camera: Grey, tmp_path: Path, colorizer: Colorizer) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(np.stack([camera] * 3, -1)).save(tmp_path / "in.png", icc_profile=srgb)
    colorizer.colorize_file(tmp_path / "in.png", tmp_path / "out.png", saturation=0)
    assert np.array_equal(read(tmp_path / "out.png"), np.stack([camera] * 3, -1))


def test_a_damaged_profile_is_ignored(cat: Grey, tmp_path: Path, colorizer: Colorizer) -> None:
    Image.fromarray(cat).save(tmp_path / "in.jpg", icc_profile=b"not a profile")
    colorizer.colorize_file(tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert read(tmp_path / "out.jpg").shape == cat.shape


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_reset(orientation: int, cat: Grey, tmp_path: Path, colorizer: Colorizer) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(cat).save(tmp_path / "in.png", exif=exif)
    with Image.open(tmp_path / "in.png") as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    photo = open_photo(tmp_path / "in.png")
    assert (photo.height, photo.width) == upright.shape[:2]
    colorizer.colorize_file(tmp_path / "in.png", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        assert image.getexif().get(0x0112, 1) == 1
        assert np.abs(lightness(np.asarray(image)) - lightness(upright)).max() < 1
    assert np.array_equal(colorizer.colorize(tmp_path / "in.png"), read(tmp_path / "out.png"))


@pytest.mark.parametrize("progressive", [False, True])
def test_progressive_and_interlaced(progressive: bool, cat: Grey, tmp_path: Path, colorizer: Colorizer) -> None:
    Image.fromarray(cat).save(tmp_path / "in.jpg", progressive=progressive)
    pyvips.Image.new_from_array(cat).pngsave(str(tmp_path / "in.png"), interlace=True)
    for name in ("in.jpg", "in.png"):
        target = tmp_path / ("out" + Path(name).suffix)
        colorizer.colorize_file(tmp_path / name, target)
        assert np.abs(lightness(read(target)) - lightness(read(tmp_path / name))).mean() < 1


def test_multi_page_tiff_with_unequal_pages(
    cat: Grey, camera: Grey, grey16: NDArray, tmp_path: Path, colorizer: Colorizer
) -> None:
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        for page in (cat, camera, cat[:40, :30]):
            writer.write(page, contiguous=False)
    report = colorizer.colorize_file(tmp_path / "in.tif", tmp_path / "out.tif")
    assert report.pages == 3
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        pages = [page.asarray() for page in file.pages]
    assert [p.shape for p in pages] == [(300, 451, 3), (512, 512, 3), (40, 30, 3)]
    for page, before in zip(pages, (cat, np.stack([camera] * 3, -1), cat[:40, :30]), strict=True):
        assert np.abs(lightness(page) - lightness(before)).max() < 1
    with Image.open(tmp_path / "out.tif") as image:
        assert [frame.size for frame in ImageSequence.Iterator(image)] == [(451, 300), (512, 512), (30, 40)]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animation_keeps_frames_delays_and_loop(
    suffix: str, cat: Grey, astronaut: Grey, tmp_path: Path, colorizer: Colorizer
) -> None:
    frames = [Image.fromarray(f[:300, :400]) for f in (cat, astronaut, astronaut[:, ::-1])]
    options = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(
        tmp_path / f"in{suffix}", save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=3, **options
    )
    report = colorizer.colorize_file(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")
    assert report.pages == 3
    with Image.open(tmp_path / f"in{suffix}") as before, Image.open(tmp_path / f"out{suffix}") as after:
        assert after.n_frames == 3
        assert after.info["loop"] == before.info["loop"]
        for k in range(3):
            before.seek(k)
            after.seek(k)
            before.load()
            after.load()
            assert after.info.get("duration", after.info.get("timestamp")) == before.info.get(
                "duration", before.info.get("timestamp")
            )
            old, new = np.asarray(before.convert("RGB")), np.asarray(after.convert("RGB"))
            assert np.abs(lightness(new) - lightness(old)).mean() < 4


def test_animation_to_formats_of_other_kinds(cat: Grey, astronaut: Grey, tmp_path: Path, colorizer: Colorizer) -> None:
    frames = [Image.fromarray(f[:300, :400]) for f in (cat, astronaut)]
    frames[0].save(tmp_path / "in.webp", save_all=True, append_images=frames[1:], lossless=True)
    colorizer.colorize_file(tmp_path / "in.webp", tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        pages = [page.asarray() for page in file.pages]
    for page, frame in zip(pages, frames, strict=True):
        assert np.abs(lightness(page[..., :3]) - lightness(np.asarray(frame))).max() < 1
    report = colorizer.colorize_file(tmp_path / "in.webp", tmp_path / "out.jpg")
    assert read(tmp_path / "out.jpg").shape == (300, 400, 3)
    assert report.notes[-1] == "jpg holds one page: 1 more were left out"


def test_heic_names_jpeg_as_its_output(tmp_path: Path) -> None:
    assert output_format("same", "heic") == "jpg"
    with pytest.raises(SettingError, match=r"heic cannot be written here; name it \.jpg"):
        output_format("same", "heic", Path("a.heic"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 5000), (5000, 3), (2, 2), (33, 31)])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_odd_sizes(shape: tuple[int, int], suffix: str, tmp_path: Path, colorizer: Colorizer) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"in{suffix}")
    colorizer.colorize_file(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")
    assert read(tmp_path / f"out{suffix}").shape == (*shape, 3)


def test_bytes_in_bytes_out(cat: Grey, tmp_path: Path, colorizer: Colorizer) -> None:
    for suffix in (".jpg", ".tif", ".png"):
        Image.fromarray(cat).save(tmp_path / f"in{suffix}")
        colorizer.colorize_file(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")
        data = colorizer.colorize_file((tmp_path / f"in{suffix}").read_bytes(), None)
        assert data == (tmp_path / f"out{suffix}").read_bytes()


def test_names_that_libvips_would_take_for_options(cat: Grey, tmp_path: Path, colorizer: Colorizer) -> None:
    source = tmp_path / "grandmother[page=3] é%.jpg"
    Image.fromarray(cat).save(source)
    colorizer.colorize_file(source, tmp_path / "out[Q=1] ü.jpg")
    assert read(tmp_path / "out[Q=1] ü.jpg").shape == cat.shape


def test_the_network_sees_photographs_made_small_as_training_made_them() -> None:
    rgb = skimage.data.astronaut()[:512, :512]
    found = resampled_lightness(rgb, 160, 160)
    expected = skimage.color.rgb2lab(np.asarray(Image.fromarray(rgb).resize((160, 160), Image.Resampling.BILINEAR)))[
        ..., 0
    ]
    sharper = skimage.color.rgb2lab(np.asarray(Image.fromarray(rgb).resize((160, 160), Image.Resampling.LANCZOS)))[
        ..., 0
    ]
    away = np.abs(found - expected)[2:-2, 2:-2].mean()
    assert away < 0.5
    assert away < np.abs(found - sharper)[2:-2, 2:-2].mean() / 2
