"""What a study takes, what it leaves out, and that its folder appears whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data
from skimage.color import lab2rgb, rgb2lab

from photochrom.errors import DataError, OutputError, SettingError
from photochrom.evaluation.baselines import Grey, RandomColours, Truth
from photochrom.evaluation.photographs import Photograph, list_photographs
from photochrom.study.build import algorithm_names, build_study, check_baselines, is_nearly_grey, summary
from photochrom.study.pictures import read_picture
from photochrom.study.plan import Study, load_study

from .conftest import SMALL, Swapped


class Picky:
    """A model that fails on photographs by name."""

    note = ""

    def __init__(self, name: str, fails_on: str, way: str = "raises") -> None:
        self.name = name
        self._fails_on = fails_on
        self._way = way
        self.calls = 0

    def ab(self, photograph: Photograph) -> NDArray[np.float32]:
        self.calls += 1
        if photograph.name not in self._fails_on:
            return photograph.ab * 0.5
        if self._way == "raises":
            raise RuntimeError("out of\nmemory")
        if self._way == "shape":
            return photograph.ab[:10]
        return photograph.ab * np.nan


def build(folder: Path, target: Path, *systems: object, **changes: object) -> Study:
    settings = dataclasses.replace(SMALL, **changes)
    return build_study(list_photographs(folder), systems or (Swapped(),), target, settings, folder=folder)  # type: ignore[arg-type]


@pytest.fixture
def album(colour_photographs: Path, tmp_path: Path) -> Path:
    """The colour photographs and five that cannot be used."""
    folder = Path(shutil.copytree(colour_photographs, tmp_path / "album"))
    (folder / "old").mkdir()
    Image.fromarray(data.camera()).save(folder / "old" / "grey.png")
    Image.fromarray(data.coffee()[:50, :300]).save(folder / "old" / "strip.jpg")
    (folder / "old" / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    shutil.copy(folder / "03.png", folder / "old" / "copy of 03.png")
    return folder


def test_leaves_out_and_names_what_cannot_be_used(album: Path, tmp_path: Path) -> None:
    picky = Picky("picky", "05.png"), Picky("odd", "06.png", "shape"), Picky("mad", "07.png", "nan")
    study = build(album, tmp_path / "study", *picky, spares=2)
    known = ("old/", "05.png", "06.png", "07.png")
    reasons = {name: reason for name, reason in study.left_out.items() if name.startswith(known)}
    assert reasons.pop("old/grey.png").startswith("nearly grey: fewer than 5% of its pixels")
    assert reasons.pop("old/strip.jpg") == "too small: 300 x 50 pixels, expected a short side of at least 64"
    assert reasons.pop("old/broken.jpg").startswith("unreadable: ")
    assert reasons.pop("05.png") == "failed by picky: out of memory"
    found = "gives colours of shape {}, expected finite ones of the photograph's size"
    assert reasons.pop("06.png") == "failed by odd: " + found.format((10, 64, 2))
    assert reasons.pop("07.png") == "failed by mad: " + found.format((64, 64, 2))
    copies = {"03.png": "old/copy of 03.png", "old/copy of 03.png": "03.png"}
    left = next(name for name in copies if name in study.left_out)
    assert study.left_out[left] == f"a copy: the same picture as {copies[left]}"
    assert load_study(tmp_path / "study") == study
    assert not set(study.names.values()) & set(study.left_out)
    assert len(study.photographs) + len(study.left_out) == len(list_photographs(album))
    assert "1 failed by picky" in summary(study.left_out) and "1 too small" in summary(study.left_out)


def test_model_that_always_fails(colour_photographs: Path, tmp_path: Path) -> None:
    names = " ".join(path.name for path in colour_photographs.iterdir())
    with pytest.raises(DataError, match=r"bad: failed on 20 photographs in a row.*leave this model out, or fix it"):
        build(colour_photographs, tmp_path / "study", Picky("bad", names))
    assert list(tmp_path.iterdir()) == []


def test_too_few(album: Path, tmp_path: Path) -> None:
    expected = r"expected at least 60 photographs that can be used: 6 for practice, 6 for the test, 48 spare"
    found = r"album: \d+ photographs, of which \d+ can be used \(.*1 too small.*\)"
    with pytest.raises(DataError, match=rf"{found}; {expected}"):
        build(album, tmp_path / "study", practice=6, spares=48)
    most = len(list_photographs(album)) - 8
    with pytest.raises(DataError, match=rf"{found}; expected at"):
        build(album, tmp_path / "study", spares=most)
    with pytest.raises(SettingError, match=r"limit is 13; expected at least 14 photographs"):
        build(album, tmp_path / "study", limit=13)
    with pytest.raises(SettingError, match="nothing to judge"):
        build_study([], [], tmp_path / "study", SMALL, folder=album)
    assert [path.name for path in tmp_path.iterdir()] == ["album"]


def test_too_few_and_grey(tmp_path: Path) -> None:
    """Not only that there are too few: more of the same would not help. No model is run for that."""
    (tmp_path / "album").mkdir()
    for left in range(10):
        Image.fromarray(data.camera()[:100, 10 * left :][:, :100]).save(tmp_path / "album" / f"{left}.png")
    model = Picky("model", "")
    with pytest.raises(
        DataError, match=r"album: 10 photographs, of which 0 can be used \(10 nearly grey: .*; expected at least 14"
    ):
        build(tmp_path / "album", tmp_path / "study", model)
    assert model.calls == 0


def test_baselines_that_people_can_judge(colour_photographs: Path, tmp_path: Path) -> None:
    check_baselines([])
    check_baselines(["constant", "lightness-table", "random", "truth"])
    with pytest.raises(
        SettingError, match=r"'grey' \(next to grey the colour picture is obvious.*; expected one of con"
    ):
        check_baselines(["truth", "grey"])
    with pytest.raises(SettingError, match=r"baseline is 'sepia'; expected one of constant"):
        check_baselines(["sepia"])
    study = build(colour_photographs, tmp_path / "study", Truth(), limit=14)
    assert study.notes["truth"].startswith("a control")
    for identifier in study.photographs:
        real, other = (read_picture(tmp_path / "study", version, identifier) for version in ("real", "truth"))
        assert np.array_equal(real, other)


def test_limit(album: Path, tmp_path: Path) -> None:
    study = build(album, tmp_path / "study", limit=15)
    assert len(study.photographs) == 15 == len(set(study.names.values()))


def test_existing_folder_is_left_alone(colour_photographs: Path, tmp_path: Path) -> None:
    target = tmp_path / "study"
    for make in (target.mkdir, lambda: target.symlink_to("nowhere"), target.touch):
        make()
        with pytest.raises(OutputError, match="exists already"):
            build(colour_photographs, target)
        target.rmdir() if target.is_dir() else target.unlink()
    with pytest.raises(OutputError, match="there is no folder"):
        build(colour_photographs, tmp_path / "missing" / "study")


def test_appears_whole_or_not_at_all(colour_photographs: Path, tmp_path: Path) -> None:
    target = tmp_path / "study"
    seen = []

    def interrupt(done: int, total: int) -> None:
        seen.append(target.exists())
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_study(
            list_photographs(colour_photographs), [Swapped()], target, SMALL, folder=colour_photographs,
            progress=interrupt,
        )  # fmt: skip
    assert seen == [False] * 3 and list(tmp_path.iterdir()) == []


def test_same_seed_same_study(colour_photographs: Path, built_study: Path, tmp_path: Path) -> None:
    study = load_study(built_study)
    again = build(colour_photographs, tmp_path / "again")
    assert again == study
    for version in study.versions:
        for identifier in study.photographs:
            one, other = (read_picture(folder, version, identifier) for folder in (built_study, tmp_path / "again"))
            assert np.array_equal(one, other)
    other_seed = build(colour_photographs, tmp_path / "other", seed=9, limit=14)
    names = list(study.names.values())
    assert list(other_seed.names.values()) != names[:14]
    assert names != sorted(names)  # identifiers do not follow the files' order


def test_random_colours_are_those_of_another_photograph(built_study: Path) -> None:
    study = load_study(built_study)

    def chromas(version: str, identifier: str) -> NDArray[np.float64]:
        return rgb2lab(read_picture(built_study, version, identifier))[..., 1:].reshape(-1, 2)

    # In gamut a pixel keeps the colours it was lent, so one photograph of the study is close, and it is another one.
    for identifier in study.photographs[:5]:
        lent = chromas("random", identifier)
        apart = {each: np.median(np.abs(lent - chromas("real", each))) for each in study.photographs}
        assert min(apart, key=lambda each: apart[each]) != identifier
        assert min(apart.values()) < 3 < apart[identifier]


def test_random_as_an_algorithm_has_its_note(colour_photographs: Path, tmp_path: Path) -> None:
    study = build(colour_photographs, tmp_path / "study", RandomColours(()), Grey(), limit=14)
    assert study.algorithms == ("random", "grey")
    assert study.notes == {"random": "the colours of another photograph of the study, drawn by the seed"}
    assert sorted(path.name for path in (tmp_path / "study" / "pictures").iterdir()) == ["grey", "random", "real"]
    grey = read_picture(tmp_path / "study", "grey", "p0000")
    assert (grey == grey[..., :1]).all()


def test_what_is_nearly_grey() -> None:
    for share, grey in ((0.03, True), (0.08, False)):
        lab = np.zeros((100, 100, 3))
        lab[..., 0] = np.linspace(20, 80, 100)
        lab[..., 2] = 2  # a faint cast
        lab.reshape(-1, 3)[: round(10_000 * share), 1] = 30
        rgb = np.round(255 * lab2rgb(lab)).astype(np.uint8)
        assert is_nearly_grey(Photograph("x", rgb)) is grey
    assert is_nearly_grey(Photograph("camera", np.repeat(data.camera()[..., None], 3, axis=2)))
    assert not is_nearly_grey(Photograph("coffee", data.coffee()))


def test_algorithm_names() -> None:
    assert algorithm_names(["lite", "My Model v2", "lite", "real", "../..", "lite-2"]) == [
        "lite", "my-model-v2", "lite-2", "real-model", "model", "lite-2-2",
    ]  # fmt: skip


def test_file_holds_no_path_of_this_machine(built_study: Path, colour_photographs: Path) -> None:
    text = (built_study / "study.json").read_text()
    assert str(colour_photographs) not in text and str(built_study) not in text
    assert json.loads(text)["format"] == "photochrom-study-1"
