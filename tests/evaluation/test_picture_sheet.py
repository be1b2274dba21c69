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


def test_command(photographs: Path, warm_model: Path, tmp_path: Path) -> None:
    arguments = ["--model", warm_model, "--data", photographs, "--count", 2, "--seed", 0, "-o", tmp_path / "sheet.jpg"]
    command = [sys.executable, "-m", "photochrom.evaluation.picture_sheet", *map(str, arguments)]
    subprocess.run(command, check=True)
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.size[0] == 6 * CELL + 5 * GAP  # grey, warm, original; twice
