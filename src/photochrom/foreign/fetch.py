"""Download the weights that the authors published: over HTTP, of limited size, atomically, checked by their hash.

The last eight digits of a file's name are the first of its sha256. That detects damage, but is too short to detect a
malicious file, so the file is then read like any third-party one: tensors only (tensor_file).
"""

from __future__ import annotations

import hashlib
import http.client
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import Request, urlopen

from ..atomic_file import output_error, part_file, remove_stale_parts
from ..errors import ModelError, PhotochromError, SettingError
from ..tensor_file import LIMIT
from ..version import __version__

BASE_URL = "https://colorizers.s3.us-east-2.amazonaws.com/"  # the authors'
BASE_URL_VARIABLE = "PHOTOCHROM_WEIGHTS_URL"  # an environment variable that names a mirror
TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 20  # bytes
MIRROR = f"give a mirror with --url or {BASE_URL_VARIABLE}"

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where the server says


class DownloadError(PhotochromError):
    """A published file could not be downloaded, or is not the one that was published."""


@dataclass(frozen=True)
class Published:
    """A file of weights on the authors' server. digest: the first digits of its sha256, as in its name."""

    file: str
    network: str
    training_data: str
    licence: str

    @property
    def digest(self) -> str:
        return Path(self.file).stem.rpartition("-")[2]


_LICENCE = "BSD-2-Clause, as the authors' repository; trained on ImageNet, whose photographs have their own terms"
PUBLISHED = {
    "eccv16": Published(
        "colorization_release_v2-9b330a0b.pth", "eccv16", "ImageNet (weights of Zhang, Isola and Efros 2016)", _LICENCE
    ),
    "siggraph17": Published(
        "siggraph17-df00044c.pth", "siggraph17", "ImageNet (weights of Zhang et al. 2017)", _LICENCE
    ),
}


def published(name: str) -> Published:
    """What is known of eccv16 or siggraph17. Raises ModelError for another name."""
    if name not in PUBLISHED:
        raise ModelError(f"{name}: no published model of that name; expected one of: {', '.join(PUBLISHED)}")
    return PUBLISHED[name]


def fetch_weights(
    name: str, folder: Path, base_url: str | None = None, *, overwrite: bool = False, progress: Progress | None = None
) -> Path:
    """The published file of `name` in `folder` (made if missing): downloaded, unless it is there already and whole.

    base_url: where the file lies [default: PHOTOCHROM_WEIGHTS_URL, else the authors' server].
    Raises ModelError (unknown name), SettingError (no http address), DownloadError, OutputError.
    """
    file = published(name)
    target = folder / file.file
    if target.is_file() and not overwrite:
        _check_digest(target, file.digest, f"delete it, or use --overwrite to download {name} again")
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(target, error) from error
    remove_stale_parts(folder)
    url = urljoin((base_url or os.environ.get(BASE_URL_VARIABLE) or BASE_URL).rstrip("/") + "/", file.file)
    with part_file(target, overwrite=overwrite) as part:
        _download(url, part, progress or (lambda done, total: None))
        _check_digest(part, file.digest, f"try again, or {MIRROR}", url)
    return target


def sha256_of(file: Path) -> str:
    """Of a file's content, as hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_digest(file: Path, digest: str, advice: str, source: object = None) -> None:
    found = sha256_of(file)
    if not found.startswith(digest):
        raise DownloadError(
            f"{source or file}: not the published file: its sha256 begins with {found[: len(digest)]}, "
            f"expected {digest}; {advice}"
        )


def _download(url: str, part: Path, progress: Progress) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise SettingError(f"{url}: expected an address that begins with https:// or http://")
    request = Request(url, headers={"User-Agent": f"photochrom/{__version__}"})
    # Network and disk errors are both OSErrors, so each is caught where it happens.
    try:
        response = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        raise DownloadError(f"{url}: the server answered {error.code} {error.reason}; {MIRROR}") from error
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadError(f"{url}: no answer ({_reason(error)}); check the network, or {MIRROR}") from error
    with response, part.open("wb") as stream:
        total = response.length  # None where the server does not say
        if total is not None and total > LIMIT:
            raise _too_large(url, total)
        done = 0
        while chunk := _read(response, url, done, total):
            done += len(chunk)
            if done > LIMIT:
                raise _too_large(url, done)
            stream.write(chunk)
            progress(done, total)
    if total is not None and done < total:
        raise DownloadError(f"{url}: the connection ended after {done} of {total} bytes; try again")


def _read(response: http.client.HTTPResponse, url: str, done: int, total: int | None) -> bytes:
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        whole = "" if total is None else f" of {total}"
        raise DownloadError(
            f"{url}: the connection broke after {done}{whole} bytes ({_reason(error)}); try again"
        ) from error


def _too_large(url: str, size: int) -> DownloadError:
    return DownloadError(f"{url}: sends {size / 1e6:.0f} MB or more; expected at most {LIMIT / 1e6:.0f} MB")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason) or type(error).__name__
