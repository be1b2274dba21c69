"""How a photograph becomes the input of an ImageNet classifier: resize, central crop, normalise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyvips
from numpy.typing import NDArray

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of R, G, B in 0..1: what most published ImageNet classifiers subtract
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preparation:
    """Short side to size / crop pixels, the central size x size pixels, then (x * top - mean) / std with x in 0..1.

    size: of the input in pixels; crop: above 0, at most 1: the part of the short side that is kept; top: the white of
    the scale on which mean and std are given, 1 or 255; kernel: of the resizing, which averages where it reduces.
    """

    size: int = 224
    crop: float = 224 / 256
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    top: float = 1.0
    kernel: Literal["cubic", "linear"] = "cubic"

    def apply(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """A photograph uint8 sRGB [H, W, 3] as float32 [size, size, 3]."""
        mean, std = (np.array(values, np.float32) for values in (self.mean, self.std))
        square = self.square(rgb).astype(np.float32) * np.float32(self.top / 255)
        return ((square - mean) / std).astype(np.float32)

    def square(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part that the classifier sees, uint8 [size, size, 3]."""
        height, width = rgb.shape[:2]
        short = max(self.size, round(self.size / self.crop))
        scale = short / min(height, width)
        rows, cols = max(short, round(height * scale)), max(short, round(width * scale))
        if (rows, cols) != (height, width):
            image = pyvips.Image.new_from_array(np.ascontiguousarray(rgb))
            rgb = image.resize(cols / width, vscale=rows / height, kernel=self.kernel).numpy()
        top, left = (rows - self.size) // 2, (cols - self.size) // 2
        return rgb[top : top + self.size, left : left + self.size]
