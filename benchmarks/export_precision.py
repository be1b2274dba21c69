"""How far the colours of an exported model are from PyTorch's, before and after its weights' precision is halved.

    python benchmarks/export_precision.py RUN|CHECKPOINT MODEL.onnx [--json FILE]

MODEL must be the export of that checkpoint with --rebalance 1. On four photographs of scikit-image, half size: the mean
and the greatest difference in ab units, at the model's temperature and at the paper's 0.38.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import skimage.data
import torch
from skimage.color import rgb2lab

from photochrom.ab_bins import TEMPERATURE
from photochrom.models import SIDE_MULTIPLE, open_session
from photochrom.onnx_runtime import onnxruntime
from photochrom.training.decoded import Decoded
from photochrom.training.export import load_checkpoint, to_onnx

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")


def lightness(name: str) -> np.ndarray:
    """float32 [1, 1, H, W], cut to multiples of 32."""
    values = rgb2lab(getattr(skimage.data, name)()[::2, ::2])[..., 0].astype(np.float32)
    height, width = (side // SIDE_MULTIPLE * SIDE_MULTIPLE for side in values.shape)
    return np.ascontiguousarray(values[None, None, :height, :width])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    decoded = Decoded(load_checkpoint(options.checkpoint)[0]).eval()
    halved, info = open_session(options.model)
    full = onnxruntime.InferenceSession(to_onnx(decoded).SerializeToString())
    result = {}
    for temperature in (info.temperature, TEMPERATURE):
        differences: dict[str, list[np.ndarray]] = {"full": [], "halved": []}
        for name in PHOTOGRAPHS:
            feeds = {"lightness": lightness(name), "temperature": np.float32([temperature])}
            with torch.inference_mode():
                expected = decoded(*(torch.from_numpy(value) for value in feeds.values()))[0].numpy()
            for kind, session in (("full", full), ("halved", halved)):
                differences[kind].append(np.abs(session.run(["ab"], feeds)[0] - expected).ravel())
        for kind, parts in differences.items():
            every = np.concatenate(parts)
            result[f"{kind}, T {temperature:g}"] = {"mean": float(every.mean()), "most": float(every.max())}
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
