"""The class of each photograph of a data set, from its metadata. labelled.py builds a task from it.

folders   the folder that a photograph lies in, by its name (in tars too)
tars      a member KEY.cls with the class's number or name, as WebDataset has it; else the folder in the key; else
          a key of the form source-class-number, as in tiny-n02124075-000123.webp, where the class "x" is none
Parquet   a column of type ClassLabel, or named label; as Hugging Face writes it
"""

from __future__ import annotations

import json
import posixpath
import re
import tarfile
from collections.abc import Sequence
from typing import Any

from ..data.locations import Location
from ..data.parquet_source import ParquetSource
from ..data.photo_list import PhotoList
from ..data.tar_source import TarSource
from ..errors import DataError, SettingError

SOURCE_CLASS_NUMBER = re.compile(r"(?P<source>[^-/]+)-(?P<class>[^/]+)-\d+\.\w+")
UNKNOWN = "x"  # the class in such a key where it is not known
LABEL_COLUMNS = ("label", "labels", "class", "target")
_CLS = ".cls"
_LARGEST = 4096  # bytes of a .cls member: a number or a name


def class_names(photos: PhotoList, pattern: str | None = None, column: str | None = None) -> list[str | None]:
    """The name of each photograph's class, [n]; None where its data do not say.

    pattern: a regular expression that is searched for in the key; its group named "class", else its first group, is
    the class. Without it, see the module. column: of Parquet files, where the labels are. Raises SettingError for a
    pattern that cannot be used, DataError for Parquet without a column of labels, and where tars cannot be read.
    """
    if pattern is not None:
        expression = compiled(pattern, "--class-from-key")
        if not expression.groups:
            raise SettingError(
                f"--class-from-key is {pattern!r}, which has no group; expected the class in parentheses, as in "
                "'^tiny-(n[0-9]+)-'"
            )
        return [_from_pattern(expression, entry.key) for entry in photos]
    written: dict[int, Any] = {}  # of each source: key without its endings -> class, or the labels in order
    for number, source in enumerate(photos.sources):
        if isinstance(source, TarSource):
            written[number] = _cls_members(source.location)
        elif isinstance(source, ParquetSource):
            written[number] = _parquet_labels(source.location, column)
    return [_name_of(key, source, offset, row, written) for key, source, offset, row in _walk(photos)]


def compiled(pattern: str, option: str) -> re.Pattern[str]:
    """The regular expression; SettingError naming the option where it is none."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise SettingError(f"{option} is {pattern!r}: {error}; expected a regular expression") from error


def _walk(photos: PhotoList) -> Any:
    """(key, index of its source, offset, index of its first row group) of each photograph."""
    numbers = {id(source): number for number, source in enumerate(photos.sources)}
    for entry in photos:
        yield entry.key, numbers[id(entry.source)], entry.offset, entry.block.start if entry.block else 0


def _name_of(key: str, source: int, offset: int, group: int, written: dict[int, Any]) -> str | None:
    known = written.get(source)
    if isinstance(known, list):  # Parquet: the labels of each row group
        found: str | None = known[group][offset]
        return found
    if known and (name := known.get(_stem(key))) is not None:
        return str(name)
    return from_key(key)


def from_key(key: str) -> str | None:
    """The folder that the photograph lies in, or the class of source-class-number; None where the key has neither."""
    folder, _, name = key.rpartition("/")
    if folder:
        return posixpath.basename(folder)
    match = SOURCE_CLASS_NUMBER.fullmatch(name)
    return match["class"] if match and match["class"] != UNKNOWN else None


def _from_pattern(expression: re.Pattern[str], key: str) -> str | None:
    match = expression.search(key)
    if match is None:
        return None
    return match["class"] if "class" in expression.groupindex else match[1]


def _stem(name: str) -> str:
    """WebDataset's key of a member: all up to the first dot of the file's name."""
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{file.partition('.')[0]}"


def _cls_members(location: Location) -> dict[str, str]:
    """Key -> text of the .cls members of a tar; those before the place where it is damaged."""
    try:
        if not location.remote:
            with open(location.url, "rb") as stream:  # noqa: PTH123
                return _read_cls(stream)
        fs, path = location.filesystem()
        with fs.open(path, "rb", block_size=16 * 2**20, cache_type="readahead") as stream:
            return _read_cls(stream)
    except OSError as error:
        raise DataError(f"{location.url}: cannot be read ({error}); expected a tar that can be reached") from error


def _read_cls(stream: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # tarfile would keep one for every photograph
                if member.isfile() and member.name.endswith(_CLS) and member.size <= _LARGEST:
                    content = archive.extractfile(member)
                    assert content is not None  # it is a file
                    found[_stem(member.name)] = content.read().decode("utf-8", "replace").strip()
    except tarfile.TarError:
        pass  # noted when the tar was listed
    return found


def _parquet_labels(location: Location, column: str | None) -> list[list[str | None]]:
    """The classes' names of each row, by row group."""
    with _open_parquet(location) as file:
        schema = file.schema_arrow
        name, names = label_column(schema, location.url, column)
        groups = [
            file.read_row_group(i, columns=[name], use_threads=False).column(name).to_pylist()
            for i in range(file.num_row_groups)
        ]
    return [[_label(value, names) for value in group] for group in groups]


def _open_parquet(location: Location) -> Any:
    import pyarrow.parquet as pq

    if not location.remote:
        return pq.ParquetFile(location.url)
    fs, path = location.filesystem()
    return pq.ParquetFile(path, filesystem=fs, pre_buffer=False)


def _label(value: Any, names: Sequence[str] | None) -> str | None:
    """ClassLabel's numbers stand for names; -1 means that the label is withheld."""
    if value is None or (isinstance(value, int) and value < 0):
        return None
    return names[value] if names is not None and isinstance(value, int) and value < len(names) else str(value)


def label_column(schema: Any, origin: str, wanted: str | None = None) -> tuple[str, list[str] | None]:
    """(name of the column of an Arrow schema with the labels, the classes' names of a ClassLabel or None).

    wanted: the column's name, where there are several. Raises DataError naming the columns.
    """
    import pyarrow.types as types

    features = _features(schema)
    class_labels = {k: v.get("names") for k, v in features.items() if v.get("_type") == "ClassLabel"}
    plain = [f.name for f in schema if types.is_integer(f.type) or types.is_string(f.type)]
    columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
    if wanted is not None:
        if wanted not in plain:
            raise DataError(
                f"{origin}: has no column {wanted!r} of labels among {columns}; choose one with --label-column"
            )
        return wanted, class_labels.get(wanted)
    usual = [name for name in LABEL_COLUMNS if name in plain]
    candidates = usual[:1] or [name for name in class_labels if name in plain]
    if len(candidates) == 1:
        return candidates[0], class_labels.get(candidates[0])
    found = "more than one column of labels" if candidates else "no column of labels"
    raise DataError(f"{origin}: {found} among {columns}; expected one named label: choose one with --label-column")


def _features(schema: Any) -> dict[str, Any]:
    """Column -> its description, where Hugging Face's `datasets` wrote the file."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, dict)}
