from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photochrom.errors import OutputError, SettingError
from photochrom.evaluation.picture_sheet import CELL, GAP, picture_sheet, write_sheet


def flat(colour: tuple[int, int, int], height: int = 40, width: int = 40) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_pictures_stand_under_their_names() -> None:
    red, green, blue = (200, 0, 0), (0, 200, 0), (0, 0, 200)
    rows = [[flat(red), flat(green)], [flat(blue, 20, 40), flat(red, 40, 20)], [flat(green), flat(blue)]]
    sheet = picture_sheet(["grey", "a <b> & c"], rows, groups=2).numpy()
    assert sheet.shape[1:] == (4 * CELL + 3 * GAP, 3)
    top = sheet.shape[0] - 2 * CELL - GAP  # height of the names
    assert sheet[:top].min() < 100  # ink
    middles = [(top + CELL // 2 + y * (CELL + GAP), CELL // 2 + x * (CELL + GAP)) for y in range(2) for x in range(4)]
    found = [tuple(int(v) for v in sheet[y, x]) for y, x in middles]
    assert found == [red, green, blue, red, green, blue, (255, 255, 255), (255, 255, 255)]
    # Pictures that are not square are fitted, not stretched.
    assert tuple(sheet[top + 5, 2 * (CELL + GAP) + CELL // 2]) == (255, 255, 255)
    assert tuple(sheet[top + CELL // 2, 2 * (CELL + GAP) + 3]) == blue


def test_uneven_rows_are_refused() -> None:
    with pytest.raises(SettingError, match=r"rows have \[1\] pictures; expected 2"):
        picture_sheet(["a", "b"], [[flat((0, 0, 0))]])


def test_unwritable_target(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="sheet"):
        write_sheet(picture_sheet(["a"], [[flat((0, 0, 0))]]), tmp_path / "file" / "sheet.png")
    with pytest.raises(OutputError, match="sheet"):
        write_sheet(picture_sheet(["a"], [[flat((0, 0, 0))]]), tmp_path / "sheet.unknown")


def run_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "photochrom.evaluation.picture_sheet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command(photographs: Path, warm_model: Path, tmp_path: Path) -> None:
    target = tmp_path / "sheet.jpg"
    arguments = ["--model", warm_model, "--data", photographs, "--count", 2, "--seed", 0, "-o", target]
    assert run_command(*arguments).returncode == 0
    with Image.open(target) as sheet:
        assert sheet.size[0] == 6 * CELL + 5 * GAP  # grey, warm, original; twice
    before = target.read_bytes()
    again = run_command(*arguments)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith(f"Error: {target}: the output exists already")
    assert target.read_bytes() == before
    assert run_command(*arguments, "--overwrite").returncode == 0


def test_command_goes_on_past_a_bad_photograph(photographs: Path, warm_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = next(path for path in sorted(photographs.iterdir()) if path.suffix in {".jpg", ".png"})
    (folder / good.name).symlink_to(good)
    (folder / "a-bad-one.jpg").write_bytes(b"not a photograph")
    found = run_command("--model", warm_model, "--data", folder, "--half", "all", "-o", tmp_path / "sheet.png")
    assert found.returncode == 1
    assert found.stderr.startswith("Error: ")
    assert "a-bad-one.jpg" in found.stderr
    assert "Traceback" not in found.stderr
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] == 3 * CELL + 2 * GAP


@pytest.mark.parametrize(
    ("wrong", "code", "message"),
    [
        (("--data", "nowhere"), 1, "Error: nowhere: not a folder"),
        (("--half", "third"), 2, "Error: half is 'third'; expected one of"),
        (("--model", "nothing.onnx"), 2, "Error: nothing.onnx"),
    ],
)
def test_command_bad_input(
    photographs: Path, warm_model: Path, tmp_path: Path, wrong: tuple[str, str], code: int, message: str
) -> None:
    arguments = {"--model": warm_model, "--data": photographs, "-o": tmp_path / "sheet.png"} | dict([wrong])
    found = run_command(*(word for pair in arguments.items() for word in pair))
    assert (found.returncode, found.stdout) == (code, "")
    assert found.stderr.startswith(message)
    assert not (tmp_path / "sheet.png").exists()
