"""The records of a study: one per pair shown to a participant. Shared by server, export and report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["practice", "test", "vigilance"]
Side = Literal["left", "right"]
State = Literal["pending", "shown", "answered", "void"]


@dataclass(frozen=True)
class Trial:
    """One pair. It was taken for real the wrong way round ("fooled") if `chosen` is not `real_side`."""

    participant: str  # an identifier without meaning
    algorithm: str  # of this session; a vigilance pair of it shows random colours instead
    position: int  # 0.. in the order of showing, voids and their replacements included
    kind: Kind
    photograph: str  # its identifier in the study
    real_side: Side
    state: State  # void: shown, but never answered because of a reload; replaced by a later one
    chosen: Side | None = None
    shown_ms: float | None = None  # for how long the pair was visible, as the page measured it
    flagged: bool = False  # shown_ms is more than 2 frames away from 1000, or not known
    reaction_ms: float | None = None  # from the pair's hiding to the answer
    answered_at: str | None = None  # UTC, ISO 8601
