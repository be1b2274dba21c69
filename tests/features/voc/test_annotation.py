"""Annotations as VOC writes them, and those that are damaged."""

from __future__ import annotations

import pytest

from photochrom.errors import DataError
from photochrom.features.voc.annotation import Thing, read_annotation
from photochrom.features.voc.classes import VOC_CLASSES, read_classes

from .miniature import HEIGHT, WIDTH, xml


@pytest.fixture
def write(tmp_path):
    def to_file(text: str):
        path = tmp_path / "000001.xml"
        path.write_text(text)
        return path

    return to_file


def test_boxes_are_between_the_pixels(write):
    path = write(xml("000001", [("car", (11, 21, 30, 25), True), ("bird", (1, 1, WIDTH, HEIGHT), False)]))
    annotation = read_annotation(path, VOC_CLASSES)
    assert (annotation.width, annotation.height) == (WIDTH, HEIGHT)
    # 20 columns and 5 rows: xmax and ymax are the last pixel, not the one after.
    assert annotation.things == (
        Thing("car", (10.0, 20.0, 30.0, 25.0), True),
        Thing("bird", (0.0, 0.0, float(WIDTH), float(HEIGHT)), False),
    )


def test_a_photograph_without_objects(write):
    assert read_annotation(write(xml("000001", [])), VOC_CLASSES).things == ()


def test_parts_of_a_person_are_no_objects(write):
    text = xml("000001", [("person", (1, 1, 50, 50), False)])
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>"
    annotation = read_annotation(write(text.replace("</object>", part + "</object>")), VOC_CLASSES)
    assert [thing.name for thing in annotation.things] == ["person"]
    assert annotation.things[0].box == (0, 0, 50, 50)


def test_fractions_and_boxes_over_the_edge(write):
    text = xml("000001", [("cow", (0, 5, 500, 20), False)]).replace("<ymin>5<", "<ymin>5.5<")
    assert read_annotation(write(text), VOC_CLASSES).things[0].box == (0.0, 4.5, float(WIDTH), 20.0)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("</annotation>", "", 23, "not XML"),
        ("<xmin>5</xmin>", "", 15, "<bndbox> has no <xmin>"),
        ("<xmin>5<", "<xmin>five<", 16, "<xmin> is 'five'; expected a number"),
        ("<xmin>5<", "<xmin>nan<", 16, "<xmin> is 'nan'; expected a number"),
        ("<name>cow<", "<name>unicorn<", 11, "'unicorn' is not one of this set's"),
        ("<width>128<", "<width>0<", 4, "0 x 96 pixels"),
        ("size>", "sizes>", 1, "<annotation> has no <size>"),
        ("bndbox>", "box>", 10, "<object> has no <bndbox>"),
        ("<xmax>40<", "<xmax>4<", 15, "no area"),
        ("<xmin>5<", "<xmin>129<", 15, "no area"),
        ("annotation>", "annotations>", 1, "the root is <annotations>"),
    ],
)
def test_what_is_damaged_is_named_with_its_line(write, old, new, line, words):
    text = xml("000001", [("cow", (5, 6, 40, 50), False)])
    assert old in text
    path = write(text.replace(old, new))
    with pytest.raises(DataError) as caught:
        read_annotation(path, VOC_CLASSES)
    assert f"{path}, line {line}: " in str(caught.value)
    assert words in str(caught.value)
    assert "expected" in str(caught.value)


def test_an_unknown_class_says_which_are_known(write):
    path = write(xml("000001", [("cow", (5, 6, 40, 50), False)]))
    with pytest.raises(DataError, match=r"'cow' is not one of this set's; expected disc, square; --classes FILE"):
        read_annotation(path, ("square", "disc"))


def test_entities_are_refused(write):
    path = write('<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]>\n' + xml("000001", []).replace("VOC2007", "&c;"))
    with pytest.raises(DataError, match=r"line 1: declares the entity 'b'"):
        read_annotation(path, VOC_CLASSES)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match=r"7\.xml: not there; expected the annotation"):
        read_annotation(tmp_path / "7.xml", VOC_CLASSES)


def test_classes_from_a_file(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("disc\n\n square \n")
    assert read_classes(path) == ("disc", "square")
    path.write_text("disc\nsquare\ndisc\n")
    with pytest.raises(DataError, match=r"line 3: the class 'disc' comes a second time"):
        read_classes(path)
    path.write_text("\n")
    with pytest.raises(DataError, match="names no class"):
        read_classes(path)
    with pytest.raises(DataError, match="could not be read"):
        read_classes(tmp_path / "none.txt")


def test_the_classes_of_voc():
    assert len(VOC_CLASSES) == 20
    assert list(VOC_CLASSES) == sorted(VOC_CLASSES)
    assert VOC_CLASSES.index("person") == 14  # its value in masks is 15
