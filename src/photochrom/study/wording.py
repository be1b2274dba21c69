"""Numbers with their nouns, for the study's commands and report."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """ "1 participant", "2 participants"; for nouns whose plural ends in s."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
