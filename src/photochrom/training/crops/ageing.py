"""Simulated old prints: greyscale photographs with the degradations of film, paper and scanner.

Greyscale photographs with known colours are modern ones with the colours removed; the ones that people colour are old.
This makes the former look like the latter, for training (`data.aged`) and evaluation (`photochrom evaluate --aged`). In
the order in which they occur:

    film       orthochromatic plates record red as dark and blue as light: the mix of the channels
    lens       blur and vignetting
    grain      coarser than a scan's pixels, strongest in the midtones
    fading     blacks become lighter, whites darker, the tone curve changes; uneven over the print
    scan       JPEG

A colour cast is not simulated: the network only receives lightness, even from a scan of brown paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..lab_torch import light_to_lightness, lightness_to_grey, linear_codes

VERSION = 1  # of the simulation: cached figures of another version are not used

PANCHROMATIC = (0.2126, 0.7152, 0.0722)  # luminance weights of linear sRGB, also roughly those of panchromatic film
ORTHOCHROMATIC = (0.02, 0.48, 0.50)
SIDE = 256  # pixels: the short side to which the lengths below refer
GRAIN_SIZE = 0.7  # pixels at that size: blur of the grain
STAINS = 4  # cells per side of the random field that makes fading uneven
# The luminance table of the JPEG standard (ITU T.81, annex K.1), quality 50.
_QUANTISATION = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip


@dataclass(frozen=True)
class Faults:
    """Degradations of one print. orthochromatic: 0 (panchromatic) .. 1; blur: standard deviation in pixels at a short
    side of 256; vignette: share of the light lost in the corners; grain: standard deviation in middle grey, L; black
    and white: L that 0 and 100 have become; gamma: power that L / 100 is raised to; stain: L, up to which fading is
    uneven; quality: of the JPEG, 1..100."""

    orthochromatic: float
    blur: float
    vignette: float
    grain: float
    black: float
    white: float
    gamma: float
    stain: float
    quality: float


TYPICAL = Faults(1, 0.8, 0.2, 3, 15, 88, 1.15, 2, 75)
"""A faded print of the 1900s, as used by `evaluate --aged`."""


def random_faults(random: np.random.Generator) -> Faults:
    """Random degradations, from almost none to stronger than TYPICAL."""
    return Faults(
        orthochromatic=random.uniform(),
        blur=1.5 * random.uniform() ** 2,
        vignette=random.uniform(0, 0.35),
        grain=5 * random.uniform() ** 2,
        black=random.uniform(0, 25),
        white=random.uniform(80, 100),
        gamma=math.exp(random.uniform(-0.35, 0.35)),
        stain=random.uniform(0, 4),
        quality=random.uniform(40, 95),
    )


def aged(rgb: Tensor, faults: Sequence[Faults], random: Sequence[np.random.Generator]) -> Tensor:
    """CIE L [N, 1, H, W] float32, 0..100, of the prints.

    rgb: uint8 sRGB [N, 3, H, W]. faults, random: one per photograph; the generators draw grain and stains.
    """
    count, _, height, width = rgb.shape
    scale = min(height, width) / SIDE
    value = {
        field.name: torch.tensor([getattr(f, field.name) for f in faults], dtype=torch.float32, device=rgb.device)
        for field in fields(Faults)
    }
    light = _film(linear_codes(rgb.device)[rgb.long()], value["orthochromatic"])
    light = _vignetted(blurred(light, value["blur"] * scale), value["vignette"])
    lightness = light_to_lightness(light)
    grains = grain(random, height, width, torch.full((count,), GRAIN_SIZE * scale, device=rgb.device))
    middle = (1 - (lightness / 50 - 1) ** 2).clamp(0.25)  # blacks and whites get some too
    lightness = (lightness + grains * middle * _each(value["grain"])).clamp(0, 100)
    stains = functional.interpolate(
        _noise(random, STAINS, STAINS).to(rgb.device), (height, width), mode="bicubic", align_corners=False
    )
    bent = (lightness / 100) ** _each(value["gamma"])
    black, white = _each(value["black"]), _each(value["white"])
    lightness = black + (white - black) * bent + stains.clamp(-1, 1) * _each(value["stain"])
    return _scanned(lightness.clamp(0, 100), value["quality"])


def _each(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def grain(random: Sequence[np.random.Generator], height: int, width: int, size: Tensor) -> Tensor:
    """Noise [N, 1, height, width] of standard deviation 1. size: [N], blur in pixels, which makes it coarser."""
    noise = blurred(_noise(random, height, width).to(size.device), size)
    return noise / noise.std(dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)


def _noise(random: Sequence[np.random.Generator], height: int, width: int) -> Tensor:
    drawn = [generator.standard_normal((1, height, width), dtype=np.float32) for generator in random]
    return torch.from_numpy(np.stack(drawn))


def _film(linear: Tensor, share: Tensor) -> Tensor:
    """Linear light [N, 1, H, W] of linear sRGB [N, 3, H, W]."""
    panchromatic = torch.tensor(PANCHROMATIC, device=linear.device)
    orthochromatic = torch.tensor(ORTHOCHROMATIC, device=linear.device)
    weights = torch.lerp(panchromatic, orthochromatic, share[:, None])  # [N, 3]
    return (linear * weights[:, :, None, None]).sum(1, keepdim=True)


def blurred(x: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of [N, 1, H, W], sigma [N] in pixels, 0 for none."""
    count, _, height, width = x.shape
    radius = min(math.ceil(3 * float(sigma.max())), height - 1, width - 1)
    if radius < 1:
        return x
    offsets = torch.arange(-radius, radius + 1, device=x.device)
    kernels = torch.exp(-(offsets**2) / (2 * sigma[:, None].clamp(min=1e-3) ** 2))
    kernels = kernels / kernels.sum(1, keepdim=True)  # [N, taps]
    x = functional.pad(x.transpose(0, 1), (radius,) * 4, mode="reflect")  # a photograph a channel
    x = functional.conv2d(x, kernels[:, None, :, None], groups=count)
    x = functional.conv2d(x, kernels[:, None, None, :], groups=count)
    return x.transpose(0, 1)


