"""VOC's annotations: one XML file a photograph, with its size and a box for each object."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from ...errors import DataError

EXPECTED = "expected an annotation as VOC's: <annotation> with <size> and an <object> for each object"


@dataclass(frozen=True)
class Thing:
    """One object. box: (left, top, right, bottom) in pixels, between the pixels: left = xmin - 1, right = xmax, so that
    right - left is the width in pixels. difficult: VOC's mark for objects that are not scored."""

    name: str
    box: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True)
class Annotation:
    """What is in one photograph of width x height pixels; things may be empty."""

    width: int
    height: int
    things: tuple[Thing, ...]


@dataclass
class _Element:
    """An XML element that knows its line."""

    tag: str
    line: int
    text: str = ""
    children: list[_Element] = field(default_factory=list)

    def child(self, tag: str) -> _Element | None:
        return next((each for each in self.children if each.tag == tag), None)


def read_annotation(path: Path, classes: Collection[str]) -> Annotation:
    """The annotation in `path`. An XML without objects is a photograph without objects, as in VOC's own tools.

    The parts of a person (<part>) and poses are passed over. Boxes that reach beyond the photograph are cut at its
    edge. Raises DataError naming the file and the line: not there, not XML, without <size> or <bndbox> or a number in
    them, a box without area, a class that is not in `classes`.
    """
    root = _parse(path)
    size = _need(path, root, "size")
    width, height = (_number(path, size, name) for name in ("width", "height"))
    if width < 1 or height < 1:
        raise _error(path, size, f"the size is {width:g} x {height:g} pixels", "expected those of the photograph")
    things = tuple(_thing(path, e, classes, width, height) for e in root.children if e.tag == "object")
    return Annotation(int(width), int(height), things)


def _thing(path: Path, element: _Element, classes: Collection[str], width: float, height: float) -> Thing:
    label = _need(path, element, "name")
    name = label.text.strip()
    if name not in classes:
        known = ", ".join(sorted(classes))
        raise _error(
            path,
            label,
            f"the class {name!r} is not one of this set's",
            f"expected {known}; --classes FILE names others",
        )
    box = _need(path, element, "bndbox")
    left, top, right, bottom = (_number(path, box, tag) for tag in ("xmin", "ymin", "xmax", "ymax"))
    inside = (max(0.0, left - 1), max(0.0, top - 1), min(width, right), min(height, bottom))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        found = f"the box {left:g}, {top:g} to {right:g}, {bottom:g} has no area in {width:g} x {height:g} pixels"
        raise _error(path, box, found, "expected xmin <= xmax and ymin <= ymax, counted from 1")
    mark = element.child("difficult")
    difficult = mark is not None and _to_float(path, mark) != 0
    return Thing(name, inside, difficult)


def _need(path: Path, element: _Element, tag: str) -> _Element:
    found = element.child(tag)
    if found is None:
        raise _error(path, element, f"<{element.tag}> has no <{tag}>", EXPECTED)
    return found


def _number(path: Path, element: _Element, tag: str) -> float:
    return _to_float(path, _need(path, element, tag))


def _to_float(path: Path, element: _Element) -> float:
    try:
        value = float(element.text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _error(path, element, f"<{element.tag}> is {element.text.strip()!r}", "expected a number")
    return value


def _error(path: Path, element: _Element, found: str, expected: str) -> DataError:
    return DataError(f"{path}, line {element.line}: {found}; {expected}")


def _parse(path: Path) -> _Element:
    """The root element. By expat itself, for ElementTree forgets the lines."""
    document = _Element("", 0)
    open_elements = [document]
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = _Element(tag, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(tag: str) -> None:
        open_elements.pop()

    def text(data: str) -> None:
        open_elements[-1].text += data

    def entity(name: str, *rest: object) -> None:  # a few lines of them can unfold to gigabytes
        raise DataError(f"{path}, line {parser.CurrentLineNumber}: declares the entity {name!r}; {EXPECTED}")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(path.read_bytes(), True)
    except FileNotFoundError as error:
        raise DataError(f"{path}: not there; expected the annotation of a photograph of this set") from error
    except OSError as error:
        raise DataError(f"{path}: could not be read ({error.strerror}); {EXPECTED}") from error
    except expat.ExpatError as error:
        raise DataError(
            f"{path}, line {error.lineno}: not XML ({expat.ErrorString(error.code)}); {EXPECTED}"
        ) from error
    (root,) = document.children
    if root.tag != "annotation":
        raise _error(path, root, f"the root is <{root.tag}>", EXPECTED)
    return root
