"""Writes the frozen lite encoder's features of training photographs, for encoded.py: `photochrom data encode`."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..atomic_file import part_file
from ..data.photo_list import Entry, PhotoList
from ..data.photograph import CropSettings, Limits, UnusablePhoto, random_crop, usable
from ..data.skips import Skips
from ..data.survey import survey
from ..errors import DataError
from ..nets.lite import Encoder
from ..onnx_runtime import onnxruntime
from .crops.shown import CROPPING, shown
from .encoded import STRIDE, shapes
from .lab_torch import rgb_to_lab
from .networks import load_imagenet
from .recipe import Data

MEASURED = 32  # photographs on which the scales of the features are measured
CLIPPED = 0.0005  # share of a channel's values there that may be clipped by int8


@dataclass(frozen=True)
class View:
    """How crops are taken and augmented, as in the recipe's [data]; another seed gives another view."""

    data: Data
    seed: int = 0

    def random(self, key: str, purpose: int) -> np.random.Generator:
        """Depends on the photograph, not on its index."""
        return np.random.default_rng((self.seed, purpose, *key.encode()))


class Written(NamedTuple):
    photographs: int
    skipped: Skips


def encode(
    photos: PhotoList, target: Path, view: View, jobs: int = 1, progress: Callable[[int], None] = lambda count: None,
    overwrite: bool = False,
) -> Written:  # fmt: skip
    """Write target (.npy) and its .npz. Raises DataError where no photograph can be used, OutputError."""
    graph = _graph(view.data.size)
    scale = _measured_scale(photos, graph, view)
    skipped = Skips()
    keys: list[str] = []
    parts = [np.prod(shape) for shape in shapes(view.data.size)]
    with part_file(target, overwrite) as part, part.open("wb") as stream:
        # Write the header first, padded for the count, since the number of usable photographs is only known at the end.
        header = {"descr": "|i1", "fortran_order": False, "shape": (len(photos), int(sum(parts)))}
        np.lib.format.write_array_header_1_0(stream, header)
        start = stream.tell()
        for found in survey(photos, np.arange(len(photos)), _Encode(graph, scale, view), jobs):
            stream.write(found.rows.tobytes())
            keys.extend(found.keys)
            for photo in found.unusable:
                skipped.add(photo)
            progress(len(found.keys) + len(found.unusable))
        stream.seek(0)
        np.lib.format.write_array_header_1_0(stream, {**header, "shape": (len(keys), int(sum(parts)))})
        if stream.tell() != start:  # pragma: no cover - NumPy pads headers to the same length
            raise DataError(f"{target}: the header changed its length")
        with part_file(target.with_suffix(".npz"), overwrite) as side, side.open("wb") as beside:
            np.savez(beside, keys=np.array(keys), scale=np.concatenate(scale), size=view.data.size)
    return Written(len(keys), skipped)


class _Rows(NamedTuple):
    rows: NDArray[np.int8]
    keys: list[str]
    unusable: list[UnusablePhoto]


class _Encode:
    """Encodes photographs to rows, in one of survey's processes."""

    def __init__(self, graph: bytes, scale: Sequence[NDArray[np.float32]], view: View) -> None:
        self.graph, self.scale, self.view = graph, scale, view
        self._session: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}

    def __call__(self, entries: Sequence[Entry]) -> _Rows:
        if self._session is None:
            torch.set_num_threads(1)
            self._session = _session(self.graph)
        crops, keys, unusable = _crops(entries, self.view)
        if not crops:
            return _Rows(np.zeros((0, 0), np.int8), [], unusable)
        rgb = torch.from_numpy(np.stack(crops))
        lab = rgb_to_lab(rgb)
        lightness = shown(
            rgb, lab[:, :1], self.view.data, lambda purpose: [self.view.random(key, purpose) for key in keys]
        )
        features = self._session.run(None, {"lightness": lightness.numpy()})
        colours = functional.avg_pool2d(torch.cat([lab[:, 1:], lightness], 1), STRIDE).numpy()
        parts = [f / s[:, None, None] for f, s in zip(features, self.scale, strict=True)] + [colours]
        codes = [np.clip(np.rint(p), -127, 127).astype(np.int8).reshape(len(crops), -1) for p in parts]
        return _Rows(np.concatenate(codes, axis=1), keys, unusable)


def _crops(entries: Sequence[Entry], view: View) -> tuple[list[Any], list[str], list[Any]]:
    data = view.data
    settings = CropSettings(data.size, (data.least_area, 1.0), data.mirror)
    crops, keys, unusable = [], [], []
    for entry in entries:
        try:
            image = usable(entry, Limits(), settings.least_side)
        except UnusablePhoto as photo:
            unusable.append(photo)
            continue
        crops.append(random_crop(image, settings, view.random(entry.key, CROPPING)))
        keys.append(entry.key)
    return crops, keys, unusable


def _graph(size: int) -> bytes:
    """The encoder as an ONNX graph: twice as fast as in PyTorch."""
    encoder = Encoder()
    load_imagenet(encoder)
    buffer = io.BytesIO()
    names = ["lightness", "at8", "at16", "at32"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own notices
        torch.onnx.export(
            _Coarse(encoder).eval(),
            (torch.zeros(1, 1, size, size),),
            buffer,  # type: ignore[arg-type]
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={name: {0: "N"} for name in names},
            dynamo=False,
        )
    return buffer.getvalue()


class _Coarse(nn.Module):
    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, lightness: Tensor) -> list[Tensor]:
        return self.encoder(lightness)[1:]


def _session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the processes are the parallelism
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _measured_scale(photos: PhotoList, graph: bytes, view: View) -> list[NDArray[np.float32]]:
    """[C] of each part: the int8 scale, at which almost no value is clipped. Measured on unaugmented crops, so that all
    views of the same photographs share it."""
    crops: list[Any] = []
    for start in range(0, len(photos), MEASURED):
        crops += _crops(photos[start : start + MEASURED], View(Data(size=view.data.size)))[0]
        if len(crops) >= MEASURED:
            break
    if not crops:
        raise DataError(f"none of the {len(photos)} photographs can be used; expected coloured photographs")
    lightness = rgb_to_lab(torch.from_numpy(np.stack(crops[:MEASURED])))[:, :1]
    features = _session(graph).run(None, {"lightness": lightness.numpy()})
    return [
        np.maximum(np.quantile(np.abs(f), 1 - CLIPPED, axis=(0, 2, 3)) / 127, 1e-6).astype(np.float32) for f in features
    ]
