"""What is taken for grey, tiny and corrupt; how photographs are decoded."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image
from skimage.color import rgb2lab

from photochrom.data.photo_list import Entry
from photochrom.data.photograph import (
    CORRUPT,
    GREY,
    NEAR_GREY,
    TINY,
    CropSettings,
    Limits,
    UnusablePhoto,
    decode,
    is_grey,
    open_entry,
    random_crop,
    thumbnail,
    usable,
)
from photochrom.training import losses


class InMemory:
    name = "memory"

    def __init__(self, content):
        self.content = content

    def read(self, key, offset, length):
        return self.content


def entry(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return Entry("a.png", InMemory(buffer.getvalue()))


def test_the_training_and_the_loss_agree_on_what_is_grey():
    assert NEAR_GREY == losses.NEAR_GREY


def test_greyness_is_that_of_lab_for_every_colour():
    steps = np.arange(0, 256, 3, dtype=np.uint8)
    near = np.array([-30, -24, -20, -12, -6, -3, -1, 0, 1, 3, 6, 12, 20, 24, 30])  # where it is decided
    r, g, b = np.meshgrid(steps, near, near, indexing="ij")
    rgb = np.clip(np.stack([r, r + g, r + b], -1), 0, 255).astype(np.uint8)
    expected = (np.abs(rgb2lab(rgb)[..., 1:]) <= NEAR_GREY).all(-1)
    found = np.array([is_grey(colour[None, None]) for colour in rgb.reshape(-1, 3)]).reshape(expected.shape)
    assert 0.05 < expected.mean() < 0.95
    assert (found == expected).mean() > 0.9999  # float32 here, float64 there


def test_one_coloured_patch_is_enough():
    grey = Image.new("RGB", (320, 200), (90, 90, 90))
    assert is_grey(thumbnail(grey))
    grey.paste((150, 90, 90), (100, 100, 130, 130))
    assert not is_grey(thumbnail(grey))


@pytest.mark.parametrize(
    ("photograph", "reason"),
    [
        (entry(Image.fromarray(skimage.data.coffee()).resize((90, 31))), TINY),
        (entry(Image.fromarray(skimage.data.camera())), GREY),
        (entry(Image.fromarray(skimage.data.camera()).convert("RGB"), "JPEG"), GREY),
        (Entry("a.png", InMemory(b"")), CORRUPT),
        (Entry("a.png", InMemory(b"GIF89a" + b"\xff" * 50)), CORRUPT),
        (Entry("a.png", InMemory(entry(Image.fromarray(skimage.data.coffee()), "JPEG").read()[:9000])), CORRUPT),
        (Entry("a.png", InMemory(entry(Image.fromarray(skimage.data.coffee())).read()[:9000])), CORRUPT),
    ],
)
def test_the_reason_is_named(photograph, reason):
    with pytest.raises(UnusablePhoto, match=r"a\.png in memory: " + reason) as caught:
        usable(photograph, Limits())
    assert caught.value.reason == reason


def test_limits_can_be_set():
    small = Image.fromarray(skimage.data.coffee()).resize((90, 31))
    assert usable(entry(small), Limits(min_side=31)).size == (90, 31)
    assert usable(entry(Image.fromarray(skimage.data.camera())), Limits(grey=False)).mode == "RGB"


def test_photographs_are_turned_upright():
    image = Image.fromarray(skimage.data.coffee()).resize((60, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by 90 degrees to see it upright
    assert (np.asarray(decode(entry(image, exif=exif))) == np.rot90(np.asarray(image), -1)).all()


def test_a_large_jpeg_is_decoded_small_without_a_visible_difference():
    large = Image.fromarray(skimage.data.astronaut()).resize((2048, 2048), Image.Resampling.BICUBIC)
    photograph, settings = entry(large, "JPEG", quality=92), CropSettings(64)
    opened = open_entry(photograph, settings.least_side)
    assert opened.size == (2048, 2048) and opened.image.size == (256, 256)
    crops = [random_crop(i, settings, np.random.default_rng(1)) for i in (opened.image, decode(photograph))]
    difference = np.abs(crops[0].astype(int) - crops[1])
    assert difference.mean() < 1.5
    assert min(opened.image.size) >= settings.least_side
