"""How well coloured photographs keep their lightness, and how many colours lie outside sRGB.

    python benchmarks/lightness_kept.py --data PHOTOGRAPHS [--model lite] [--json FILE]

For every photograph: L of the file against L of its coloured copy (scikit-image's Lab of the 8-bit pixels); the share
of pixels within 1; and the share whose predicted colour sRGB cannot show at that lightness. Exits 1 where a photograph
has less than 99% of its pixels within 1.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from skimage.color import rgb2lab

from photochrom.color import lab_to_linear
from photochrom.colorizer import load
from photochrom.evaluation.photographs import list_photographs, read_whole
from photochrom.evaluation.systems import ModelSystem

WITHIN = 1.0  # of L
SHARE = 0.99
OUTSIDE = 1e-3  # of linear light: rounding is not "outside"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="lite")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()

    colorizer = load(options.model, threads=options.threads)
    system = ModelSystem("model", colorizer)
    kept, outside, names = [], [], []
    for path in list_photographs(options.data):
        photograph = read_whole(path)
        before = rgb2lab(photograph.rgb)[..., 0]
        after = rgb2lab(colorizer.colorize(photograph.rgb)[..., :3])[..., 0]
        kept.append(float((np.abs(after - before) <= WITHIN).mean()))
        linear = lab_to_linear(np.dstack([before, system.ab(photograph)]))
        outside.append(float(((linear < -OUTSIDE) | (linear > 1 + OUTSIDE)).any(-1).mean()))
        names.append(path.name)
    worst = int(np.argmin(kept))
    result = {
        "photographs": len(names),
        "share_within_1": {"mean": float(np.mean(kept)), "worst": kept[worst], "worst_photograph": names[worst]},
        "photographs_below_99_percent": int((np.array(kept) < SHARE).sum()),
        "share_outside_srgb": {"mean": float(np.mean(outside)), "most": float(max(outside))},
    }
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if result["photographs_below_99_percent"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
