"""The photographs that are left out: counted, named, and written to a file that several processes share."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .photograph import UnusablePhoto

log = logging.getLogger(__name__)

NAMED = 20  # photographs of each reason that are kept by name and logged; the file names all


class Skips:
    """What was left out, by reason. counts: {"corrupt": 3, ...}; names: the first keys of each reason.

    file: JSON lines {key, file, reason, detail}, one a photograph; None: no file. Worker processes append to the same
    file, each what it met itself.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self.counts: Counter[str] = Counter()
        self.names: dict[str, list[str]] = {}

    def add(self, photo: UnusablePhoto) -> None:
        """Count, name and log one photograph."""
        self.counts[photo.reason] += 1
        names = self.names.setdefault(photo.reason, [])
        if len(names) < NAMED:
            names.append(photo.key)
            log.warning("left out: %s", photo)
            if len(names) == NAMED:
                log.warning("further %s photographs are counted, not named here", photo.reason)
        if self.file is not None:
            _append(self.file, photo)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def __str__(self) -> str:
        """ "3 corrupt (a.jpg, b.jpg, c.jpg), 120 grey (d.jpg, ...)"; "none" where nothing was left out."""
        parts = []
        for reason, count in sorted(self.counts.items()):
            names = ", ".join(self.names[reason][:3]) + (", ..." if count > 3 else "")
            parts.append(f"{count} {reason} ({names})")
        return ", ".join(parts) or "none"


def _append(file: Path, photo: UnusablePhoto) -> None:
    values = {"key": photo.key, "file": photo.file, "reason": photo.reason, "detail": photo.detail}
    line = json.dumps(values) + "\n"
    # One write at the end of the file: lines of several processes do not mix.
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def read_skips(file: Path) -> Skips:
    """What a file of skips says, each photograph once (every worker and every resumed run names what it meets).

    A file that is not there holds none; a last line cut short by a kill is passed over.
    """
    skips, seen = Skips(), set()
    for values in _lines(file):
        photograph = (values["file"], values["key"])
        if photograph not in seen:
            seen.add(photograph)
            skips.counts[values["reason"]] += 1
            names = skips.names.setdefault(values["reason"], [])
            if len(names) < NAMED:
                names.append(values["key"])
    return skips


def _lines(file: Path) -> Iterator[dict[str, str]]:
    if not file.exists():
        return
    with file.open() as stream:
        for line in stream:
            if line.endswith("\n"):
                yield json.loads(line)
