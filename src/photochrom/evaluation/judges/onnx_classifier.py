"""Any ImageNet classifier that its user has as an ONNX file: `photochrom evaluate --classifier FILE.onnx`."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ...models import usable_cores
from ..photographs import CLASSES
from .classifier import BATCH, Classified
from .image_preparation import Preparation

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PROBE_SEED = 0
SUM_TOLERANCE = 1e-3  # of probabilities: room for float16


class OnnxClassifier:
    """An image classifier from an ONNX file.

    The graph: one input, float32 [N, 3, S, S] or [N, S, S, 3], N dynamic or 1, S fixed or dynamic; the first output
    of two dimensions (others of size 1 at the end do not count) gives [N, classes], logits or probabilities: where
    every row is non-negative and sums to 1 they are probabilities. A second such output gives features [N, D].

    The preparation is the one that most ImageNet classifiers are published with, unless the file's metadata properties
    (ONNX: metadata_props; text) say otherwise:

        size    pixels, where the graph leaves it open       224
        crop    the part of the short side that is kept      0.875, that is 224 / 256
        mean    of R, G, B, as "0.485, 0.456, 0.406"          ImageNet's
        std     of R, G, B                                   ImageNet's
        range   the white of mean's and std's scale, 1 or 255  1
        layout  NCHW or NHWC, where the graph leaves it open   NCHW

    The short side is resized to size / crop pixels (bicubic) and the centre is taken. Raises ModelError, naming the
    file, for a file that is no such graph, and for one with another number of classes than `classes`.
    """

    def __init__(self, path: Path, threads: int | None = None, classes: int = CLASSES) -> None:
        """threads: CPU threads (None: all cores); classes: that the labels need."""
        self.name = path.stem
        self.path = path
        self._session = _open(path, threads)
        self._input = _only_input(path, self._session)
        metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        self._nchw = _is_nchw(path, self._input, metadata)
        self.preparation = _preparation(path, self._input.shape, self._nchw, metadata)
        self._batch = _batch(path, self._input)
        self._scores, self._features, self._probabilities = self._probe()
        self.classes = classes
        self._check_classes()
        self.fingerprint = _fingerprint(path, f"{self.preparation} {self._probabilities}")

    def classify(self, photographs: list[NDArray[np.uint8]]) -> Classified:
        scores, features = [], []
        for start in range(0, len(photographs), self._batch):
            images = [self.preparation.apply(rgb) for rgb in photographs[start : start + self._batch]]
            outputs = self._run(np.stack(images))
            scores.append(outputs[self._scores])
            if self._features is not None:
                features.append(outputs[self._features])
        values = np.concatenate(scores).astype(np.float32)
        if not np.isfinite(values).all():
            raise ModelError(f"{self.path}: gives scores that are not finite; expected a classifier's")
        logarithms = np.log(np.maximum(values, np.finfo(np.float32).tiny)) if self._probabilities else values
        found = np.concatenate(features).astype(np.float32) if features else None
        return Classified(_log_softmax(logarithms), found)

    def _run(self, images: NDArray[np.float32]) -> list[NDArray[Any]]:
        """images [N, S, S, 3] through the graph: its outputs, without dimensions of size 1 after the second."""
        feed = np.ascontiguousarray(images.transpose(0, 3, 1, 2)) if self._nchw else images
        try:
            outputs = self._session.run(None, {self._input.name: feed})
        except Exception as error:  # ONNX Runtime's exceptions have no common base class
            raise ModelError(
                f"{self.path}: could not be run on images {list(feed.shape)} ({_first_line(error)}); expected a "
                "classifier of such images. Set its metadata property size or layout if they are wrong"
            ) from error
        return [_two_dimensional(np.asarray(output)) for output in outputs]

    def _probe(self) -> tuple[int, int | None, bool]:
        """Run it once: which output holds the scores, which the features, and whether scores are probabilities."""
        size = self.preparation.size
        images = np.random.default_rng(PROBE_SEED).standard_normal((self._batch, size, size, 3), dtype=np.float32)
        outputs = self._run(images)
        fitting = [output.dtype.kind == "f" and output.ndim == 2 and len(output) == self._batch for output in outputs]
        found = [i for i, fits in enumerate(fitting) if fits]
        if not found:
            shapes = ", ".join(str(list(output.shape)) for output in outputs)
            raise ModelError(f"{self.path}: gives outputs of shape {shapes}; expected float [{self._batch}, classes]")
        scores = outputs[found[0]]
        sums_to_1 = np.abs(scores.sum(1, dtype=np.float64) - 1) < SUM_TOLERANCE
        self._found_classes = scores.shape[1]
        return found[0], found[1] if len(found) > 1 else None, bool((scores >= 0).all() and sums_to_1.all())

    def _check_classes(self) -> None:
        if self._found_classes != self.classes:
            raise ModelError(
                f"{self.path}: gives scores of {self._found_classes} classes; expected the labels' {self.classes}"
            )


def _open(path: Path, threads: int | None) -> InferenceSession:
    from ...onnx_runtime import onnxruntime

    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected an ONNX file of an image classifier")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised as exceptions, not logged as well
    options.intra_op_num_threads = threads or usable_cores()
    options.inter_op_num_threads = 1
    try:  # by its path, not its bytes: large models keep their weights in a file beside
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base class
        raise ModelError(
            f"{path}: not a model that ONNX Runtime can load ({_first_line(error)}); expected an image classifier"
        ) from error


def _only_input(path: Path, session: InferenceSession) -> Any:
    inputs = session.get_inputs()
    found = ", ".join(f"{node.name} {node.type} {node.shape}" for node in inputs) or "none"
    fits = len(inputs) == 1 and inputs[0].type == "tensor(float)" and len(inputs[0].shape) == 4
    if not fits:
        raise ModelError(f"{path}: has the inputs {found}; expected one, tensor(float) [N, 3, H, W] or [N, H, W, 3]")
    return inputs[0]


def _is_nchw(path: Path, node: Any, metadata: dict[str, str]) -> bool:
    said = metadata.get("layout", "")
    if said.upper() not in ("", "NCHW", "NHWC"):
        raise ModelError(f"{path}: its metadata layout is {said!r}; expected NCHW or NHWC")
    channels = {layout: node.shape[axis] for layout, axis in (("NCHW", 1), ("NHWC", 3))}
    possible = [layout for layout, count in channels.items() if count == 3 or not isinstance(count, int)]
    possible.sort(key=lambda layout: channels[layout] != 3)  # one that the graph fixes before one that it leaves open
    if not possible or (said and said.upper() not in possible):
        asked = f" and the metadata layout {said}" if said else ""
        raise ModelError(f"{path}: has the input shape {node.shape}{asked}; expected [N, 3, H, W] or [N, H, W, 3]")
    return (said.upper() or possible[0]) == "NCHW"


def _batch(path: Path, node: Any) -> int:
    if not isinstance(node.shape[0], int):
        return BATCH
    if node.shape[0] != 1:
        raise ModelError(f"{path}: takes {node.shape[0]} images at a time; expected 1, or a dynamic first axis")
    return 1


def _preparation(path: Path, shape: list[Any], nchw: bool, metadata: dict[str, str]) -> Preparation:
    def said(key: str, count: int, fits: Callable[[float], bool], expected: str) -> tuple[float, ...]:
        text = metadata[key]
        try:
            values = tuple(float(part) for part in text.strip().strip("[]()").replace(",", " ").split())
        except ValueError:
            values = ()
        if len(values) != count or not all(math.isfinite(value) and fits(value) for value in values):
            raise ModelError(f"{path}: its metadata {key} is {text!r}; expected {expected}")
        return values

    changes: dict[str, Any] = {}
    if "mean" in metadata:
        changes["mean"] = said("mean", 3, lambda value: True, "three numbers, of R, G and B")
    if "std" in metadata:
        changes["std"] = said("std", 3, lambda value: value > 0, "three numbers above 0, of R, G and B")
    if "range" in metadata:
        (changes["top"],) = said("range", 1, lambda value: value in (1, 255), "1 or 255")
    if "crop" in metadata:
        (changes["crop"],) = said("crop", 1, lambda value: 0 < value <= 1, "a number above 0 and at most 1")
    if "size" in metadata:
        (size,) = said("size", 1, lambda value: value >= 1 and value == int(value), "a whole number of pixels")
        changes["size"] = int(size)
    fixed = {side for side in (shape[2:] if nchw else shape[1:3]) if isinstance(side, int)}
    if len(fixed) > 1:
        raise ModelError(f"{path}: has the input shape {shape}; expected a square one, height = width")
    if fixed and changes.setdefault("size", min(fixed)) not in fixed:
        raise ModelError(f"{path}: its metadata size is {changes['size']}; expected {min(fixed)}, as its input has")
    return dataclasses.replace(Preparation(), **changes)


def _two_dimensional(output: NDArray[Any]) -> NDArray[Any]:
    """[N, D, 1, 1] as [N, D]; anything else as it is."""
    trailing = output.shape[2:]
    return output.reshape(output.shape[:2]) if output.ndim > 2 and set(trailing) == {1} else output


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def _fingerprint(path: Path, preparation: str) -> str:
    digest = hashlib.sha256(preparation.encode())
    for file in (path, path.with_name(path.name + ".data")):  # the second: where PyTorch puts large weights
        if file.is_file():
            with file.open("rb") as content:
                while block := content.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
