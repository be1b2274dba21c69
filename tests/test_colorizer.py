"""Colorizer: arrays and files, sizes, settings, threads."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import skimage.color
import skimage.transform
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import photochrom
from photochrom import color
from photochrom.ab_bins import CENTRES
from photochrom.colorizer import Colorizer, load
from photochrom.errors import ModelError, OutputError, SettingError, UnreadablePhotoError
from photochrom.models import ModelInfo


def tiny_ab(lightness: NDArray, temperature: float = 0.38) -> NDArray:
    """What the tiny model computes, of L [h, w] at its stride."""
    return np.stack([0.6 * lightness - 20, 40 - 0.9 * lightness]) * 0.38 / temperature


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 4), (32, 32), (33, 31), (64, 96), (3, 100), (77, 5)])
def test_predict_ab_pads_and_crops(height: int, width: int, colorizer: Colorizer) -> None:
    lightness = np.random.default_rng(0).uniform(0, 100, (height, width)).astype(np.float32)
    ab = colorizer.predict_ab(lightness)
    assert ab.dtype == np.float32 and ab.shape == (2, math.ceil(height / 4), math.ceil(width / 4))
    whole = lightness[: height // 4 * 4, : width // 4 * 4]
    if whole.size:
        means = whole.reshape(height // 4, 4, width // 4, 4).mean((1, 3))
        assert np.abs(ab[:, : height // 4, : width // 4] - tiny_ab(means)).max() < 1e-3


def test_temperature_and_decode(tmp_path: Path, colorizer: Colorizer, model_builder: Callable[..., Path]) -> None:
    lightness = np.full((32, 32), 70, np.float32)
    usual = colorizer.predict_ab(lightness)
    assert np.allclose(colorizer.predict_ab(lightness, 0.38), usual)
    assert np.allclose(colorizer.predict_ab(lightness, 0.76), usual / 2)
    assert np.allclose(colorizer.predict_ab(lightness, 0.5, decode="mean"), usual * 0.38)
    with_bins = load(model_builder(tmp_path / "bins.onnx", probabilities=True))
    mode = with_bins.predict_ab(lightness, decode="mode")
    assert mode.shape == (2, 8, 8) and (mode[:, 0, 0] == CENTRES[200]).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (32, 32), (33, 31)])
def test_predict_probabilities(
    height: int, width: int, tmp_path: Path, colorizer: Colorizer, model_builder: Callable[..., Path]
) -> None:
    lightness = np.full((height, width), 70, np.float32)
    with_bins = load(model_builder(tmp_path / "bins.onnx", probabilities=True))
    given = with_bins.predict_probabilities(lightness)
    # The tiny model's logits are 3 at bin 200 and 0 elsewhere.
    expected = np.where(np.arange(313) == 200, math.exp(3), 1) / (312 + math.exp(3))
    assert given.dtype == np.float32 and given.shape == (313, math.ceil(height / 4), math.ceil(width / 4))
    assert np.abs(given - expected[:, None, None]).max() < 1e-6
    with pytest.raises(SettingError, match=r"lightness has shape \(3,\)"):
        with_bins.predict_probabilities(np.zeros(3, np.float32))
    with pytest.raises(ModelError, match=r"tiny\.onnx: gives no distribution; expected a model with probabilities"):
        colorizer.predict_probabilities(lightness)


@pytest.mark.parametrize("temperature", [0, -1, math.nan, math.inf])
def test_impossible_temperatures(temperature: float, colorizer: Colorizer, tmp_path: Path, cat: NDArray) -> None:
    message = "temperature is .*; expected a finite number above 0"
    with pytest.raises(SettingError, match=message):
        colorizer.predict_ab(np.zeros((8, 8), np.float32), temperature)
    with pytest.raises(SettingError, match=message):
        colorizer.colorize(cat, temperature=temperature)
    Image.fromarray(cat).save(tmp_path / "in.png")
    with pytest.raises(SettingError, match=message):
        colorizer.colorize_file(tmp_path / "in.png", tmp_path / "out.png", temperature=temperature)
    assert not (tmp_path / "out.png").exists()


def test_other_impossible_settings(colorizer: Colorizer, tmp_path: Path, cat: NDArray, tiny_model: Path) -> None:
    Image.fromarray(cat).save(tmp_path / "in.png")
    for settings, message in (
        ({"decode": "median"}, "decode is 'median'"),
        ({"saturation": -0.1}, "saturation is -0.1"),
        ({"saturation": math.nan}, "saturation is nan"),
        ({"quality": 0}, "quality is 0"),
        ({"format": "bmp"}, "format is 'bmp'"),
    ):
        with pytest.raises(SettingError, match=message):
            colorizer.colorize_file(tmp_path / "in.png", tmp_path / "out.png", **settings)
    with pytest.raises(SettingError, match="threads is 0"):
        load(tiny_model, threads=0)
    with pytest.raises(SettingError, match=r"lightness has shape \(3,\)"):
        colorizer.predict_ab(np.zeros(3, np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(), (1,), (2,), (3,), (4,)])
def test_arrays_of_every_kind(shape: tuple[int, ...], dtype: type, cat: NDArray, colorizer: Colorizer) -> None:
    full = np.dstack([cat, np.arange(451, dtype=np.uint8)[None].repeat(300, 0)])
    pixels = {(): full[..., 0], (1,): full[..., :1], (2,): full[..., [0, 3]], (3,): cat, (4,): full}[shape]
    pixels = pixels.astype(dtype) * (257 if dtype == np.uint16 else 1)
    before = pixels.copy()
    out = colorizer.colorize(pixels)
    alpha = shape in ((2,), (4,))
    assert out.dtype == dtype and out.shape == (300, 451, 4 if alpha else 3)
    assert np.array_equal(pixels, before)
    if alpha:
        assert np.array_equal(out[..., 3], pixels[..., -1])
    rgb = np.repeat(pixels.reshape(300, 451, -1)[..., :1], 3, 2) if shape in ((), (1,), (2,)) else pixels[..., :3]
    lightness = skimage.color.rgb2lab(rgb)[..., 0]
    limit = 0.5 if dtype == np.uint8 else 0.02
    assert np.abs(skimage.color.rgb2lab(out[..., :3])[..., 0] - lightness).max() < limit


def test_arrays_that_are_views(cat: NDArray, colorizer: Colorizer) -> None:
    flipped = cat[::-1, ::-1]
    assert np.array_equal(colorizer.colorize(flipped), colorizer.colorize(flipped.copy()))
    assert np.array_equal(colorizer.colorize(cat.transpose(1, 0, 2)), colorizer.colorize(cat.transpose(1, 0, 2).copy()))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
        [1],
    ],
)
def test_arrays_that_are_no_photographs(array: object, colorizer: Colorizer) -> None:
    with pytest.raises(UnreadablePhotoError, match=r"array: of .*; expected"):
        colorizer.colorize(array)  # type: ignore[arg-type]


def test_array_and_file_agree(cat: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    Image.fromarray(cat).save(tmp_path / "in.png")
    colorizer.colorize_file(tmp_path / "in.png", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        written = np.asarray(image)
    assert np.array_equal(colorizer.colorize(cat), written)
    assert np.array_equal(colorizer.colorize(str(tmp_path / "in.png")), written)


def test_the_colours_are_the_networks(cat: NDArray, colorizer: Colorizer) -> None:
    """Against the same steps by scikit-image: L resized, the tiny model's formula, bilinear, Lab to sRGB."""
    height, width = colorizer.network_size(300, 451)
    lab = skimage.color.rgb2lab(cat)
    small = skimage.transform.resize(lab[..., 0], (height // 4, width // 4), anti_aliasing=True)
    ab = skimage.transform.resize(tiny_ab(small).transpose(1, 2, 0), (300, 451), order=1, mode="edge")
    expected = color.lab_to_rgb(np.dstack([lab[..., :1], ab]))
    out = colorizer.colorize(cat) / 255
    assert np.abs(out - expected).mean() < 0.01


def test_sepia_and_colour_are_coloured_by_their_lightness(cat: NDArray, colorizer: Colorizer) -> None:
    grey = np.round(color.linear_to_srgb(color.srgb_to_linear(cat / 255) @ color.RGB_TO_XYZ[1]) * 255).astype(np.uint8)
    difference = np.abs(colorizer.colorize(cat).astype(int) - colorizer.colorize(grey))
    assert np.percentile(difference, 99) <= 3


@given(height=st.integers(1, 100_000), width=st.integers(1, 100_000))
def test_the_networks_size_is_bounded_and_keeps_the_shape(height: int, width: int) -> None:
    info = ModelInfo("m", "1", Path("m"), 4, 64, 0.38, "", "", "", 0, False)
    h, w = Colorizer(None, info).network_size(height, width)  # type: ignore[arg-type]
    assert 1 <= min(h, w) <= 64 and max(h, w) <= 256
    if max(height, width) <= 4 * min(height, width):
        assert min(h, w) == 64
        assert abs(h / w - height / width) / (height / width) < 0.02


def test_threads_share_a_session(cat: NDArray, astronaut: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    photos = [cat, astronaut, cat[:100], astronaut[:, :99]] * 3
    alone = [colorizer.colorize(photo) for photo in photos]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(colorizer.colorize, photos))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    Image.fromarray(cat).save(tmp_path / "in.png")

    def write(k: int) -> bytes:
        colorizer.colorize_file(tmp_path / "in.png", tmp_path / f"{k}.png")
        return (tmp_path / f"{k}.png").read_bytes()

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(write, range(12)))) == 1


