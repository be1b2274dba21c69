"""Data sets of the Hugging Face hub: an id becomes the list of its Parquet files. The only module that knows the hub.

owner/name                         as hf://datasets/owner/name
hf://datasets/owner/name[@rev]     the files of the part "train"; all files where no name says "train"
hf://datasets/owner/name/data/validation-*.parquet     exactly these (a URL like any other, see locations.py)
"""

from __future__ import annotations

import re
from typing import Protocol

from ..errors import DataError

PROTOCOL = "hf://"
CONVERTED = "refs%2Fconvert%2Fparquet"  # the branch with the hub's own Parquet copy of every public data set
_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_WHOLE = re.compile(r"hf://datasets/(?P<id>[^/@]+/[^/@]+)(?P<revision>@[^/]+)?/?")
_TRAIN = re.compile(r"(^|[^a-z])train([^a-z]|$)")


class FileSystem(Protocol):
    """The methods of an fsspec file system that are used here."""

    def glob(self, path: str) -> list[str]: ...


def is_dataset_id(data: str) -> bool:
    """Whether `data` looks like a data set id, owner/name."""
    return bool(_ID.fullmatch(data))


def is_whole_dataset(url: str) -> bool:
    """Whether `url` is hf://datasets/owner/name, without a path inside it."""
    return bool(_WHOLE.fullmatch(url))


def url_of(dataset_id: str) -> str:
    """owner/name -> hf://datasets/owner/name."""
    return f"{PROTOCOL}datasets/{dataset_id}"


def parquet_files(url: str, fs: FileSystem) -> list[str]:
    """The Parquet files (paths in `fs`) of the data set hf://datasets/owner/name[@revision], in order of name.

    If it has none, the hub's own Parquet copy is used. Of several splits (train, validation, test) only "train" is
    used. Raises DataError if there is no Parquet at all.
    """
    match = _WHOLE.fullmatch(url)
    if match is None:
        raise DataError(f"{url}: not a data set of the hub; expected hf://datasets/owner/name")
    root = f"datasets/{match['id']}"
    places = [root + (match["revision"] or "")]
    if not match["revision"]:
        places.append(f"{root}@{CONVERTED}")
    for place in places:
        found = sorted(fs.glob(f"{place}/**/*.parquet"))
        if found:
            training = [path for path in found if _TRAIN.search(path[len(place) :].lower())]
            return training or found
    raise DataError(
        f"{url}: no Parquet files; expected a data set of images in Parquet; "
        "name its files by a URL (hf://datasets/owner/name/FOLDER/*.tar), or download it"
    )
