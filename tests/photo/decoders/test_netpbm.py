"""PBM, PGM, PPM and PAM, against Pillow where it reads them, and against the samples that were written."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from photochrom.errors import UnreadablePhotoError
from photochrom.photo.reading import open_photo

BY_PILLOW = {
    "P1": b"P1\n# a comment\n3 2\n101\n0 1 0\n",
    "P2, maxval 15": b"P2 2 1 15\n7 15\n",
    "P3": b"P3\n2 1\n255\n1 2 3 # comment\n250 251 252\n",
    "P4": b"P4\n9 2\n" + bytes([0b10100000, 0x80, 0xFF, 0]),
    "P5": b"P5\n3 1\n255\n\x00\x0a\xff",
    "P6, maxval 100": b"P6\n2 1\n100\n" + bytes([0, 50, 100, 100, 25, 0]),
}


@pytest.mark.parametrize("kind", BY_PILLOW)
def test_eight_bit_samples_are_pillows(kind: str) -> None:
    found = open_photo(BY_PILLOW[kind]).array()
    expected = np.asarray(Image.open(io.BytesIO(BY_PILLOW[kind])).convert("RGB" if found.shape[2] == 3 else "L"))
    assert np.array_equal(found.squeeze(-1) if found.shape[2] == 1 else found, expected)


@pytest.mark.parametrize("magic", ["P5", "P6"])
def test_sixteen_bits_are_kept(magic: str) -> None:
    samples = np.arange(0, 65_536, 5461, dtype=">u2")[:12]
    bands = 3 if magic == "P6" else 1
    data = f"{magic}\n{12 // bands} 1\n65535\n".encode() + samples.tobytes()
    assert np.array_equal(open_photo(data).array().ravel(), samples)


def test_ten_bits_become_sixteen() -> None:
    found = open_photo(b"P5\n3 1\n1023\n" + np.array([0, 511, 1023], ">u2").tobytes()).array()
    assert found.ravel().tolist() == [0, round(511 / 1023 * 65_535), 65_535]


def test_pam_with_alpha() -> None:
    head = b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    samples = bytes([1, 2, 3, 128, 10, 20, 30, 255])
    assert open_photo(head + samples).array().tobytes() == samples


@pytest.mark.parametrize("data", [b"P5\n3 3\n255\n12", b"P5\n3", b"P2\n2 1\n15\n7 16\n", b"P2\n2 1\n15\n7 x\n"])
def test_damage_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadablePhotoError, match="damaged or cut short"):
        open_photo(data).array()
