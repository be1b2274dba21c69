"""Numbers with their nouns, as the study's commands and its report say them."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """ "1 participant", "2 participants"; for nouns whose plural ends in s."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
