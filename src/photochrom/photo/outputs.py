"""Where a coloured photograph may go: a path, a binary file object, a pipe or a device; never onto its own original."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import IO, Any

from ..atomic_file import output_error
from ..errors import OutputError, PhotochromError, SettingError, UnreadablePhotoError
from .inputs import as_path


def as_target(target: Any) -> tuple[Path | None, IO[bytes] | Path | None]:
    """(the path that names the format, what is written into as it is) of a target; both None for None.

    A pipe or a device is written into, not replaced. Raises OutputError for what can hold no photograph.
    """
    if target is None:
        return None, None
    if callable(getattr(target, "write", None)) and not isinstance(target, Path):
        return None, target
    try:
        path = as_path(target)
    except UnreadablePhotoError as error:
        expected = "expected a path, a binary file object, or None for the content"
        raise OutputError(error.name, "cannot be written to", expected) from error
    try:
        mode = path.stat().st_mode
    except OSError:
        return path, None  # nothing there, or writing will say what is wrong
    if stat.S_ISSOCK(mode) or stat.S_ISBLK(mode):
        raise OutputError(path, "is a socket or a disk", "expected the name of a file, a pipe or a folder")
    return path, path if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) else None


def check_own_output(source: Path | bytes, target: Path | None, *, in_place: bool) -> Path | None:
    """The target, as long as it is not the source under whatever name, or `in_place` asks for just that.

    In place a link's own file is meant. Raises OutputError, SettingError.
    """
    same = False
    if isinstance(source, Path) and target is not None:
        try:
            same = source.samefile(target)
        except OSError:  # one of them is not there
            same = source == target
    if in_place:
        if not same or target is None:
            raise SettingError("in_place replaces the source, which is no file here or not the target; leave it out")
        return target.resolve()
    if same:
        raise OutputError(target, "is the photograph itself", "give another name, or ask for in_place (--in-place)")
    return target


def write_to(stream: IO[bytes] | Path, content: bytes, name: object) -> None:
    """Write all of it to a binary file object, a pipe or a device. Raises OutputError."""
    called = name or getattr(stream, "name", None) or "file object"
    try:
        if isinstance(stream, Path):
            with stream.open("wb", buffering=0) as opened:
                _write_all(opened, content)
        else:
            _write_all(stream, content)
    except PhotochromError:
        raise
    except OSError as error:
        raise output_error(Path(str(called)), error) from error
    except (TypeError, ValueError) as error:  # opened as text, or closed
        raise OutputError(
            called, f"could not be written ({error})", "expected a file opened to write binary"
        ) from error


def _write_all(stream: Any, content: bytes) -> None:
    """Unbuffered files may take a part at a time."""
    left = memoryview(content)
    while left:
        written = stream.write(left)
        left = left[len(left) if written is None else written :]
