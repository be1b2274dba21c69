"""The photographs that are left out are counted and named, by several processes in one file."""

import json

from photochrom.data.photograph import UnusablePhoto
from photochrom.data.skips import NAMED, Skips, read_skips


def unusable(number, reason):
    return UnusablePhoto(f"{number}.jpg", "x.tar", reason, "found this")


def test_all_are_counted_and_the_first_named(caplog):
    skips = Skips()
    for number in range(NAMED + 30):
        skips.add(unusable(number, "grey"))
    skips.add(unusable("one", "corrupt"))
    assert skips.counts == {"grey": NAMED + 30, "corrupt": 1} and skips.total == NAMED + 31
    assert skips.names["grey"] == [f"{number}.jpg" for number in range(NAMED)]
    assert str(skips) == "1 corrupt (one.jpg), 50 grey (0.jpg, 1.jpg, 2.jpg, ...)"
    assert "one.jpg in x.tar: corrupt (found this)" in caplog.text
    assert len(caplog.records) == NAMED + 2  # a million greys are not a million lines


def test_a_file_of_several_processes_names_each_photograph_once(tmp_path):
    file = tmp_path / "skipped.jsonl"
    first, second = Skips(file), Skips(file)
    for number in range(30):
        first.add(unusable(number, "grey"))
        second.add(unusable(number + 10, "grey" if number < 20 else "tiny"))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 60
    assert lines[0] == {"key": "0.jpg", "file": "x.tar", "reason": "grey", "detail": "found this"}
    with file.open("a") as stream:
        stream.write('{"key": "cut sh')
    assert read_skips(file).counts == {"grey": 30, "tiny": 10}


def test_no_file_no_skips(tmp_path):
    assert read_skips(tmp_path / "none").total == 0
    assert str(Skips()) == "none"
