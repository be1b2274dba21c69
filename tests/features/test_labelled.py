"""Which photographs take part, and on which side: by their keys alone."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from photochrom.errors import DataError, SettingError
from photochrom.features.labelled import Selection, find_labelled


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """400 photographs (the same one) in 4 classes of 40, 80, 120, 160, and one outside."""
    folder = tmp_path_factory.mktemp("many")
    Image.new("RGB", (2, 2)).save(folder / "outside.png")
    content = (folder / "outside.png").read_bytes()
    for number, name in enumerate(("ant", "bee", "cat", "dog"), 1):
        (folder / name).mkdir()
        for i in range(40 * number):
            (folder / name / f"{i}.png").write_bytes(content)
    return folder


def keys(labelled):
    return [entry.key for entry in labelled.photos]


def test_classes_and_split(many):
    found = find_labelled(many)
    assert found.classes == ("ant", "bee", "cat", "dog") and len(found.photos) == 400
    assert [found.classes[label] for label in found.labels] == [key.split("/")[0] for key in keys(found)]
    assert found.left_out == {"class not known": 1}
    expected = [int.from_bytes(hashlib.sha256(b"probe\0" + key.encode()).digest()[:4]) % 5 == 0 for key in keys(found)]
    assert found.is_test.tolist() == expected
    assert 0.15 < found.is_test.mean() < 0.25


def test_a_photograph_stays_on_its_side_whatever_else_is_chosen(many):
    side = dict(zip(keys(find_labelled(many)), find_labelled(many).is_test, strict=True))
    for selection in (Selection(only="cat|dog"), Selection(limit=100), Selection(least=100)):
        found = find_labelled(many, selection)
        assert found.is_test.tolist() == [side[key] for key in keys(found)]
    held_back = find_labelled(many, Selection(split="validation"))
    assert not any(side[key] for key in keys(held_back))  # the test's photographs are not touched
    assert 0.15 < held_back.is_test.sum() / 400 < 0.25


def test_what_is_left_out_is_counted(many):
    found = find_labelled(many, Selection(only="/[0-9]+", least=100, limit=150))
    assert found.classes == ("cat", "dog") and len(found.photos) == 150
    assert found.left_out == {
        "key without --only": 1, "class of fewer than 100 photographs": 120, "beyond the limit": 130,
    }  # fmt: skip
    share = np.bincount(found.labels) / [120, 160]
    assert share == pytest.approx(150 / 280, abs=0.1)  # drawn evenly
    fewer = find_labelled(many, Selection(only="/[0-9]+", least=100, limit=50))
    assert set(keys(fewer)) < set(keys(found))


def test_a_test_set_of_its_own(many, tmp_path):
    for name in ("ant", "bee", "wasp"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("RGB", (2, 2)).save(tmp_path / name / f"{i}.png")
    found = find_labelled(many, Selection(only="ant|bee|wasp"), test_data=tmp_path)
    assert (~found.is_test).sum() == 120 and found.is_test.sum() == 6
    assert found.classes == ("ant", "bee") and found.left_out["class not in the training data"] == 3
    assert {entry.source.name for entry, test in zip(found.photos, found.is_test, strict=True) if test} == {
        tmp_path.name
    }


def test_the_fingerprint_tells_photographs_and_split_apart(many):
    prints = {
        find_labelled(many, selection).fingerprint()
        for selection in (
            Selection(),
            Selection(limit=399),
            Selection(split="validation"),
            Selection(only="/1?[0-9][.]"),
        )
    }
    assert len(prints) == 4
    assert find_labelled(many).fingerprint() in prints


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"only": "^dog"}, r"only the class 'dog' \(.*241 left out.*at least two classes"),
        ({"only": "zebra"}, r"none of the 401 keys has 'zebra' in it.*they are like '\w+/"),
        ({"only": "outside"}, r"none of the 1 photographs has a class \(one is 'outside.png'\).*--class-from-key"),
        ({"least": 1000}, r"no class .*400 left out: class of fewer than 1000"),
        ({"limit": 2}, "2 photographs|only the class|to train on, 0"),
        ({"class_from_key": "(zebra)"}, "none of the 401 photographs has a class"),
    ],
)
def test_sets_that_give_no_task_are_refused(many, selection, message):
    with pytest.raises(DataError, match=message):
        find_labelled(many, Selection(**selection))


def test_wrong_settings_are_refused(many, tmp_path):
    for wrong in ({"split": "train"}, {"least": 0}, {"limit": 0}):
        with pytest.raises(SettingError, match=next(iter(wrong))):
            Selection(**wrong)
    with pytest.raises(SettingError, match="--only is"):
        find_labelled(many, Selection(only="["))
    with pytest.raises(SettingError, match="validation"):
        find_labelled(many, Selection(split="validation"), test_data=many)
    with pytest.raises(DataError, match="nowhere: not there"):
        find_labelled(tmp_path / "nowhere")
