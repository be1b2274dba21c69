"""Writing a file so that its name only ever holds a whole file.

Work goes to a hidden `.NAME.<host>-<pid>-<start>-<n>.part` beside the target, which is fsynced and moved into place.
It is removed on failure, and after a kill by the next run (remove_stale_parts). On a file system without hard links an
empty file takes the name for the instant before the move, so that nobody else's file is replaced.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import socket
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import ExistingOutputError, OutputError

_PART = re.compile(r"^\..*\.(?P<host>[0-9a-z]{1,16})-(?P<pid>\d+)-(?P<start>\d+)-\d+\.part$", re.DOTALL)
_NAME_BYTES = 80  # of the target's name in the part's: file systems allow 255 in all, encrypted ones 143
_FOREIGN_AGE = 7 * 24 * 3600  # s without a change, after which another machine's part is taken as given up
_UNSYNCABLE = (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS)  # the file system or platform has no sync
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
    # Cut between characters: some file systems take UTF-8 only.
    name = os.fsencode(target.name)[:_NAME_BYTES].decode(errors="ignore")
    pid = os.getpid()
    return f".{name}.{_host()}-{pid}-{_start_of(pid)}-{next(_counter)}.part"


def remove_stale_parts(folder: Path) -> list[Path]:
    """Remove the part files in `folder` (not beneath it) whose process on this machine is dead; returns them.

    Those of live processes stay, and so do those of other machines on a shared disk until nothing has been written to
    them for seven days (a container's host name is gone with it). Every other file stays.
    """
    removed = []
    oldest = time.time() - _FOREIGN_AGE
    for path in folder.glob(".*.part"):
        match = _PART.match(path.name)
        if match is None:
            continue
        try:
            if match["host"] != _host():
                if path.lstat().st_mtime > oldest:
                    continue
            elif _is_alive(int(match["pid"]), int(match["start"])):
                continue
            path.unlink()
        except OSError:  # gone meanwhile, or someone else's: no reason to leave the others
            continue
        removed.append(path)
    return removed


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
    if error.errno == errno.ENAMETOOLONG:
        length = len(os.fsencode(target.name))
        return OutputError(
            target, f"the name of {length} bytes is longer than the disk allows", "give a shorter one with -o"
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return OutputError(target, f"there is no folder {target.parent}", "make it, or choose another with -o")
    return OutputError(target, f"could not be written ({error.strerror or error})", "choose another place with -o")


def refuse_existing(target: Path, overwrite: bool) -> None:
    """Raise OutputError if `target` exists and may not be replaced, or is a folder."""
    if os.path.isdir(target):  # noqa: PTH112 - os.path's answer a name that is too long with False
        raise OutputError(target, "is a folder", "expected the name of a file")
    if not overwrite and os.path.lexists(target):
        raise _exists(target)


def _exists(target: Path) -> OutputError:
    return ExistingOutputError(target, "the output exists already", "use --overwrite or --skip-existing")


@contextmanager
def part_file(target: Path, overwrite: bool = False, like: Sequence[os.stat_result] = ()) -> Iterator[Path]:
    """A new empty file beside `target` to write to; on leaving without an error it becomes `target`, whole and synced.

    like: files whose permissions it must not exceed.

    Raises OutputError if the target exists and `overwrite` is False (also when it appears meanwhile), the folder is
    missing or not writable, or the disk is full. Whatever goes wrong, no part file stays and the target is untouched.
    """
    refuse_existing(target, overwrite)
    part = target.with_name(_part_name(target))
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        _limit_access(part, like)
        mode = part.stat().st_mode
    except OSError as error:
        raise output_error(target, error) from error
    _open_parts.add(part)
    try:
        yield part
        if part.stat().st_mode != mode:  # replaced by a private file, as safetensors does
            part.chmod(stat.S_IMODE(mode))
        _sync(part)
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


def _limit_access(part: Path, like: Sequence[os.stat_result]) -> None:
    """Take from the new file what the umask allows and one of these files does not; its owner may always write it."""
    for other in like:
        allowed = other.st_mode
        if part.stat().st_gid != other.st_gid:
            try:
                os.chown(part, -1, other.st_gid)
            except (OSError, AttributeError):  # not a member of that group, or Windows
                # Another group: it gets no more than everybody does.
                allowed &= ~0o070 | (allowed & 0o007) << 3
        part.chmod(stat.S_IMODE(part.stat().st_mode) & (allowed | 0o600))


def _sync(path: Path) -> None:
    """Bring a file's content to the disk, where the platform can."""
    try:
        handle = os.open(path, os.O_RDWR)  # Windows and some network disks sync only what may be written
    except PermissionError:
        handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNSYNCABLE:
            raise
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    """Bring a new name to the disk where that can be done. The file is there by now, so a refusal (a drop box that
    may not be read, Windows) is no failure."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
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
    except OSError as error:
        # A network disk may do it and report a failure, because its answer was lost.
        with suppress(OSError):
            if target.samefile(part):
                return
        if isinstance(error, FileExistsError):
            raise _exists(target) from error
        # Which error says "no links here" differs between file systems (EPERM, EACCES, EXDEV, EINVAL, EIO ...); one
        # that means something else comes again.
        _reserve_and_replace(part, target)


def _reserve_and_replace(part: Path, target: Path) -> None:
    """For file systems without hard links: take the name first, so that no one else's file is replaced."""
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError as error:
        raise _exists(target) from error
    try:
        part.replace(target)
    except OSError:
        target.unlink(missing_ok=True)  # the empty file that took the name
        raise
