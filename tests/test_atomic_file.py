"""Whole files or none: overwriting, races, kills, full disks, stale parts."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file

from photochrom.atomic_file import STALE_AFTER, part_file, remove_stale_parts
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


def broken(error: int) -> Callable[..., None]:
    def call(*args: object, **options: object) -> None:
        raise OSError(error, os.strerror(error))

    return call


REFUSALS = ("EACCES", "EXDEV", "EINVAL", "EIO", "EPERM", "ENOTSUP", "ENOSYS", "EMLINK")


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_file_system_without_hard_links(refusal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", broken(getattr(errno, refusal)))
    with part_file(tmp_path / "a.jpg") as part:
        part.write_bytes(b"new")
    assert (tmp_path / "a.jpg").read_bytes() == b"new" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(OutputError, match="exists already"), part_file(tmp_path / "a.jpg"):
        pass


def test_files_are_synced_by_a_handle_that_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Windows demands, where another handle is EBADF, and folders cannot be opened at all."""
    opened: dict[int, int] = {}
    usual_open, usual_sync = os.open, os.fsync

    def open_files(path: Path, flags: int, mode: int = 0o777) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied")
        handle = usual_open(path, flags, mode)
        opened[handle] = flags
        return handle

    def sync(handle: int) -> None:
        if opened[handle] & (os.O_WRONLY | os.O_RDWR) == 0:
            raise OSError(errno.EBADF, "Bad file descriptor")
        usual_sync(handle)

    monkeypatch.setattr(os, "open", open_files)
    monkeypatch.setattr(os, "fsync", sync)
    with part_file(tmp_path / "a.jpg") as part:
        part.write_bytes(b"new")
    assert (tmp_path / "a.jpg").read_bytes() == b"new"


def test_parts_of_another_machine_leave_after_a_week(tmp_path: Path) -> None:
    old, new = (tmp_path / f".a.jpg.othermachine-1-1-{number}.part" for number in range(2))
    for path, age in ((old, STALE_AFTER + 60), (new, STALE_AFTER - 60)):
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    assert remove_stale_parts(tmp_path) == [old] and new.exists()