def _vignetted(light: Tensor, loss: Tensor) -> Tensor:
    height, width = light.shape[2:]
    y = torch.linspace(-1, 1, height, device=light.device)[:, None] * (height / max(height, width))
    x = torch.linspace(-1, 1, width, device=light.device)[None, :] * (width / max(height, width))
    radius = (x**2 + y**2) / (x**2 + y**2).max()
    return light * (1 - _each(loss) * radius)


def _scanned(lightness: Tensor, quality: Tensor) -> Tensor:
    """Apply JPEG's quantisation of 8 x 8 DCT coefficients at IJG quality [N]; entropy coding is lossless and left
    out."""
    count, _, height, width = lightness.shape
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    table = torch.tensor(_QUANTISATION, dtype=torch.float32, device=lightness.device)
    steps = (table * scale[:, None, None]).round().clamp(1, 255).reshape(count, 64, 1)
    codes = 255 * lightness_to_grey(lightness) - 128
    codes = functional.pad(codes, (0, -width % 8, 0, -height % 8), mode="replicate")
    basis = _cosines(lightness.device)  # [64 coefficients, 64 pixels]
    blocks = functional.unfold(codes, 8, stride=8)  # [N, 64, blocks]
    blocks = basis.T @ ((basis @ blocks / steps).round() * steps)
    decoded = functional.fold(blocks, codes.shape[2:], 8, stride=8)[:, :, :height, :width]
    return light_to_lightness(linear_codes(lightness.device)[(decoded + 128).round().clamp(0, 255).long()])


def _cosines(device: torch.device) -> Tensor:
    """The orthonormal two-dimensional DCT-II of 8 x 8 pixels."""
    k = torch.arange(8, dtype=torch.float64)
    one = torch.cos(math.pi * (2 * k[None, :] + 1) * k[:, None] / 16) * 0.5
    one[0] /= math.sqrt(2)
    return torch.kron(one, one).float().to(device)
