"""Writing a file so that its name only ever holds a whole file.

Work goes to a hidden `.NAME.<host>-<pid>-<start>-<n>.part` beside the target, which is fsynced and moved into place.
It is removed on failure, and after a kill by the next run (remove_stale_parts).
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import OutputError, OutputExistsError

_PART = re.compile(r"^\..*\.(?P<host>[0-9a-z]{1,16})-(?P<pid>\d+)-(?P<start>\d+)-\d+\.part$", re.DOTALL)
_NAME_BYTES = 160  # of the target's name in the part's: file systems allow 255 in all
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)  # of file systems that have no sync
STALE_AFTER = 7 * 24 * 3600  # seconds without a change: whichever machine it was on, nobody writes to it any more
_counter = itertools.count()
_open_parts: set[Path] = set()  # of this process


def _host() -> str:
    return re.sub("[^0-9a-z]", "", socket.gethostname().lower())[:16] or "host"


def _start_of(pid: int) -> int:
    """When the process started, in clock ticks since boot; 0 where the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])


def _is_alive(pid: int, start: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # someone else's process: alive
    except OverflowError:
        return False
    return _start_of(pid) in (0, start)


def _part_name(target: Path) -> str:
    name = os.fsdecode(os.fsencode(target.name)[:_NAME_BYTES])
    pid = os.getpid()
    return f".{name}.{_host()}-{pid}-{_start_of(pid)}-{next(_counter)}.part"


def remove_stale_parts(folder: Path) -> list[Path]:
    """Remove the part files in `folder` (not beneath it) whose process on this machine is dead; returns them.

    Those of live processes stay, as does every other file. Those of other machines on a shared disk (a container has
    another name each time) stay until they have not changed for STALE_AFTER.
    """
    removed = []
    for path in folder.glob(".*.part"):
        match = _PART.match(path.name)
        if match is None:
            continue
        if match["host"] != _host():
            if not _is_old(path):
                continue
        elif _is_alive(int(match["pid"]), int(match["start"])):
            continue
        path.unlink(missing_ok=True)
        removed.append(path)
    return removed


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime > STALE_AFTER
    except OSError:
        return False


def remove_open_parts() -> None:
    """Remove what this process is writing just now, for it ends at once: no target of these files will come."""
    for part in tuple(_open_parts):
        part.unlink(missing_ok=True)


def output_error(target: Path, error: OSError) -> OutputError:
    """The OutputError that tells a person what an OSError while writing `target` means."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(target, "no space left on the disk", "free some, or write elsewhere with -o")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(target, f"the folder {target.parent} is not writable", "choose another with -o")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return OutputError(target, f"there is no folder {target.parent}", "make it, or choose another with -o")
    return OutputError(target, f"could not be written ({error.strerror or error})", "choose another place with -o")


def refuse_existing(target: Path, overwrite: bool) -> None:
    """Raise OutputError if `target` exists and may not be replaced, or is a folder."""
    if target.is_dir():
        raise OutputError(target, "is a folder", "expected the name of a file")
    if not overwrite and (target.exists() or target.is_symlink()):
        raise _exists(target)


def _exists(target: Path) -> OutputExistsError:
    return OutputExistsError(target, "the output exists already", "use --overwrite or --skip-existing")


@contextmanager
def part_file(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """A new empty file beside `target` to write to; on leaving without an error it becomes `target`, whole and synced.

    Raises OutputError if the target exists and `overwrite` is False (also when it appears meanwhile), the folder is
    missing or not writable, or the disk is full. Whatever goes wrong, no part file stays and the target is untouched.
    """
    refuse_existing(target, overwrite)
    part = target.with_name(_part_name(target))
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = part.stat().st_mode
    except OSError as error:
        raise output_error(target, error) from error
    _open_parts.add(part)
    try:
        yield part
        if part.stat().st_mode != mode:  # replaced by a private file, as safetensors does
            part.chmod(stat.S_IMODE(mode))
        _sync_file(part)
        _move(part, target, overwrite)
        _sync_folder(target.parent)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise output_error(target, error) from error
    finally:
        part.unlink(missing_ok=True)
        _open_parts.discard(part)


@contextmanager
def scratch_file(beside: Path) -> Iterator[Path]:
    """A new empty file beside another, named like a part file, removed on leaving. Raises OSError."""
    path = beside.with_name(_part_name(beside.with_name("scratch")))
    path.touch(exist_ok=False)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))  # Windows syncs no handle that may only read
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(handle)


def _sync_folder(path: Path) -> None:
    """Make the new name last, where that can be done: the file is whole and there in any case."""
    with suppress(OSError):  # Windows opens no folders, a drop box may not be read, some file systems cannot sync one
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _move(part: Path, target: Path, overwrite: bool) -> None:
    if overwrite:
        part.replace(target)
        return
    try:
        os.link(part, target)  # unlike a rename, never replaces
    except FileExistsError as error:
        raise _exists(target) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOENT, errno.EROFS):
            raise
        # Without hard links: EPERM, ENOTSUP, ENOSYS, EMLINK, EACCES, EXDEV, EINVAL, EIO, by file system.
        _reserve_and_replace(part, target)


def _reserve_and_replace(part: Path, target: Path) -> None:
    """For file systems without hard links: take the name first, so that no one else's file is replaced."""
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError as error:
        raise _exists(target) from error
    part.replace(target)
