"""Old prints as they really are: borders, mounts, empty pages, faded and dark prints, backdrops. Made from
scikit-image's and scikit-learn's photographs, coloured with the rules of plain_areas.py and without them.

    python benchmarks/old_prints.py [--json docs/measured/old_prints.json] [--sheet docs/old-prints.jpg]

The figures are mean chroma (CIE ab) of the area that is to stay neutral, and of faded prints as a share of the fresh
print's.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from skimage.color import rgb2gray, rgb2lab
from skimage.transform import resize
from sklearn.datasets import load_sample_image

from photochrom.colorizer import Colorizer, load
from photochrom.evaluation.picture_sheet import picture_sheet, write_sheet
from photochrom.merge import AbMap, PageMerger
from photochrom.photo.reading import resampled_lightness

SHORT_SIDE = 320  # pixels
PAPER, MOUNT, GREY = 235, 168, 118  # 8-bit codes

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """A print [H, W], the area of it that is to stay neutral (None: its chroma is compared with the fresh one's)."""

    name: str
    picture: Grey
    neutral: Mask | None = None
    fresh: Grey | None = None
    levels: bool = False


def photograph(name: str) -> Grey:
    """A photograph in grey, uint8, short side SHORT_SIDE."""
    colour = load_sample_image(f"{name}.jpg") if name in ("china", "flower") else getattr(skimage.data, name)()
    grey = rgb2gray(colour) if colour.ndim == 3 else colour / 255
    scale = SHORT_SIDE / min(grey.shape)
    small = resize(grey, tuple(round(side * scale) for side in grey.shape), anti_aliasing=True)
    return np.rint(255 * small).astype(np.uint8)


def grained(shape: tuple[int, ...], code: float, seed: int = 0, grain: float = 2) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(code, grain, shape)


def codes(values: NDArray[np.floating]) -> Grey:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def framed(picture: Grey, code: float, share: float = 0.1) -> Case:
    """A picture with a border all round, `share` of its short side wide."""
    width = round(share * min(picture.shape))
    inside = np.pad(np.ones(picture.shape, bool), width)
    page = grained(inside.shape, code)
    page[inside] = picture.ravel()
    # The rim, where a pixel of the network's input holds both, belongs to neither.
    neutral = ~np.pad(np.ones((picture.shape[0] + 8, picture.shape[1] + 8), bool), width - 4)
    return Case(f"border {code:g}", codes(page), neutral)


def vignette(picture: Grey) -> Case:
    rows, columns = np.indices(picture.shape)
    height, width = picture.shape
    radius = np.hypot((rows / height - 0.5) / 0.42, (columns / width - 0.5) / 0.42)
    edge = np.clip((radius - 0.95) / 0.1, 0, 1)
    return Case("oval vignette", codes(picture * (1 - edge) + grained(picture.shape, PAPER) * edge), radius > 1.1)


def drawing(picture: Grey) -> Case:
    """Lines where the lightness changes most, on paper."""
    smooth = resize(picture / 255, [side // 2 for side in picture.shape], anti_aliasing=True)
    smooth = resize(smooth, picture.shape)
    slope = np.hypot(*np.gradient(smooth))
    page = codes(grained(picture.shape, PAPER) - 190 * (slope > np.percentile(slope, 94)))
    return Case("line drawing", page, np.ones(page.shape, bool))


def backdrop(picture: Grey, code: float) -> Case:
    """The middle of a picture, an oval, before a backdrop that is a little lighter on one side."""
    rows, columns = np.indices(picture.shape)
    height, width = picture.shape
    radius = np.hypot((rows / height - 0.62) / 0.42, (columns / width - 0.5) / 0.28)
    behind = grained(picture.shape, code, grain=3) + 12 * columns / width
    return Case(f"backdrop {code:g}", codes(np.where(radius < 1, picture, behind)), radius > 1.15)


def cases() -> Iterator[Case]:
    """The prints."""
    for name, code in (("astronaut", PAPER), ("chelsea", PAPER), ("china", 252), ("coffee", MOUNT), ("camera", 60)):
        case = framed(photograph(name), code, 0.1 if code != MOUNT else 0.2)
        yield Case(f"{name}, {case.name}", case.picture, case.neutral)
    for name in ("astronaut", "chelsea"):
        case = vignette(photograph(name))
        yield Case(f"{name}, {case.name}", case.picture, case.neutral)
    yield drawing(photograph("china"))
    for name in ("page", "text"):
        page = photograph(name)
        yield Case(f"printed {name}", page, np.ones(page.shape, bool))
    for code in (GREY, 96, 225):
        page = codes(grained((320, 400), code))
        yield Case(f"empty page {code}", page, np.ones(page.shape, bool))
    for name, code in (("astronaut", GREY), ("chelsea", 190), ("camera", 70)):
        case = backdrop(photograph(name), code)
        yield Case(f"{name}, {case.name}", case.picture, case.neutral)
    for name in ("astronaut", "china", "coffee", "flower"):
        fresh = photograph(name)
        faded = codes(110 + fresh / 4)
        yield Case(f"{name}, a quarter of the contrast", faded, fresh=fresh)
        yield Case(f"{name}, the same with levels", faded, fresh=fresh, levels=True)
    for name in ("china", "astronaut"):
        fresh = photograph(name)
        yield Case(f"{name}, very dark", codes(fresh / 6), fresh=fresh)
        yield Case(f"{name}, very dark with levels", codes(fresh / 6), fresh=fresh, levels=True)


def coloured(colorizer: Colorizer, picture: Grey, levels: bool = False, rules: bool = True) -> NDArray[np.uint8]:
    """The picture in colour, [H, W, 3]; rules: with those of plain_areas."""
    pixels = picture[..., None]
    if rules:
        result: NDArray[np.uint8] = colorizer.colorize(pixels, levels=levels)
        return result
    rows, columns = colorizer.network_size(*picture.shape)
    ab = colorizer.predict_ab(resampled_lightness(pixels, rows, columns))
    stride = colorizer.info.stride
    merged: NDArray[np.uint8] = PageMerger(AbMap(ab, (rows / stride, columns / stride)), *picture.shape, 8).merge(
        0, pixels
    )
    return merged


def chroma(picture: NDArray[np.uint8], where: Mask | None = None) -> float:
    values = np.hypot(*np.moveaxis(rgb2lab(picture)[..., 1:], -1, 0))
    return float(values.mean() if where is None else values[where].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    colorizer = load()
    figures, rows = {}, []
    for case in cases():
        before = coloured(colorizer, case.picture, rules=False)
        after = coloured(colorizer, case.picture, case.levels)
        found = {"before": chroma(before, case.neutral), "after": chroma(after, case.neutral)}
        if case.fresh is not None:
            fresh = chroma(coloured(colorizer, case.fresh, rules=False))
            found = {name: value / fresh for name, value in found.items()}
        figures[case.name] = {"measure": "chroma" if case.fresh is None else "share of the fresh chroma", **found}
        print(f"{case.name}: {found['before']:.2f} -> {found['after']:.2f}", flush=True)
        rows.append([np.repeat(case.picture[..., None], 3, 2), before, after])
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.sheet:
        write_sheet(picture_sheet(["print", "before", "after"], rows, 2), options.sheet, overwrite=True)


if __name__ == "__main__":
    main()
