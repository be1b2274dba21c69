"""make demo: colour photographs that come with Python packages, as a user would, and show them beside the originals.

    python examples/demo.py -o demo

writes demo/grey/*.jpg (the photographs without their colour), demo/coloured/*.jpg (by `photochrom colorize`), and
demo/contact-sheet.jpg: grey | coloured | original. With --before-after FILE also the picture on top of the README.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pyvips

from photochrom.cli import main as photochrom
from photochrom.evaluation.picture_sheet import picture_sheet, write_sheet

# Of different kinds, from packages that the development setup installs anyway.
PHOTOGRAPHS = {
    "temple": ("sklearn.datasets", "images/china.jpg"),
    "flower": ("sklearn.datasets", "images/flower.jpg"),
    "cat": ("skimage.data", "chelsea.png"),
    "astronaut": ("skimage.data", "astronaut.png"),
    "admiral": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    "coffee": ("skimage.data", "coffee.png"),
    "rocket": ("skimage.data", "rocket.jpg"),
    "motorcycle": ("skimage.data", "motorcycle_left.png"),
}
BEFORE_AFTER = ("cat", "astronaut", "rocket")  # free of rights: CC0, and NASA's


def original(name: str) -> pyvips.Image:
    """The photograph in colour, sRGB without alpha."""
    package, path = PHOTOGRAPHS[name]
    data = (resources.files(package) / path).read_bytes()
    return pyvips.Image.new_from_buffer(data, "").colourspace("srgb").extract_band(0, n=3)


def pixels(image: pyvips.Image) -> np.ndarray:
    """uint8 [H, W, 3]."""
    return image.colourspace("srgb").extract_band(0, n=3).numpy()


def colorize(*arguments: str) -> None:
    """Run the command line in this process; a failure ends the demo."""
    sys.argv = ["photochrom", "colorize", *arguments]
    try:
        photochrom()
    except SystemExit as stop:
        if stop.code:
            raise


def before_after(rows: dict[str, list[np.ndarray]], target: Path) -> None:
    """Grey above coloured, side by side, all of one height."""
    columns = []
    for name in BEFORE_AFTER:
        pair = [pyvips.Image.new_from_array(picture) for picture in rows[name][:2]]
        scaled = [image.copy(interpretation="srgb").thumbnail_image(10_000, height=300) for image in pair]
        columns.append(pyvips.Image.arrayjoin(scaled, across=1, shim=6, background=[255]))
    sheet = columns[0]
    for column in columns[1:]:
        sheet = sheet.join(column, "horizontal", shim=6, background=[255])
    sheet.copy(interpretation="srgb").jpegsave(str(target), Q=88)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("demo"), help="folder of the results")
    parser.add_argument("--model", default="lite", help="name or file of the model")
    parser.add_argument("--before-after", type=Path, metavar="FILE", help="also write the README's picture")
    options = parser.parse_args()

    grey, coloured = options.output / "grey", options.output / "coloured"
    for folder in (grey, coloured):
        shutil.rmtree(folder, ignore_errors=True)
    grey.mkdir(parents=True)
    for name in PHOTOGRAPHS:
        original(name).colourspace("b-w").jpegsave(str(grey / f"{name}.jpg"), Q=95, keep="none")
    colorize(str(grey), "-r", "-o", f"{coloured}/", "--model", options.model)
    rows = {}
    for name in PHOTOGRAPHS:
        (result,) = coloured.rglob(f"{name}*.jpg")
        files = (grey / f"{name}.jpg", result)
        rows[name] = [*(pixels(pyvips.Image.new_from_file(str(file))) for file in files), pixels(original(name))]
    sheet = options.output / "contact-sheet.jpg"
    write_sheet(picture_sheet(("grey", "coloured", "original"), list(rows.values()), groups=2), sheet, overwrite=True)
    print(f"Look at {sheet}")
    if options.before_after:
        before_after(rows, options.before_after)


if __name__ == "__main__":
    main()
