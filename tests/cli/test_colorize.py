"""photochrom colorize: what it does when all is well."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photochrom.models import read_info

from .conftest import Run, as_command, as_process, environment, whole

TREE = [
    "1903/May/five.JPG",
    "1903/May/four.webp",
    "1903/one.jpg",
    "1903/three.tif",
    "coffee.jpg",
    "deep.png",
    "one.jpg",
]
TREE += ["two.png"]


def photographs(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_one_photograph(colorize: Run, scans: Path) -> None:
    result = colorize("scans/one.jpg")
    assert (result.code, result.out) == (0, "")
    assert "scans/one.jpg -> scans/one.color.jpg (96 x 64, " in result.err
    coloured = np.asarray(whole(scans / "one.color.jpg").convert("RGB"), np.int16)
    assert np.ptp(coloured, axis=2).max() > 5


def test_a_tree_is_mirrored(colorize: Run, scans: Path) -> None:
    result = colorize("-r", "scans", "-o", "new/coloured/")
    assert result.code == 0
    assert photographs(Path("new/coloured")) == TREE
    for name in TREE:
        assert whole(Path("new/coloured", name)).size == whole(scans / name).size
    assert result.err.splitlines()[-1].startswith("8 done in ")


def test_a_second_run_colours_nothing_again(colorize: Run, scans: Path) -> None:
    assert colorize("-r", "scans").code == 0
    once = {path: path.read_bytes() for path in scans.rglob("*") if path.is_file()}
    assert len(once) == 8 + 8 + 1
    again = colorize("-r", "scans", "--skip-existing", "--json")
    assert again.code == 0
    lines = [json.loads(line) for line in again.out.splitlines()]
    assert {line["status"] for line in lines} == {"skipped"}
    assert len(lines) == 16
    assert {path: path.read_bytes() for path in scans.rglob("*") if path.is_file()} == once
    elsewhere = colorize("-r", "scans", "-o", "out")
    assert elsewhere.code == 0
    assert photographs(Path("out")) == TREE


def test_names_that_a_shell_expanded_are_not_coloured_again_either(colorize: Run, scans: Path) -> None:
    assert colorize("scans/one.jpg", "scans/coffee.jpg").code == 0
    names = sorted(scans.glob("*.jpg"))
    assert len(names) == 4
    assert colorize(*names, "--skip-existing").code == 0
    assert sorted(scans.glob("*.jpg")) == names


def test_patterns(colorize: Run, scans: Path) -> None:
    assert colorize("scans/**/one.jpg", "-o", "out").code == 0
    assert photographs(Path("out")) == ["1903/one.jpg", "one.jpg"]


def test_json(colorize: Run, scans: Path, tiny_model: Path) -> None:
    Path("scans/two.color.png").write_bytes(b"mine")
    Path("scans/deep.color.png").write_bytes(b"mine too")
    result = colorize("scans/one.jpg", "nowhere.jpg", "scans/two.png", "--json", "-q")
    assert result.code == 1
    lines = {line["input"]: line for line in map(json.loads, result.out.splitlines())}
    keys = ["input", "output", "status", "seconds", "width", "height", "model", "error", "notes"]
    assert all(list(line) == keys for line in lines.values())
    done = lines["scans/one.jpg"]
    assert 0 < done.pop("seconds") < 60
    name = read_info(tiny_model).name
    assert done == {
        "input": "scans/one.jpg", "output": "scans/one.color.jpg", "status": "done", "width": 96, "height": 64,
        "model": name, "error": None, "notes": [],
    }  # fmt: skip
    assert lines["nowhere.jpg"]["status"] == lines["scans/two.png"]["status"] == "failed"
    assert "scans/two.color.png" in lines["scans/two.png"]["error"]
    skipped = json.loads(colorize("scans/deep.png", "--json", "--skip-existing").out)
    assert (skipped["status"], skipped["output"], skipped["seconds"]) == ("skipped", "scans/deep.color.png", None)


def test_dry_run_writes_nothing(colorize: Run, scans: Path) -> None:
    before = photographs(scans)
    Path("scans/two.color.png").write_bytes(Path("scans/two.png").read_bytes())
    result = colorize("-r", "scans", "--dry-run", "--skip-existing")
    assert result.code == 0
    assert "scans/1903/May/five.JPG -> scans/1903/May/five.color.JPG (not done" in result.err
    assert "scans/two.png: skipped, scans/two.color.png exists" in result.err
    planned = [
        json.loads(line) for line in colorize("-r", "scans", "--dry-run", "--json", "-o", "out/").out.splitlines()
    ]
    assert {line["output"] for line in planned if line["status"] == "planned"} >= {f"out/{name}" for name in TREE}
    assert photographs(scans) == sorted([*before, "two.color.png"])
    assert not Path("out").exists()


def test_dry_run_names_what_would_fail(colorize: Run, scans: Path) -> None:
    Path("scans/text.jpg").write_text("hello")
    result = colorize("-r", "scans", "--dry-run")
    assert result.code == 1 and "scans/text.jpg: a text file" in result.err
    assert "1 failed, " in result.err and " planned in " in result.err
    assert colorize("scans/one.jpg", "--dry-run", "--max-pixels", "10").code == 1


def test_an_output_without_a_suffix_is_neither_file_nor_folder(colorize: Run, scans: Path) -> None:
    result = colorize("scans/one.jpg", "-o", "results")
    assert result.code == 2 and "expected results/ for a folder, or results.jpg for a file" in result.err
    assert not Path("results").exists()
    assert colorize("scans/one.jpg", "-o", "results/").code == 0


def test_quiet(colorize: Run, scans: Path) -> None:
    assert colorize("scans/one.jpg", "scans/two.png", "-q")[1:] == ("", "")
    assert "nowhere.jpg: no such file" in colorize("nowhere.jpg", "-q").err


def test_overwrite(colorize: Run, scans: Path) -> None:
    target = Path("scans/one.color.jpg")
    target.write_bytes(b"mine")
    assert colorize("scans/one.jpg").code == 1
    assert target.read_bytes() == b"mine"
    assert colorize("scans/one.jpg", "--skip-existing").code == 0
    assert target.read_bytes() == b"mine"
    assert colorize("scans/one.jpg", "--overwrite").code == 0
    assert whole(target).size == (96, 64)


@pytest.mark.parametrize(
    ("format", "suffix", "pillow"),
    [("jpg", "jpg", "JPEG"), ("png", "png", "PNG"), ("tiff", "tif", "TIFF"), ("webp", "webp", "WEBP")],
)
def test_formats(colorize: Run, scans: Path, format: str, suffix: str, pillow: str) -> None:
    assert colorize("scans/coffee.jpg", "scans/two.png", "--format", format).code == 0
    assert whole(scans / f"coffee.color.{suffix}").format == pillow
    assert whole(scans / f"two.color.{suffix}").format == pillow


def test_the_suffix_of_the_output_says_the_format(colorize: Run, scans: Path) -> None:
    assert colorize("scans/one.jpg", "-o", "a/b/new.png").code == 0
    assert whole(Path("a/b/new.png")).format == "PNG"


def test_depth_is_kept_and_its_loss_is_told(colorize: Run, scans: Path) -> None:
    assert colorize("scans/deep.png").code == 0
    header = (scans / "deep.color.png").read_bytes()[16:26]
    assert header[8:] == bytes([16, 2])  # bits, RGB
    assert "Note: scans/deep.png: " in colorize("scans/deep.png", "--format", "jpg").err


def test_quality(colorize: Run, scans: Path) -> None:
    assert colorize("scans/coffee.jpg", "-o", "low.jpg", "--quality", 20).code == 0
    assert colorize("scans/coffee.jpg", "-o", "high.jpg", "--quality", 95).code == 0
    assert Path("low.jpg").stat().st_size < 0.7 * Path("high.jpg").stat().st_size


def test_saturation_and_decode_reach_the_picture(colorize: Run, scans: Path) -> None:
    def chroma(name: str, *options: object) -> float:
        assert colorize("scans/two.png", "-o", name, *options).code == 0
        pixels = np.asarray(whole(Path(name)).convert("RGB"), np.int16)
        return float(np.ptp(pixels, axis=2).mean())

    plain = chroma("plain.png")
    assert chroma("grey.png", "--saturation", 0) == 0
    np.testing.assert_array_equal(
        np.asarray(whole(Path("grey.png")).convert("L")), np.asarray(whole(scans / "two.png"))
    )
    assert 0 < chroma("half.png", "--saturation", 0.5) < plain
    default = Path("plain.png").read_bytes()
    for options in (["--decode", "mean"], ["--decode", "mode"], ["--temperature", 0.9]):
        assert colorize("scans/two.png", "-o", "other.png", "--overwrite", *options).code == 0
        assert Path("other.png").read_bytes() != default  # the mark holds the temperature


def test_threads_do_not_change_the_pictures(colorize: Run, scans: Path) -> None:
    assert colorize("-r", "scans", "-o", "one/").code == 0
    assert colorize("-r", "scans", "-o", "many/", "--jobs", 4).code == 0
    for name in TREE:
        assert Path("one", name).read_bytes() == Path("many", name).read_bytes()


def test_pipe(scans: Path, tiny_model: Path) -> None:
    content = (scans / "coffee.jpg").read_bytes()
    through = as_process("-", "--model", tiny_model, input=content)
    assert through.returncode == 0
    to_stdout = as_process("scans/coffee.jpg", "-o", "-", "--model", tiny_model)
    assert to_stdout.stdout == through.stdout
    Path("piped.jpg").write_bytes(through.stdout)
    assert whole(Path("piped.jpg")).size == (80, 60)
    to_file = as_process("-", "-o", "piped.png", "--model", tiny_model, input=content)
    assert (to_file.returncode, to_file.stdout) == (0, b"")
    assert whole(Path("piped.png")).format == "PNG"
    png = as_process("-", "--format", "png", "--model", tiny_model, input=content)
    assert png.stdout.startswith(b"\x89PNG")


def test_a_reader_that_goes_away(scans: Path, tiny_model: Path) -> None:
    process = subprocess.Popen(
        as_command("scans/coffee.jpg", "-o", "-", "--model", tiny_model),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    message = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(300) == 1
    assert "stdout: could not be written (Broken pipe)" in message
    assert "Traceback" not in message


def test_a_bar_on_a_terminal_only(scans: Path, tiny_model: Path) -> None:
    ours, theirs = pty.openpty()
    command = as_command("-r", "scans", "nowhere.jpg", "-o", "out/", "--model", tiny_model)
    process = subprocess.Popen(command, stderr=theirs, stdout=subprocess.PIPE, env={**environment(), "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 65536)
        except OSError:  # EIO: the other side is closed
            break
    os.close(ours)
    assert process.communicate(timeout=300)[0] == b""
    assert process.returncode == 1
    assert b"colouring" in seen and b"8/8" in seen
    assert b"nowhere.jpg: no such file" in seen
    assert b"out/one.jpg" not in seen
    plain = as_process("-r", "scans", "-o", "plain/", "--model", tiny_model).stderr
    assert b"colouring" not in plain and b"\x1b" not in plain


def test_nothing_to_do(colorize: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = colorize("-r", tmp_path / "empty")
    assert result.code == 0
    assert "no photographs found" in result.err


def test_a_reduced_copy_of_a_photograph_is_not_taken_as_made_by_us(colorize: Run, scans: Path) -> None:
    """Only the mark in the file counts, not its name."""
    Image.new("L", (30, 20), 99).save(scans / "mine.color.jpg")
    assert colorize("-r", "scans").code == 0
    assert (scans / "mine.color.color.jpg").exists()


def test_names_that_are_not_utf8(colorize: Run, scans: Path) -> None:
    name, folder = os.fsdecode(b"caf\xe9\n[1].jpg"), os.fsdecode(b"1\xe9")
    (scans / folder).mkdir()
    (scans / "one.jpg").rename(scans / folder / name)
    (scans / folder / "long.jpg").write_bytes((scans / folder / name).read_bytes())
    (scans / folder / "long.jpg").rename(scans / folder / f"{'한' * 79}.jpg")
    result = colorize("-r", "scans", "-o", "out/", "--json")
    assert result.code == 0, result.err
    assert whole(Path("out", folder, name)).size == (96, 64)
    assert f"out/{folder}/{name}" in {json.loads(line)["output"] for line in result.out.splitlines()}
    (scans / folder / name).write_bytes(b"\xff\xd8\xff")
    assert "[1].jpg: damaged or cut short" in colorize("-r", f"scans/{folder}").err


def test_interrupted_before_it_begins(colorize: Run, scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("photochrom.colorizer.load", interrupt)
    result = colorize("scans/one.jpg")
    assert result.code == 130
    assert "Traceback" not in result.err
