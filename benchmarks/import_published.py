"""Networks of the published size, filled with random numbers, imported: does the ONNX compute what PyTorch does?

    python benchmarks/import_published.py [--json FILE]

For eccv16 and siggraph17 under their published keys: the greatest difference in ab units (an error above 1e-3), the
seconds and peak memory of the import, and how long ONNX Runtime takes at 256 x 256 beside PyTorch. Takes two minutes
and needs 0.5 GB of temporary space. (The tests do the same at a sixteenth of the width.)
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import skimage.data
import torch
from skimage.color import rgb2lab

from photochrom.ab_bins import CENTRES, TEMPERATURE
from photochrom.foreign.weights import import_model
from photochrom.nets.eccv16 import ECCV16
from photochrom.nets.siggraph17 import SIGGRAPH17
from photochrom.onnx_runtime import onnxruntime

NETWORKS = {"eccv16": ECCV16, "siggraph17": SIGGRAPH17}
CLOSE = 1e-3  # ab units


def random_network(kind: str) -> torch.nn.Module:
    """Numbers of a size that keeps activations near 1, in eval mode."""
    random = torch.Generator().manual_seed(0)
    network = NETWORKS[kind]().eval()
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if value.dtype == torch.int64:
                continue
            noise = torch.randn(value.shape, generator=random)
            if value.ndim == 4:
                value.copy_(noise * (2 / value[0].numel()) ** 0.5)
            elif key.endswith("running_var"):
                value.copy_(0.5 + noise.abs())
            else:
                value.copy_(0.1 * noise + (1.0 if key.endswith("weight") else 0.0))
    return network


def colours(kind: str, network: torch.nn.Module, lightness: torch.Tensor) -> torch.Tensor:
    output = network(lightness)
    if kind == "siggraph17":
        return output
    centres = torch.tensor(CENTRES, dtype=torch.float32).T[:, :, None, None]
    return torch.nn.functional.conv2d(torch.softmax(output / TEMPERATURE, 1), centres)


def seconds(what: Callable[[], object], runs: int = 5) -> float:
    """The median."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        what()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def measure(kind: str) -> dict[str, float]:
    network = random_network(kind)
    state = network.state_dict()
    if kind == "eccv16":
        state["model_out.weight"] = (torch.tensor(CENTRES).float().T / 110)[:, :, None, None].contiguous()
    lightness = rgb2lab(skimage.data.astronaut()[::2, ::2])[None, None, ..., 0].astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        torch.save(state, Path(folder) / "w.pth")
        start = time.perf_counter()
        done = import_model(Path(folder) / "w.pth", Path(folder) / "w.onnx")
        took = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        session = onnxruntime.InferenceSession(done.model, providers=["CPUExecutionProvider"])
    feeds = {"lightness": lightness, "temperature": np.float32([TEMPERATURE])}
    with torch.inference_mode():
        expected = colours(kind, network, torch.from_numpy(lightness)).numpy()
        torch_seconds = seconds(lambda: colours(kind, network, torch.from_numpy(lightness)))
    found = session.run(["ab"], feeds)[0]
    onnx_seconds = seconds(lambda: session.run(["ab"], feeds))
    return {
        "parameters": done.parameters,
        "greatest difference": float(np.abs(found - expected).max()),
        "spread of the colours": float(expected.std()),
        "import seconds": took,
        "peak MB": peak,
        "onnx seconds": onnx_seconds,
        "pytorch seconds": torch_seconds,
        "onnx over pytorch": onnx_seconds / torch_seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", choices=NETWORKS, help="in this process; by default each has one of its own")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only)))
        return
    result = {}
    for kind in NETWORKS:  # peak memory is a process's
        done = subprocess.run([sys.executable, __file__, "--only", kind], stdout=subprocess.PIPE, check=True)
        result[kind] = json.loads(done.stdout)
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if any(found["greatest difference"] > CLOSE for found in result.values()):
        sys.exit(f"a difference is above {CLOSE}")


if __name__ == "__main__":
    main()
