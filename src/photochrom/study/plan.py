"""The plan of a study: its contents, and the pairs of each participant. STUDY/study.json holds it.

Everything follows from (study.seed, the participant's running number): a server that starts again gives the same pairs.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from ..errors import DataError, SettingError
from .records import Kind, Side

FILE = "study.json"
FORMAT = "photochrom-study-1"
PICTURES = "pictures"  # STUDY/pictures/<version>/<identifier>.png
BLOCK = 8  # pixels: of JPEG
REAL, RANDOM = "real", "random"  # versions beside the algorithms
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")  # of an algorithm: it is a folder's name as well
_IDENTIFIER = re.compile(r"p[0-9]{4,8}")
_BLOCKS, _DECKS, _ORDERS = range(3)  # what a stream of random numbers is for


@dataclass(frozen=True)
class Study:
    """A study: photographs, the algorithms that coloured them, and how many pairs a session has.

    photographs: identifiers that say nothing. test: pairs that are judged without feedback, the vigilance pairs (real
    against random colours) among them. names: identifier -> original file name, left_out: file name -> why, notes:
    algorithm -> what a reader must know; all three are for the report only and never go to a participant.
    Raises SettingError for values that make no study.
    """

    title: str
    seed: int
    algorithms: tuple[str, ...]
    photographs: tuple[str, ...]
    side: int = 256  # pixels of a picture
    practice: int = 10
    test: int = 40
    vigilance: int = 4
    shown_ms: int = 1000
    pictures: str = ""  # of all pictures' files together, so that no other study's answers are taken for this one's
    names: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.algorithms:
            if not _NAME.fullmatch(name) or name == REAL:
                raise SettingError(f"algorithm is {name!r}; expected a-z, 0-9, '.', '_', '-', and not {REAL!r}")
        for identifier in self.photographs:
            if not _IDENTIFIER.fullmatch(identifier):
                raise SettingError(f"photograph is {identifier!r}; expected an identifier such as p0000")
        for what, values in (("algorithms", self.algorithms), ("photographs", self.photographs)):
            if not values or len(set(values)) < len(values):
                raise SettingError(f"{what} are {', '.join(values) or 'none'}; expected one or more, each once")
        for what, value, least in (("seed", self.seed, 0), ("side", self.side, 32), ("practice", self.practice, 0),
                                   ("vigilance", self.vigilance, 0), ("shown_ms", self.shown_ms, 1)):  # fmt: skip
            if value < least:
                raise SettingError(f"{what} is {value}; expected at least {least}")
        if self.side % BLOCK:
            raise SettingError(f"side is {self.side}; expected a multiple of {BLOCK}, so that both sides code alike")
        if self.test <= self.vigilance:
            raise SettingError(f"test is {self.test}; expected more than the {self.vigilance} vigilance pairs in it")
        if len(self.photographs) < self.practice + self.test:
            found = f"{len(self.photographs)} photographs"
            raise SettingError(
                f"{found}; expected at least {self.practice + self.test}, one for each pair of a session"
            )

    @property
    def counted(self) -> int:
        """Pairs of a session that count: test pairs that are not vigilance pairs."""
        return self.test - self.vigilance

    @property
    def versions(self) -> tuple[str, ...]:
        """The folders of pictures: real, random and the algorithms."""
        return tuple(dict.fromkeys((REAL, RANDOM, *self.algorithms)))

    @property
    def identity(self) -> str:
        """16 hexadecimal digits that tell this study from any other. The title and the notes may be corrected later."""
        return hashlib.sha256(to_json(replace(self, title="", notes={})).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Pair:
    """What is shown: the real photograph on `real_side`, on the other side the same photograph as `version` has it."""

    kind: Kind
    photograph: str
    real_side: Side
    version: str  # the algorithm's name, or "random" for a vigilance pair


@dataclass(frozen=True)
class Session:
    """What one participant sees: the practice pairs, then the test pairs with the vigilance pairs among them."""

    algorithm: str
    pairs: tuple[Pair, ...]
    spares: tuple[str, ...] = ()  # photographs that no pair of this session shows, in the order of their use

    def replacement(self, index: int, used: Iterable[str]) -> Pair | None:
        """Instead of pairs[index], which was shown but not answered: the same kind and side, another photograph.

        used: photographs that replaced others before in this session. None where no photograph is left.
        """
        pair = self.pairs[index]
        gone = set(used)
        spare = next((each for each in self.spares if each not in gone), None)
        return None if spare is None else Pair(pair.kind, spare, pair.real_side, pair.version)


def session(study: Study, number: int) -> Session:
    """The session of the participant with this running number (0, 1, 2 ...).

    Algorithms come in permuted blocks: after every len(algorithms) participants each had one more session. The
    sessions of a block share their photographs, so that algorithms are compared on the same ones. The photographs that
    count rotate: for each algorithm, how often any two of them were planned differs by at most one. Sides are balanced
    within each kind (an odd one out is drawn).
    """
    if number < 0:
        raise SettingError(f"participant's number is {number}; expected 0 or above")
    block, place = divmod(number, len(study.algorithms))
    algorithm = study.algorithms[_rng(study, _BLOCKS, block).permutation(len(study.algorithms))[place]]
    total = len(study.photographs)
    # After so many sessions the rotation is back where it began: then the photographs are shuffled anew.
    round_, turn = divmod(block, total // math.gcd(total, study.counted))
    deck = np.roll(_rng(study, _DECKS, round_).permutation(total), -turn * study.counted)
    photographs = [study.photographs[i] for i in deck]

    rng = _rng(study, _ORDERS, number)
    dealt: dict[Kind, list[Pair]] = {}
    first = 0
    # In this order: that is what makes the pairs that count rotate evenly.
    sizes: tuple[tuple[Kind, int], ...] = (
        ("test", study.counted),
        ("vigilance", study.vigilance),
        ("practice", study.practice),
    )
    for kind, size in sizes:
        version = RANDOM if kind == "vigilance" else algorithm
        chosen = zip(photographs[first : first + size], _sides(size, rng), strict=True)
        pairs = [Pair(kind, photograph, side, version) for photograph, side in chosen]
        dealt[kind] = [pairs[i] for i in rng.permutation(size)]
        first += size
    judged = dealt["test"] + dealt["vigilance"]
    judged = [judged[i] for i in rng.permutation(len(judged))]
    return Session(algorithm, (*dealt["practice"], *judged), tuple(photographs[first:]))


def _sides(count: int, rng: np.random.Generator) -> list[Side]:
    """As many lefts as rights, in random order; of an odd number the last is drawn."""
    lefts = count // 2 + (int(rng.integers(2)) if count % 2 else 0)
    return ["left" if i < lefts else "right" for i in rng.permutation(count)]


def _rng(study: Study, purpose: int, number: int) -> np.random.Generator:
    return np.random.default_rng([study.seed, purpose, number])


def to_json(study: Study) -> str:
    """The text of STUDY/study.json."""
    return json.dumps({"format": FORMAT, **asdict(study)}, indent=1, ensure_ascii=False) + "\n"


def load_study(folder: Path) -> Study:
    """The study in a folder that `photochrom study build` made. Raises DataError if it is no whole study."""
    file = folder / FILE
    if not file.is_file():
        raise DataError(f"{folder}: no {FILE} in it; expected the folder of a study (photochrom study build)")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file}: not readable ({error}); expected the file as photochrom study build wrote it"
        ) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        kind = repr(found.get("format")) if isinstance(found, dict) else type(found).__name__
        raise DataError(f"{file}: format is {kind}; expected {FORMAT!r}: another program or version made it")
    study = _study(file, {key: value for key, value in found.items() if key != "format"})
    for version in study.versions:
        for identifier in study.photographs:
            picture = folder / PICTURES / version / f"{identifier}.png"
            if not picture.is_file():
                raise DataError(f"{picture}: missing; expected a picture of every version; build the study again")
    return study


def _study(file: Path, values: dict[str, Any]) -> Study:
    known = {each.name: each for each in fields(Study)}
    unknown = sorted(set(values) - set(known))
    missing = [
        name
        for name, each in known.items()
        if name not in values and each.default is MISSING and each.default_factory is MISSING
    ]
    if unknown or missing:
        wrong = f"unknown keys {', '.join(unknown)}" if unknown else f"without {', '.join(missing)}"
        raise DataError(f"{file}: {wrong}; expected {', '.join(known)}")
    types = get_type_hints(Study)
    for name, value in values.items():
        if not _is_a(value, types[name]):
            raise DataError(f"{file}: {name} is {value!r}; expected {_PLAIN[types[name]]}")
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        return Study(**given)
    except SettingError as error:
        raise DataError(f"{file}: {error}") from error


_PLAIN = {
    str: "a text",
    int: "a whole number",
    tuple[str, ...]: "a list of texts",
    dict[str, str]: "an object of texts",
}


def _is_a(value: Any, kind: Any) -> bool:
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is str:
        return isinstance(value, str)
    if kind == tuple[str, ...]:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
