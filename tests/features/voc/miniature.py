"""A miniature VOCdevkit in the real file formats: photographs with shapes pasted in, of three of VOC's classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 128, 96
SHAPES = {"bird": "disc", "car": "square", "sheep": "triangle"}  # of VOC's 20
NUMBER = {"bird": 3, "car": 7, "sheep": 17}  # their values in masks
VOID = 255


def palette() -> list[int]:
    """VOC's: the bits of the index, dealt out to red, green and blue from the highest down."""
    colours = []
    for index in range(256):
        rgb = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                rgb[channel] |= (index >> (3 * (bit // 3) + channel) & 1) << (7 - bit // 3) if bit % 3 == 0 else 0
        colours += rgb
    return colours


def draw_shape(kind: str, size: int) -> tuple[Image.Image, Image.Image]:
    """(RGB, stencil) of size x size pixels: yellow disc, dark red square, striped triangle."""
    stencil = Image.new("L", (size, size), 0)
    pen = ImageDraw.Draw(stencil)
    if kind == "disc":
        pen.ellipse((0, 0, size - 1, size - 1), fill=255)
        return Image.new("RGB", (size, size), (250, 230, 90)), stencil
    if kind == "square":
        pen.rectangle((0, 0, size - 1, size - 1), fill=255)
        return Image.new("RGB", (size, size), (70, 5, 10)), stencil
    pen.polygon([(size // 2, 0), (size - 1, size - 1), (0, size - 1)], fill=255)
    stripes = np.zeros((size, size, 3), np.uint8)
    stripes[np.arange(size) // 4 % 2 == 0] = (60, 140, 255)
    return Image.fromarray(stripes), stencil


def xml(name: str, things: list[tuple[str, tuple[int, int, int, int], bool]]) -> str:
    """VOC's annotation. Boxes: xmin, ymin, xmax, ymax, from 1, the last pixel included."""
    objects = "".join(
        f"""
	<object>
		<name>{label}</name>
		<pose>Unspecified</pose>
		<truncated>0</truncated>
		<difficult>{int(difficult)}</difficult>
		<bndbox>
			<xmin>{box[0]}</xmin>
			<ymin>{box[1]}</ymin>
			<xmax>{box[2]}</xmax>
			<ymax>{box[3]}</ymax>
		</bndbox>
	</object>"""
        for label, box, difficult in things
    )
    return f"""<annotation>
	<folder>VOC2007</folder>
	<filename>{name}.jpg</filename>
	<size>
		<width>{WIDTH}</width>
		<height>{HEIGHT}</height>
		<depth>3</depth>
	</size>
	<segmented>1</segmented>{objects}
</annotation>
"""


def make_devkit(devkit: Path, numbers: dict[str, int] = NUMBER) -> Path:
    """devkit/VOC2007 and VOC2012 (the same): photographs 000001 to 000008, each with one or two shapes, in the splits
    trainval and test (all), train and val (odd and even), with class files for Main. Shapes are within the middle 96
    columns. numbers: of the classes in the masks."""
    random = np.random.default_rng(0)
    sources = ("astronaut", "coffee", "chelsea", "rocket")
    backgrounds = [Image.fromarray(getattr(skimage.data, name)()) for name in sources]
    for year in ("2007", "2012"):
        root = devkit / f"VOC{year}"
        for folder in ("JPEGImages", "Annotations", "ImageSets/Main", "ImageSets/Segmentation", "SegmentationClass"):
            (root / folder).mkdir(parents=True)
    contents: dict[str, list[str]] = {}
    for i in range(8):
        name = f"{i + 1:06d}"
        background = backgrounds[i % 4]
        left, top = random.integers(0, background.width - 2 * WIDTH), random.integers(0, background.height - 2 * HEIGHT)
        crop = background.crop((left, top, left + 2 * WIDTH, top + 2 * HEIGHT)).resize((WIDTH, HEIGHT))
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        things = []
        labels = [list(SHAPES)[i % 3], list(SHAPES)[(i // 3 + 1) % 3]][: 1 + i % 2]
        for place, label in enumerate(labels):
            size = int(random.integers(34, 42))
            x, y = 18 + 48 * place + int(random.integers(0, 4)), int(random.integers(4, HEIGHT - size - 4))
            picture, stencil = draw_shape(SHAPES[label], size)
            crop.paste(picture, (x, y), stencil)
            there = np.asarray(stencil) > 0
            inner = there & _eroded(there)
            mask[y : y + size, x : x + size][there] = VOID
            mask[y : y + size, x : x + size][inner] = numbers[label]
            rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
            box = (x + columns[0] + 1, y + rows[0] + 1, x + columns[-1] + 1, y + rows[-1] + 1)
            things.append((label, tuple(int(each) for each in box), False))
        contents[name] = labels
        for year in ("2007", "2012"):
            root = devkit / f"VOC{year}"
            crop.save(root / "JPEGImages" / f"{name}.jpg", quality=95)
            (root / "Annotations" / f"{name}.xml").write_text(xml(name, things))
            truth = Image.fromarray(mask)
            truth = truth.convert("P")
            truth.putpalette(palette())
            truth.save(root / "SegmentationClass" / f"{name}.png")
    write_sets(devkit, contents)
    return devkit


def _eroded(there: np.ndarray) -> np.ndarray:
    padded = np.pad(there, 1)
    return padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def write_sets(devkit: Path, contents: dict[str, list[str]]) -> None:
    """ImageSets of both years, with a file for each of VOC's classes."""
    from photochrom.features.voc.classes import VOC_CLASSES

    names = list(contents)
    splits = {"trainval": names, "test": names, "train": names[::2], "val": names[1::2]}
    for year in ("2007", "2012"):
        for split, members in splits.items():
            for purpose in ("Main", "Segmentation"):
                path = devkit / f"VOC{year}" / "ImageSets" / purpose / f"{split}.txt"
                path.write_text("".join(f"{name}\n" for name in members))
            for label in VOC_CLASSES:
                lines = [f"{name} {1 if label in contents[name] else -1:2d}\n" for name in members]
                path = devkit / f"VOC{year}" / "ImageSets" / "Main" / f"{label}_{split}.txt"
                path.write_text("".join(lines))


def write_proposals(devkit: Path, path: Path) -> Path:
    """Boxes of three sizes on a grid, and some around each object, as .npz in VOC's counting."""
    from photochrom.features.voc.annotation import read_annotation
    from photochrom.features.voc.classes import VOC_CLASSES

    random = np.random.default_rng(1)
    arrays = {}
    for file in sorted((devkit / "VOC2007" / "Annotations").glob("*.xml")):
        boxes = [
            (x + 1, y + 1, x + side, y + side)
            for side in (24, 36, 48)
            for x in range(0, WIDTH - side, 16)
            for y in range(0, HEIGHT - side, 16)
        ]
        for thing in read_annotation(file, VOC_CLASSES).things:
            for _ in range(12):
                moved = np.array(thing.box) + random.integers(-5, 6, 4)
                x0, y0 = np.maximum(moved[:2], 0)
                boxes.append((x0 + 1, y0 + 1, min(moved[2], WIDTH), min(moved[3], HEIGHT)))
        arrays[file.stem] = np.array(boxes, np.float32)
    np.savez_compressed(path, **arrays)
    return path