def test_many_photographs_do_not_fill_memory(astronaut: NDArray, tmp_path: Path, tiny_model: Path) -> None:
    """Peak memory after 30 photographs is that after 10, in a process of its own."""
    Image.fromarray(np.tile(astronaut, (4, 4, 1))).save(tmp_path / "in.jpg", quality=90)
    code = f"""
from pathlib import Path
import photochrom
def peak():  # of this process alone: getrusage would count the parent's before the exec
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
colorizer = photochrom.load({str(tiny_model)!r})
peaks = []
for k in range(30):
    colorizer.colorize_file(Path({str(tmp_path / "in.jpg")!r}), Path({str(tmp_path / "out.jpg")!r}), overwrite=True)
    peaks.append(peak())
print(peaks[9], peaks[29])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    early, late = map(int, done.stdout.split())
    assert late < 1.25 * early and late < 300_000


def test_an_existing_output_is_refused_before_any_work(cat: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    Image.fromarray(cat).save(tmp_path / "in.png")
    (tmp_path / "out.png").write_bytes(b"old")
    with pytest.raises(OutputError, match="exists already"):
        colorizer.colorize_file(tmp_path / "in.png", tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes() == b"old"
    colorizer.colorize_file(tmp_path / "in.png", tmp_path / "out.png", overwrite=True)
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (451, 300)


def test_in_place(cat: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    Image.fromarray(cat).save(tmp_path / "a.png")
    expected, before = colorizer.colorize(cat), (tmp_path / "a.png").read_bytes()
    (tmp_path / "symbolic.png").symlink_to("a.png")
    (tmp_path / "hard.png").hardlink_to(tmp_path / "a.png")
    for name in ("a.png", "symbolic.png", "hard.png"):
        with pytest.raises(OutputError, match="is the photograph itself"):
            colorizer.colorize_file(tmp_path / "a.png", tmp_path / name, overwrite=True)
    assert (tmp_path / "a.png").read_bytes() == before
    colorizer.colorize_file(tmp_path / "a.png", tmp_path / "a.png", in_place=True)
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), expected)


def test_the_packages_own_functions(cat: NDArray, tiny_model: Path, tmp_path: Path) -> None:
    assert photochrom.load(tiny_model).info.name == "tiny"
    code = "import sys, photochrom.colorizer; print({m for m in ('torch', 'lightning', 'onnx') if m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_format_follows_the_option_then_the_target_then_the_source(
    cat: NDArray, tmp_path: Path, colorizer: Colorizer
) -> None:
    Image.fromarray(cat).save(tmp_path / "in.png")
    for target, option, expected in (("a.webp", "same", "WEBP"), ("b", "same", "PNG"), ("c.png", "jpg", "JPEG")):
        colorizer.colorize_file(tmp_path / "in.png", tmp_path / target, format=option)
        with Image.open(tmp_path / target) as image:
            assert image.format == expected


@pytest.mark.parametrize("values", [(0, 255), (-2, 50), (float("nan"), 50)])
def test_lightness_must_be_cie_l(colorizer, values):
    with pytest.raises(SettingError, match=r"0\.\.100"):
        colorizer.predict_ab(np.full((32, 32), values[0], np.float32) + np.eye(32, dtype=np.float32) * values[1])


def test_errors_can_be_caught_right_after_the_import():
    code = "import photochrom; assert issubclass(photochrom.errors.PhotoError, photochrom.errors.PhotochromError)"
    subprocess.run([sys.executable, "-c", code + "; assert 'load' in dir(photochrom)"], check=True)
