"""Nothing but the colours tells the versions apart, and nothing about a composed pair tells which side is real."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2lab

from photochrom.errors import DataError
from photochrom.evaluation.photographs import read_crop
from photochrom.study.pictures import GAP, GROUND, compose_pair, picture_file, read_picture, write_picture
from photochrom.study.plan import Pair, Study, load_study

SIDE = 64


@pytest.fixture(scope="module")
def plan(built_study: Path) -> Study:
    return load_study(built_study)


def decoded(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)))


def header(data: bytes) -> bytes:
    """A JPEG up to the end of the start-of-scan marker: everything but the pixels."""
    at = 2
    while True:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        assert data[at] == 0xFF
        assert not 0xE0 <= marker <= 0xEF and marker != 0xFE, "application data or a comment"
        at += 2 + length
        if marker == 0xDA:
            return data[:at]


def test_masters_hold_pixels_only(built_study: Path, plan: Study) -> None:
    rest = set()
    for version in plan.versions:
        for identifier in plan.photographs:
            data = picture_file(built_study, version, identifier).read_bytes()
            at, chunks = 8, []
            while at < len(data):
                length, kind = struct.unpack(">I4s", data[at : at + 8])
                if kind != b"IDAT":
                    chunks.append(data[at : at + 12 + length])
                at += 12 + length
            rest.add(b"".join(chunks))
    assert len(rest) == 1  # size, depth, resolution: the same bytes in all
    assert Image.open(io.BytesIO(data)).info.keys() <= {"dpi"}


def test_real_side_is_the_original(built_study: Path, plan: Study, colour_photographs: Path) -> None:
    for identifier in plan.photographs[:6]:
        original = read_crop(colour_photographs / plan.names[identifier], SIDE).rgb.astype(int)
        real = read_picture(built_study, "real", identifier).astype(int)
        assert real.shape == (SIDE, SIDE, 3)
        assert np.abs(real - original).mean() < 0.5  # the merge approximates the darkest colours


def test_versions_differ_in_colour_only(built_study: Path, plan: Study) -> None:
    for identifier in plan.photographs:
        labs = {name: rgb2lab(read_picture(built_study, name, identifier)) for name in plan.versions}
        for name in ("swapped", "random"):
            apart = np.abs(labs[name] - labs["real"])
            assert apart[..., 0].mean() < 0.3  # rounding to 8 bits
            assert apart[..., 1:].mean() > 1


def test_pair_shows_both_on_neutral_ground(built_study: Path, plan: Study) -> None:
    for identifier in plan.photographs[:6]:
        shown = decoded(compose_pair(built_study, Pair("test", identifier, "right", "swapped"))).astype(int)
        assert shown.shape == (SIDE, 2 * SIDE + GAP, 3)
        assert (shown[:, SIDE : SIDE + GAP] == GROUND).all()
        for side, version in ((shown[:, :SIDE], "swapped"), (shown[:, -SIDE:], "real")):
            assert np.abs(side - read_picture(built_study, version, identifier)).mean() < 4


def test_sides_code_alike(built_study: Path, plan: Study) -> None:
    identifier = plan.photographs[0]
    left, right = (
        decoded(compose_pair(built_study, Pair("test", identifier, s, "swapped"))) for s in ("left", "right")
    )
    assert np.array_equal(left[:, :SIDE], right[:, -SIDE:])
    assert np.array_equal(left[:, -SIDE:], right[:, :SIDE])


def test_headers_and_sizes_tell_nothing(built_study: Path, plan: Study) -> None:
    headers, differences = set(), []
    for identifier in plan.photographs:
        for version in ("swapped", "random"):
            left, right = (compose_pair(built_study, Pair("test", identifier, s, version)) for s in ("left", "right"))
            headers |= {header(left), header(right)}
            differences.append((len(left) - len(right)) / len(left))
            assert compose_pair(built_study, Pair("test", identifier, "left", version)) == left
    assert len(headers) == 1
    assert np.abs(differences).max() < 0.01  # the same blocks, in another order
    assert abs(np.mean(differences)) < 3 * np.std(differences) / np.sqrt(len(differences)) + 1e-4


def test_damaged_pictures(study_folder: Path) -> None:
    pair = Pair("test", "p0000", "left", "swapped")
    file = picture_file(study_folder, "swapped", "p0000")
    whole = file.read_bytes()
    write_picture(np.zeros((SIDE, SIDE + 8, 3), np.uint8), file)
    with pytest.raises(DataError, match=r"swapped/p0000.png: 72 x 64 pixels; expected those of the real"):
        compose_pair(study_folder, pair)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"swapped/p0000.png: .*; build the study again"):
        compose_pair(study_folder, pair)
    Image.new("L", (SIDE, SIDE)).save(file)
    with pytest.raises(DataError, match=r"1 channels of uchar; expected 3 of 8 bits"):
        compose_pair(study_folder, pair)
    file.unlink()
    with pytest.raises(DataError, match=r"swapped/p0000.png"):
        compose_pair(study_folder, pair)
