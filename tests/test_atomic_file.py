"""Whole files or none: overwriting, races, kills, full disks, stale parts."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file

from photochrom.atomic_file import part_file, remove_stale_parts
from photochrom.colorizer import Colorizer
from photochrom.errors import OutputError


def test_the_target_appears_whole_with_ordinary_permissions(tmp_path: Path) -> None:
    target = tmp_path / "a.jpg"
    with part_file(target) as part:
        part.write_bytes(b"half")
        assert not target.exists() and part.parent == tmp_path and part.name.startswith(".a.jpg.")
    assert target.read_bytes() == b"half" and list(tmp_path.iterdir()) == [target]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_writer_that_makes_its_own_private_file_changes_no_permissions(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        with part_file(tmp_path / "w.safetensors") as part:
            save_file({"weight": np.zeros(3)}, part)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "w.safetensors").stat().st_mode) == 0o666 & ~umask
    assert load_file(tmp_path / "w.safetensors")["weight"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_stays_after_a_failure(error: type[BaseException], tmp_path: Path) -> None:
    (tmp_path / "old.jpg").write_bytes(b"old")
    with pytest.raises(error), part_file(tmp_path / "old.jpg", overwrite=True) as part:
        part.write_bytes(b"new")
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["old.jpg"]
    assert (tmp_path / "old.jpg").read_bytes() == b"old"


def test_an_existing_output_is_refused_or_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.jpg"
    target.write_bytes(b"old")
    with pytest.raises(OutputError, match="exists already; use --overwrite or --skip-existing"), part_file(target):
        pass
    with part_file(target, overwrite=True) as part:
        part.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.jpg"
    with pytest.raises(OutputError, match="exists already"), part_file(target) as part:
        part.write_bytes(b"ours")
        target.write_bytes(b"theirs")
    assert target.read_bytes() == b"theirs" and list(tmp_path.iterdir()) == [target]


def test_a_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with part_file(tmp_path / "a.jpg") as part:
        part.write_bytes(b"whole")
    assert (tmp_path / "a.jpg").read_bytes() == b"whole"
    with pytest.raises(OutputError, match="exists already"), part_file(tmp_path / "b.jpg") as part:
        (tmp_path / "b.jpg").write_bytes(b"theirs")
    assert (tmp_path / "b.jpg").read_bytes() == b"theirs"


def test_a_dangling_link_is_an_existing_output(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="exists already"), part_file(tmp_path / "a.jpg"):
        pass


def test_a_folder_that_is_missing_or_a_target_that_is_one(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="there is no folder"), part_file(tmp_path / "no" / "a.jpg"):
        pass
    with pytest.raises(OutputError, match="is a folder"), part_file(tmp_path):
        pass


def test_a_name_as_long_as_the_disk_allows(tmp_path: Path) -> None:
    target = tmp_path / ("é" * 125 + ".jpg")
    with part_file(target) as part:
        part.write_bytes(b"x")
    assert target.read_bytes() == b"x"


def test_a_folder_that_is_not_writable(cat: NDArray, tmp_path: Path, tiny_model: Path) -> None:
    """In a process without root's rights, for which no folder is read-only."""
    Image.fromarray(cat).save(tmp_path / "in.jpg")
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    for path in (tmp_path, *tmp_path.parents[:3], tiny_model.parent):
        path.chmod(path.stat().st_mode | 0o755)
    code = f"""
import os, sys
from pathlib import Path
import photochrom
from photochrom.errors import OutputError
colorizer = photochrom.load({str(tiny_model)!r})
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
try:
    colorizer.colorize_file(Path({str(tmp_path / "in.jpg")!r}), Path({str(folder / "out.jpg")!r}))
except OutputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"the folder {folder} is not writable" in done.stdout, done.stderr
    assert list(folder.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB. Needs the right to mount one (in a user namespace this test would see nothing)."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".gif"])
def test_a_full_disk(suffix: str, small_disk: Path, tmp_path: Path, colorizer: Colorizer) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (800, 800), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "in.png")
    with pytest.raises(OutputError, match="no space left on the disk"):
        colorizer.colorize_file(tmp_path / "in.png", small_disk / f"out{suffix}")
    assert list(small_disk.iterdir()) == []


WRITER = """
import sys, time
from pathlib import Path
from photochrom.atomic_file import part_file
with part_file(Path(sys.argv[1])) as part:
    part.write_bytes(b"half")
    print(part, flush=True)
    time.sleep(60)
