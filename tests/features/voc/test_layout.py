"""The folders of a VOCdevkit, whole and damaged."""

from __future__ import annotations

import numpy as np
import pytest

from photochrom.errors import DataError
from photochrom.features.voc.classes import VOC_CLASSES
from photochrom.features.voc.layout import VocFolder

from .miniature import xml


def test_the_folder_is_found_from_any_level(devkit):
    for data in (devkit, devkit.parent, devkit / "VOC2007"):
        assert VocFolder(data, "2007", VOC_CLASSES).root == devkit / "VOC2007"


def test_splits(folder):
    assert folder.names("Main", "trainval") == [f"{i:06d}" for i in range(1, 9)]
    assert folder.names("Segmentation", "val") == ["000002", "000004", "000006", "000008"]
    assert folder.photograph("000003").name == "000003.jpg"
    assert folder.mask("000003").is_file()


def test_labels_are_those_of_the_objects(folder):
    names = folder.names("Main", "trainval")
    labels = folder.labels(names, "trainval")
    assert labels.shape == (8, 20)
    for name, row in zip(names, labels, strict=True):
        there = {thing.name for thing in folder.annotation(name).things}
        assert {VOC_CLASSES[i] for i in np.flatnonzero(row == 1)} == there
    assert set(np.unique(labels)) == {-1, 1}


def test_labels_from_the_class_files_count_difficult_as_neither(own_devkit):
    path = own_devkit / "VOC2007" / "ImageSets" / "Main" / "dog_trainval.txt"
    path.write_text(path.read_text().replace("000004 -1", "000004  0"))
    folder = VocFolder(own_devkit, "2007", VOC_CLASSES)
    labels = folder.labels(["000003", "000004"], "trainval")
    assert labels[:, VOC_CLASSES.index("dog")].tolist() == [-1, 0]


def test_labels_from_the_annotations_where_there_are_no_class_files(own_devkit):
    sets = own_devkit / "VOC2007" / "ImageSets" / "Main"
    folder = VocFolder(own_devkit, "2007", VOC_CLASSES)
    names = folder.names("Main", "trainval")
    wanted = folder.labels(names, "trainval")
    for path in sets.glob("*_trainval.txt"):
        path.unlink()
    assert (folder.labels(names, "trainval") == wanted).all()
    box = (1, 1, 9, 9)
    things = [("cat", box, True), ("cow", box, True), ("cow", box, False)]
    (own_devkit / "VOC2007" / "Annotations" / "000001.xml").write_text(xml("000001", things))
    row = dict(zip(VOC_CLASSES, folder.labels(["000001"], "trainval")[0], strict=True))
    assert (row["cat"], row["cow"], row["dog"]) == (0, 1, -1)


def test_no_devkit(tmp_path):
    with pytest.raises(DataError, match="no such folder; expected a VOCdevkit with VOC2007"):
        VocFolder(tmp_path / "none", "2007", VOC_CLASSES)
    with pytest.raises(DataError, match="holds neither VOC2007/JPEGImages nor JPEGImages"):
        VocFolder(tmp_path, "2007", VOC_CLASSES)


def test_missing_sets(own_devkit):
    folder = VocFolder(own_devkit, "2007", VOC_CLASSES)
    with pytest.raises(DataError, match=r"minival\.txt: not there; .* this folder: test, train, trainval, val"):
        folder.names("Main", "minival")
    sets = own_devkit / "VOC2007" / "ImageSets"
    (sets / "Main" / "val.txt").write_text("\n")
    with pytest.raises(DataError, match=r"val\.txt: is empty"):
        folder.names("Main", "val")
    (sets / "Main" / "val.txt").write_text("000001\n000002\n000001\n")
    with pytest.raises(DataError, match="line 3: 000001 comes a second time"):
        folder.names("Main", "val")
    sets.rename(sets.with_name("Sets"))
    with pytest.raises(DataError, match="ImageSets/Main: not there; expected the splits"):
        folder.names("Main", "train")


def test_damaged_class_files(own_devkit):
    folder = VocFolder(own_devkit, "2007", VOC_CLASSES)
    names = folder.names("Main", "trainval")
    path = own_devkit / "VOC2007" / "ImageSets" / "Main" / "dog_trainval.txt"
    text = path.read_text()
    path.write_text(text.replace("000004 -1", "000004 2"))
    with pytest.raises(DataError, match=r"dog_trainval\.txt: 000004 is followed by 2; expected 1, -1 or 0"):
        folder.labels(names, "trainval")
    path.write_text(text.replace("000004 -1\n", ""))
    with pytest.raises(DataError, match=r"lacks 1 of the photographs of trainval\.txt \(000004\)"):
        folder.labels(names, "trainval")
    path.unlink()
    with pytest.raises(DataError, match=r"dog_trainval\.txt: not there, but aeroplane_trainval\.txt is"):
        folder.labels(names, "trainval")


def test_a_photograph_that_is_not_there(own_devkit):
    folder = VocFolder(own_devkit, "2007", VOC_CLASSES)
    (own_devkit / "VOC2007" / "JPEGImages" / "000002.jpg").unlink()
    with pytest.raises(DataError, match=r"000002\.jpg: not there"):
        folder.photograph("000002")
