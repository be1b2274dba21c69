from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.color
import skimage.data
import torch
from scipy.ndimage import convolve1d

from photochrom.errors import SettingError
from photochrom.evaluation.baselines import Grey, RandomColours, Truth
from photochrom.evaluation.judges.classifiers import lite2_network
from photochrom.evaluation.judges.machine import judge
from photochrom.evaluation.judges.machine_features import (
    ALIGNMENTS,
    CHROMA_NODES,
    STAGES,
    JudgeFeatures,
    alignment,
    chroma_histogram,
    coarse_lab,
)
from photochrom.evaluation.judges.semantic import merged
from photochrom.evaluation.photographs import Photograph, list_photographs, read_crop
from photochrom.evaluation.systems import upsample

pytestmark = pytest.mark.usefixtures("one_thread")
NETWORK = 2 * sum(STAGES.values())
HISTOGRAM = slice(NETWORK, NETWORK + len(CHROMA_NODES) ** 2)


@pytest.fixture(scope="module")
def features() -> JudgeFeatures:
    return JudgeFeatures(threads=1)


@pytest.fixture(scope="module")
def crops(photographs: Path) -> list[Photograph]:
    return [read_crop(path, 256) for path in list_photographs(photographs)]


@pytest.fixture(scope="module")
def originals(crops: list[Photograph]) -> list[np.ndarray]:
    return [merged(crop, Truth().ab(crop)) for crop in crops]


@pytest.fixture(scope="module")
def real(features: JudgeFeatures, originals: list[np.ndarray]) -> np.ndarray:
    return features.of(originals)


def test_their_shape_and_order(features: JudgeFeatures, originals: list[np.ndarray], real: np.ndarray) -> None:
    assert real.shape == (len(originals), features.dimension)
    assert real.dtype == np.float32
    assert np.isfinite(real).all()
    np.testing.assert_allclose(features.of(originals[::-1])[::-1], real, atol=1e-4)
    np.testing.assert_allclose(features.of(originals[2:3]), real[2:3], atol=1e-4)  # whatever the batch
    many = features.of(originals * 2)  # more than a batch
    np.testing.assert_allclose(many[len(originals) :], real, atol=1e-4)


def test_grey_adds_nothing_to_grey(features: JudgeFeatures, crops: list[Photograph]) -> None:
    found = features.of([merged(crop, Grey().ab(crop)) for crop in crops[:2]])
    assert (found[:, :NETWORK] == 0).all()
    near_middle = found[:, HISTOGRAM].reshape(-1, 11, 11)[:, 5, 5]  # sRGB's grey is within 0.02 of ab = 0
    np.testing.assert_allclose(near_middle, 1, atol=0.01)


def test_the_network_part_is_what_its_stages_give(
    features: JudgeFeatures, originals: list[np.ndarray], real: np.ndarray
) -> None:
    """Against hooks on another instance of the network, on pictures made by scikit-image."""
    network, _ = lite2_network()
    seen: list[torch.Tensor] = []
    for number in STAGES:
        network._blocks[number].register_forward_hook(lambda module, inputs, output: seen.append(output))
    rgb = originals[1]  # a cat: no colour leaves sRGB's gamut, where the two merges would differ
    lightness = skimage.color.rgb2lab(rgb)[..., :1]
    rows = []
    for ab in (upsample(coarse_lab(rgb)[1], 256, 256, 16, 16), np.zeros((256, 256, 2))):
        picture = skimage.color.lab2rgb(np.concatenate([lightness, ab], -1))
        images = (torch.tensor(np.rint(picture * 255)).permute(2, 0, 1)[None].float() - 127) / 128
        seen.clear()
        with torch.inference_mode():
            network.extract_features(torch.nn.functional.interpolate(images, scale_factor=0.5, mode="area"))
        assert [maps.shape[1] for maps in seen] == list(STAGES.values())
        rows.append(torch.cat([part(maps) for maps in seen for part in (_mean, _deviation)]).numpy())
    expected = rows[0] - rows[1]
    # The merge's rounding to 8 bits and its chroma in the dark differ a little from scikit-image's.
    assert np.linalg.norm(real[1, :NETWORK] - expected) < 0.15 * np.linalg.norm(expected)
    assert np.corrcoef(real[1, :NETWORK], expected)[0, 1] > 0.99
    assert np.corrcoef(real[1, :NETWORK], expected)[0, 1] > 0.99


def _mean(maps: torch.Tensor) -> torch.Tensor:
    return maps.mean((2, 3))[0]


def _deviation(maps: torch.Tensor) -> torch.Tensor:
    return maps.std((2, 3))[0]