"""


def start_writer(target: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_killed_process_leaves_a_part_that_the_next_run_removes_and_a_live_one_keeps_its_own(tmp_path: Path) -> None:
    killed, stale = start_writer(tmp_path / "a.jpg")
    live, kept = start_writer(tmp_path / "b.jpg")
    killed.kill()
    killed.wait()
    (tmp_path / ".holiday.part").write_bytes(b"someone else's")
    elsewhere = tmp_path / ".c.jpg.otherhost123-1-1-0.part"
    elsewhere.write_bytes(b"on another machine")
    with part_file(tmp_path / "d.jpg") as mine:
        assert stale.exists() and remove_stale_parts(tmp_path) == [stale]
        assert mine.exists()
    assert kept.exists() and elsewhere.exists() and (tmp_path / ".holiday.part").exists()
    live.send_signal(signal.SIGINT)
    live.wait()
    assert not kept.exists() and not (tmp_path / "b.jpg").exists()


def test_a_process_number_that_was_given_again_does_not_keep_a_part(tmp_path: Path) -> None:
    with part_file(tmp_path / "a.jpg") as part:
        start = part.name.split("-")[-2]
        other = tmp_path / part.name.replace(f"-{start}-", f"-{int(start) - 1}-")
        other.write_bytes(b"")
        assert remove_stale_parts(tmp_path) == [other]


def test_ctrl_c_in_the_middle_of_a_photograph(tmp_path: Path, tiny_model: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (5000, 5000), dtype=np.uint8)).save(
        tmp_path / "in.png", compress_level=0
    )
    code = f"""
from pathlib import Path
import photochrom
colorizer = photochrom.load({str(tiny_model)!r})
print("ready", flush=True)
colorizer.colorize_file(Path({str(tmp_path / "in.png")!r}), Path({str(tmp_path / "out.png")!r}))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    deadline = time.monotonic() + 30
    while not any(p.stat().st_size > 100_000 for p in tmp_path.glob(".*.part")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0 and "KeyboardInterrupt" in errors
    assert [p.name for p in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.parametrize("name", ["EACCES", "EXDEV", "EINVAL", "EIO", "EPERM", "ENOTSUP", "ENOSYS", "EMLINK"])
def test_file_systems_without_hard_links(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError(getattr(errno, name), name)

    monkeypatch.setattr(os, "link", refuse)
    with part_file(tmp_path / "a") as part:
        part.write_bytes(b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"new"}
    with pytest.raises(OutputError, match="exists already"), part_file(tmp_path / "b") as part:
        (tmp_path / "b").write_bytes(b"theirs")
    assert (tmp_path / "b").read_bytes() == b"theirs"


def test_a_failed_move_leaves_no_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match="broken"), part_file(tmp_path / "a") as part:
        part.write_bytes(b"new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reason", [errno.EBADF, errno.EINVAL, errno.ENOTSUP])
def test_what_cannot_be_synced_is_written_all_the_same(
    reason: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(reason, "no sync")

    monkeypatch.setattr(os, "fsync", refuse)
    with part_file(tmp_path / "a") as part:
        part.write_bytes(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_folder_that_cannot_be_opened_or_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drop box (-wx), Windows. There a handle that may only read cannot be synced either."""
    opened, synced = os.open, os.fsync
    readers: set[int] = set()

    def open_files_only(path: object, flags: int, *args: object, **options: object) -> int:
        if Path(str(path)).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied")
        handle = opened(path, flags, *args, **options)  # type: ignore[arg-type]
        (readers.add if flags & os.O_ACCMODE == os.O_RDONLY else readers.discard)(handle)
        return handle

    def sync_writable(handle: int) -> None:
        if handle in readers:
            raise OSError(errno.EBADF, "Bad file descriptor")
        done.append(handle)
        synced(handle)

    done: list[int] = []
    monkeypatch.setattr(os, "open", open_files_only)
    monkeypatch.setattr(os, "fsync", sync_writable)
    with part_file(tmp_path / "a") as part:
        part.write_bytes(b"new")
    assert (tmp_path / "a").read_bytes() == b"new" and len(done) == 1


def test_parts_of_another_host_go_after_a_week(tmp_path: Path) -> None:
    old, new = (tmp_path / f".a.jpg.gonehost-{number}-5-0.part" for number in (1, 2))
    for path, days in ((old, 8), (new, 6)):
        path.touch()
        os.utime(path, (time.time() - days * 86400,) * 2)
    assert remove_stale_parts(tmp_path) == [old]
    assert list(tmp_path.iterdir()) == [new]


@pytest.mark.parametrize("name", ["x" * 251 + ".jpg", "ü" * 125 + ".jpg", "写" * 83 + ".tif"])
def test_names_as_long_as_the_disk_allows(name: str, tmp_path: Path) -> None:
    with part_file(tmp_path / name) as part:
        part.write_bytes(b"new")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_name_that_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"256 bytes is longer .* -o"), part_file(tmp_path / ("x" * 256)):
        pass


@pytest.mark.parametrize(
    ("source", "umask", "expected"),
    [(0o600, 0o022, 0o600), (0o640, 0o022, 0o640), (0o444, 0o027, 0o640), (0o666, 0o022, 0o644)],
)
def test_an_output_is_no_more_readable_than_its_input(source: int, umask: int, expected: int, tmp_path: Path) -> None:
    (tmp_path / "in").touch()
    (tmp_path / "in").chmod(source)
    before = os.umask(umask)
    try:
        with part_file(tmp_path / "out", like=[(tmp_path / "in").stat()]):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == expected
