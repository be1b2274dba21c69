"""The raw answers of a study as a file, JSON or CSV: one record a pair, with the fields of records.Trial.

Both forms hold the same and are read with the same checks; a damaged file is refused whole, with the place named, and
so are the answers of another study: the file says whose they are (plan.Study.identity).
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from ..atomic_file import part_file
from ..errors import DataError, OutputError, SettingError
from .records import Kind, Side, State, Trial

FORMAT = "photochrom-answers-1"
FIELDS = tuple(each.name for each in fields(Trial))
COLUMNS = ("study", *FIELDS)  # of CSV, where every row says of which study it is
SUFFIXES = (".json", ".csv")


def write(target: Path, trials: Iterable[Trial], study: str, *, overwrite: bool = False) -> None:
    """The answers as JSON or CSV, by the target's ending, whole or not at all.

    study: the identity of the study that they are of. Raises SettingError for another ending, and OutputError, also
    for an existing file.
    """
    texts = {".json": json_text, ".csv": csv_text}
    if target.suffix.lower() not in texts:
        raise SettingError(f"{target}: ends in {target.suffix!r}; expected {' or '.join(SUFFIXES)}")
    if not overwrite and os.path.lexists(target) and not target.is_dir():  # part_file's own advice is of other commands
        raise OutputError(target, "the output exists already", "use --overwrite, or another name with -o")
    text = texts[target.suffix.lower()](trials, study)
    with part_file(target, overwrite) as part:
        part.write_text(text, encoding="utf-8")


def json_text(trials: Iterable[Trial], study: str) -> str:
    """The answers as JSON."""
    found = {"format": FORMAT, "study": study, "trials": [asdict(trial) for trial in trials]}
    return json.dumps(found, indent=1, allow_nan=False) + "\n"


def csv_text(trials: Iterable[Trial], study: str) -> str:
    """The answers as CSV, a column a field, an empty cell for what is not there."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    for trial in trials:
        writer.writerow((study, *(_text(value) for value in asdict(trial).values())))
    return lines.getvalue()


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def read(path: Path, study: str) -> list[Trial]:
    """The answers in a JSON or CSV file, as exported, of the study of this identity.

    Raises DataError naming the place: for answers of another study, unknown or missing fields, values out of their
    range, records that contradict themselves, two records of one participant and position, a participant with two
    algorithms.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected answers that photochrom study export wrote")
    readers: dict[str, Callable[[Path, str], Iterator[tuple[str, dict[str, Any]]]]] = {".json": _json, ".csv": _csv}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path}: ends in {path.suffix!r}; expected {' or '.join(SUFFIXES)}")
    trials = []
    for place, values in readers[path.suffix.lower()](path, study):
        try:
            trials.append(_trial(values))
        except ValueError as error:
            raise DataError(f"{path}, {place}: {error}; nothing was read: mend or remove it") from error
    check(trials, str(path))
    return trials


def check(trials: Iterable[Trial], source: str) -> None:
    """Raise DataError, naming the source, if two records are of one participant and position, or a participant has
    two algorithms."""
    positions: set[tuple[str, int]] = set()
    algorithms: dict[str, str] = {}
    for trial in trials:
        key = (trial.participant, trial.position)
        if key in positions:
            found = f"participant {trial.participant} has two records at position {trial.position}"
            raise DataError(f"{source}: {found}; expected one: perhaps the same answers were given twice")
        positions.add(key)
        first = algorithms.setdefault(trial.participant, trial.algorithm)
        if first != trial.algorithm:
            found = f"participant {trial.participant} has the algorithms {first} and {trial.algorithm}"
            raise DataError(f"{source}: {found}; expected one a session")


def _expect_study(place: str, found: Any, study: str) -> None:
    """Raise DataError, naming the place, unless `found` is the identity of the study that was asked for."""
    if not isinstance(found, str) or found == "":
        raise DataError(f"{place}: does not say of which study it is; expected {study}: damaged, export it again")
    if found != study:
        expected = f"expected those of {study}: use the folder of the study that they were exported from"
        raise DataError(f"{place}: the answers are of another study ({found}); {expected}")


def _json(path: Path, study: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable ({error}); expected JSON as photochrom study export wrote it") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("trials"), list):
        raise DataError(f"{path}: no answers in it; expected an object with format {FORMAT!r} and a list of trials")
    _expect_study(str(path), found.get("study"), study)
    for number, values in enumerate(found["trials"], 1):
        if not isinstance(values, dict):
            raise DataError(f"{path}, record {number}: {values!r}; expected an object")
        yield f"record {number}", values


def _csv(path: Path, study: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:  # spreadsheets write a byte order mark
            rows = csv.DictReader(lines, strict=True)
            header = tuple(rows.fieldnames or ())
            if set(header) != set(COLUMNS) or len(header) != len(COLUMNS):
                raise DataError(f"{path}: columns are {', '.join(header) or 'none'}; expected {', '.join(COLUMNS)}")
            for row in rows:
                place = f"line {rows.line_num}"
                if None in row or None in row.values():
                    found = "more" if None in row else "fewer"
                    raise DataError(f"{path}, {place}: {found} cells than columns; expected {len(COLUMNS)}")
                _expect_study(f"{path}, {place}", row.pop("study"), study)
                yield place, {name: _parsed(name, text) for name, text in row.items()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not readable ({error}); expected CSV as photochrom study export wrote it") from error


def _parsed(name: str, text: str) -> Any:
    """A cell as JSON would have it; a text that does not fit its column stays one, for _trial to refuse."""
    if text == "":
        return None
    try:
        if name == "position":
            return int(text)
        if name in ("shown_ms", "reaction_ms"):
            return float(text)
    except ValueError:
        return text
    return {"true": True, "false": False}.get(text.lower(), text) if name == "flagged" else text


def _trial(values: dict[str, Any]) -> Trial:
    """A record, checked; ValueError says what was found and expected."""
    if set(values) != set(FIELDS):
        odd = sorted(set(values) ^ set(FIELDS))
        raise ValueError(f"fields {', '.join(odd)} are unknown or missing; expected {', '.join(FIELDS)}")
    for name in ("participant", "algorithm", "photograph"):
        _expect(name, values[name], isinstance(values[name], str) and values[name] != "", "a text")
    position = values["position"]
    _expect("position", position, type(position) is int and position >= 0, "a whole number, 0 or above")
    for name, choices in (("kind", Kind), ("real_side", Side), ("state", State)):
        _expect(name, values[name], values[name] in get_args(choices), f"one of {', '.join(get_args(choices))}")
    chosen = values["chosen"]
    _expect("chosen", chosen, chosen is None or chosen in get_args(Side), "left, right or nothing")
    answered = values["state"] == "answered"
    expected = "left or right in an answered record, nothing in another"
    _expect("chosen", chosen, answered == (chosen is not None), expected)
    for name in ("shown_ms", "reaction_ms"):
        value = values[name]
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
        _expect(name, value, value is None or number, "milliseconds, 0 or above, or nothing")
    _expect("flagged", values["flagged"], isinstance(values["flagged"], bool), "true or false")
    _expect("answered_at", values["answered_at"], _is_time(values["answered_at"]), "a time in ISO 8601, or nothing")
    return Trial(**values)


def _expect(name: str, value: Any, right: bool, expected: str) -> None:
    if not right:
        raise ValueError(f"{name} is {'empty' if value is None else repr(value)}; expected {expected}")


def _is_time(value: Any) -> bool:
    if value is None:
        return True
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True
