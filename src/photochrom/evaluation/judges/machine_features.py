"""Features for the machine judge: the distribution of the colours, their correlation with lightness, deep features.

Two confounders, and how they are removed:
- Resolution. A network's colours are blurred, and a judge would learn only that: given the true colours at
  24 x 24 cells it tells them from the photograph. People hardly see it, for the eye's resolution for colour is low and
  the lightness is sharp. So the judge sees the colours of every picture, real ones too, averaged over 16 x 16 cells and
  smoothed once more, joined to the photograph's own lightness.
- Files. A photograph from a JPEG has had its chroma subsampled and rounded, a coloured one has not. So the real
  photograph is processed like the coloured ones: its own colours, merged with its own lightness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...color import rgb_to_lab
from ...errors import SettingError
from ...merge import AbMap, PageMerger
from ..colour import SIDE
from .classifiers import fingerprint, lite2_network

VERSION = "1"  # version of these features; cached features of another version are not used
CELLS = 16  # a side, of the grid on which colours are seen
NETWORK_SIZE = 128  # pixels a side of the picture that the network sees
STAGES = {3: 24, 6: 48, 10: 88, 14: 120}  # last blocks of EfficientNet-lite2's strides 4, 8, 16, 16 -> their channels
CHROMA_NODES = np.array([-60.0, -35, -20, -10, -4, 0, 4, 10, 20, 35, 60])  # ab units: denser where colours are common
OCTAVES = 2  # grids of 16 and of 8 cells
ALIGNMENTS = 6  # figures an octave
BLOCK = 4  # cells a side, within which colour is compared with lightness
TINY = 1e-3  # squared units: keeps flat pictures from dividing by 0
BATCH = 8  # photographs at a time


class JudgeFeatures:
    """Features of photographs for `judge`; computed once for each photograph and system.

    dimension: of the features; fingerprint: another one when features of the same photograph may differ.
    """

    dimension = 2 * sum(STAGES.values()) + len(CHROMA_NODES) ** 2 + OCTAVES * ALIGNMENTS

    def __init__(self, threads: int | None = None) -> None:
        import torch

        if threads:
            torch.set_num_threads(threads)
        self._network, weights = lite2_network()
        self.fingerprint = fingerprint(weights, f"judge {VERSION}")

    def of(self, photographs: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Of photographs uint8 sRGB [256, 256, 3], real or coloured, all merged alike: float32 [N, dimension].

        Raises SettingError for another shape.
        """
        features = np.empty((len(photographs), self.dimension), np.float32)
        for start in range(0, len(photographs), BATCH):
            batch = photographs[start : start + BATCH]
            features[start : start + len(batch)] = self._of_batch(batch)
        return features

    def _of_batch(self, photographs: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        pictures, rows = [], []
        for rgb in photographs:
            if rgb.shape != (SIDE, SIDE, 3) or rgb.dtype != np.uint8:
                raise SettingError(f"photograph is {rgb.dtype} {rgb.shape}; expected uint8 ({SIDE}, {SIDE}, 3)")
            lightness, ab = coarse_lab(rgb)
            pictures += [_coloured(rgb, ab), _coloured(rgb, np.zeros_like(ab))]
            rows.append(np.concatenate([chroma_histogram(ab), alignment(lightness, ab)]))
        maps = self._network_features(np.stack(pictures))
        # The difference from the grey picture's features, which removes the content.
        return np.concatenate([maps[0::2] - maps[1::2], np.stack(rows).astype(np.float32)], axis=1)

    def _network_features(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Mean and standard deviation over the picture of each channel of four stages: [N, 560]."""
        import torch

        network = self._network
        found = []
        with torch.inference_mode():
            images = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 127) / 128
            x = torch.nn.functional.avg_pool2d(images, SIDE // NETWORK_SIZE)
            x = network._swish(network._bn0(network._conv_stem(x)))
            for number, block in enumerate(network._blocks):
                x = block(x)
                if number in STAGES:
                    found += [x.mean((2, 3)), x.std((2, 3))]
                if number == max(STAGES):
                    break
            return torch.cat(found, 1).numpy()


def coarse_lab(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """L [16, 16] and, smoothed by 1-2-1 along both axes, ab [16, 16, 2] of a photograph [256, 256, 3]."""
    step = SIDE // CELLS
    cells = rgb_to_lab(rgb.astype(np.float32) / 255).reshape(CELLS, step, CELLS, step, 3).mean((1, 3))
    ab = np.pad(cells[..., 1:], ((1, 1), (1, 1), (0, 0)), mode="edge")
    ab = (ab[:-2] + 2 * ab[1:-1] + ab[2:]) / 4
    ab = (ab[:, :-2] + 2 * ab[:, 1:-1] + ab[:, 2:]) / 4
    return cells[..., 0].astype(np.float32), ab.astype(np.float32)


def _coloured(rgb: NDArray[np.uint8], ab: NDArray[np.float32]) -> NDArray[np.uint8]:
    colours = AbMap(np.ascontiguousarray(ab.transpose(2, 0, 1)), (CELLS, CELLS))
    return PageMerger(colours, SIDE, SIDE, 8).merge(0, rgb)


def chroma_histogram(ab: NDArray[np.floating]) -> NDArray[np.float64]:
    """Root of the share of the picture near each node of a grid over the ab plane, [121]; the shares sum to 1."""
    weights = []
    for channel in (ab[..., 0].ravel(), ab[..., 1].ravel()):
        position = np.interp(channel, CHROMA_NODES, np.arange(len(CHROMA_NODES)))
        weights.append(np.maximum(1 - np.abs(position[:, None] - np.arange(len(CHROMA_NODES))), 0))
    return np.sqrt(weights[0].T @ weights[1] / len(position)).ravel()


def alignment(lightness: NDArray[np.floating], ab: NDArray[np.floating]) -> NDArray[np.float64]:
    """Correlation of colour with lightness, on the grid and at half the size, [12]. For each: the correlation of the
    steepness of ab with that of L; the cosine between the slopes of a and L, of b and L; the same without their sign;
    the share of ab's variance within blocks that is a multiple of L.
    """
    plane = np.concatenate([lightness[..., None], ab], axis=-1).astype(np.float64)  # [n, n, 3]
    found = []
    for _ in range(OCTAVES):
        slopes = np.stack([np.diff(plane, axis=0)[:, :-1], np.diff(plane, axis=1)[:-1]])  # [2, n - 1, n - 1, 3]
        steepness = np.sqrt((slopes**2).sum(0))
        found.append(_cosine(_centred(steepness[..., 0]), _centred(np.hypot(steepness[..., 1], steepness[..., 2]))))
        for channel in (1, 2):
            along = (slopes[..., 0] * slopes[..., channel]).sum(0)
            size = np.sqrt(((steepness[..., 0] ** 2).sum() + TINY) * ((steepness[..., channel] ** 2).sum() + TINY))
            found += [along.sum() / size, np.abs(along).sum() / size]
        found.append(_explained(plane))
        plane = plane.reshape(len(plane) // 2, 2, len(plane) // 2, 2, 3).mean((1, 3))
    return np.array(found)


def _centred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values - values.mean()


def _cosine(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float((x * y).sum() / np.sqrt(((x**2).sum() + TINY) * ((y**2).sum() + TINY)))


def _explained(plane: NDArray[np.float64]) -> float:
    """plane: [n, n, 3], L a b. Share of ab's variance within blocks that a straight line from L explains, 0..1."""
    blocks = len(plane) // BLOCK
    cells = plane.reshape(blocks, BLOCK, blocks, BLOCK, 3).transpose(0, 2, 1, 3, 4).reshape(blocks**2, BLOCK**2, 3)
    cells = cells - cells.mean(1, keepdims=True)
    lightness, ab = cells[..., :1], cells[..., 1:]
    by_lightness = (ab * lightness).sum(1) ** 2 / ((lightness**2).sum(1) + 1)  # 1: half a grey level is not structure
    return float(by_lightness.sum() / ((ab**2).sum() + 1))