def test_coarse_colours_are_averages_smoothed() -> None:
    rgb = skimage.data.astronaut()[:256, :256]
    lab = skimage.color.rgb2lab(rgb)
    cells = np.array([[lab[y : y + 16, x : x + 16].mean((0, 1)) for x in range(0, 256, 16)] for y in range(0, 256, 16)])
    lightness, ab = coarse_lab(rgb)
    np.testing.assert_allclose(lightness, cells[..., 0], atol=0.01)
    for axis in (0, 1):
        cells = convolve1d(cells, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    np.testing.assert_allclose(ab, cells[..., 1:], atol=0.05)


def test_the_histogram_counted_by_hand() -> None:
    ab = np.random.default_rng(0).normal(scale=30, size=(16, 16, 2))
    expected = np.zeros((11, 11))
    for point in ab.reshape(-1, 2):
        shares = np.zeros((2, 11))
        for channel, value in enumerate(np.clip(point, -60, 60)):
            below = max(i for i, node in enumerate(CHROMA_NODES[:-1]) if node <= value)
            way = (value - CHROMA_NODES[below]) / (CHROMA_NODES[below + 1] - CHROMA_NODES[below])
            shares[channel, below : below + 2] = 1 - way, way
        expected += np.outer(*shares) / 256
    np.testing.assert_allclose(chroma_histogram(ab) ** 2, expected.ravel(), atol=1e-12)
    assert expected.sum() == pytest.approx(1)


def test_colour_that_follows_lightness_is_aligned() -> None:
    lightness = np.random.default_rng(0).uniform(0, 100, (16, 16))
    found = alignment(lightness, np.stack([0.5 * lightness, 20 - 0.3 * lightness], -1)).reshape(-1, ALIGNMENTS)
    np.testing.assert_allclose(found, [[1, 1, 1, -1, 1, 1]] * 2, atol=0.01)


def test_colour_of_its_own_is_not() -> None:
    rng = np.random.default_rng(0)
    found = [
        alignment(rng.uniform(0, 100, (16, 16)), rng.uniform(-50, 50, (16, 16, 2))).reshape(-1, ALIGNMENTS)
        for _ in range(50)
    ]
    steep, a, size_a, b, size_b, explained = np.mean(found, axis=(0, 1))
    assert np.abs([steep, a, b]).max() < 0.05
    assert 0.3 < size_a < 0.7 and 0.3 < size_b < 0.7
    assert explained == pytest.approx(1 / 15, abs=0.02)  # one of 15 degrees of freedom in a block of 16


def test_flat_pictures_have_no_alignment() -> None:
    flat = np.full((16, 16), 40.0)
    assert (alignment(flat, np.zeros((16, 16, 2))) == 0).all()
    assert np.abs(alignment(np.random.default_rng(0).uniform(0, 100, (16, 16)), np.zeros((16, 16, 2)))).max() == 0


def test_resolution_is_hardly_seen(
    features: JudgeFeatures, crops: list[Photograph], real: np.ndarray, photographs: Path
) -> None:
    """True colours at a network's resolution look like the true colours; those of another photograph do not."""

    def coarse(crop: Photograph) -> np.ndarray:
        blocks = crop.ab.reshape(32, 8, 32, 8, 2).mean((1, 3))
        return upsample(blocks, 256, 256, 32, 32)

    others = RandomColours(list_photographs(photographs))
    blurred = features.of([merged(crop, coarse(crop)) for crop in crops])
    wrong = features.of([merged(crop, others.ab(crop)) for crop in crops])
    scale = real.std(0) + 0.05  # of histogram cells that are empty in all of them, too
    to_blurred, to_wrong = (np.linalg.norm((each - real) / scale, axis=1) for each in (blurred, wrong))
    assert (to_blurred < 0.35 * to_wrong).all()


def test_a_judge_knows_grey_photographs(features: JudgeFeatures) -> None:
    pictures = [skimage.data.astronaut(), skimage.data.coffee()[:, :512], skimage.data.chelsea()]
    rng = np.random.default_rng(0)
    crops = []
    for i in range(20):
        rgb = pictures[i % 3]
        y, x = (int(rng.integers(size - 255)) for size in rgb.shape[:2])
        crops.append(Photograph(str(i), np.ascontiguousarray(rgb[y : y + 256, x : x + 256])))
    real, grey = (features.of([merged(crop, system.ab(crop)) for crop in crops]) for system in (Truth(), Grey()))
    assert judge(real, grey, seed=0).error.value == 0
    assert judge(real, real, seed=0).error.value == 50


def test_the_fingerprint_is_the_weights_and_the_versions(
    features: JudgeFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert JudgeFeatures(1).fingerprint == features.fingerprint
    monkeypatch.setattr("photochrom.evaluation.judges.machine_features.VERSION", "other")
    assert JudgeFeatures(1).fingerprint != features.fingerprint


def test_other_pictures_are_refused(features: JudgeFeatures) -> None:
    with pytest.raises(SettingError, match=r"uint8 \(128, 256, 3\); expected uint8 \(256, 256, 3\)"):
        features.of([np.zeros((128, 256, 3), np.uint8)])
    with pytest.raises(SettingError, match="float64"):
        features.of([np.zeros((256, 256, 3))])  # type: ignore[list-item]
