"""Safe reader for third-party weights: named tensors, never code.

PyTorch's files are pickles, which can execute code. They are read with the restricted unpickler only
(weights_only=True), with no fallback.
"""

from __future__ import annotations

import re
import stat
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from .errors import ModelError

LIMIT = 1_000_000_000  # bytes of a file, packed and unpacked; the published networks have 0.13e9
EXPECTED = "expected a state dict, saved by torch.save(network.state_dict(), FILE) or as .safetensors"
_REFUSED = re.compile(r"GLOBAL (\S+)")  # in the restricted unpickler's message: what the pickle wanted to call
_ZIP = b"PK\x03\x04"


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a .pth, .pt or .safetensors file by name: on the CPU, dense, of any type.

    Raises ModelError for what is no regular file, empty, larger than LIMIT, damaged, holds code or objects of other
    kinds, or is no dict of tensors.
    """
    head = _checked_head(file)
    content = _read_safetensors(file) if _is_safetensors(head) else _read_pickle(file, head)
    return _checked(file, content)


def _checked_head(file: Path) -> bytes:
    """The first 9 bytes, after the checks that need no reading."""
    try:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ModelError(f"{file}: is a folder; expected a file of weights, .pth or .safetensors")
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"{file}: is no regular file; expected a file of weights, .pth or .safetensors")
        if status.st_size > LIMIT:
            raise ModelError(
                f"{file}: has {status.st_size / 1e6:.0f} MB; expected at most {LIMIT / 1e6:.0f} MB: "
                "no network known to photochrom is that large"
            )
        with file.open("rb") as stream:
            head = stream.read(9)
    except FileNotFoundError as error:
        raise ModelError(f"{file}: no such file; expected a file of weights, .pth or .safetensors") from error
    except OSError as error:
        raise ModelError(f"{file}: could not be read ({error.strerror}); expected a file of weights") from error
    if not head:
        raise ModelError(f"{file}: is empty; {EXPECTED}")
    return head


def _is_safetensors(head: bytes) -> bool:
    """Its first 8 bytes are the length of a JSON header, which begins with the ninth."""
    return head[8:] == b"{" and not head.startswith(_ZIP)


def _read_safetensors(file: Path) -> Any:
    try:
        return load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{file}: damaged, or no safetensors file ({_first_line(error)}); {EXPECTED}") from error


def _read_pickle(file: Path, head: bytes) -> Any:
    if head.startswith(_ZIP):
        _refuse_inflated(file)
    try:
        # Opened here, for by its name alone torch.load takes a file for another kind. Warnings are on pickle protocols.
        with file.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(stream, map_location="cpu", weights_only=True)
    except Exception as error:  # the exception that torch.load raises depends on the damage
        # PyTorch's message recommends weights_only=False, which would be unsafe.
        if refused := _REFUSED.search(str(error)):
            raise ModelError(
                f"{file}: holds more than tensors: it would run {refused[1]}, which was refused; {EXPECTED}"
            ) from None
        raise ModelError(f"{file}: damaged, or no file of weights ({_first_line(error)}); {EXPECTED}") from None


def _refuse_inflated(file: Path) -> None:
    """PyTorch stores without compression: a small file that unpacks to a large one is a decompression bomb."""
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise ModelError(f"{file}: damaged, perhaps cut short ({_first_line(error)}); {EXPECTED}") from error
    if unpacked > LIMIT:
        raise ModelError(f"{file}: unpacks to {unpacked / 1e6:.0f} MB; expected at most {LIMIT / 1e6:.0f} MB")


def _first_line(error: Exception) -> str:
    """The first line of the error, without the restricted unpickler's advice."""
    lines = str(error).rpartition("WeightsUnpickler error:")[2].strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:150]}" if lines else type(error).__name__


def _checked(file: Path, content: Any) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        raise ModelError(f"{file}: holds a {type(content).__name__}; {EXPECTED}")
    if "photochrom" in content:
        raise ModelError(f"{file}: is a checkpoint of `photochrom train`; expected a state dict: use photochrom export")
    for key, value in content.items():
        if not isinstance(key, str):
            raise ModelError(f"{file}: has an entry named {key!r}; {EXPECTED}")
        if type(value) not in (Tensor, nn.Parameter):
            raise ModelError(f"{file}: {key} is a {type(value).__name__}, not a tensor; {EXPECTED}")
        if value.layout != torch.strided or value.device.type != "cpu":
            raise ModelError(f"{file}: {key} is a {value.layout} tensor on {value.device}; expected dense numbers")
    return dict(content)
