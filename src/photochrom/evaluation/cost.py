"""The cost of a model: parameters, file size, memory, milliseconds per photograph."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ..colorizer import load
from ..errors import ModelError
from ..models import usable_cores
from ..photo.reading import resampled_lightness
from .results import Cost
from .runtime import interleaved

SIDE = 256  # pixels of the photograph that is timed: the paper's
RUNS = 50
PHOTOGRAPHS = 8  # that the process whose memory is measured colours
# Imports and session included: what a machine must have free to run it.
_PROCESS = """
import sys
import numpy as np
from photochrom import load
colorizer = load(sys.argv[1], threads=int(sys.argv[2]))
for seed in range(int(sys.argv[3])):
    colorizer.colorize(np.random.default_rng(seed).integers(0, 256, (int(sys.argv[4]),) * 2, dtype=np.uint8))
try:  # the high-water mark of this process alone: getrusage counts the one that started it as well
    with open("/proc/self/status") as status:
        print(next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM")))
except OSError:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak if sys.platform == "darwin" else 1024 * peak)
"""


def measure_costs(models: list[Path], threads: int | None) -> list[Cost]:
    """Of each model, on so many threads (None: all cores). The times are taken in turns. Raises ModelError."""
    threads = threads or usable_cores()
    grey = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 1), dtype=np.uint8)
    calls = {}
    for i, model in enumerate(models):
        colorizer = load(model, threads=threads)
        lightness = resampled_lightness(grey, *colorizer.network_size(SIDE, SIDE))
        calls[i] = lambda colorizer=colorizer, lightness=lightness: colorizer.predict_ab(lightness)  # type: ignore[misc]
    medians = interleaved(calls, RUNS) if calls else {}
    return [
        Cost(
            parameters=count_parameters(model),
            file_bytes=model.stat().st_size,
            peak_memory=peak_memory(model, threads),
            milliseconds=1000 * medians[i][0],
            threads=threads,
        )
        for i, model in enumerate(models)
    ]


def count_parameters(model: Path) -> int:
    """Learnt numbers in an ONNX file: the elements of its floating-point tensors (the 626 of the bins' centres among
    them)."""
    import onnx

    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16}
    graph = onnx.load(str(model), load_external_data=False).graph
    return sum(int(np.prod(tensor.dims)) for tensor in graph.initializer if tensor.data_type in floats)


def peak_memory(model: Path, threads: int) -> int:
    """Bytes, at most, of a process that loads the model and colours PHOTOGRAPHS of SIDE x SIDE pixels."""
    command = [sys.executable, "-c", _PROCESS, str(model.resolve()), str(threads), str(PHOTOGRAPHS), str(SIDE)]
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if ended.returncode:
        raise ModelError(f"{model}: a process that runs it ended with {ended.stderr.strip().splitlines()[-1:]}")
    return int(ended.stdout)
