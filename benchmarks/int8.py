"""A model's convolutions in int8: weights per channel, activations by what photographs make of them.

    photochrom export RUN -o lite-float.onnx --float32 ...
    python benchmarks/int8.py lite-float.onnx --data PHOTOGRAPHS -o lite-int8.onnx

benchmarks/frontier.py then says what it is worth. PHOTOGRAPHS are those of training: the others are for judging.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx

import photochrom.onnx_runtime  # noqa: F401  before anything of ONNX Runtime: it switches the telemetry off

# isort: split
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from photochrom.data.photograph import centre_crop, decode
from photochrom.data.sources import find_photos
from photochrom.models import read_info
from photochrom.photo.reading import resampled_lightness

PHOTOGRAPHS = 64


class Photographs(CalibrationDataReader):
    def __init__(self, data: str, size: int) -> None:
        photos = find_photos(data)
        chosen = np.random.default_rng(0).choice(len(photos), PHOTOGRAPHS, replace=False)
        self._feeds = self._lightness([photos[int(i)] for i in sorted(chosen)], size)

    def _lightness(self, photos: list, size: int) -> Iterator[dict[str, np.ndarray]]:
        for photo in photos:
            image = decode(photo)
            square = centre_crop(image, min(image.size)).transpose(1, 2, 0)
            lightness = resampled_lightness(np.ascontiguousarray(square), size, size)
            yield {"lightness": lightness[None, None], "temperature": np.ones(1, np.float32)}

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="with float32 weights")
    parser.add_argument("--data", required=True)
    parser.add_argument("--reduce-range", action="store_true", help="7 bits, for processors without VNNI")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(options.model, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            options.output,
            Photographs(options.data, read_info(options.model).native_size),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Add", "Clip", "Relu"],
            per_channel=True,
            reduce_range=options.reduce_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    model = onnx.load(options.output)
    original = {entry.key: entry.value for entry in onnx.load(options.model).metadata_props}
    onnx.helper.set_model_props(model, original)
    onnx.save(model, options.output)
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
