"""Answers as files: what is written comes back, and what is damaged is refused with its place."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photochrom.errors import DataError, OutputError, SettingError
from photochrom.study.answers_file import COLUMNS, FIELDS, check, read, write
from photochrom.study.records import Trial

STUDY = "0123456789abcdef"  # its identity
ANSWERED = Trial(
    participant="a1", algorithm="lite", position=0, kind="test", photograph="p0007", real_side="left",
    state="answered", chosen="right", shown_ms=1000.4, flagged=False, reaction_ms=812.0,
    answered_at="2026-01-02T03:04:05+00:00",
)  # fmt: skip
VOID = Trial("a1", "lite", 1, "practice", "p0008", "right", "void", shown_ms=None, flagged=True)

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=12)
TIMES = st.none() | st.floats(0, 1e7)
DATES = st.none() | st.datetimes().map(lambda each: each.isoformat())


@st.composite
def trials(draw: st.DrawFn) -> list[Trial]:
    found = []
    for participant in draw(st.lists(TEXTS, unique=True, max_size=3)):
        algorithm = draw(TEXTS)
        for position in range(draw(st.integers(1, 4))):
            state = draw(st.sampled_from(["pending", "shown", "answered", "void"]))
            side = st.sampled_from(["left", "right"])
            found.append(
                Trial(
                    participant, algorithm, position, draw(st.sampled_from(["practice", "test", "vigilance"])),
                    draw(TEXTS), draw(side), state, draw(side) if state == "answered" else None, draw(TIMES),
                    draw(st.booleans()), draw(TIMES), draw(DATES),
                )  # type: ignore[arg-type]
            )  # fmt: skip
    return found


@settings(max_examples=15, deadline=None)
@given(trials())
def test_comes_back(found: list[Trial]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("answers.json", "answers.CSV"):
            write(Path(folder) / name, found, STUDY)
            assert read(Path(folder) / name, STUDY) == found


def test_never_overwrites(tmp_path: Path) -> None:
    target = tmp_path / "answers.json"
    write(target, [ANSWERED], STUDY)
    before = target.read_bytes()
    with pytest.raises(OutputError, match="exists already; use --overwrite, or another name with -o"):
        write(target, [], STUDY)
    assert target.read_bytes() == before
    write(target, [], STUDY, overwrite=True)
    assert read(target, STUDY) == []
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write(tmp_path / "folder.csv", [], STUDY)
    with pytest.raises(SettingError, match=r"answers.txt: ends in '.txt'; expected .json or .csv"):
        write(tmp_path / "answers.txt", [], STUDY)


@pytest.mark.parametrize("name", ["answers.json", "answers.csv"])
def test_of_another_study(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, [ANSWERED, VOID], STUDY)
    found = rf"{name}(, line 2)?: the answers are of another study \({STUDY}\); expected those of fedcba9876543210"
    with pytest.raises(DataError, match=found):
        read(tmp_path / name, "fedcba9876543210")
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(text.replace(STUDY, ""))
    found = rf"{name}(, line 2)?: does not say of which study it is; expected {STUDY}: damaged, export it again"
    with pytest.raises(DataError, match=found):
        read(tmp_path / name, STUDY)


def test_without_a_study(tmp_path: Path) -> None:
    """As files were before they carried it: refused as damaged."""
    write(tmp_path / "answers.json", [ANSWERED], STUDY)
    found = json.loads((tmp_path / "answers.json").read_text())
    del found["study"]
    (tmp_path / "answers.json").write_text(json.dumps(found))
    with pytest.raises(DataError, match="does not say of which study it is"):
        read(tmp_path / "answers.json", STUDY)
    (tmp_path / "answers.csv").write_text(",".join(FIELDS) + "\n")
    with pytest.raises(DataError, match=r"columns are participant, .*; expected study, participant"):
        read(tmp_path / "answers.csv", STUDY)


def test_csv_opens_in_a_spreadsheet(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    write(file, [ANSWERED, VOID], STUDY)
    lines = file.read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert lines[2] == f"{STUDY},a1,lite,1,practice,p0008,right,void,,,true,,"
    # As one saves it: a byte order mark, other line ends, columns moved, capitals.
    moved = [",".join(reversed(line.split(","))).replace("true", "TRUE") for line in lines]
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(moved).encode() + b"\r\n")
    assert read(file, STUDY) == [ANSWERED, VOID]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"position": -1}, "position is -1; expected a whole number, 0 or above"),
        ({"position": 1.5}, "position is 1.5"),
        ({"kind": "exam"}, "kind is 'exam'; expected one of practice, test, vigilance"),
        ({"real_side": None}, "real_side is empty; expected one of left, right"),
        ({"chosen": "both"}, "chosen is 'both'"),
        ({"chosen": None}, "chosen is empty; expected left or right in an answered record"),
        ({"state": "void"}, "chosen is 'right'; expected left or right in an answered record, nothing in another"),
        ({"state": ["void"]}, r"state is \['void'\]"),
        ({"shown_ms": -4}, "shown_ms is -4; expected milliseconds"),
        ({"reaction_ms": "soon"}, "reaction_ms is 'soon'"),
        ({"flagged": 1}, "flagged is 1; expected true or false"),
        ({"answered_at": "yesterday"}, "answered_at is 'yesterday'; expected a time"),
        ({"participant": ""}, "participant is ''; expected a text"),
        ({"photograph": 7}, "photograph is 7"),
        ({"colour": "red"}, "fields colour are unknown or missing"),
    ],
)
def test_damaged_record(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = tmp_path / "answers.json"
    write(file, [VOID, ANSWERED], STUDY)
    found = json.loads(file.read_text())
    found["trials"][1] |= changes
    file.write_text(json.dumps(found))
    with pytest.raises(DataError, match=rf"answers.json, record 2: {message}.*; nothing was read: mend or remove it"):
        read(file, STUDY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "columns are a, b; expected study, participant, algorithm"),
        ("", "columns are none"),
        ("{header}\n{study},a1,lite\n", "line 2: fewer cells than columns; expected 13"),
        ("{header}\n{row},more\n", "line 2: more cells than columns"),
        ("{header}\n{row}\n{bad}\n", "line 3: position is 'third'"),
        ("{header}\n{row}\n{row}\n", "participant a1 has two records at position 0; expected one"),
        ('{header}\n"{study}', "not readable"),
    ],
)
def test_damaged_csv(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "answers.csv"
    row = f"{STUDY},a1,lite,0,test,p0007,left,answered,right,1000,false,800,"
    file.write_text(text.format(header=",".join(COLUMNS), study=STUDY, row=row, bad=row.replace(",0,", ",third,")))
    with pytest.raises(DataError, match=message) as caught:
        read(file, STUDY)
    assert str(file) in str(caught.value)


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.json: no such file"):
        read(tmp_path / "none.json", STUDY)
    (tmp_path / "answers.xlsx").touch()
    with pytest.raises(DataError, match=r"ends in '.xlsx'; expected .json or .csv"):
        read(tmp_path / "answers.xlsx", STUDY)
    for name, text, message in (
        ("broken.json", "{", "not readable"),
        ("other.json", '{"format": "else"}', "no answers in it; expected an object with format 'photochrom-answers-1'"),
        (
            "list.json",
            json.dumps({"format": "photochrom-answers-1", "study": STUDY, "trials": [3]}),
            "record 1: 3; expected an object",
        ),
        ("latin.csv", "caf\xe9", "not readable"),
    ):
        (tmp_path / name).write_bytes(text.encode("latin-1"))
        with pytest.raises(DataError, match=message):
            read(tmp_path / name, STUDY)


def test_two_algorithms() -> None:
    with pytest.raises(
        DataError, match="source: participant a1 has the algorithms lite and full; expected one a session"
    ):
        check([ANSWERED, dataclasses.replace(VOID, algorithm="full")], "source")
