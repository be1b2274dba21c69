"""photochrom colorize: whatever is wrong is refused with a message, the rest is done, nothing is half written."""

from __future__ import annotations

import io
import os
import shutil
import signal
import struct
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from .conftest import Run, as_command, as_process, environment, whole, without_privileges


def parts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]


def bomb(side: int) -> bytes:
    """A PNG of side x side one-bit pixels, all black: 900 million of them in 110 kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(side * (1 + side // 8)), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def truncated() -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()[: buffer.tell() // 2]


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
BAD_FILES: list[tuple[str, Callable[[], bytes], list[str]]] = [
    ("cut.jpg", truncated, ["damaged or cut short", "expected a whole photograph"]),
    ("empty.jpg", lambda: b"", ["empty (0 bytes)", "expected a JPEG, PNG"]),
    ("letter.jpg", lambda: b"Dear Grandmother,\nthank you for", ["a text file ('Dear Grandmother,", "expected a JPEG"]),
    ("bomb.png", lambda: bomb(30_000), ["30000 x 30000 pixels", "at most 500000000 pixels", "--max-pixels"]),
    ("drawing.svg", lambda: SVG, ["an SVG or XML document", "expected a JPEG"]),
    ("drawing.png", lambda: SVG, ["an SVG or XML document", "expected a JPEG"]),
    ("paper.pdf", lambda: b"%PDF-1.7\n1 0 obj\n", ["a PDF document", "expected a JPEG"]),
    ("noise.tif", lambda: bytes(range(200, 250)), ["unknown format", "c8 c9 ca", "expected a JPEG"]),
]


@pytest.mark.parametrize(("name", "content", "said"), BAD_FILES, ids=[name for name, _, _ in BAD_FILES])
def test_bad_file_among_good_ones(
    colorize: Run, scans: Path, name: str, content: Callable[[], bytes], said: list[str]
) -> None:
    Path(name).write_bytes(content())
    result = colorize(name, "scans/one.jpg", "-o", "out/")
    assert result.code == 1
    error = next(line for line in result.err.splitlines() if line.startswith("Error: "))
    assert error.startswith(f"Error: {name}: ")
    for words in said:
        assert words in error
    assert "Traceback" not in result.err
    assert [path.name for path in Path("out").iterdir()] == ["one.jpg"]


def test_missing_file(colorize: Run, scans: Path) -> None:
    result = colorize("nowhere.jpg", "scans/one.jpg", "-o", "out/")
    assert result.code == 1
    assert "Error: nowhere.jpg: no such file or folder; expected a photograph" in result.err
    assert Path("out/one.jpg").exists()


def test_folder_without_recursive(colorize: Run, scans: Path) -> None:
    result = colorize("scans")
    assert result.code == 2
    assert "scans: is a folder; add -r to colour the photographs in it" in result.err
    Path("folder.jpg").mkdir()
    assert "folder.jpg: is a folder; add -r" in colorize("folder.jpg").err


def test_unreadable_file(scans: Path, tiny_model: Path) -> None:
    (scans / "one.jpg").chmod(0)
    result = as_process("-r", "scans", "-o", "out/", "--model", tiny_model, prefix=without_privileges())
    assert result.returncode == 1
    assert b"Error: scans/one.jpg: could not be read (Permission denied); expected a photograph" in result.stderr
    assert len(list(Path("out").rglob("*.*"))) == 7


def test_empty_stdin(scans: Path, tiny_model: Path) -> None:
    result = as_process("-", "--model", tiny_model, input=b"")
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"Error: -: the file is empty (0 bytes)" in result.stderr


def test_unknown_model(run: Run, scans: Path) -> None:
    result = run("colorize", "scans/one.jpg", "--model", "litte")
    assert result.code == 2
    assert "Error: litte: no model of that name and no such file; expected one of: " in result.err
    assert not (scans / "one.color.jpg").exists()
    assert run("colorize", "scans/one.jpg", "--model", "litte", "--dry-run").code == 2


def test_corrupt_model(run: Run, scans: Path, tiny_model: Path) -> None:
    Path("cut.onnx").write_bytes(tiny_model.read_bytes()[:100])
    for name in ("cut.onnx", "scans/one.jpg"):
        result = run("colorize", "scans/one.jpg", "--model", name)
        assert result.code == 2
        assert f"Error: {name}: not a model that ONNX Runtime can load" in result.err


def test_model_with_another_signature(run: Run, scans: Path) -> None:
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["image"], ["classes"])],
        "classifier",
        [onnx.helper.make_tensor_value_info("image", kind, [1, 3, 224, 224])],
        [onnx.helper.make_tensor_value_info("classes", kind, [1, 3, 224, 224])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, "classifier.onnx")
    result = run("colorize", "scans/one.jpg", "--model", "classifier.onnx")
    assert result.code == 2
    assert "Error: classifier.onnx: has the inputs image; expected lightness and temperature" in result.err


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "-inf", "warm"])
def test_temperature(colorize: Run, scans: Path, value: str) -> None:
    result = colorize("scans/one.jpg", "--temperature", value)
    assert result.code == 2
    assert "Invalid value for '--temperature': " in result.err
    assert value != "0" or "temperature is 0.0; expected a finite number above 0" in result.err
    assert not (scans / "one.color.jpg").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--saturation", "-0.1"], "found -0.1; expected a finite number from 0 (grey) to 10"),
        (["--saturation", "nan"], "found nan; expected a finite number"),
        (["--quality", "0"], "--quality"),
        (["--quality", "101"], "--quality"),
        (["--jobs", "0"], "--jobs"),
        (["--max-pixels", "0"], "--max-pixels"),
        (["--decode", "median"], "--decode"),
        (["--format", "bmp"], "--format"),
        (["--overwrite", "--skip-existing"], "exclude each other"),
        (["--decode", "mean", "--temperature", "0.5"], "leave it out with --decode mean"),
        (["-o", "-", "--json"], "would both go to stdout"),
        (["-o", ""], "the name is empty"),
        (["-o", "x.bmp"], ".bmp cannot be written; expected one of .jpg"),
        (["-o", "x.jpg", "--format", "png"], "make them agree"),
        (["-o", "scans/one.jpg", "--overwrite"], "would be replaced by its own colours"),
        (["scans/two.png", "-o", "-"], "holds one photograph"),
        (["scans/two.png", "-o", "scans/notes.txt"], "is a file; expected a folder"),
        (["-"], "give it alone"),
        (["--colour"], "No such option"),
    ],
)
def test_wrong_usage(colorize: Run, scans: Path, options: list[str], said: str) -> None:
    before = {path: path.read_bytes() for path in scans.rglob("*") if path.is_file()}
    result = colorize("scans/one.jpg", *options)
    assert result.code == 2
    assert said in result.err
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == {
        path.relative_to(Path.cwd()): content for path, content in before.items()
    }


def test_no_input(colorize: Run) -> None:
    result = colorize()
    assert result.code == 2
    assert "Missing argument" in result.err


def test_a_smaller_limit_of_pixels(colorize: Run, scans: Path) -> None:
    assert colorize("scans/one.jpg", "--max-pixels", 96 * 64).code == 0
    result = colorize("scans/one.jpg", "--max-pixels", 96 * 64 - 1, "--overwrite")
    assert result.code == 1
    assert "scans/one.jpg: 96 x 64 pixels; expected at most 6143 pixels; raise --max-pixels" in result.err


def test_output_exists(colorize: Run, scans: Path) -> None:
    target = scans / "one.color.jpg"
    target.write_bytes(b"mine")
    result = colorize("scans/one.jpg", "scans/two.png")
    assert result.code == 1
    assert "Error: scans/one.color.jpg: the output exists already; use --overwrite or --skip-existing" in result.err
    assert target.read_bytes() == b"mine"
    assert (scans / "two.color.png").exists()
    Path("dangling.jpg").symlink_to("elsewhere/x.jpg")
    assert colorize("scans/one.jpg", "-o", "dangling.jpg").code == 1
    assert Path("dangling.jpg").is_symlink()


def test_two_inputs_with_one_output(colorize: Run, scans: Path) -> None:
    result = colorize("scans/one.jpg", "scans/1903/one.jpg", "-o", "out/")
    assert result.code == 2
    assert "two inputs have one output" in result.err
    assert "out/one.jpg would come from scans/one.jpg and scans/1903/one.jpg" in result.err
    assert not Path("out").exists()


def test_output_folder_not_writable(scans: Path, tiny_model: Path) -> None:
    Path("closed").mkdir(mode=0o555)
    for output in ("closed/", "closed/new/"):
        result = as_process("scans/one.jpg", "-o", output, "--model", tiny_model, prefix=without_privileges())
        assert result.returncode == 1
        assert b"Error: closed/" in result.stderr
        assert b"not writable" in result.stderr or b"cannot be made (Permission denied)" in result.stderr
        assert b"Traceback" not in result.stderr
    assert list(Path("closed").iterdir()) == []


def test_output_folder_is_a_file(colorize: Run, scans: Path) -> None:
    result = colorize("scans/one.jpg", "-o", "scans/notes.txt/x.jpg")
    assert result.code == 1
    assert "Error: scans/notes.txt: cannot be made (" in result.err


def test_disk_full(scans: Path, large_photo: Path, tiny_model: Path) -> None:
    """On a disk of 256 kB in a mount namespace of its own, which goes away with the process."""
    Path("disk").mkdir()
    assert shutil.which("unshare"), "this test needs unshare (util-linux) to mount a small disk"
    script = 'mount -t tmpfs -o size=256k photochrom disk || exit 99; "$@"; code=$?; ls -A disk; exit $code'
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c", script, "sh"]
    result = as_process(large_photo, "scans/one.jpg", "-o", "disk/", "--model", tiny_model, prefix=unshare)
    assert result.returncode not in (99, 125), f"a tmpfs could not be mounted here: {result.stderr.decode()}"
    assert result.returncode == 1, result.stderr.decode()
    assert b"Error: disk/large.jpg: no space left on the disk; free some" in result.stderr
    assert result.stdout.decode().split() == ["one.jpg"]


def test_full_stdout(scans: Path, tiny_model: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        command = as_command("scans/one.jpg", "-o", "-", "--model", tiny_model)
        result = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=300, check=False
        )
    assert result.returncode == 1
    assert b"Error: stdout: could not be written (No space left on device)" in result.stderr
    assert b"Traceback" not in result.stderr and b"Exception ignored" not in result.stderr


# --- interruptions ---

COPIES = 12


@pytest.fixture
def box(tmp_path: Path, large_photo: Path) -> Path:
    """box/: twelve photographs of 9 megapixels each."""
    folder = tmp_path / "box"
    folder.mkdir()
    for number in range(COPIES):
        (folder / f"{number:02}.jpg").hardlink_to(large_photo)
    return folder


def start(*args: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(as_command(*args), stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    """Until it holds, or the process has ended, or five minutes have passed."""
    deadline = time.monotonic() + 300
    while not condition() and process.poll() is None:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def finished(folder: Path) -> list[Path]:
    return sorted(folder.glob("[!.]*")) if folder.is_dir() else []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("jobs", [1, 3])
def test_interrupted_in_the_middle(box: Path, tiny_model: Path, number: int, code: int, jobs: int) -> None:
    out = box.parent / "out"
    process = start("-r", box, "-o", out, "--model", tiny_model, "--jobs", jobs)
    wait_for(lambda: finished(out) and parts(out), process)
    process.send_signal(number)
    message = process.communicate(timeout=300)[1].decode()
    assert process.returncode == code, message
    assert "stopping after the photographs in work" in message
    assert "interrupted" in message.splitlines()[-1]
    assert "Traceback" not in message
    assert parts(out) == []
    assert 1 <= len(finished(out)) < COPIES
    for path in finished(out):
        assert whole(path).size == (3000, 3000)


def test_interrupted_twice_drops_the_running_one(box: Path, tiny_model: Path) -> None:
    out = box.parent / "out"
    process = start("-r", box, "-o", out, "--model", tiny_model)
    wait_for(lambda: parts(out), process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert any(b"stopping" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    assert b"Traceback" not in process.communicate(timeout=300)[1]
    assert process.returncode == 130
    assert parts(out) == []
    for path in finished(out):
        assert whole(path).size == (3000, 3000)


def test_killed_in_the_middle_and_run_again(box: Path, tiny_model: Path) -> None:
    out = box.parent / "out"
    arguments = ("-r", box, "-o", out, "--model", tiny_model)
    process = start(*arguments)
    while True:  # stopped with a part file open, so that the kill does hit the middle
        wait_for(lambda: finished(out) and parts(out), process)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        if parts(out):
            break
        process.send_signal(signal.SIGCONT)
    process.kill()
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in finished(out)}
    assert 1 <= len(before) < COPIES
    for path in before:
        assert whole(path).size == (3000, 3000)
    assert parts(out)

    refused = as_process(*arguments, "--dry-run")
    assert refused.returncode == 1
    again = as_process(*arguments, "--skip-existing")
    assert again.returncode == 0, again.stderr.decode()
    assert parts(out) == []
    assert len(finished(out)) == COPIES
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in before} == before
    for path in finished(out):
        assert whole(path).size == (3000, 3000)
