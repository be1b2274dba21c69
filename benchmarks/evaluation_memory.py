"""Does an evaluation of many photographs need more memory than one of few? Peak memory of the whole command at both.

python benchmarks/evaluation_memory.py --json docs/measured/evaluation_memory.json
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import skimage.data
import typer
from PIL import Image

FEW = 50


def write_photographs(folder: Path, number: int) -> None:
    """So many 128-pixel windows of real photographs, each another one."""
    photographs = [skimage.data.astronaut(), skimage.data.chelsea(), skimage.data.coffee(), skimage.data.rocket()]
    rng = np.random.default_rng(0)
    for i in range(number):
        photograph = photographs[i % len(photographs)]
        top, left = (int(rng.integers(side - 128)) for side in photograph.shape[:2])
        Image.fromarray(photograph[top : top + 128, left : left + 128]).save(folder / f"{i:06}.jpg")


def peak(folder: Path, report: Path) -> int:
    """Bytes, of `photochrom evaluate` with the bundled model and grey."""
    arguments = ["evaluate", "--data", str(folder), "--model", "lite", "--baseline", "grey", "--fresh",
                 "--no-costs", "--no-html", "--threads", "1", "-o", str(report)]  # fmt: skip
    subprocess.run([sys.executable, "-m", "photochrom", *arguments], check=True, stdout=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024  # of the largest child yet: few come first


def main(
    many: Annotated[int, typer.Option(help=f"Photographs, beside {FEW}.")] = 2000,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number in (FEW, many):
            folder = Path(scratch, str(number))
            folder.mkdir()
            write_photographs(folder, number)
            found[number] = peak(folder, Path(scratch, "report"))
            print(f"{number} photographs: {found[number] / 1e6:.0f} MB")
    per_photograph = (found[many] - found[FEW]) / (many - FEW)
    print(f"{per_photograph:.0f} bytes more for each photograph more")
    if json_file:
        record = {"peak_bytes": found, "bytes_per_photograph": per_photograph}
        json_file.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
